"""Ops with given shapes and types, made without a file, to ask what their kernels take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from microinterp.arena.sizes import Table, load_table
from microinterp.arena.target_ops import Site
from microinterp.graph import Node, Tensor
from microinterp.model import Operator, Quantization
from microinterp.prepare import Kernel
from microinterp.tensor_types import BY_CODE

CODES = {entry.name: code for code, entry in BY_CODE.items()}
CHIP = load_table("arm-none-eabi-cmsis-nn-tflm-90b983c")


@dataclass(frozen=True, eq=False)
class FreeNode(Node):
    """A node whose options are given as they are."""

    given: Any = None

    def options(self, kind: type[Any]) -> Any:
        """The options that were given, whatever the kind."""
        return self.given


def quantized(scales: int = 1, zero_point: int = 0) -> Quantization:
    """So many scales, all with one zero point."""
    return Quantization(np.ones(scales, np.float32), np.full(scales, zero_point, np.int64), 0)


def tensor(
    shape: Sequence[int],
    kind: str = "int8",
    constant: bool = False,
    scales: int = 1,
    zero_point: int = 0,
    index: int = 0,
    **others: Any,
) -> Tensor:
    """A tensor; `scales` of 0 leaves its quantisation out."""
    entry = BY_CODE[CODES[kind]]
    elements = int(np.prod(shape, dtype=np.int64))
    return Tensor(
        subgraph=0,
        index=index,
        name=f"t{index}",
        shape=tuple(shape),
        type_code=CODES[kind],
        dtype=np.dtype(entry.dtype),
        nbytes=int(elements * entry.nbytes),
        data=np.zeros(shape, entry.dtype) if constant else None,
        quantization=quantized(scales, zero_point) if scales else None,
        is_variable=False,
        **others,
    )


def site(
    name: str,
    inputs: Sequence[Tensor | None],
    *outputs: Tensor,
    cpu: str = "c",
    options: Any = None,
    custom: dict[str, int] | None = None,
    scratch: tuple[int, ...] = (),
    makes_room: int | None = None,
    table: Table = CHIP,
) -> Site:
    """An op, the third of the main subgraph; `custom` options go into a FlexBuffer."""
    raw = b"" if custom is None else bytes(flexbuffers.Dumps(custom))
    operator = Operator(0, (), (), (), 0, None, raw)
    node = FreeNode(0, 3, name, 0, tuple(inputs), outputs, operator, given=options)
    kernel = Kernel(lambda params, arrays: None, scratch=scratch)
    return Site(node, kernel, table, cpu, makes_room)


def windows(
    stride: tuple[int, int] = (1, 1), dilation: tuple[int, int] = (1, 1), same: bool = True
) -> Any:
    """Options of a convolution, (height, width) each."""
    values = {
        "StrideH": stride[0],
        "StrideW": stride[1],
        "DilationHFactor": dilation[0],
        "DilationWFactor": dilation[1],
        "Padding": 0 if same else 1,
    }
    return SimpleNamespace(**{name: lambda value=value: value for name, value in values.items()})

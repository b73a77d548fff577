"""Element by element: where two arrays differ, and the first few elements that do."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.errors import printable
from microinterp.golden.results import Difference, Number, Value
from microinterp.golden_bundle import Check
from microinterp.graph import Tensor
from microinterp.sides.bytewise import differing

Array = npt.NDArray[Any]
MORE = 7
"""Elements told besides the first one."""


def differs(wanted: Array, got: Array) -> npt.NDArray[np.bool_]:
    """Where samples [n, ...] differ by their bytes, as [n, elements]."""
    return differing(wanted, got).reshape(len(wanted), -1)


def output_difference(
    sample: int, number: int, tensor: Tensor, wanted: Array, got: Array
) -> Difference:
    """How output `number` of a sample differs; the arrays are [*shape]."""
    values = _values(wanted, got)
    return Difference(
        sample=sample,
        subgraph=None,
        op_index=None,
        op_name=None,
        tensor=tensor.index,
        tensor_name=printable(tensor.name),
        output=number,
        element=values[0][0],
        wanted=values[0][1],
        got=values[0][2],
        more=values[1:],
        differing=_count(wanted, got),
        elements=got.size,
    )


def tensor_difference(
    sample: int,
    check: Check,
    tensor: Tensor,
    wanted: Array | None,
    got: Array | None,
    crcs: tuple[int, int],
) -> Difference:
    """How what an op wrote differs; `wanted` or `got` is None where only its CRC32 is known."""
    values = _values(wanted, got) if wanted is not None and got is not None else ()
    first: tuple[tuple[int, ...] | None, Number | None, Number | None] = (
        values[0] if values else (None, None, None)
    )
    return Difference(
        sample=sample,
        subgraph=check.subgraph,
        op_index=check.op,
        op_name=printable(check.op_name),
        tensor=check.tensor,
        tensor_name=printable(tensor.name),
        element=first[0],
        wanted=first[1],
        got=first[2],
        more=values[1:],
        differing=_count(wanted, got) if wanted is not None and got is not None else None,
        elements=tensor.elements,
        wanted_crc=crcs[0],
        got_crc=crcs[1],
    )


def _count(wanted: Array, got: Array) -> int:
    return int(differs(wanted[np.newaxis], got[np.newaxis]).sum())


def _values(wanted: Array, got: Array) -> tuple[Value, ...]:
    mask = differs(wanted[np.newaxis], got[np.newaxis])[0].reshape(got.shape)
    places = np.argwhere(mask)[: 1 + MORE]
    indices = [tuple(int(i) for i in place) for place in places]
    return tuple((index, wanted[index].item(), got[index].item()) for index in indices)

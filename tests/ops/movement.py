"""What the tests of data-movement ops share: one-op models, cases with an expectation, refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.errors import MicrointerpError, PrepareError, UnsupportedError
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.strategies import scales, zero_points
from tests.oracle import COMPARED, check_model, random_samples

EVERY_TYPE = (*COMPARED, "float32", "uint32", "float64")
QUANTIZED = ("int8", "int16")
ENOUGH = 16
"""Elements from which on three random samples surely differ."""


@dataclass(frozen=True)
class Input:
    """A tensor of a one-op model without data: an input of the model, or an output."""

    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class Constant:
    """A tensor of a one-op model with data."""

    values: npt.NDArray[Any]
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class Case:
    """A model, and what it must give: from flat lists of each input's elements to such of each
    output. Elements are the bits of the element as an unsigned number."""

    data: bytes
    expected: Callable[[list[list[int]]], list[list[int]]]


def numbers(*values: Any) -> Constant:
    """An int32 constant."""
    return Constant(np.array(values, np.int32))


def op_model(
    op: str, inputs: Sequence[Input | Constant | None], outputs: Sequence[Input], **options: Any
) -> bytes:
    """A model of one op; tensors are numbered in the order given, inputs first."""
    b = ModelBuilder()
    g = b.subgraph("main")
    ins: list[int | None] = []
    for i, tensor in enumerate(inputs):
        if tensor is None:
            ins.append(None)
        elif isinstance(tensor, Input):
            args = (tensor.shape, tensor.dtype, tensor.scale, tensor.zero_point)
            ins.append(g.input(f"in{i}", *args))
        else:
            quantization = {"scale": tensor.scale, "zero_point": tensor.zero_point}
            ins.append(g.constant(f"in{i}", tensor.values, **quantization))
    outs = [
        g.tensor(f"out{i}", t.shape, t.dtype, t.scale, t.zero_point) for i, t in enumerate(outputs)
    ]
    g.op(op, ins, outs, **options)
    for out in outs:
        g.output(out)
    return b.finish()


@st.composite
def quantization(draw: st.DrawFn, dtype: str) -> tuple[float | None, int | None]:
    """Scale and zero point for types that have them, most of the time."""
    if dtype not in QUANTIZED or draw(st.integers(0, 9)) == 0:
        return None, None
    return draw(scales()), draw(zero_points(dtype))


def random_constant(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
    """Random elements: whole range of integers, floats around 0."""
    if dtype.startswith("float"):
        return rng.standard_normal(shape).astype(dtype)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(np.bool_)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, np.dtype(dtype), endpoint=True)


def bits(array: npt.NDArray[Any]) -> list[int]:
    """The elements' bits as plain unsigned ints, in order."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return [int(value) for value in flat.view(f"u{flat.itemsize}")]


def check_case(tflm: TflmRuntime, case: Case, seed: int) -> None:
    """Bit for bit against TFLM, against the expectation, and in a batch; outputs must vary."""
    rng = np.random.default_rng(seed)
    result = check_model(tflm, case.data, rng, dtypes=EVERY_TYPE)
    interpreter = Interpreter.from_bytes(case.data)
    main = interpreter.graph.main
    assert result.tensors == len(main.outputs)
    moved = bool(main.inputs) and all(t.elements >= ENOUGH for t in main.outputs)
    assert result.varied or not moved
    (sample,) = random_samples(rng, interpreter.graph, 1)
    assert sample is not None
    assert run_bits(interpreter, sample) == case.expected([bits(array) for array in sample])


def run_bits(interpreter: Interpreter, sample: Sequence[npt.NDArray[Any]]) -> list[list[int]]:
    """Outputs of one invoke as bits."""
    for i, array in enumerate(sample):
        interpreter.set_input(array, i)
    interpreter.invoke()
    return [bits(interpreter.get_output(i)) for i in range(len(interpreter.graph.main.outputs))]


def run_one(data: bytes, *arrays: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """First output of one invoke."""
    interpreter = Interpreter.from_bytes(data)
    for i, array in enumerate(arrays):
        interpreter.set_input(array, i)
    interpreter.invoke()
    return interpreter.get_output(0)


def assert_refused(
    data: bytes,
    text: str,
    tensor: int | None = None,
    kind: type[MicrointerpError] = PrepareError,
    op: int | None = 0,
) -> None:
    """The model is refused with an error that says what is wrong, at op `op` and `tensor`."""
    with pytest.raises((PrepareError, UnsupportedError)) as caught:
        Interpreter.from_bytes(data)
    assert type(caught.value) is kind
    assert text in str(caught.value)
    assert caught.value.where.op_index == op
    assert caught.value.where.tensor_index == tensor

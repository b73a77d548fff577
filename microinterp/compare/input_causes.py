"""Causes before the first op: what goes in is not what was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from microinterp.compare.cause import InputCause, dtype_range
from microinterp.compare.told import Array
from microinterp.graph import Graph, Tensor
from microinterp.inputs import dequantise

One = Callable[[Tensor, Array], Iterable[tuple[str, Array]]]
"""Gives (detail, array) for each way to change one input [n, *shape]."""


def _each(change: One) -> Callable[[Graph, Sequence[Array]], Iterator[tuple[str, list[Array]]]]:
    """Change one input at a time, then all of them in one way."""

    def changed(graph: Graph, arrays: Sequence[Array]) -> Iterator[tuple[str, list[Array]]]:
        tensors = graph.main.inputs
        by_detail: dict[str, dict[int, Array]] = {}
        for i, (tensor, array) in enumerate(zip(tensors, arrays, strict=True)):
            of = f"input {i}" if len(tensors) > 1 else ""
            for detail, other in change(tensor, array):
                yield _words(of, detail), [*arrays[:i], other, *arrays[i + 1 :]]
                by_detail.setdefault(detail, {})[i] = other
        for detail, others in by_detail.items():
            if len(others) == len(tensors) > 1:
                yield _words("all inputs", detail), list(others.values())

    return changed


def _words(of: str, detail: str) -> str:
    return ", ".join(part for part in (of, detail) if part)


def _other_sign(tensor: Tensor, array: Array) -> Iterator[tuple[str, Array]]:
    if array.dtype in (np.int8, np.uint8):
        half = np.uint8(0x80)
        yield "", (array.view(np.uint8) ^ half).view(array.dtype)


def _axes(tensor: Tensor, array: Array) -> Iterator[tuple[str, Array]]:
    """Memory in another order of axes than the model's."""
    if tensor.rank != 4 or 1 in (tensor.shape[3] * tensor.shape[1], tensor.elements):
        return
    n, b, h, w, c = (len(array), *tensor.shape)
    yield (
        "channels come first in memory (NCHW)",
        np.ascontiguousarray(array.transpose(0, 1, 4, 2, 3)).reshape(array.shape),
    )
    yield (
        "an NCHW picture was turned to NHWC once too often",
        np.ascontiguousarray(array.reshape(n, b, c, h, w).transpose(0, 1, 3, 4, 2)).reshape(
            array.shape
        ),
    )


def _sides(tensor: Tensor, array: Array) -> Iterator[tuple[str, Array]]:
    if tensor.rank != 4:
        return
    turned = np.ascontiguousarray(array.transpose(0, 1, 3, 2, 4)).reshape(array.shape)
    yield "rows and columns swapped", turned
    yield "upside down", array[:, :, ::-1]
    yield "mirrored", array[:, :, :, ::-1]


def _colours(tensor: Tensor, array: Array) -> Iterator[tuple[str, Array]]:
    if tensor.rank == 4 and tensor.shape[3] in (3, 4):
        other = array.copy()
        other[..., :3] = array[..., 2::-1]
        yield "", other


def _quantisation(tensor: Tensor, array: Array) -> Iterator[tuple[str, Array]]:
    """The real values behind the numbers, quantised wrongly."""
    if tensor.quantization is None or array.dtype.kind not in "iu":
        return
    real, scale, zero = dequantise(array, tensor), float(tensor.scale), tensor.zero_point
    low, high = dtype_range(array.dtype)

    def cast(values: Array) -> Array:
        with np.errstate(all="ignore"):
            whole_numbers: Array = np.clip(np.nan_to_num(values), low, high).astype(array.dtype)
            return whole_numbers

    whole = np.rint(real / scale) if scale else real
    if zero:
        yield "the zero point is left out", cast(whole)
        yield "the zero point has the wrong sign", cast(whole - zero)
    if zero != low:
        yield f"a zero point of {low}", cast(whole + low)
    for parts in (255, 256, 128, 127):
        if not np.isclose(scale, 1 / parts, rtol=1e-4):
            for steps in _steps(real, parts):
                yield f"a scale of 1/{parts}", cast(steps + zero)
                yield f"a scale of 1/{parts} and a zero point of 0", cast(steps)
                yield f"a scale of 1/{parts} and a zero point of {low}", cast(steps + low)
    yield "real values cast to integers without scale and zero point", cast(np.trunc(real))
    yield "a step too low: cut off instead of rounded", cast(np.floor(real / scale - 0.5) + zero)


def _steps(real: Array, parts: int) -> Iterator[Array]:
    """Real values in steps of 1/parts: in float or double, halves away from 0 or to even."""
    seen: list[Array] = []
    single = real.astype(np.float32)
    products = [single * np.float32(parts), single.astype(np.float64) * parts, real * parts]
    step = 1 / parts
    quotients = [single / np.float32(step), single.astype(np.float64) / step, real / step]
    for exact in (*products, *quotients):
        away = np.copysign(np.floor(np.abs(exact) + exact.dtype.type(0.5)), exact)
        for rounded in (away, np.rint(exact)):
            if not any(np.array_equal(rounded, each) for each in seen):
                seen.append(rounded)
                yield rounded


def _late(graph: Graph, arrays: Sequence[Array]) -> Iterator[tuple[str, list[Array]]]:
    if arrays and len(arrays[0]) > 1:
        yield "", [np.concatenate([a[:1], a[:-1]]) for a in arrays]


def _order(graph: Graph, arrays: Sequence[Array]) -> Iterator[tuple[str, list[Array]]]:
    """Inputs of one type and shape, in another order."""
    tensors = graph.main.inputs
    if len(tensors) > 1 and len({(t.shape, t.dtype) for t in tensors}) == 1:
        yield "in reverse order", list(reversed(arrays))


def _zeros(graph: Graph, arrays: Sequence[Array]) -> Iterator[tuple[str, list[Array]]]:
    yield "bytes of 0", [np.zeros_like(a) for a in arrays]


INPUT_CAUSES = (
    InputCause(
        "int8-as-uint8",
        "reads int8 inputs as uint8, or the other way round: 128 is added to each number",
        _each(_other_sign),
    ),
    InputCause("nhwc-nchw", "has NHWC and NCHW swapped in an input", _each(_axes)),
    InputCause("picture-turned", "has its picture turned", _each(_sides)),
    InputCause("rgb-bgr", "has red and blue swapped (RGB, BGR)", _each(_colours)),
    InputCause("input-quantisation", "quantises its input wrongly", _each(_quantisation)),
    InputCause("input-late", "runs each sample with the input of the one before", _late),
    InputCause("inputs-swapped", "has its inputs in another order", _order),
    InputCause("input-not-set", "has never been given its input", _zeros),
)
"""In the order in which they are tried."""

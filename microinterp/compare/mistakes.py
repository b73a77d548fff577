"""Causes inside an op that are plain mistakes: a clamp, a zero point or a bias that is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from microinterp.compare.cause import Bench, Changed, OpCause, dtype_range
from microinterp.compare.changes import (
    field_of,
    has_zero_point,
    with_fields,
    with_input,
    with_output,
    without_zero_point,
)
from microinterp.graph import Node
from microinterp.prepare import PreparedNode
from microinterp.quant.params import activation_range_float, activation_range_int

_CLAMPED = frozenset(
    {
        "ADD", "SUB", "MUL", "DIV", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED",
        "TRANSPOSE_CONV", "AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D", "RELU", "RELU6",
        "RELU_N1_TO_1",
    }
)  # fmt: skip
_ACTIVATIONS = {"RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
_BIASED = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}


def _clamp(item: PreparedNode, bench: Bench) -> Iterator[Changed]:
    """The clamp that the op has is left out, or another one is there."""
    node = item.node
    low, high = (field_of(item.kernel.params, name) for name in ("low", "high"))
    if node.name not in _CLAMPED or low is None or high is None:
        return
    for detail, limits in _limits(node):
        if limits == (low, high):
            continue
        params = with_fields(item.kernel.params, low=limits[0], high=limits[1])
        yield Changed(node, replace(item.kernel, params=params), detail)


def _limits(node: Node) -> Iterator[tuple[str, tuple[object, object]]]:
    out = node.output()
    if out.dtype.kind == "f":
        yield "no clamp", activation_range_float(0)
        for name, number in _ACTIVATIONS.items():
            yield f"the clamp of {name}", activation_range_float(number)
        return
    yield "no clamp", dtype_range(out.dtype)
    if out.quantization is None:
        return
    for name, number in _ACTIVATIONS.items():
        try:
            limits = activation_range_int(number, np.float32(out.scale), out.zero_point, out.dtype)
        except OverflowError:
            continue
        yield f"the clamp of {name}", limits


def _zero_points(item: PreparedNode, bench: Bench) -> Iterator[Changed]:
    """One zero point, or all of them, taken for 0."""
    node = item.node
    inputs = [i for i, tensor in enumerate(node.inputs) if has_zero_point(tensor)]
    for position in inputs:
        tensor = node.inputs[position]
        assert tensor is not None
        changed = with_input(node, position, without_zero_point(tensor))
        yield from _prepared(changed, bench, f"of input {position}")
    if not any(has_zero_point(tensor) for tensor in node.outputs[:1]):
        return
    params = with_fields(item.kernel.params, output_zero_point=0)
    if params is not None:
        yield Changed(node, replace(item.kernel, params=params), "of the output, clamp as it was")
    without = with_output(node, without_zero_point(node.outputs[0]))
    yield from _prepared(without, bench, "of the output")
    for position in inputs:
        tensor = without.inputs[position]
        assert tensor is not None
        without = with_input(without, position, without_zero_point(tensor))
    if inputs:
        yield from _prepared(without, bench, "of all inputs and the output")


def _no_bias(item: PreparedNode, bench: Bench) -> Iterator[Changed]:
    position = _BIASED.get(item.node.name)
    if position is not None and item.node.optional_input(position) is not None:
        yield from _prepared(with_input(item.node, position, None), bench, "")


def _bias_type(item: PreparedNode, bench: Bench) -> Iterator[Changed]:
    """A bias whose bytes are read as another type."""
    node = item.node
    position = _BIASED.get(node.name)
    bias = node.optional_input(position) if position is not None else None
    if position is None or bias is None or bias.data is None or bias.dtype.kind != "i":
        return
    values = np.ascontiguousarray(bias.data).reshape(-1)
    count = values.size
    for width in (2, 4):
        if width >= bias.dtype.itemsize:
            continue
        words = values.view(f"<i{width}")
        cut = values.astype(f"i{width}").astype(bias.dtype)  # each number's low part
        for detail, read in (
            (f"its memory read as int{8 * width} numbers", words[:count].astype(bias.dtype)),
            (f"its numbers cut to int{8 * width}", cut),
        ):
            other = replace(bias, data=read.reshape(bias.shape))
            yield from _prepared(with_input(node, position, other), bench, detail)


def _filter_order(item: PreparedNode, bench: Bench) -> Iterator[Changed]:
    """A filter whose memory is in another order of axes."""
    node = item.node
    if node.name not in ("CONV_2D", "FULLY_CONNECTED", "DEPTHWISE_CONV_2D"):
        return
    w = node.input(1)
    if w.data is None or w.data.shape != w.shape:
        return
    orders = {2: ((1, 0),), 4: ((0, 3, 1, 2), (1, 2, 3, 0), (0, 2, 1, 3))}.get(w.rank, ())
    for order in orders:
        moved = np.ascontiguousarray(w.data.transpose(order)).reshape(w.shape)
        other = replace(w, data=moved)
        yield from _prepared(with_input(node, 1, other), bench, f"axes {list(order)}")


def _prepared(node: Node, bench: Bench, detail: str) -> Iterator[Changed]:
    yield Changed(node, bench.prepare(node), detail)


MISTAKES: Iterable[OpCause] = (
    OpCause("activation-clamp", "clamps its output differently (fused activation)", _clamp),
    OpCause("zero-point", "takes a zero point for 0", _zero_points),
    OpCause("bias-left-out", "leaves its bias out", _no_bias),
    OpCause("bias-type", "reads its bias as another type", _bias_type),
    OpCause("filter-order", "reads its filter in another order of axes", _filter_order),
)
"""In the order in which they are tried."""

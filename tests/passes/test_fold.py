"""fold-pad, fold-transpose, fold-quantize: what is taken away, and what must stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from microinterp.model_builder import ModelBuilder
from microinterp.passes import run_passes
from microinterp.passes.fold_edges import fold_quantize, fold_transpose
from microinterp.passes.fold_pad import fold_pad
from microinterp.prepare import Prepared
from tests.passes.checking import (
    check_passed,
    check_pieces,
    prepared_of,
    samples_for,
    usual_outputs,
)
from tests.passes.nets import ImageNet, Pair

FOLDS = ("fold-pad", "fold-transpose", "fold-quantize")


def ops(prepared: Prepared) -> list[str]:
    """Names of the ops that are left."""
    return [item.node.name for item in prepared.subgraphs[0]]


def folded(data: bytes, fold: Callable[[Prepared], Prepared] = fold_pad) -> list[str]:
    """The ops that one pass leaves; outputs are as they were."""
    made, samples = fold(prepared_of(data)), samples_for(data, 3)
    check_pieces(made, samples, usual_outputs(data, samples))
    return ops(made)


def all_folded(data: bytes) -> list[str]:
    """The ops that all folding passes leave."""
    passed, samples = run_passes(prepared_of(data), FOLDS), samples_for(data, 3)
    check_passed(passed, samples, usual_outputs(data, samples))
    return ops(passed.prepared)


def padv2(net: ImageNet, amounts: Sequence[Sequence[int]], value: int) -> None:
    """PADV2 of the tensor made last by a constant."""
    table = np.array(amounts, np.int32)
    size = tuple(a + n + b for (a, b), n in zip(amounts[1:], net.size, strict=True))
    fill = net.graph.constant("fill", np.array([value]).astype(net.dtype), **net.activation())
    net.made("PADV2", [net.at, net.graph.constant("pads", table), fill], size)


FRAME = ((0, 0), (1, 1), (1, 1), (0, 0))


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize(
    ("before", "after", "kernel", "stride", "dilation", "padding"),
    [
        (1, 1, 3, 1, 1, "VALID"),
        (0, 1, 3, 2, 1, "VALID"),
        ((2, 0), (1, 3), (4, 2), (1, 2), 1, "VALID"),
        (2, 2, 3, 1, 2, "VALID"),
        (1, 2, 3, 2, 1, "SAME"),
        (4, 4, 3, 1, 1, "VALID"),
        (0, 0, 3, 1, 1, "SAME"),
    ],
)
def test_pad_goes_into_a_convolution(
    dtype: str, before: Pair, after: Pair, kernel: Pair, stride: Pair, dilation: Pair, padding: str
) -> None:
    """Uneven, wider than the filter (outputs that meet padding alone), on top of SAME."""
    for layer in ("conv", "depthwise"):
        net = ImageNet((7, 6, 2), dtype=dtype)
        net.pad(before, after)
        if layer == "conv":
            net.conv(3, kernel, stride, padding, dilation)
        else:
            net.depthwise(kernel, stride, padding, dilation, multiplier=2)
        assert len(folded(net.finish())) == 1


@pytest.mark.parametrize(("value", "is_folded"), [(-5, True), (0, False), (-128, False)])
def test_pad_by_the_zero_point_only(value: int, is_folded: bool) -> None:
    net = ImageNet((5, 5, 2))
    padv2(net, FRAME, value)
    net.conv(3, 3, padding="VALID")
    assert ("PADV2" not in folded(net.finish())) == is_folded


def test_floats_are_padded_by_zero_only() -> None:
    for value, left in ((0, 1), (1, 2)):
        net = ImageNet((5, 5, 2), dtype="float32")
        padv2(net, FRAME, value)
        net.conv(3, 3, padding="VALID")
        assert len(folded(net.finish())) == left


def test_a_value_that_is_computed_stays() -> None:
    net = ImageNet((5, 5, 2))
    fill = net.graph.input("fill", (1,), "int8", **net.activation())
    pads = net.graph.constant("pads", np.array(FRAME, np.int32))
    net.made("PADV2", [net.at, pads, fill], (7, 7, 2))
    net.conv(3, 3, padding="VALID")
    assert folded(net.finish()) == ["PADV2", "CONV_2D"]


@pytest.mark.parametrize("axis", [0, 3])
@pytest.mark.parametrize("amount", [(0, 1), (1, 0)])
def test_pad_of_other_axes_stays(axis: int, amount: tuple[int, int]) -> None:
    amounts = [*FRAME]
    amounts[axis] = amount
    net = ImageNet((5, 5, 2))
    net.batches += axis == 0
    padv2(net, amounts, -5)
    net.conv(3, 3, padding="VALID")
    assert folded(net.finish()) == ["PADV2", "CONV_2D"]


def test_pad_that_several_convolutions_read() -> None:
    """Each of them takes the padding into its own windows."""
    net = ImageNet((6, 6, 2))
    image, size = net.pad(1, 1), (8, 8, 2)
    first = net.conv(3, 3, padding="VALID")
    net.go(image, size)
    second = net.depthwise(3, 2, "VALID")
    net.go(image, size)
    net.conv(2, 1, 3)
    assert folded(net.finish(first, second)) == ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D"]


@pytest.mark.parametrize("other", ["pool", "add", "output"])
def test_pad_that_others_read_stays(other: str) -> None:
    net = ImageNet((6, 6, 2))
    image, size = net.pad(1, 1), (8, 8, 2)
    outputs = [net.conv(3, 3, padding="VALID")]
    net.go(image, size)
    if other == "pool":
        net.pool("AVERAGE_POOL_2D", 2, 2)
    elif other == "add":
        net.add(image)
    else:
        outputs.append(image)
        net.go(outputs.pop(0), (6, 6, 3))
    assert "PAD" in folded(net.finish(*outputs))


def test_a_pool_counts_no_padding_so_its_pad_stays() -> None:
    for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        net = ImageNet((6, 6, 2))
        net.pad(1, 1)
        net.pool(op, 3, 1)
        assert folded(net.finish()) == ["PAD", op]


def test_pad_that_is_a_filter_too_stays() -> None:
    """The padded image is both the image and the filter of a convolution."""
    net = ImageNet((1, 1, 3))
    image = net.pad(1, 1)
    net.made("CONV_2D", [image, image], (3, 3, 1), padding="SAME", stride_h=1, stride_w=1)
    assert folded(net.finish()) == ["PAD", "CONV_2D"]


@pytest.mark.parametrize("weight", [np.inf, -np.inf, np.nan])
def test_weights_that_make_nan_of_zeros_keep_the_pad(weight: float) -> None:
    """0 * inf is NaN: the padding of a PAD adds it to the sums, that of a window does not."""
    outputs = []
    for edge in (weight, 2.0):
        b = ModelBuilder()
        g = b.subgraph("main")
        x = g.input("x", (1, 4, 4, 1), "float32")
        image, y = g.tensor("p", (1, 6, 6, 1), "float32"), g.tensor("y", (1, 4, 4, 1), "float32")
        filters = np.ones((1, 3, 3, 1), np.float32)
        filters[0, 0, 0, 0] = edge
        pads = g.constant("pads", np.array(FRAME, np.int32))
        g.op("PAD", [x, pads], [image])
        steps = {"stride_h": 1, "stride_w": 1}
        g.op("CONV_2D", [image, g.constant("w", filters)], [y], padding="VALID", **steps)
        g.output(y)
        outputs.append(folded(b.finish()))
    assert outputs == [["PAD", "CONV_2D"], ["CONV_2D"]]


def test_two_pads_in_a_row() -> None:
    """The outer one goes; the inner one is read by no convolution in the file."""
    net = ImageNet((5, 5, 2))
    net.pad(1, 0)
    net.pad(0, 1)
    net.conv(3, 3, padding="VALID")
    assert folded(net.finish()).count("PAD") <= 1


UINT8 = {"dtype": "uint8", "scale": 0.1, "zero_point": 123}
INT8 = {"dtype": "int8", "scale": 0.1, "zero_point": -5}


class Edge:
    """A model that starts with what exporters put before the first layer."""

    def __init__(self, source: dict[str, Any], shape: tuple[int, ...]) -> None:
        self.net = ImageNet((1, 1, 1))
        self.net.builder = ModelBuilder()
        self.net.graph = self.net.builder.subgraph("main")
        self.source, self.shape = source, shape
        self.net.at = self.net.graph.input("x", shape, **source)

    def quantize(self) -> None:
        """To int8."""
        out = self.net.graph.tensor("q", self.shape, **INT8)
        self._add("QUANTIZE", [self.net.at], out)

    def transpose(self, *axes: int) -> None:
        """Any order of the axes."""
        self.shape = tuple(self.shape[axis] for axis in axes)
        out = self.net.graph.tensor("t", self.shape, **INT8)
        order = self.net.graph.constant("axes", np.array(axes, np.int32))
        self._add("TRANSPOSE", [self.net.at, order], out)

    def _add(self, op: str, inputs: list[int], out: int) -> None:
        self.net.graph.op(op, inputs, [out])
        self.net.at = out

    def finish(self, *outputs: int) -> bytes:
        """With two layers behind."""
        rows, columns, channels = self.shape[1:]
        self.net.size = (rows, columns, channels)
        self.net.conv(3, 3)
        self.net.conv(2, 1)
        return self.net.finish(*outputs)


def test_a_quantize_that_only_flips_the_sign_bit_goes() -> None:
    edge = Edge(UINT8, (1, 6, 5, 3))
    edge.quantize()
    assert folded(edge.finish(), fold_quantize) == ["CONV_2D", "CONV_2D"]


@pytest.mark.parametrize(
    "source",
    [UINT8 | {"zero_point": 122}, UINT8 | {"scale": 0.2}, INT8 | {"scale": 0.05}],
    ids=["zero point", "scale", "int8"],
)
def test_another_quantize_stays(source: dict[str, Any]) -> None:
    edge = Edge(source, (1, 6, 5, 3))
    edge.quantize()
    assert folded(edge.finish(), fold_quantize)[0] == "QUANTIZE"


def test_a_quantize_that_is_an_output_stays() -> None:
    edge = Edge(UINT8, (1, 6, 5, 3))
    edge.quantize()
    assert folded(edge.finish(edge.net.at), fold_quantize)[0] == "QUANTIZE"


def test_a_quantize_that_an_add_reads_stays() -> None:
    edge = Edge(UINT8, (1, 6, 5, 3))
    edge.quantize()
    at = edge.net.at
    edge.net.go(at, (6, 5, 3))
    total = edge.net.add(at)
    edge.net.go(at, (6, 5, 3))
    assert folded(edge.finish(total), fold_quantize)[0] == "QUANTIZE"


@pytest.mark.parametrize("axes", [(0, 2, 3, 1), (0, 2, 1, 3), (0, 1, 2, 3), (0, 3, 2, 1)])
def test_a_transposed_input_is_read_where_it_lies(axes: tuple[int, ...]) -> None:
    edge = Edge(INT8, (1, 3, 6, 5))
    edge.transpose(*axes)
    assert folded(edge.finish(), fold_transpose) == ["CONV_2D", "CONV_2D"]


def test_a_transpose_in_the_middle_stays() -> None:
    net = ImageNet((6, 5, 3))
    net.conv(4, 3)
    axes = net.graph.constant("axes", np.array([0, 2, 1, 3], np.int32))
    net.made("TRANSPOSE", [net.at, axes], (5, 6, 4))
    net.conv(2, 3)
    assert folded(net.finish(), fold_transpose) == ["CONV_2D", "TRANSPOSE", "CONV_2D"]


def test_a_transpose_that_a_pool_reads_stays() -> None:
    edge = Edge(INT8, (1, 3, 6, 5))
    edge.transpose(0, 2, 3, 1)
    edge.net.go(edge.net.at, (6, 5, 3))
    at = edge.net.at
    total = edge.net.pool("MAX_POOL_2D", 2, 2)
    edge.net.go(at, (6, 5, 3))
    assert folded(edge.finish(total), fold_transpose)[0] == "TRANSPOSE"


def test_a_chain_of_three_goes_altogether() -> None:
    """uint8 NCHW -> QUANTIZE -> TRANSPOSE -> PAD -> CONV_2D: all read by that one."""
    edge = Edge(UINT8, (1, 3, 6, 5))
    edge.quantize()
    edge.transpose(0, 2, 3, 1)
    edge.net.go(edge.net.at, (6, 5, 3))
    edge.net.pad(1, 1)
    edge.shape = (1, 8, 7, 3)
    data = edge.finish()
    assert all_folded(data) == ["CONV_2D", "CONV_2D"]
    prepared, samples = prepared_of(data), samples_for(data, 3)
    for behind in (("patches",), ("overlap",), ("in-place-depthwise",), ("patches", "overlap")):
        passed = run_passes(prepared, (*FOLDS, *behind), max_extra_macs=3.0)
        check_passed(passed, samples, usual_outputs(data, samples))


@pytest.mark.parametrize("order", ["quantize transpose", "quantize pad", "transpose pad"])
def test_chains_of_two_go_altogether(order: str) -> None:
    source = UINT8 if "quantize" in order else INT8
    edge = Edge(source, (1, 3, 6, 5) if "transpose" in order else (1, 6, 5, 3))
    for op in order.split():
        if op == "quantize":
            edge.quantize()
        elif op == "transpose":
            edge.transpose(0, 2, 3, 1)
        else:
            edge.net.go(edge.net.at, (6, 5, 3))
            edge.net.pad(1, 1)
            edge.shape = (1, 8, 7, 3)
    assert all_folded(edge.finish()) == ["CONV_2D", "CONV_2D"]


def test_nothing_to_fold_is_no_change() -> None:
    """A graph that no pass has changed is still TFLM's: its sizes on targets can be told."""
    net = ImageNet((5, 5, 2))
    net.conv(3, 3)
    prepared = prepared_of(net.finish())
    passed = run_passes(prepared, (*FOLDS, "in-place", "in-place-depthwise", "reorder"))
    assert passed.prepared is prepared

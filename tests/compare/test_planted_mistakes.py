"""One mistake in one op of a chain: found in that op, by its name, however the other side tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from microinterp.compare import Account, compare
from microinterp.sides import Observed, Place, Side, open_side
from tests.compare.nets import (
    CONV,
    DENSE,
    DEPTHWISE,
    LOGISTIC,
    picture_net,
    pictures,
    random_of,
)
from tests.compare.planting import (
    Array,
    Constant,
    Layer,
    Plant,
    Spec,
    chain,
    crcs,
    details,
    names,
    outputs_only,
    places,
    some_ops,
    zero,
)

NET = picture_net()


@dataclass(frozen=True)
class Mistake:
    """A layer in place of one of NET's, and what must be said of it."""

    op: int
    layer: Layer
    cause: str
    detail: str = ""


def _moved_filter(layer: Layer, order: tuple[int, ...]) -> Layer:
    """The same bytes in the order of other axes."""
    (w, *_) = layer.others
    assert isinstance(w, Constant)
    return layer.change(0, values=w.values.transpose(order).reshape(w.values.shape))


def _bias_memory(layer: Layer) -> Layer:
    """Its bytes as int16, each number then wide again."""
    values = layer.others[1].values
    return layer.change(1, values=values.view("<i2")[: values.size].astype(values.dtype))


MISTAKES = {
    "clamp left out": Mistake(
        CONV,
        NET[CONV].with_options(fused_activation_function="NONE"),
        "activation-clamp",
        "no clamp",
    ),
    "half a clamp": Mistake(
        CONV,
        NET[CONV].with_options(fused_activation_function="RELU"),
        "activation-clamp",
        "the clamp of RELU",
    ),
    "another clamp": Mistake(
        CONV,
        NET[CONV].with_options(fused_activation_function="RELU_N1_TO_1"),
        "activation-clamp",
        "the clamp of RELU_N1_TO_1",
    ),
    "a clamp that should not be": Mistake(
        DENSE,
        NET[DENSE].with_options(fused_activation_function="RELU"),
        "activation-clamp",
        "the clamp of RELU",
    ),
    "bias of CONV_2D": Mistake(CONV, NET[CONV].without_last(), "bias-left-out"),
    "bias of DEPTHWISE_CONV_2D": Mistake(DEPTHWISE, NET[DEPTHWISE].without_last(), "bias-left-out"),
    "bias of FULLY_CONNECTED": Mistake(DENSE, NET[DENSE].without_last(), "bias-left-out"),
    "bias as int16": Mistake(
        CONV, _bias_memory(NET[CONV]), "bias-type", "its memory read as int16 numbers"
    ),
    "zero point of a picture": Mistake(
        CONV, replace(NET[CONV], x=zero(NET[CONV].x, 0)), "zero-point", "of input 0"
    ),
    "zero point in the middle": Mistake(
        DENSE, replace(NET[DENSE], x=zero(NET[DENSE].x, 0)), "zero-point", "of input 0"
    ),
    "zero point of a table's input": Mistake(
        LOGISTIC, replace(NET[LOGISTIC], x=zero(NET[LOGISTIC].x, 0)), "zero-point", "of input 0"
    ),
    "zero point of an output with a clamp": Mistake(
        CONV, replace(NET[CONV], out=zero(NET[CONV].out, 0)), "zero-point", "of the output"
    ),
    "zero point of an output": Mistake(
        DEPTHWISE,
        replace(NET[DEPTHWISE], out=zero(NET[DEPTHWISE].out, 0)),
        "zero-point",
        "of the output, clamp as it was",
    ),
    "both zero points": Mistake(
        DEPTHWISE,
        replace(NET[DEPTHWISE], x=zero(NET[DEPTHWISE].x, 0), out=zero(NET[DEPTHWISE].out, 0)),
        "zero-point",
        "of all inputs and the output",
    ),
    "filter OIHW": Mistake(
        CONV, _moved_filter(NET[CONV], (0, 3, 1, 2)), "filter-order", "axes [0, 3, 1, 2]"
    ),
    "filter HWIO": Mistake(
        CONV, _moved_filter(NET[CONV], (1, 2, 3, 0)), "filter-order", "axes [1, 2, 3, 0]"
    ),
    "rows and columns of a filter": Mistake(
        CONV, _moved_filter(NET[CONV], (0, 2, 1, 3)), "filter-order", "axes [0, 2, 1, 3]"
    ),
    "weights transposed": Mistake(
        DENSE, _moved_filter(NET[DENSE], (1, 0)), "filter-order", "axes [1, 0]"
    ),
}
WAYS: Mapping[str, Callable[[Account, int], Account]] = {
    "values": lambda account, op: account,
    "CRC32s": lambda account, op: crcs(account),
    "outputs": lambda account, op: outputs_only(account),
    "only that op": lambda account, op: some_ops(account, [op]),
    "only ops behind it": lambda account, op: some_ops(account, range(op + 1, len(NET))),
}


@pytest.mark.parametrize(
    "way", [pytest.param(w, marks=[pytest.mark.slow] * (w == "only that op")) for w in WAYS]
)
@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named(mistake: Mistake, way: str) -> None:
    plant = Plant(NET, {mistake.op: mistake.layer}, pictures(4))
    result = plant.compare(WAYS[way](plant.account(), mistake.op))
    assert not result.equal
    assert names(result) == [mistake.cause]
    (found,) = result.findings
    is_told = way in ("values", "CRC32s", "only that op")
    if is_told or _is_unique(mistake):
        assert found.detail == mistake.detail
    assert (found.subgraph, found.index, found.op) == (0, mistake.op, NET[mistake.op].op)
    assert found.is_whole
    if is_told:
        assert result.first_op is not None
        assert (result.first_op.index, result.first_op.name) == (mistake.op, found.op)
    assert found.text in str(result.cause)
    assert f"(op {mistake.op})" in str(result.cause)


def _is_unique(mistake: Mistake) -> bool:
    """False where another detail may give the same outputs."""
    return mistake.cause != "zero-point" or "output" not in mistake.detail


@pytest.mark.parametrize("name", ["clamp left out", "bias of CONV_2D", "filter HWIO"])
def test_it_is_named_where_a_real_runtime_has_the_faulty_model(name: str) -> None:
    """The wheel runs the whole model with the fault in its file."""
    mistake = MISTAKES[name]
    faulty = [*NET[: mistake.op], mistake.layer, *NET[mistake.op + 1 :]]
    pytest.importorskip("tflite_micro")
    with open_side("tflm", chain(faulty)) as side:
        result = compare(chain(NET), _Renumbered(side, chain(NET), chain(faulty)), [pictures()])
    assert names(result) == [mistake.cause]
    assert details(result, mistake.cause) == [mistake.detail]


class _Renumbered:
    """A side with a model of other tensor numbers: the n-th op's output is the n-th op's."""

    def __init__(self, side: Side, ours: bytes, theirs: bytes) -> None:
        self.name, self.version, self._side = "tflm", side.version, side
        self._theirs = dict(zip(places(ours), places(theirs), strict=True))

    def run(self, inputs: Sequence[Array], wanted: Sequence[Place] = ()) -> Observed:
        seen = self._side.run(inputs, [self._theirs[place] for place in wanted])
        back = {place: seen.tensors[self._theirs[place]] for place in wanted}
        return replace(seen, tensors=back)


IN: Spec = ((1, 4, 4, 2), "int8", 0.04, -9)
OUT: Spec = ((1, 4, 4, 2), "int8", 0.05, 6)
OPERAND = Constant(
    np.random.default_rng(2).integers(-128, 128, (1, 4, 4, 2)).astype(np.int8), 0.02, 13
)


@pytest.mark.parametrize("op", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("position", ["of input 0", "of input 1", "of the output"])
def test_zero_points_of_two_operands(op: str, position: str) -> None:
    sound = Layer(op, IN, OUT, (OPERAND,), options={"fused_activation_function": "RELU6"})
    faulty = {
        "of input 0": replace(sound, x=zero(IN, 0)),
        "of input 1": sound.change(0, zero_point=0),
        "of the output": replace(sound, out=zero(OUT, 0)),
    }[position]
    plant = Plant([sound], {0: faulty}, random_of(IN, 4))
    result = plant.compare()
    assert (names(result), details(result, "zero-point")) == (["zero-point"], [position])


@pytest.mark.parametrize(
    ("op", "options"),
    [
        ("ADD", {}),
        ("AVERAGE_POOL_2D", {"filter_height": 2, "filter_width": 2}),
        ("MAX_POOL_2D", {"filter_height": 2, "filter_width": 2}),
    ],
)
def test_clamps_of_ops_without_a_filter(op: str, options: dict[str, int]) -> None:
    if options:
        options |= {"stride_h": 1, "stride_w": 1, "padding": "SAME"}
    out = OUT if op == "ADD" else IN
    others = (OPERAND,) if op == "ADD" else ()
    sound = Layer(op, IN, out, others, options={**options, "fused_activation_function": "RELU"})
    faulty = sound.with_options(fused_activation_function="NONE")
    result = Plant([sound], {0: faulty}, random_of(IN, 4)).compare()
    assert (names(result), details(result, "activation-clamp")) == (
        ["activation-clamp"],
        ["no clamp"],
    )


def test_a_filter_zero_point() -> None:
    x, out = ((2, 12), "int8", 0.04, -9), ((2, 5), "int8", 0.4, 6)
    weights = np.random.default_rng(3).integers(-128, 128, (5, 12)).astype(np.int8)
    sound = Layer("FULLY_CONNECTED", x, out, (Constant(weights, 0.02, 21),))
    plant = Plant([sound], {0: sound.change(0, zero_point=0)}, random_of(x, 4))
    result = plant.compare()
    assert (names(result), details(result, "zero-point")) == (["zero-point"], ["of input 1"])


WIDE: Spec = ((1, 5, 5, 2), "int16", 0.001, 0)
WIDE_OUT: Spec = ((1, 3, 3, 3), "int16", 0.002, 0)


def wide_layer(bias: np.ndarray) -> Layer:
    """CONV_2D of int16."""
    w = np.random.default_rng(4).integers(-127, 128, (3, 3, 3, 2)).astype(np.int8)
    moves = {"stride_h": 1, "stride_w": 1}
    return Layer(
        "CONV_2D",
        WIDE,
        WIDE_OUT,
        (Constant(w, 0.01, 0), Constant(bias, 1e-5, 0)),
        options={"padding": "VALID", **moves},
    )


@pytest.mark.parametrize("bits", [32, 64])
def test_int16_layers_with_sums_of_the_other_width(bits: int) -> None:
    """A bias of the other type is all that tells TFLM how wide sums are."""
    bias = np.array([123456, -98765, 2**31 - 2])
    mine, theirs = (np.int32, np.int64) if bits == 32 else (np.int64, np.int32)
    plant = Plant(
        [wide_layer(bias.astype(mine))], {0: wide_layer(bias.astype(theirs))}, random_of(WIDE, 8)
    )
    result = plant.compare()
    assert names(result) == ["accumulator-width"]
    assert details(result, "accumulator-width") == [
        "64 bits, not 32" if bits == 32 else "32 bits, not 64"
    ]


@pytest.mark.parametrize(
    ("read", "detail"),
    [
        (lambda b: b.view("<i4")[: b.size].astype(np.int64), "its memory read as int32 numbers"),
        (lambda b: b.astype(np.int32).astype(np.int64), "its numbers cut to int32"),
        (lambda b: b.astype(np.int16).astype(np.int64), "its numbers cut to int16"),
        (lambda b: np.zeros_like(b), ""),
    ],
)
def test_a_64_bit_bias_read_as_less(read: Callable[[np.ndarray], np.ndarray], detail: str) -> None:
    bias = np.array([-7_000_000_000, 40_000, 9_000_000_000], np.int64)
    sound = wide_layer(bias)
    result = Plant([sound], {0: sound.change(1, values=read(bias))}, random_of(WIDE, 4)).compare()
    cause = "bias-type" if detail else "bias-left-out"
    assert names(result) == [cause]
    assert details(result, cause) == [detail]

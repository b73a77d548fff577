"""SVDF against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.errors import RuntimeUnavailableError, UnsupportedError
from microinterp.graph import Graph
from microinterp.kernels.svdf import OPS
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import Sample, TflmRuntime
from tests.ops.movement import assert_refused, random_constant
from tests.ops.strategies import scales, seeds, zero_points
from tests.oracle import compare_with_tflm, random_samples
from tests.spec_ops.svdf import FloatSvdf, IntegerSvdf, Svdf

Array = npt.NDArray[Any]
TYPES = OPS[0].types
ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
X, FEATURE, TIME, BIAS, STATE, OUT = range(6)
Quantization = tuple[float, int] | tuple[None, None]


@dataclass(frozen=True)
class Layer:
    """One SVDF; `quantization` of the six tensors, in the order of their numbers."""

    batches: int
    rank: int
    feature: Array
    time: Array
    bias: Array
    quantization: Sequence[Quantization] = ((None, None),) * 6
    activation: str = "NONE"
    changes: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def sizes(self) -> tuple[int, int, int, int, int]:
        """Batches, inputs, units, rank, memory."""
        filters, inputs = self.feature.shape
        return self.batches, inputs, filters // self.rank, self.rank, self.time.shape[1]

    def data(
        self, bias: int | None = BIAS, state: int | None = STATE, **changed_options: Any
    ) -> bytes:
        """The model; `changes` replace what a tensor is made of."""
        batches, inputs, units, rank, memory = self.sizes
        dtype = str(self.feature.dtype)
        tensors: list[dict[str, Any]] = [
            {"shape": (batches, inputs), "dtype": dtype},
            {"values": self.feature},
            {"values": self.time},
            {"values": self.bias},
            {"shape": (batches, units * rank * memory), "dtype": str(self.time.dtype)},
            {"shape": (batches, units), "dtype": dtype},
        ]
        tensors[STATE]["is_variable"] = True
        b = ModelBuilder()
        g = b.subgraph("main")
        for i, (tensor, (scale, zero)) in enumerate(zip(tensors, self.quantization, strict=True)):
            arguments = {"scale": scale, "zero_point": zero, **tensor, **self.changes.get(i, {})}
            is_input = i == X or arguments.get("is_variable") is False
            if is_input:
                arguments.pop("is_variable", None)
            make = g.constant if "values" in arguments else g.input if is_input else g.tensor
            make(f"t{i}", **arguments)
        options = {"rank": rank, "fused_activation_function": self.activation}
        inputs = [X, FEATURE, TIME, bias, state]
        g.op("SVDF", inputs, [OUT], **(changed_options or options))
        g.output(OUT)
        return b.finish()

    def spec(self) -> Svdf:
        """The layer by the specification, its memory as at start."""
        batches, _, units, rank, memory = self.sizes
        parts = [array.reshape(-1).tolist() for array in (self.feature, self.time, self.bias)]
        if self.feature.dtype == np.float32:
            spec: Svdf = FloatSvdf(self.sizes, *parts, activation=self.activation)
            start = 0.0
        else:
            scale = [float(s or 0) for s, _ in self.quantization]
            zero = [z or 0 for _, z in self.quantization]
            spec = IntegerSvdf(
                self.sizes,
                *parts,
                zero_points=(zero[X], zero[STATE], zero[OUT]),
                factors=(
                    scale[X] * scale[FEATURE] / scale[STATE],
                    scale[STATE] * scale[TIME] / scale[OUT],
                ),
                state_bits=self.time.dtype.itemsize * 8,
            )
            # only an int8 variable starts at its zero point
            start = zero[STATE] if self.time.dtype == np.int8 else 0
        spec.state = [[start] * memory for _ in range(batches * units * rank)]
        return spec


@st.composite
def layers(draw: st.DrawFn, types: str) -> Layer:
    """Small sizes, 1 among them; states that fill their type's range and now and then leave it."""
    rng = np.random.default_rng(draw(seeds()))
    batches, inputs, units, rank, memory = (draw(st.integers(1, n)) for n in (3, 9, 5, 3, 7))
    filters = units * rank
    activation = draw(st.sampled_from(ACTIVATIONS))
    if types == "float32":
        shapes = (filters, inputs), (filters, memory), (units,)
        parts = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
        return Layer(batches, rank, *parts, activation=activation)
    wide = types.endswith("int16 state")
    feature = random_constant(rng, (filters, inputs), "int8")
    time = random_constant(rng, (filters, memory), "int16" if wide else "int8")
    x, w, t = (draw(scales(1e-3, 0.1)) for _ in range(3))
    reach, time_reach = (16000, 16000) if wide else (60, 74)
    spread = draw(st.floats(0.3, 3))
    state = float(np.float32(x * w * 74 * 74 * np.sqrt(inputs) / reach * spread))
    product = float(np.float32(state) * np.float32(t))
    sums = reach * time_reach * np.sqrt(memory * rank)
    out = float(np.float32(product * sums / 60 * draw(st.floats(0.3, 3))))
    bias = rng.integers(-int(sums), int(sums) + 1, draw(st.sampled_from(((units,), (units, 1)))))
    zeros = [draw(zero_points("int8")) for _ in range(3)]
    if wide:
        zeros[1] = draw(st.sampled_from((0, 0, 0, 77, -3000)))
    return Layer(
        batches,
        rank,
        feature,
        time,
        bias.astype(np.int32),
        ((x, zeros[0]), (w, 0), (t, 0), (product, 0), (state, zeros[1]), (out, zeros[2])),
        activation,
    )


def with_resets(rng: np.random.Generator, graph: Graph, count: int) -> list[Sample]:
    """Random samples with a reset after the first half of them."""
    samples = random_samples(rng, graph, count)
    return [*samples[: count // 2], None, *samples[count // 2 :]]


@pytest.mark.parametrize("types", TYPES)
def test_equals_tflm_and_spec(tflm: TflmRuntime, types: str) -> None:
    """Output and state of each of six invokes; a reset comes between."""
    seen: Counter[str] = Counter()

    @given(layer=layers(types), seed=seeds())
    def check(layer: Layer, seed: int) -> None:
        data, rng = layer.data(), np.random.default_rng(seed)
        interpreter = Interpreter.from_bytes(data)
        samples = with_resets(rng, interpreter.graph, 6)
        result = compare_with_tflm(tflm, data, samples, ("float32", "int8", "int16"))
        assert result.differing_bytes == 0, result.first
        seen.update(models=2, varied=len(result.varied))
        if layer.activation == "TANH" and types == "float32":
            return
        spec = layer.spec()
        for sample in samples:
            if sample is None:
                spec = layer.spec()
                interpreter.reset()
                continue
            interpreter.set_input(sample[0], 0)
            interpreter.invoke()
            have = interpreter.get_output(0)
            want = np.array(spec.invoke(sample[0].reshape(-1).tolist()), have.dtype)
            np.testing.assert_array_equal(have.reshape(-1), want)

    check()
    assert seen["varied"] >= 0.8 * seen["models"]


BASE = Layer(
    batches=1,
    rank=2,
    feature=np.array([[1, 0], [0, 2]], np.int8),
    time=np.array([[1, 3], [2, 5]], np.int8),
    bias=np.array([4], np.int32),
    quantization=((0.5, 1), (0.5, 0), (1.0, 0), (0.25, 0), (0.25, -1), (0.5, 3)),
)


def run(data: bytes, *rows: Sequence[int]) -> list[list[int]]:
    interpreter = Interpreter.from_bytes(data)
    out = []
    for row in rows:
        interpreter.set_input(np.array([row], np.int8), 0)
        interpreter.invoke()
        out.append(interpreter.get_output(0).reshape(-1).tolist())
    return out


def test_int8_worked_by_hand() -> None:
    # 9 4 less the zero point are 8 3: responses 8 and 6. The memories are 0 8 and 0 6: 24 + 30 + 4
    # = 58, times 0.5 is 29, plus 3. Then 0 -1: 8 0 and 6 -2: 8 + 12 - 10 + 4 = 14 -> 7 + 3.
    # Then nothing: 0 0 and -2 0: -4 + 4 = 0.
    assert run(BASE.data(), [9, 4], [1, 0], [1, 1]) == [[32], [10], [3]]


def test_a_response_beyond_the_state_wraps_by_its_zero_point(tflm: TflmRuntime) -> None:
    # 99 * 1 and 99 * 2: 127 at most, and 127 - 1 is kept as it is; with a zero point of 1 it wraps
    # to -128, which is -129 from there: 99 * 3 + 127 * 5 + 4 = 936 and 99 * 3 - 129 * 5 + 4 = -344;
    # times 1/16 are 58.5 and -21.5, rounded 59 and -22, plus 3
    wide = replace(BASE, quantization=(*BASE.quantization[:4], (0.25, 1), (4.0, 3)))
    narrow = replace(BASE, quantization=(*BASE.quantization[:5], (4.0, 3)))
    x = [100, 100]
    want = [[62], [-19]]
    assert [run(layer.data(), x)[0] for layer in (narrow, wide)] == want
    for layer, out in zip((narrow, wide), want, strict=True):
        assert tflm.run(layer.data(), [[np.array([x], np.int8)]]).outputs[0][0].item() == out[0]


def test_special_floats_equal_tflm(tflm: TflmRuntime) -> None:
    """C's fmax knows no NaN; a sign bit is told of -0.0."""
    values = np.array([[np.nan], [np.inf], [-np.inf], [-0.0], [0.0], [1e-45], [7], [-7]], "f4")
    one = np.ones((1, 1), np.float32)
    for activation in ACTIVATIONS:
        layer = Layer(8, 1, one, one, np.array([-0.0], np.float32), activation=activation)
        (want,) = tflm.run(layer.data(), [[values]]).outputs[0]
        interpreter = Interpreter.from_bytes(layer.data())
        interpreter.set_input(values, 0)
        interpreter.invoke()
        have = interpreter.get_output(0)
        np.testing.assert_array_equal(have, want, activation)
        number = ~np.isnan(want)
        assert np.array_equal(np.signbit(have[number]), np.signbit(want[number])), activation


def changed(tensor: int, **arguments: Any) -> Layer:
    return replace(BASE, changes={tensor: arguments})


REFUSED: dict[str, tuple[Layer, int | None]] = {
    "rank 3, wanted 2": (changed(X, shape=(1, 1, 2)), X),
    "shape [2, 2], wanted [2, 3]": (changed(X, shape=(1, 3)), FEATURE),
    "shape [2, 2], wanted [4, 2]": (changed(TIME, values=np.ones((4, 2), np.int8)), FEATURE),
    "rank 2 does not divide the 3 filters": (
        replace(BASE, time=np.ones((3, 2), np.int8), feature=np.ones((3, 2), np.int8)),
        None,
    ),
    "int32[2] has 2 elements, wanted 1": (changed(BIAS, values=np.zeros(2, np.int32)), BIAS),
    "shape [1, 3], wanted [1, 4]": (changed(STATE, shape=(1, 3)), STATE),
    "shape [1, 2], wanted [1, 1]": (changed(OUT, shape=(1, 2)), OUT),
    "the activation state is no variable": (changed(STATE, is_variable=False), STATE),
    "scale 0.5, wanted state scale * time scale = 0.25": (changed(BIAS, scale=0.5), BIAS),
    "int8 tensor has no quantisation": (
        changed(FEATURE, scale=None, zero_point=None),
        FEATURE,
    ),
    "factor 4.29497e+09 is 2^30 or more": (
        replace(BASE, quantization=((0.5, 1), (0.5, 0), (1.0, 0), (0.0, 0), (2.0**-34, 0), (1, 0))),
        None,
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text: str) -> None:
    layer, tensor = REFUSED[text]
    assert_refused(layer.data(), text, tensor)


OURS_ALONE = ("no quantisation", "2^30", "2 elements, wanted 1")


@pytest.mark.parametrize("text", [t for t in REFUSED if not any(own in t for own in OURS_ALONE)])
def test_tflm_refuses_the_same(tflm: TflmRuntime, text: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match="failed to allocate"):
        tflm.run(REFUSED[text][0].data(), [])


@pytest.mark.parametrize("rank", [0, -1, -2])
def test_refuses_a_rank_that_is_none(rank: int) -> None:
    assert_refused(BASE.data(rank=rank), f"rank {rank} does not divide the 2 filters")


@pytest.mark.parametrize(
    ("tensor", "dtype"), [(X, "int16"), (STATE, "int16"), (OUT, "int16"), (STATE, "float32")]
)
def test_refuses_types(tensor: int, dtype: str) -> None:
    """TFLM takes a state of another type than the time weights, and reads it wrong."""
    data = changed(tensor, dtype=dtype).data()
    assert_refused(data, "element types int", kind=UnsupportedError)


def test_refuses_to_do_without_a_bias(tflm: TflmRuntime) -> None:
    """TFLM's source calls it optional, and its kernel crashes without."""
    data = BASE.data(bias=None)
    assert_refused(data, "input 3 is missing")
    with pytest.raises(RuntimeUnavailableError):
        tflm.run(data, [])


def test_refuses_numbers_of_tensors_and_no_options() -> None:
    assert_refused(BASE.data(state=None), "input 4 is missing")
    assert_refused(BASE.data(with_options=False), "the op has no SVDFOptions")

"""How samples fill ranges: counts against NumPy over preserved tensors, and the rules on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from microinterp.health import Finding, activation_findings
from microinterp.health.activations import ENOUGH_SAMPLES, ENOUGH_VALUES, SATURATING
from microinterp.health.recording import BINS, Use, record_uses
from microinterp.interpreter import Interpreter
from microinterp.model_builder import ModelBuilder
from tests.conftest import shared_model
from tests.models import chain_model

Array = np.ndarray[Any, Any]


def copying(
    op: str = "ABS",
    scale: float = 0.1,
    zero_point: int = 0,
    dtype: str = "int8",
    size: int = ENOUGH_VALUES,
    **options: Any,
) -> bytes:
    """x [size] -> `op` -> y [size]: both of the same scale, so that RELU hands positives on."""
    b = ModelBuilder()
    g = b.subgraph("main")
    quantised = {} if dtype == "float32" else {"scale": scale, "zero_point": zero_point}
    x, y = (g.tensor(name, (1, size), dtype, **quantised) for name in "xy")
    g.as_input(x)
    g.op(op, [x], [y], **options)
    g.output(y)
    return b.finish()


def uses_of(data: bytes, samples: Array) -> tuple[Use, ...]:
    return record_uses(Interpreter(data), (samples,))


def of_output(data: bytes, samples: Array) -> list[Finding]:
    """Findings about what ops write."""
    found = activation_findings(uses_of(data, samples))
    return [each for each in found if each.where.op_index is not None]


def ramp(low: int, high: int, dtype: str = "int8") -> Array:
    """ENOUGH_SAMPLES samples that go through all codes from low to high, evenly."""
    codes = np.linspace(low, high, ENOUGH_VALUES).round().astype(dtype)
    return np.tile(codes, (ENOUGH_SAMPLES, 1, 1))


@pytest.mark.parametrize("name", ["kws_int8", "dtln", "ic_resnet8_float", "keyword_scrambled_8bit"])
def test_counts_are_those_of_the_tensors(name: str) -> None:
    """NumPy counts what an interpreter that preserves all tensors holds after each invoke."""
    data = shared_model(f"{name}.tflite")
    it = Interpreter(data)
    rng = np.random.default_rng(5)
    tensors = it.graph.main.inputs
    samples = [
        rng.standard_normal((3, *t.shape)).astype(t.dtype) if t.dtype.kind == "f"
        else rng.integers(-100, 100, (3, *t.shape)).astype(t.dtype) for t in tensors
    ]  # fmt: skip
    uses = record_uses(it, samples)
    kept = Interpreter(data, preserve_all_tensors=True)
    seen: dict[int, list[Array]] = {}
    for number in range(3):
        for index, array in enumerate(samples):
            kept.set_input(array[number], index)
        kept.invoke()
        for use in uses:
            seen.setdefault(use.tensor.index, []).append(kept.get_tensor(use.tensor.index))
    written = [t for node in it.graph.main.nodes for t in node.outputs]
    assert [use.tensor for use in uses] == [*tensors, *written]
    for use in uses:
        values = np.stack(seen[use.tensor.index])
        if use.node is not None:  # an input may be overwritten by the time it is read
            check_use(use, values)


def check_use(use: Use, values: Array) -> None:
    assert (use.samples, use.values) == (len(values), values.size)
    assert (use.lowest, use.highest) == (values.min(), values.max())
    counts = np.histogram(values.astype(np.float64), BINS, use.edges)[0]
    assert list(use.bins) == counts.tolist()
    if use.is_quantised:
        info = np.iinfo(values.dtype)
        assert use.at_lowest == np.count_nonzero(values == info.min)
        assert use.at_highest == np.count_nonzero(values == info.max)
        assert use.edges == (info.min, info.max + 1)


@pytest.mark.parametrize(
    "numbers", [[0.0], [3.0, 700.0], [-2.5, -0.1], [-5.0, 1e6], [0.0, 1e-9], [1e30, -1e-30]]
)
def test_a_histogram_of_floats_finds_its_own_range(numbers: list[float]) -> None:
    values = np.resize(np.array(numbers, np.float32), (2, 1, 8))
    use = uses_of(copying("ABS", dtype="float32", size=8), values)[0]
    check_use(use, values)
    low, high = use.edges
    assert low <= values.min()
    assert values.max() < high or values.max() == high == 0


def test_a_histogram_keeps_its_counts_while_its_range_grows() -> None:
    rng = np.random.default_rng(1)
    sizes = np.array([1e-3, 0.2, 0.7, 40, 9e4], np.float32).reshape(-1, 1, 1)
    values = (rng.uniform(-1, 1, (5, 1, 64)) * sizes).astype(np.float32)
    check_use(uses_of(copying("ABS", dtype="float32", size=64), values)[0], values)


def test_numbers_that_are_none_are_left_out() -> None:
    values = np.array([[[1.0, np.nan, np.inf, -3.0]]], np.float32)
    use = uses_of(copying("ABS", dtype="float32", size=4), values)[0]
    assert (use.values, use.lowest, use.highest, sum(use.bins)) == (2, -3.0, 1.0, 2)
    nothing = np.full((1, 1, 4), np.nan, np.float32)
    assert uses_of(copying("ABS", dtype="float32", size=4), nothing) == ()


def test_a_full_range_is_sound() -> None:
    assert of_output(copying("RELU", zero_point=-128), ramp(-128, 127)) == []


@pytest.mark.parametrize(("end", "which"), [(127, "at_highest"), (-128, "at_lowest")])
def test_a_range_that_cuts_off(end: int, which: str) -> None:
    samples = ramp(-128, 127)
    few = int(SATURATING * samples[0].size)
    samples[samples == end] = 0
    samples[:, 0, :few] = end
    data = chain_copy()
    assert of_output(data, samples) == []
    samples[:, 0, : few + 1] = end
    (found,) = of_output(data, samples)
    assert (found.rule, found.figures[which]) == ("saturating-range", ENOUGH_SAMPLES * (few + 1))
    assert found.where.tensor_name == "y"


def chain_copy() -> bytes:
    """x -> QUANTIZE -> y of the same scale and zero point: no activation, all codes pass."""
    return copying("QUANTIZE")


def test_zero_of_a_relu_does_not_saturate() -> None:
    samples = np.maximum(ramp(-128, 127), -128)
    samples[:, 0, :128] = -128
    assert of_output(copying("RELU", zero_point=-128), samples) == []


def test_zero_at_the_lowest_code_does_not_saturate() -> None:
    """What is read from a ReLU, for example."""
    samples = ramp(-128, 127)
    samples[:, 0, :128] = -128
    assert of_output(copying("QUANTIZE", zero_point=-128), samples) == []
    found = of_output(copying("QUANTIZE", zero_point=-127), samples)
    assert [each.rule for each in found] == ["saturating-range"]


def test_six_of_a_relu6_does_not_saturate() -> None:
    """The range ends at 6, where the activation cuts; with half of the scale the range cuts."""
    samples = ramp(-128, 127)
    samples[:, 0, 200:] = 127
    six = 6 / 255
    assert of_output(copying("RELU6", scale=six, zero_point=-128), samples) == []
    found = of_output(copying("RELU6", scale=six / 2, zero_point=-128), samples)
    assert [each.rule for each in found] == ["saturating-range"]


def test_a_range_of_which_little_is_used() -> None:
    (found,) = of_output(chain_copy(), ramp(-30, 32))
    assert found.rule == "barely-used-range"
    assert (found.figures["lowest"], found.figures["highest"]) == (-30, 32)
    assert of_output(chain_copy(), ramp(-30, 34)) == []


def test_a_tensor_that_never_changes() -> None:
    (found,) = of_output(chain_copy(), np.full((ENOUGH_SAMPLES, 1, ENOUGH_VALUES), 7, np.int8))
    assert (found.rule, found.figures["value"]) == ("constant-activation", 7)


def test_16_bits_have_ranges_too() -> None:
    (found,) = of_output(copying("QUANTIZE", dtype="int16"), ramp(-900, 900, "int16"))
    assert (found.rule, found.figures["codes"]) == ("barely-used-range", 65536)


def test_a_models_input_is_told_with_a_remedy_of_its_own() -> None:
    found = activation_findings(uses_of(chain_copy(), ramp(-30, 32)))
    by_op = {each.where.op_index: each for each in found}
    assert by_op[None].where.role == "model input 0"
    assert by_op[None].remedy != by_op[0].remedy


@pytest.mark.parametrize(
    ("op", "scale", "zero_point"), [("LOGISTIC", 1 / 256, -128), ("TANH", 1 / 128, 0)]
)
def test_ranges_that_kernels_dictate_are_not_judged(op: str, scale: float, zero_point: int) -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, ENOUGH_VALUES), "int8", scale=1.0, zero_point=0)
    y = g.tensor("y", (1, ENOUGH_VALUES), "int8", scale=scale, zero_point=zero_point)
    g.op(op, [x], [y])
    g.output(y)
    assert of_output(b.finish(), ramp(-128, 127)) == []


@pytest.mark.parametrize(("samples", "size"), [(ENOUGH_SAMPLES - 1, 512), (ENOUGH_SAMPLES, 10)])
def test_few_values_are_not_judged(samples: int, size: int) -> None:
    data = copying("QUANTIZE", size=size)
    assert of_output(data, np.full((samples, 1, size), 7, np.int8)) == []
    enough = np.full((ENOUGH_SAMPLES, 1, 512), 7, np.int8)
    assert of_output(copying("QUANTIZE", size=512), enough)


def test_models_without_inputs_run_once() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    c = g.constant("c", np.arange(4, dtype=np.int8), scale=0.1, zero_point=0)
    y = g.tensor("y", (4,), "int8", scale=0.1, zero_point=0)
    g.op("QUANTIZE", [c], [y])
    g.output(y)
    (use,) = record_uses(Interpreter(b.finish()), ())
    assert (use.samples, use.lowest, use.highest) == (1, 0, 3)


def test_every_op_of_a_chain_is_counted() -> None:
    samples = np.arange(-8, 8, dtype=np.int8).reshape(4, 1, 2, 2, 1)
    uses = uses_of(chain_model(3), samples)
    assert [use.node and use.node.index for use in uses] == [None, 0, 1, 2]
    assert [(use.lowest, use.highest) for use in uses] == [(-8, 7), (-7, 8), (-8, 7), (-7, 8)]

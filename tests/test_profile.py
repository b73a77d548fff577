"""Numeric profiles: names, and that each one computes what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microinterp import Interpreter
from microinterp.errors import UnsupportedError
from microinterp.quant import fixedpoint
from microinterp.quant.params import exact_multiplier, quantize_multiplier
from microinterp.quant.profile import PROFILES, get_profile
from tests.conftest import require_or_skip, shared_model
from tests.ops.movement import Constant, Input, op_model

Array = npt.NDArray[Any]


def test_profiles_by_name() -> None:
    assert list(PROFILES) == ["tflm", "single", "litert-ref", "cmsis-nn"]
    for name, profile in PROFILES.items():
        assert get_profile(name) is profile
        assert profile.name == name
        assert profile.description


def test_unknown_profile() -> None:
    with pytest.raises(UnsupportedError) as caught:
        get_profile("sngle")
    assert "no numeric profile 'sngle'" in str(caught.value)
    assert "did you mean 'single'?" in caught.value.hint
    assert "tflm, single, litert-ref, cmsis-nn" in caught.value.hint
    with pytest.raises(UnsupportedError, match="no numeric profile"):
        Interpreter.from_bytes(bias_model([1], 0.5), profile="none")


def test_functions_of_each_profile() -> None:
    tflm, single, litert, device = PROFILES.values()
    assert tflm.requantise("MUL") is litert.requantise("MUL") is fixedpoint.multiply_double
    assert single.requantise("MUL") is fixedpoint.multiply_single
    assert litert.requantise("FULLY_CONNECTED") is fixedpoint.multiply_real
    assert device.requantise("FULLY_CONNECTED") is fixedpoint.multiply_double
    assert device.requantise_int64("FULLY_CONNECTED") is fixedpoint.multiply_int64_short
    assert device.requantise_int64("TRANSPOSE_CONV") is fixedpoint.multiply_int64
    for profile in (tflm, single):
        assert profile.requantise_int64("FULLY_CONNECTED") is fixedpoint.multiply_int64
    for profile in (tflm, single, device):
        assert profile.split("FULLY_CONNECTED") is quantize_multiplier
    assert litert.requantise_int64("FULLY_CONNECTED") is fixedpoint.multiply_real
    assert litert.split("FULLY_CONNECTED") is exact_multiplier
    assert litert.split("CONV_2D") is quantize_multiplier


def bias_model(
    sums: list[int], factor: float, dtype: str = "int8", bias_type: str = "int32"
) -> bytes:
    """FULLY_CONNECTED whose sums are its bias; one scale for all, out = round(sum * factor)."""
    x = Input((1, 1), dtype, 0.5, 0)
    weights = Constant(np.zeros((len(sums), 1), np.int8), 0.25, 0)
    bias = Constant(np.array(sums, bias_type), 0.125, 0)
    out = Input((1, len(sums)), dtype, float(np.float32(0.125 / factor)), 0)
    return op_model(
        "FULLY_CONNECTED",
        [x, weights, bias],
        [out],
        version=5 if dtype == "int8" else 9,
        quantized_bias_type=bias_type,
    )


def run(data: bytes, profile: str, x: Array) -> Array:
    interpreter = Interpreter.from_bytes(data, profile=profile)
    interpreter.set_input(x, 0)
    interpreter.invoke()
    return interpreter.get_output(0)[0]


def test_profiles_by_hand() -> None:
    """Quarters of 5, 6, 7, -5, -6, -7: 1.25, 1.5, 1.75, and below zero.

    A factor of 1/4 is 2^30 / 2^31 (one rounding, halves up: 3, 3, 4, -2, -3, -3), then / 2 (halves
    away from zero). Rounded once, only 1.5 and -1.5 are ties.
    """
    data, zero = bias_model([5, 6, 7, -5, -6, -7], 0.25), np.zeros((1, 1), np.int8)
    assert run(data, "tflm", zero).tolist() == [2, 2, 2, -1, -2, -2]
    assert run(data, "single", zero).tolist() == [1, 2, 2, -1, -1, -2]
    assert run(data, "litert-ref", zero).tolist() == [1, 2, 2, -1, -2, -2]


@pytest.mark.parametrize(
    ("op", "others", "out", "options"),
    [
        ("MUL", [Constant(np.arange(-31, 33, dtype=np.int8), 0.25, 0)], 0.4, {}),
        ("QUANTIZE", [], 1.7, {}),
        ("RELU", [], 1.7, {}),
        ("MEAN", [Constant(np.array([1], np.int32))], 0.06, {"keep_dims": True}),
        ("SUM", [Constant(np.array([1], np.int32))], 3.3, {"keep_dims": True}),
    ],
)
def test_single_differs_where_there_is_a_right_shift(
    op: str, others: list[Constant], out: float, options: dict[str, Any]
) -> None:
    """The same model under both builds: some outputs are one step apart, none more."""
    shape = (64, 1) if op in ("MEAN", "SUM") else (64, 64)
    inputs = [Input((64, 64), "int8", 0.5, 0), *others]
    data = op_model(op, inputs, [Input(shape, "int8", float(np.float32(out)), 0)], **options)
    sample = np.random.default_rng(6).integers(-20, 21, (64, 64)).astype(np.int8)
    tflm, single, litert, device = (run_all(data, profile, sample) for profile in PROFILES)
    assert np.count_nonzero(tflm != single) > 0
    assert np.abs(tflm.astype(int) - single).max() == 1
    np.testing.assert_array_equal(tflm, litert)
    np.testing.assert_array_equal(tflm, device)


def test_softmax_has_another_cap_in_single() -> None:
    """Scale 31.9 takes a shift of 31, of which single rounding allows 30: exp(-16) counts there."""
    out = Input((1, 2), "int8", 1 / 256, -128)
    data = op_model("SOFTMAX", [Input((1, 2), "int8", 31.9, 0)], [out], beta=1.0)
    for profile in PROFILES:
        sample = np.array([[5, 4]], np.int8)
        assert run_all(data, profile, sample).tolist() == [[127, -128]]
    kernels = [
        Interpreter.from_bytes(data, profile=profile).prepared.subgraphs[0][0].kernel.params
        for profile in PROFILES
    ]
    assert np.count_nonzero(kernels[0].exp) == 1
    assert np.count_nonzero(kernels[1].exp) == 2


def run_all(data: bytes, profile: str, x: Array) -> Array:
    interpreter = Interpreter.from_bytes(data, profile=profile)
    interpreter.set_input(x, 0)
    interpreter.invoke()
    return interpreter.get_output(0)


def litert_reference(data: bytes) -> Any:
    """LiteRT's interpreter with its reference kernels, every tensor kept."""
    try:
        from ai_edge_litert import interpreter as litert
    except ImportError:
        require_or_skip("LiteRT", "pip install ai-edge-litert")
    made = litert.Interpreter(
        model_content=data,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    made.allocate_tensors()
    return made


def differing_elements(data: bytes, profile: str, samples: list[Array]) -> tuple[int, int]:
    """(elements of computed tensors that differ from LiteRT's, elements compared)."""
    theirs = litert_reference(data)
    index = theirs.get_input_details()[0]["index"]
    ours = Interpreter.from_bytes(data, profile=profile, preserve_all_tensors=True)
    differing = compared = 0
    for sample in samples:
        theirs.set_tensor(index, sample)
        theirs.invoke()
        ours.set_input(sample, 0)
        ours.invoke()
        for node in ours.graph.main.nodes:
            tensor = node.outputs[0].index
            pair = theirs.get_tensor(tensor), ours.get_tensor(tensor)
            differing += int(np.count_nonzero(pair[0] != pair[1]))
            compared += pair[0].size
    return differing, compared


def test_litert_reference_on_a_real_model() -> None:
    """ad01: ten layers of FULLY_CONNECTED, every tensor; TFLM's rounding differs on a quarter."""
    data = shared_model("ad01_int8.tflite")
    rng = np.random.default_rng(0)
    samples = [rng.integers(-128, 128, (1, 640)).astype(np.int8) for _ in range(20)]
    differing, compared = differing_elements(data, "litert-ref", samples)
    assert (differing, compared) == (0, 33440)
    assert differing_elements(data, "tflm", samples)[0] > 5000


@pytest.mark.parametrize(
    ("dtype", "bias_type"), [("int8", "int32"), ("int16", "int32"), ("int16", "int64")]
)
def test_litert_reference_on_crafted_sums(dtype: str, bias_type: str) -> None:
    """Sums at and beside halves of an output step, ties among them: the hardest there are."""
    info = np.iinfo(dtype)
    rng = np.random.default_rng(8)
    zero = [np.zeros((1, 1), dtype)]
    others = {"tflm": 0, "single": 0}
    for factor in (0.5, 0.25, 0.0625, 0.3, 0.01, 1 / 3, 1e-3, 7e-5):
        halves = rng.integers(info.min, info.max, 300) + 0.5
        near = np.round(halves / factor) + rng.integers(-2, 3, 300)
        data = bias_model(near.astype(np.int64).tolist(), factor, dtype, bias_type)
        assert differing_elements(data, "litert-ref", zero) == (0, 300)
        for profile in others:
            others[profile] += differing_elements(data, profile, zero)[0]
    assert all(count > 0 for count in others.values())

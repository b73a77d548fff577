"""What passes bring on real models, in bytes, with every output TFLM's and ours bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from microinterp.arena.plan import plan
from microinterp.passes import Passed, ladder, run_passes
from microinterp.runtimes.tflm import TflmRuntime
from tests.conftest import shared_model
from tests.marks import slow
from tests.passes.checking import check_passed, prepared_of, samples_for, usual_outputs
from tests.passes.nets import depthwise_chain, mobilenet_v2
from tests.test_wakewords import wakeword

INPUTS = 3
FREE = ("fold-pad", "reorder", "in-place", "overlap")
ALL = ("fold-pad", "patches", "in-place", "overlap")


@dataclass(frozen=True)
class Case:
    """One way to run a model.

    Attributes:
        tflm: bytes of the head as TFLM plans it.
        wanted: most bytes that the passes may need.
        today: what they need now; a worse search shows here.
        extra: most of extra multiply-accumulates.
    """

    model: str
    passes: str | Sequence[str]
    tflm: int
    wanted: int
    today: int
    extra: float = 0.0

    def __str__(self) -> str:
        names = self.passes if isinstance(self.passes, str) else "+".join(self.passes)
        return f"{self.model} {names}"


CASES = (
    Case("vww_96_int8", ("patches",), 73_728, 38_100, 36_864, 0.1),
    Case("vww_96_int8", ALL, 73_728, 38_100, 28_976, 0.1),
    Case("vww_96_int8", FREE, 73_728, 42_000, 37_248),
    Case("vww_96_int8", "auto", 73_728, 38_100, 28_976, 0.1),
    Case("person_detect", "auto", 55_296, 34_100, 20_352, 0.1),
    Case("person_detect", FREE, 55_296, 55_296, 37_248),
    Case("kws_int8", ("overlap",), 16_000, 9_600, 8_640),
    Case("kws_int8", ("in-place-depthwise", "overlap"), 16_000, 9_600, 8_320),
    Case("ic_resnet8_int8", FREE, 49_152, 34_000, 33_792),
    Case("ic_resnet8_int8", "auto", 49_152, 34_000, 25_600, 0.1),
    Case("micro_speech_int8", "auto", 5_968, 5_968, 4_208, 0.1),
)


def check_case(case: Case, data: bytes) -> Passed:
    """Figures, plan, poison, canaries, and bytes against our own run without passes."""
    prepared, samples = prepared_of(data), samples_for(data, INPUTS)
    assert plan(prepared).head_bytes == case.tflm
    passed = run_passes(prepared, case.passes, max_extra_macs=case.extra)
    print(f"\n{case}: {case.tflm:,} -> {passed.plan.head_bytes:,}, {passed.extra_macs:.2%} MACs")
    assert passed.extra_macs <= case.extra
    assert passed.plan.head_bytes <= min(case.wanted, case.today)
    assert passed.plan.head_bytes >= passed.plan.lower_bound
    check_passed(passed, samples, usual_outputs(data, samples))
    return passed


@pytest.mark.parametrize("case", CASES, ids=str)
def test_real_models(tflm: TflmRuntime, case: Case) -> None:
    data = shared_model(f"{case.model}.tflite")
    check_case(case, data)
    check_against_tflm(tflm, data)


def check_against_tflm(tflm: TflmRuntime, data: bytes, count: int = INPUTS) -> None:
    """The run without passes, to which the others are equal, is the wheel's on the same inputs."""
    samples = samples_for(data, count)
    theirs = [[a.tobytes() for a in outputs] for outputs in tflm.run(data, samples).outputs]
    assert [outputs[: len(theirs[0])] for outputs in usual_outputs(data, samples)] == theirs
    assert len({outputs[0] for outputs in theirs}) > 1


def test_best_alone_on_vww_96() -> None:
    prepared = prepared_of(shared_model("vww_96_int8.tflite"))
    assert plan(prepared, "best").head_bytes == 55_296


@pytest.mark.slow
def test_the_ladder_goes_down_and_auto_takes_the_first_rung_that_fits() -> None:
    """From TFLM's plan; each limit between two rungs gives the cheaper of the two that fit."""
    data = shared_model("vww_96_int8.tflite")
    prepared = prepared_of(data)
    rungs = ladder(prepared)
    heads = [rung.plan.head_bytes for rung in rungs]
    assert heads == sorted(set(heads), reverse=True)
    assert heads[:3] == [73_728, 55_296, 37_248]
    assert heads[-1] <= 28_976
    assert rungs[-2].extra_macs == 0 < rungs[-1].extra_macs <= 0.1
    for limit, head in ((80_000, 73_728), (55_296, 55_296), (55_295, 37_248)):
        passed = run_passes(prepared, "auto", limit)
        assert passed.plan.head_bytes == head
        assert passed.extra_macs == 0
    assert run_passes(prepared, "auto", 1000).plan.head_bytes == heads[-1]


@pytest.mark.parametrize("name", [slow("vww_96_float"), "ic_resnet8_float"])
def test_float_models(tflm: TflmRuntime, name: str) -> None:
    """Sums of floats keep their order in every piece, so bits are kept, too."""
    data = shared_model(f"{name}.tflite")
    samples = samples_for(data, 1)
    passed = run_passes(prepared_of(data), "auto")
    assert passed.plan.head_bytes < 0.6 * plan(prepared_of(data)).head_bytes
    check_passed(passed, samples, usual_outputs(data, samples))


def test_a_chain_of_depthwise_layers_in_half_of_the_memory(tflm: TflmRuntime) -> None:
    """Input and output by turns, as TFLM has it; or one image and one channel of it."""
    data = depthwise_chain(6, (24, 24, 16))
    image = 24 * 24 * 16
    case = Case("chain", ("in-place-depthwise",), 2 * image, image + 576, image + 576)
    passed = check_case(case, data)
    assert sum(item.in_place is not None for item in passed.prepared.subgraphs[0]) == 6
    check_against_tflm(tflm, data)
    # A channel of scratch is left of the half; the more channels there are, the less it matters.
    wide = depthwise_chain(4, (6, 6, 256))
    half = Case("wide", ("in-place-depthwise",), 18_432, 9_216 + 48, 9_216 + 48)
    check_case(half, wide)
    # Row by row there is no channel to keep, but the two rows around.
    rows = Case("chain", ("overlap",), 2 * image, image + 2 * 24 * 16, image + 2 * 24 * 16)
    check_case(rows, data)


def test_okay_nabu_in_another_order(tflm: TflmRuntime) -> None:
    data = wakeword("okay_nabu")
    check_case(Case("okay_nabu", ("reorder",), 3_840, 2_176, 2_176), data)


MOBILENET = Case("MobileNetV2", ALL, 2_451_840, 2_451_840 * 2 // 15, 298_368, 0.1)


@pytest.mark.slow
def test_mobilenet_v2_of_224_x_224() -> None:
    """Head 7.5 times smaller than TFLM's, and more."""
    passed = check_case(MOBILENET, mobilenet_v2())
    assert passed.plan.head_bytes * 7.5 <= MOBILENET.tflm
    folded = run_passes(prepared_of(mobilenet_v2()), ("fold-pad",))
    assert folded.plan.head_bytes == 1_505_280


@pytest.mark.slow
def test_mobilenet_v2_against_tflm(tflm: TflmRuntime) -> None:
    check_against_tflm(tflm, mobilenet_v2(), 2)

"""Targets and tables from results made by hand."""

from __future__ import annotations

import pytest

from benchmarks import tables
from benchmarks.growth import Growth
from benchmarks.layers import Layer
from benchmarks.measuring import Agreement, ModelResult, Timing
from benchmarks.runtimes import MAKERS
from benchmarks.startup import Start, Startup
from benchmarks.targets import SIX, Target, targets


def result(model: str, tflm: float, fast: float, batched: float, macs: int = 10**6) -> ModelResult:
    times = {"TFLM": tflm, "fast": fast, "batched": batched}
    timings = {name: Timing(value, 0.9 * value, 1.2 * value, 7, 0) for name, value in times.items()}
    agreement = {"fast": Agreement(256, 2560, 0, 0.0), "batched": Agreement(256, 2560, 0, 0.0)}
    return ModelResult(model, macs, False, "TFLM", timings, agreement)


def start(first: float, warm: float) -> Start:
    return Start(process=0.3, imports=0.1, first=first, warm=warm, peak_bytes=4e7)


def by_text(found: list[Target]) -> dict[str, Target]:
    return {target.text: target for target in found}


def test_targets_are_ratios_of_tflms_time_to_ours() -> None:
    results = [result(name, 8.0, 2.0, 0.5) for name in SIX[:3]]
    results += [result(name, 9.0, 1.0, 0.3) for name in SIX[3:]]
    results.append(result("hello_world_int8", 1.0, 20.0, 0.5, macs=288))
    found = by_text(targets(results, [], 256))
    mean = found["single invoke, geometric mean of the six"]
    assert (mean.value, mean.met) == (pytest.approx(6.0), True)
    resnet = found["single invoke, ic_resnet8_int8"]
    assert (resnet.value, resnet.met) == (4.0, False)
    # hello_world is far below 2, and too small to count
    lowest = found["single invoke, lowest of more than 0.2 MMAC"]
    assert (lowest.value, lowest.met) == (4.0, True)
    batched = {name: found[f"run_batch of 256, {name}"] for name in (*SIX[:3], "hello_world_int8")}
    assert [t.value for t in batched.values()] == [16.0, 16.0, 16.0, 2.0]
    assert [t.met for t in batched.values()] == [False, True, True, True]


def test_loading_takes_the_worse_of_two_ratios_and_less_is_better() -> None:
    startup = Startup("vww_96_int8", {"fast": start(0.06, 0.03), "TFLM": start(0.02, 0.005)})
    (load,) = [target for target in targets([], [startup], 256) if target.at_most]
    assert load.value == pytest.approx(6.0)
    assert load.met is False
    assert Target("", 5.0, 5.0, at_most=True).met is True


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    found = targets([result("ic_resnet8_int8", 8.0, 0.5, 0.1)], [], 64)
    values = {target.text: target.met for target in found}
    assert values["single invoke, ic_resnet8_int8"] is True
    assert values["single invoke, geometric mean of the six"] is None
    assert values["run_batch of 256, ic_resnet8_int8"] is None  # 64 samples are not 256
    assert sum(met is None for met in values.values()) == 6


def test_every_runtime_has_a_column() -> None:
    assert set(tables.SHORT) == set(MAKERS)


def test_times_and_ratios_show_what_ran() -> None:
    shown = [result("m", 8e-3, 2e-3, 5e-4)]
    line = list(tables.times(shown))[-1]
    assert "2,000" in line
    assert line.endswith(" 0/21")  # three runtimes of seven turns each, none disturbed
    (row,) = list(tables.ratios(shown))[2:]
    cells = dict(zip(tables.SHORT, row.split()[1:], strict=True))
    known = {name: cell for name, cell in cells.items() if cell != "-"}
    assert known == {"fast": "4.00", "batched": "16.00", "TFLM": "1.00"}


def test_a_difference_is_shouted() -> None:
    good, bad = result("good", 1, 1, 1), result("bad", 1, 1, 1)
    bad.agreement["batched"] = Agreement(256, 2560, 3, 12.0)
    bad.agreement["XNNPACK, 1 thread"] = Agreement(256, 2560, 256, 30.0)
    _, first, second = tables.outputs([good, bad])
    assert "equal, 3 runtimes, at least 256 samples" in first
    assert "DIFFERENT: batched" in second
    assert "XNNPACK 10.0% differ, by up to 30" in second


def test_equal_is_never_said_of_nothing() -> None:
    lonely = ModelResult("m", 1, False, "TFLM", {"TFLM": Timing(1, 1, 1, 1, 0)})
    assert "not compared" in list(tables.outputs([lonely]))[-1]


def test_a_reason_is_given_once() -> None:
    broken = ModelResult("m", 1, False, failures={"XNNPACK, 1 thread": "no", "TFLM": "no"})
    (row,) = list(tables.failures([broken]))[1:]
    assert row.split(maxsplit=1) == ["m", "XNNPACK, 1 thread / TFLM: no"]


def test_growth_start_layers_and_targets_have_their_lines() -> None:
    batches = {size: Timing(2e-6 / size, 0, 1, 3, 0) for size in (1, 2)}
    made = [result("4 channels", 4e-3, 1e-3, 5e-4)]
    growth = Growth(made, [], "m", {"batched, 1 thread": batches})
    rows = [line.split() for line in tables.growth(growth)]
    assert rows[-2:] == [["1", "2.00"], ["2", "1.00"]]
    startup = Startup("m", {"fast": start(0.06, 0.03), "TFLM": start(0.02, 0.01)}, {"load": 0.004})
    lines = "\n".join(tables.startup([startup]))
    assert "first, fast over TFLM: 3.00" in lines
    assert "load 4.0" in lines
    layer = Layer(3, "CONV_2D", (1, 8, 8, 4), 2_000_000, "a product", 1e-4, 2e10, 4e10)
    (line,) = list(tables.roofline("m", [layer], {"product, 1 thread": 5e10}))[2:]
    assert line.split()[:7] == ["3", "CONV_2D", "1x8x8x4", "2000", "100", "20.00", "40.0%"]
    shown = list(tables.acceptance([Target("a", 6, 7), Target("b", 6, 5), Target("c", 6, None)]))
    assert [line.split()[-1] for line in shown[1:]] == ["met", "MISSED", "measured"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.234e-6, "1.23"), (56.78e-6, "56.8"), (1.2345, "1,234,500")]
)
def test_microseconds_have_three_digits_that_count(seconds: float, text: str) -> None:
    assert tables.microseconds(seconds) == text

"""microinterp.report.plots: what the pictures show is what was found, and anything can be drawn."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.arena.report import timeline
from microinterp.compare.comparison import Comparison, FirstOp, Row
from microinterp.errors import InputError, MicrointerpError
from microinterp.health.recording import BINS, record_uses
from microinterp.model_builder import ModelBuilder
from microinterp.report import Mark, plots
from microinterp.report.bars import bars
from microinterp.report.figures import ReportSamples, measure
from tests.digits import DIGITS
from tests.processes import python

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

MODEL = DIGITS / "digits_int8.tflite"


@pytest.fixture(autouse=True)
def _drawn() -> Iterator[None]:
    """Draw every figure that a test has made, so that nothing fails only then; no warnings."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in plt.get_fignums():
            plt.figure(number).canvas.draw()
    plt.close("all")


def samples(count: int = 8) -> np.ndarray:
    images = np.load(DIGITS / "test_images.npz")["images"][:count].astype(np.int16)
    return (15 * images - 128).astype(np.int8)[:, None]


def texts(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.texts]


# arena_map


def test_arena_shows_every_buffer_where_it_lies() -> None:
    it = Interpreter.from_file(MODEL)
    ax = plots.arena_map(it, marks=[Mark("RAM of a small chip", 2560)])
    found = bars(it.prepared, it.arena.plan, timeline(it.prepared, it.arena.plan))
    drawn = [c.get_paths()[0].get_extents() for c in ax.collections]
    wanted = [(b.first, b.last + 1, b.placed.offset, b.placed.end) for b in found if b.is_used]
    assert [(e.x0, e.x1, e.y0, e.y1) for e in drawn] == wanted
    assert [line.get_ydata()[0] for line in ax.lines[:2]] == [it.arena.head_bytes, 2560]
    assert "RAM of a small chip 2,560" in texts(ax)
    assert "9 pointwise_1\n2,048 B" in texts(ax)
    assert ax.get_title("left") == "head 3,072 bytes, planner tflm"
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels[0] == "inputs"
    assert labels[-1] == "9 SOFTMAX"
    outlined = [c.get_linewidth()[0] > 1 for c in ax.collections]
    assert outlined == [b.at_peak for b in found if b.is_used]


def test_a_mark_far_above_does_not_flatten_the_picture() -> None:
    it = Interpreter.from_file(MODEL)
    ax = plots.arena_map(it, marks=[Mark("RAM", 65536)])
    assert ax.get_ylim()[1] < 2 * it.arena.head_bytes
    assert "RAM 65,536 (off scale) \u2191" in texts(ax)
    assert len([line for line in ax.lines if line.get_linestyle() == "--"]) == 0


def test_arena_after_passes_has_stairs_that_stay_inside() -> None:
    it = Interpreter.from_file(MODEL, passes="auto")
    ax = plots.arena_map(it, title="after $passes$")
    extents = [c.get_paths()[0].get_extents() for c in ax.collections]
    assert max(e.y1 for e in extents) == it.arena.head_bytes
    pale = [c for c in ax.collections if c.get_alpha() == 0.25]
    assert pale
    assert ax.get_title("left") == r"after \$passes\$"


# op_times


def test_op_times_of_a_model_here() -> None:
    figures = measure(
        MODEL.read_bytes(), "digits", lambda _: ReportSamples((samples(),), None)
    ).figures
    ax = plots.op_times(figures)
    times, macs = ax.containers
    assert sum(bar.get_width() for bar in times) == pytest.approx(100)
    assert sum(bar.get_width() for bar in macs) == pytest.approx(100)
    assert macs[2].get_width() == pytest.approx(100 * 32768 / 82304)
    assert "32,768 MACs" in texts(ax)
    assert f"{figures['ops'][2]['time_us']:,.1f} us" in texts(ax)
    assert [label.get_text() for label in ax.get_yticklabels()][8] == "8 FULLY_CONNECTED"


@pytest.mark.parametrize("model", [MODEL, str(MODEL), MODEL.read_bytes()])
def test_op_times_measures_by_itself(model: Any) -> None:
    assert "82,304 MACs" in " ".join(texts(plots.op_times(model)))
    assert "82,304 MACs" in " ".join(texts(plots.op_times(model, [samples(1)])))


def test_op_times_of_what_a_report_has_measured() -> None:
    measured = measure(MODEL.read_bytes(), "digits", lambda _: ReportSamples((samples(1),), None))
    (here, _), (same, _) = (plots.op_times(m).containers for m in (measured, measured.figures))
    assert [bar.get_width() for bar in here] == [bar.get_width() for bar in same]


def test_op_times_of_a_board() -> None:
    op = {"subgraph": 0, "index": 0, "name": "CONV_2D", "macs": 100, "time": 3000}
    bench = {
        "clock_unit": "instructions",
        "model": {"name": "small"},
        "board": {"machine": "Cortex-M4"},
        "runtime": {"kernels": "viper"},
        "ops": [op, {**op, "index": 1, "name": "RESHAPE", "macs": 0, "time": 1000}],
    }
    ax = plots.op_times(bench)
    assert ax.get_title("left") == "small on Cortex-M4, viper kernels"
    assert [bar.get_width() for bar in ax.containers[0]] == [75, 25]
    assert "3,000 instructions" in texts(ax)


def test_op_times_of_many_ops_are_of_the_slowest() -> None:
    op = {"subgraph": 0, "name": "ADD", "macs": 0}
    figures = {
        "file": {"name": "long"},
        "ops": [{**op, "index": i, "time_us": float(i)} for i in range(60)],
    }
    ax = plots.op_times(figures)
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        f"{i} ADD" for i in range(20, 60)
    ]
    assert "the 40 slowest of 60 ops" in " ".join(texts(ax))


def test_op_times_of_a_model_that_does_not_run() -> None:
    with pytest.raises(MicrointerpError):
        plots.op_times(b"TFL3 is not all that it takes")
    with pytest.raises(InputError, match="no op was timed"):
        plots.op_times({"file": {"name": "x"}, "ops": []})


# histogram


def test_histogram_of_a_use() -> None:
    uses = record_uses(Interpreter.from_file(MODEL), [samples()])
    conv = next(use for use in uses if use.node is not None)
    ax = plots.histogram(conv)
    assert [bar.get_height() for bar in ax.patches[:BINS]] == [*conv.bins]
    share = 100 * conv.at_lowest / conv.values
    assert f"{share:.3g} %\nat this end" in texts(ax)
    assert f"{conv.values:,} values, scale 0.013972, zero point -128" in texts(ax)
    assert "op 0 CONV_2D 'conv'" in ax.get_title("left")


def test_histogram_of_an_input_and_of_floats() -> None:
    """What comes cut is nobody's fault: no end of an input is marked."""
    images = samples()
    given = next(u for u in record_uses(Interpreter.from_file(MODEL), [images]) if not u.node)
    ax = plots.histogram(given)
    assert "input 0 '" in ax.get_title("left")
    (left,) = (text for text in ax.texts if "this end" in text.get_text())
    assert left.get_color() == plots.ranges.FAINT
    b = ModelBuilder()
    g = b.subgraph("main")
    x, y = g.input("x", (4,), "float32"), g.tensor("y", (4,), "float32")
    g.op("NEG", [x], [y])
    g.output(y)
    floats = np.array([[-1, 0.5, 2, 3]], np.float32)
    uses = record_uses(Interpreter.from_bytes(b.finish()), [floats])
    ax = plots.histogram(next(use for use in uses if use.node is not None))
    assert "4 values" in texts(ax)
    assert ax.get_xlabel() == "real number"
    assert sum(bar.get_height() for bar in ax.patches[:BINS]) == 4


def test_histogram_marks_what_saturates_and_not_what_an_activation_cuts() -> None:
    uses = record_uses(Interpreter.from_file(MODEL), [samples()])
    conv = next(use for use in uses if use.node is not None)
    ax = plots.histogram(replace(conv, at_highest=conv.values // 10))
    colours = {t.get_text(): t.get_color() for t in ax.texts}
    left, right = (c for t, c in colours.items() if "this end" in t)
    assert left != right == plots.ranges.RED


def test_histogram_of_codes() -> None:
    codes = np.array([-128, -128, 0, 5, 127, 127, 127, 127], np.int8)
    ax = plots.histogram(codes, 0.5, 3)
    heights = [bar.get_height() for bar in ax.patches[:256]]
    assert sum(heights) == 8
    assert (heights[0], heights[128], heights[255]) == (2, 1, 4)
    assert {"25 %\nat this end", "50 %\nat this end"} <= {*texts(ax)}
    ax.figure.canvas.draw()
    (real,) = ax.child_axes
    assert real.get_xlim() == pytest.approx(tuple((q - 3) * 0.5 for q in ax.get_xlim()))


def test_histogram_of_real_numbers() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, 4000)
    ax = plots.histogram(values, 0.01, 10, title="$a$", log=True)
    low, high = 0.01 * (-128 - 10 - 0.5), 0.01 * (127 - 10 + 0.5)
    told = texts(ax)
    assert f"{100 * int((values < low).sum()) / 4000:.3g} %\nbeyond" in told
    assert f"{100 * int((values > high).sum()) / 4000:.3g} %\nbeyond" in told
    drawn = [bar for bar in ax.patches if bar.get_height() and bar.get_width() < 1]
    assert sum(bar.get_height() for bar in drawn) == 4000
    red = [bar for bar in drawn if bar.get_facecolor()[0] > 0.8]
    outside = ((values < low) | (values > high)).sum()
    assert sum(bar.get_height() for bar in red) == outside


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(3),
        np.full(3, 1e9),
        np.array([1e-9, -1e9]),
        np.array([7], np.int32),
        np.array([0, 2**31 - 1], np.int64),
        np.array([-32768, 32767], np.int16),
        np.array([0, 255], np.uint8),
    ],
)
def test_histogram_of_odd_numbers(values: np.ndarray) -> None:
    for log in (False, True):
        ax = plots.histogram(values, 0.5, log=log)
        assert any(bar.get_height() for bar in ax.patches)


@pytest.mark.parametrize(
    ("values", "scale", "message"),
    [
        ([], 1.0, "no values"),
        ([1.0], None, "need the scale"),
        ([1.0], 0.0, "need the scale"),
        ([1.0, np.nan], 1.0, "not finite"),
    ],
)
def test_histogram_refuses(values: list[float], scale: float | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plots.histogram(np.array(values), scale)


# error_against and error_elements


def comparison(rows: tuple[Row, ...]) -> Comparison:
    return Comparison(
        False, 7, 200, FirstOp(0, 1, "CONV_2D"), None, "", "ours", "$theirs$", "litert", 2, rows, ()
    )


def test_error_against_shows_each_op() -> None:
    rows = (
        Row(0, 0, "PAD", 3, "a", "int8", 50, "values", 0, 0, 0),
        Row(0, 1, "CONV_2D", 4, "b", "int8", 50, "values", 5, 1, 1, 2, 1),
        Row(0, 2, "SOFTMAX", 5, "c", "int8", 50, "values", 10, 2, 4, 0, 0),
        Row(0, 3, "ADD", 6, "d", "int8", 50, "crc", None, 1),
        Row(0, 4, "ADD", 7, "e", "float32", 50, "values", 1, 1, 0.25),
    )
    ax = plots.error_against(comparison(rows))
    ours, alone = ax.containers
    assert [bar.get_width() for bar in ours] == [0, 1, 4, 0.25]
    assert [bar.get_width() for bar in alone] == [0, 1, 0, 0]
    told = texts(ax)
    assert {"1 step, 10 % differ", "1 step, 4 % differ", "4 steps, 20 % differ"} <= {*told}
    assert "0.25, 2 % differ" in told
    assert "7 of 200 elements differ in 2 samples" in told
    colours = [label.get_color() for label in ax.get_yticklabels()]
    assert [c == plots.differences.RED for c in colours] == [False, True, False, False]
    assert ax.get_title("left") == r"\$theirs\$ against ours"


def test_error_against_checksums_alone() -> None:
    row = Row(0, 3, "ADD", 6, "d", "int8", 50, "crc", None, 1)
    with pytest.raises(InputError, match="tells no values"):
        plots.error_against(comparison((row,)))


def test_error_elements() -> None:
    ours = np.array([[1, 2, 3, 4, 127]], np.int8)
    theirs = np.array([[1, 2, 2, 6, -128]], np.int8)
    ax = plots.error_elements(ours, theirs)
    assert "3 of 5 elements differ, by at most 255" in texts(ax)
    ax = plots.error_elements(ours[:, :4], theirs[:, :4])
    (bars,) = ax.containers
    assert [bar.get_height() for bar in bars] == [0, 1, 2, 0, 1]
    ax = plots.error_elements(ours, ours)
    assert "0 of 5 elements differ, by at most 0" in texts(ax)
    assert plots.error_elements(ours / 3, theirs / 3).patches
    with pytest.raises(InputError, match="one shape"):
        plots.error_elements(ours, theirs[0])


# All of them


def test_axes_of_ones_own() -> None:
    _, axes = plt.subplots(2, 3, figsize=(16, 9), layout="constrained")
    it = Interpreter.from_file(MODEL)
    row = Row(0, 1, "CONV_2D", 4, "b", "int8", 50, "values", 5, 1, 1, 2, 1)
    drawn = [
        plots.arena_map(it, ax=axes[0, 0]),
        plots.op_times(MODEL, ax=axes[0, 1]),
        plots.histogram(samples(), ax=axes[0, 2]),
        plots.error_against(comparison((row,)), ax=axes[1, 0]),
        plots.error_elements([1], [2], ax=axes[1, 1]),
    ]
    assert [*axes.flat[:5]] == drawn
    assert len(plt.get_fignums()) == 1


def test_names_from_models_are_drawn_as_they_are() -> None:
    row = Row(0, 1, "$\\frac{$\x1b[31m", 4, "b", "int8", 50, "values", 5, 1, 1)
    ax = plots.error_against(comparison((row,)))
    assert "\x1b" not in ax.get_yticklabels()[0].get_text()
    plots.histogram(np.zeros(3, np.int8), title="$\\nonsense{$")


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(InputError, match="matplotlib") as caught:
        plots.histogram(np.zeros(3, np.int8))
    assert "microinterp[plots]" in caught.value.hint


def test_matplotlib_is_not_imported_before_it_draws() -> None:
    code = "import sys, microinterp.report.plots; print('matplotlib' in sys.modules)"
    assert python(code) == "False\n"

"""Pictures of the arena: geometry by hand, words, bad names, long models, plans of passes."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from microinterp.arena.plan import plan
from microinterp.arena.report import timeline
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.passes import Passed, run_passes
from microinterp.report import Mark, arena_svg
from microinterp.report.markup import element, escaped, number
from tests.arena_pictures import BAD_NAMES, SVG, hostile_model, parsed, points, texts, with_class
from tests.conftest import shared_model
from tests.models import chain_model
from tests.test_arena_report import doubling_model, mean_model
from tests.test_wakewords import wakeword

LEFT, RIGHT, TOP, FLOOR = 78, 976, 84, 464
"""Edges of the upper panel in a picture of the usual width."""


def drawn(data: bytes, planner: str = "tflm", **more: object) -> str:
    prepared = prepare_model(data, kernels="plain")
    return arena_svg(prepared, plan(prepared, planner), **more)  # type: ignore[arg-type]


def box(group: object) -> tuple[float, float, float, float]:
    """Left, right, lower and upper edge of a bar."""
    corners = points(group.find(f"{SVG}path"))  # type: ignore[attr-defined]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), max(xs), max(ys), min(ys)


def test_bars_by_hand() -> None:
    """Three columns; the head of 96 bytes reaches 1 / 1.08 of the panel's 380 pixels."""
    x, a, b = with_class(parsed(drawn(doubling_model())), "mi-bar")
    column = (RIGHT - LEFT) / 3

    def height(address: int) -> float:
        return FLOOR - 380 * address / (96 * 1.08)

    for bar, first, last, start, end in ((x, 0, 1, 0, 32), (a, 1, 2, 64, 96), (b, 2, 2, 0, 64)):
        wanted = (LEFT + first * column, LEFT + (last + 1) * column, height(start), height(end))
        assert box(bar) == pytest.approx(wanted, abs=0.06)


def test_roles_and_titles() -> None:
    bars = with_class(parsed(drawn(doubling_model())), "mi-bar")
    assert [bar.get("class") for bar in bars] == [
        "mi-bar mi-input",
        "mi-bar mi-tensor mi-full",
        "mi-bar mi-output mi-full",
    ]
    assert [bar.find(f"{SVG}title").text for bar in bars] == [  # type: ignore[union-attr]
        "0 x\nmodel input, int8[32]\n32 bytes at 0 to 32\nalive from inputs to 0 RELU",
        "1 a\nbetween ops, int8[32]\n32 bytes at 64 to 96\nalive from 0 RELU to 1 CONCATENATION",
        "2 b\nmodel output, int8[64]\n64 bytes at 0 to 64\nalive at 1 CONCATENATION",
    ]
    scratch = with_class(parsed(drawn(mean_model())), "mi-scratch")
    assert "scratch of an op" in scratch[1].find(f"{SVG}title").text  # type: ignore[union-attr, operator]


def test_the_peak_is_named_and_marked() -> None:
    root = parsed(drawn(doubling_model(), heading="doubling.tflite"))
    words = texts(root)
    assert words[0] == "doubling.tflite"
    assert words[1] == ("head 96 bytes, planner tflm; peak 96 bytes alive at once: 1 CONCATENATION")
    (band,) = with_class(root, "mi-band")
    assert float(band.get("x") or 0) == pytest.approx(LEFT + 2 / 3 * (RIGHT - LEFT), abs=0.06)
    (label,) = (each for each in with_class(root, "mi-at-peak") if each.tag == f"{SVG}text")
    assert label.text == "1 CONCATENATION"


def test_live_bytes_curve() -> None:
    """32, 64 and 96 bytes over 76 pixels."""
    (curve,) = with_class(parsed(drawn(doubling_model())), "mi-curve")
    floor = 84 + 380 + 26 + 76
    heights = [floor - y for _, y in points(curve)]
    assert heights[1:-1:2] == pytest.approx([76 / 3, 76 * 2 / 3, 76], abs=0.06)


def test_columns_tell_what_is_alive() -> None:
    steps = with_class(parsed(drawn(doubling_model())), "mi-step")
    assert [step.find(f"{SVG}title").text for step in steps] == [  # type: ignore[union-attr]
        "inputs\n32 bytes alive",
        "0 RELU\n64 bytes alive",
        "1 CONCATENATION\n96 bytes alive",
    ]


def test_marks() -> None:
    root = parsed(drawn(doubling_model(), "linear", marks=[Mark("TFLM's head", 96)]))
    assert {"TFLM's head 96", "head 128"} <= set(texts(root))
    (line,) = with_class(root, "mi-mark")
    assert float(line.get("y1") or 0) == pytest.approx(FLOOR - 380 * 96 / (128 * 1.08), abs=0.06)


def test_a_mark_far_above_does_not_flatten_the_bars() -> None:
    root = parsed(drawn(doubling_model(), marks=[Mark("fast RAM", 1_000_000)]))
    assert "fast RAM 1,000,000 (off scale) \u2191" in texts(root)
    (line,) = with_class(root, "mi-mark")
    assert float(line.get("y1") or 0) == TOP
    (head,) = with_class(root, "mi-head")
    assert float(head.get("y1") or 0) == pytest.approx(FLOOR - 380 / 1.08, abs=0.06)


def test_axis() -> None:
    words = texts(parsed(drawn(doubling_model())))
    assert {"0", "16", "32", "48", "64", "80", "96"} <= set(words)
    vww = texts(parsed(drawn(shared_model("vww_96_int8.tflite"))))
    assert {"0", "16 KiB", "32 KiB", "48 KiB", "64 KiB"} <= set(vww)


def test_labels_have_room() -> None:
    """A number, name and size in a wide bar; nothing in one too low for a line."""
    words = texts(parsed(drawn(doubling_model())))
    assert {"0 x", "32 B", "1 a", "2 b", "64 B"} <= set(words)
    bars = with_class(parsed(drawn(chain_model(200))), "mi-bar")
    assert all(bar.find(f"{SVG}text") is None for bar in bars)


@pytest.mark.parametrize("name", ["person_detect.tflite", "kws_int8.tflite"])
def test_labels_stay_in_their_bars(name: str) -> None:
    """By 7 pixels a character, which no letter but W takes in most fonts at this size."""
    labels = 0
    for bar in with_class(parsed(drawn(shared_model(name))), "mi-bar"):
        left, right, lower, upper = box(bar)
        for label in bar.iter(f"{SVG}text"):
            half = 7 * len(label.text or "") / 2
            x, y = float(label.get("x") or 0), float(label.get("y") or 0)
            assert left <= x - half
            assert x + half <= right
            assert upper + 7 <= y <= lower
            labels += 1
    assert labels > 10


def test_bad_names_are_words_and_nothing_else() -> None:
    svg = drawn(hostile_model(), heading="</script><svg onload=alert(1)>")
    root = parsed(svg)
    tags = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert tags == {"svg", "style", "rect", "line", "text", "path", "g", "title"}
    allowed = {
        *("class", "x", "y", "x1", "x2", "y1", "y2", "d", "width", "height", "viewBox", "role"),
        *("aria-label", "text-anchor", "transform", "stroke-width"),
        *("data-buffer", "data-first", "data-last", "data-step"),
    }
    assert {name for each in root.iter() for name in each.attrib} <= allowed
    titles = [each.text or "" for each in root.iter(f"{SVG}title")]
    for name in ("script", "style", "image", "attribute", "cdata", "entity", "comment", "markup"):
        assert any(BAD_NAMES[name] in text for text in titles), name
    assert any("\\x1b[31mred" in text for text in titles)
    assert all(c.isprintable() or c == "\n" for c in svg)
    assert len(svg) < 60_000


def test_markup_by_hand() -> None:
    assert escaped("<b a=\"1\" c='2'>&") == "&lt;b a=&quot;1&quot; c=&#x27;2&#x27;&gt;&amp;"
    assert escaped("a\x00\x1b\u202e\udcff\ufffe") == "a\\x00\\x1b\\u202e\\udcff\\ufffe"
    assert escaped("<" * 200, 3) == "&lt;&lt;&lt;..."
    assert element("a", "<b/>", class_='x"y', data_n=None, x=1.26) == (
        '<a class="x&quot;y" x="1.3"><b/></a>'
    )
    assert [number(v) for v in (0, -0.04, 12.0, 12.04, 12.06)] == ["0", "0", "12", "12", "12.1"]


def test_nothing_is_loaded() -> None:
    """No address but the namespace, no style that fetches; attributes that load are not allowed."""
    svg = drawn(mean_model())
    assert re.findall(r"\w+://[^\"' <]*", svg) == ["http://www.w3.org/2000/svg"]
    assert "url(" not in svg
    assert "@import" not in svg


def test_the_picture_is_the_same_every_time() -> None:
    assert drawn(mean_model()) == drawn(mean_model())


def spaced(root: object) -> list[float]:
    """Where op names stand."""
    moved = [each.get("transform") or "" for each in root.iter(f"{SVG}text")]  # type: ignore[attr-defined]
    places = [re.match(r"translate\(([\d.]+) [\d.]+\) rotate\(-55\)", each) for each in moved]
    return sorted(float(place[1]) for place in places if place)


@pytest.mark.parametrize("length", [3, 60, 300, 1500])
def test_long_models(length: int) -> None:
    root = parsed(drawn(chain_model(length)))
    width = float(root.get("width") or 0)
    assert 1000 <= width <= 2400
    names = spaced(root)
    assert len(names) >= min(4, length)
    assert all(b - a >= 12.9 for a, b in itertools.pairwise(names))
    assert len(with_class(root, "mi-bar")) == length + 1


def test_subgraphs_and_variables() -> None:
    root = parsed(drawn(wakeword("okay_nabu")))
    assert "0:33 CONCATENATION" in texts(root)
    assert len(with_class(root, "mi-at-peak")) == 4  # two peaks: a sign and a name each


def test_empty_head() -> None:
    b = ModelBuilder()
    b.subgraph("main")
    assert with_class(parsed(drawn(b.finish())), "mi-bar") == []


def test_what_no_op_uses_is_counted_and_not_drawn() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (32,), "int8", scale=1.0, zero_point=0)
    y = g.tensor("y", (32,), "int8", scale=1.0, zero_point=0)
    g.tensor("idle", (64,), "int8", scale=1.0, zero_point=0)
    g.op("RELU", [x], [y])
    g.output(y)
    root = parsed(drawn(b.finish()))
    assert len(with_class(root, "mi-bar")) == 2
    assert "1 that no op uses not drawn" in texts(root)


def convolutions() -> bytes:
    """Three 3x3 convolutions of 16x16 pixels: rows of each output may lie over input rows."""
    b = ModelBuilder()
    g = b.subgraph("main")
    tensor = g.input("x", (1, 16, 16, 4), "int8", scale=0.5, zero_point=0)
    for i in range(3):
        weights = np.ones((4, 3, 3, 4), np.int8)
        w = g.constant(f"w{i}", weights, scale=0.01, zero_point=0)
        after = g.tensor(f"t{i}", (1, 16, 16, 4), "int8", scale=0.5, zero_point=0)
        steps = {"stride_h": 1, "stride_w": 1}
        g.op("CONV_2D", [tensor, w], [after], padding="SAME", **steps)
        tensor = after
    g.output(tensor)
    return b.finish()


def overlapped() -> Passed:
    return run_passes(prepare_model(convolutions(), kernels="plain"), ["overlap"])


def test_pieces_are_drawn_as_their_bytes_come_and_go() -> None:
    """At each column the bars' heights are the live bytes, and together they leave no byte out."""
    passed = overlapped()
    usual = plan(prepare_model(convolutions(), kernels="plain")).head_bytes
    assert passed.plan.head_bytes < usual
    svg = arena_svg(passed.prepared, passed.plan, marks=[Mark("TFLM's head", usual)])
    root = parsed(svg)
    moments = timeline(passed.prepared, passed.plan)
    assert len(moments) > 12
    column = (RIGHT - LEFT) / len(moments)
    scale = 380 / (1.08 * usual)
    for at, moment in enumerate(moments):
        x = LEFT + (at + 0.5) * column
        heights = sum(height_at(bar, x) for bar in with_class(root, "mi-bar"))
        assert heights == pytest.approx(moment.live_bytes * scale, abs=0.5)
    assert len(with_class(root, "mi-pale")) >= 2
    assert any("pale: its bytes that are not in use" in text for text in texts(root))


def height_at(bar: object, x: float) -> float:
    """Pixels from a bar's lower to its upper edge at x; its edges are level or upright."""
    corners = points(bar.find(f"{SVG}path"))  # type: ignore[attr-defined]
    edges = zip(corners, [*corners[1:], corners[0]], strict=True)
    crossed = [a[1] for a, b in edges if min(a[0], b[0]) < x < max(a[0], b[0])]
    return max(crossed) - min(crossed) if crossed else 0.0

"""`microinterp explain`: what it prints, and what it refuses."""

from __future__ import annotations

import io
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from microinterp.cli.explain_report import show
from microinterp.errors import MicrointerpError
from microinterp.explain import explain, explaining, html_section
from microinterp.explain.recorder import Recorder
from microinterp.explain.subject import Outcome, Subject
from microinterp.model_builder import ModelBuilder
from tests.cli import HOSTILE, call, good, good_json, refused, stored
from tests.explain.evaluator import evaluate
from tests.explain.test_by_hand import X, pointwise

PENCIL = """\
op 0 CONV_2D  int8[1,1,2,2] at [0,0,1,1] = 2
'y'
x.npy, profile tflm

     at  input  input - (-1)  weight  product
0,0,1,0      9            10      -4      -40
0,0,1,1    -11           -10       5      -50
0,0,1,2     13            14      -6      -84
sum of the products    3 products                   -174
add bias 1             -174 + 10                    -164  ≈ -20.5
times the multiplier   -164 \u00d7 1,073,741,824 ÷ 2^31   -82
                       …10101110│000000000000…  + ½, nothing is lost
                       factor 0.125 = 0.5 \u00d7 0.25 ÷ 1 = 1,073,741,824 \u00d7 2^-33
shift right            -82 ÷ 2^2                     -21
                       -10100│10  ½ + ½ = 1: away from zero
add output zero point  -21 + 2                       -19
clamp                  -19 within 2 … 127              2  ≈ 0

stands for             (2 - 2) \u00d7 1 = 0
float model            0
difference             +0.00 output steps
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with the pencil's convolution and its input."""
    monkeypatch.chdir(tmp_path)
    stored(tmp_path, pointwise())
    np.save(tmp_path / "x.npy", X[0])
    return tmp_path


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


@pytest.mark.parametrize("columns", ["80", "120"])
def test_text(files: Path, columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = good("explain", "model.tflite", "--op", 0, "--index", "0,0,1,1", "--input", "x.npy")
    assert lines(text) == lines(PENCIL)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_screen(
    files: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = good("explain", "model.tflite", "--op", 0, "--index", "[0, 0, 1, 1]")
    assert max(map(len, lines(text))) <= width


def test_json_adds_up(files: Path) -> None:
    found = good_json("explain", "model.tflite", "--op", 0, "--index", "0,0,1,1", "-i", "x.npy")
    assert evaluate(found) == found["value"] == 2
    assert found["op"] == {"subgraph": 0, "index": 0, "name": "CONV_2D"}
    assert found["output"]["scale"] == 1.0
    assert found["float_model"] == {"value": 0.0, "difference": 0.0, "difference_steps": 0.0}
    factor = next(step["factor"] for step in found["steps"] if "factor" in step)
    assert factor == {"multiplier": 1 << 30, "shift": -2, "real": 0.125}


def test_random_input_is_said_and_follows_the_seed(files: Path) -> None:
    call = ("explain", "model.tflite", "--op", 0, "--index", "0,0,0,0")
    first, again, other = (good_json(*call, "--seed", seed) for seed in (1, 1, 2))
    assert first["input"] == "random input, seed 1"
    assert first == again
    assert first["steps"] != other["steps"]


def test_long_sums_are_folded_unless_all_is_asked_for(tmp_path: Path) -> None:
    path = stored(tmp_path, _dense(40))
    short = good("explain", path, "--op", 0, "--index", "0,1")
    assert "(34 of 40 rows left out: --all)" in short
    whole = good("explain", path, "--op", 0, "--index", "0,1", "--all")
    assert "left out" not in whole
    assert len(lines(whole)) > len(lines(short)) + 30
    assert len(good_json("explain", path, "--op", 0, "--index", "0,1")["steps"][0]["terms"]) == 40


def _dense(depth: int) -> bytes:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, depth), "int8", scale=0.5, zero_point=3)
    w = g.constant("w", np.ones((2, depth), np.int8), scale=0.5, zero_point=0)
    y = g.tensor("y", (1, 2), "int8", scale=8.0, zero_point=0)
    g.op("FULLY_CONNECTED", [x, w], [y])
    g.output(y)
    return b.finish()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--op", 7, "--index", "0"), "its ops are 0 CONV_2D"),
        (("--op", -1, "--index", "0"), "no op -1"),
        (("--op", 0, "--index", "0,0,2,0"), "give an index within 0,0,0-1,0-1"),
        (("--op", 0, "--index", "0,0,-1,0"), "give an index within 0,0,0-1,0-1"),
        (("--op", 0, "--index", "0,0"), "index 0,0 does not fit the output int8[1, 1, 2, 2]"),
        (("--op", 0), "index (none) does not fit"),
        (("--op", 0, "--index", "0,,1"), "is no list of numbers"),
        (("--op", 0, "--index", "9" * 30), "is no list of numbers"),
        (("--op", 0, "--index", "0,0,0,0", "--output-index", 1), "no output 1: the op has 1"),
        (("--op", 0, "--index", "0,0,0,0", "--subgraph", 4), "no subgraph 4"),
        (("--op", 0, "--index", "0,0,0,0", "-i", "none.npy"), "cannot read 'none.npy'"),
        (("--op", 0, "--index", "0,0,0,0", "-i", "x.npy", "--sample", 1), "no sample 1"),
        (("--op", 0, "--index", "0,0,0,0", "--profile", "x"), "no numeric profile 'x'"),
    ],
)
def test_bad_use(files: Path, arguments: tuple[object, ...], message: str) -> None:
    assert message in refused("explain", "model.tflite", *arguments)


def _relu(dtype: str, name: str = "y") -> bytes:
    b = ModelBuilder()
    g = b.subgraph("main")
    scale = {} if dtype == "float32" else {"scale": 0.5, "zero_point": 0}
    x = g.input(name, (1, 4), dtype, **scale)
    y = g.tensor(name, (1, 4), dtype, **scale)
    g.op("RELU", [x], [y])
    g.output(y)
    return b.finish()


def test_a_float_op_is_refused_with_advice(tmp_path: Path) -> None:
    path = stored(tmp_path, _relu("float32"))
    message = refused("explain", path, "--op", 0, "--index", "0,0")
    assert "op 0 RELU: this op computes in float32" in message
    assert "choose an op of integers" in message


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_names_do_no_harm(kind: str, tmp_path: Path) -> None:
    name = HOSTILE[kind]
    data = _relu("int8", name)
    text = good("explain", stored(tmp_path, data), "--op", 0, "--index", "0,1")
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "0 rows" not in text
    section = html_section(explain(data, 0, (0, 1), [np.zeros((1, 1, 4), np.int8)]))
    assert all(c.isprintable() or c == "\n" for c in section)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_pages_section_holds_the_same_numbers_and_no_markup_of_names() -> None:
    data = _relu("int8", "</td><script>alert(1)</script>")
    section = html_section(explain(data, 0, (0, 1), [np.full((1, 1, 4), 9, np.int8)]))
    tags = _Tags()
    tags.feed(section)
    assert tags.open == []
    assert tags.seen <= {"section", "style", "h2", "p", "table", "tr", "td", "div", "code", "span"}
    tags = _Tags()
    tags.feed(html_section(explain(pointwise(), 0, (0, 0, 1, 1), [X], given="by hand")))
    for text in ("-174", "-164", "-82", "-21", "-19", "-10100", "½ + ½ = 1: away from zero"):
        assert any(text in piece for piece in tags.text), text


def test_a_story_that_ends_elsewhere_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(subject: Subject, recorder: Recorder) -> Outcome:
        return Outcome(recorder.do("add", "one too many", x=int(subject.value), y=1))

    monkeypatch.setattr(explaining, "explainer_of", lambda *_: wrong)
    with pytest.raises(MicrointerpError, match="the steps give 3, the interpreter 2"):
        explain(pointwise(), 0, (0, 0, 1, 1), [X])


def test_an_op_that_does_not_run_is_said() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 1, 2, 4), "int8", scale=1.0, zero_point=0)
    buffer = g.tensor("buffer", (1, 3, 2, 4), "int8", scale=1.0, zero_point=0)
    y = g.tensor("y", (1, 3, 2, 4), "int8", scale=1.0, zero_point=0)
    g.custom_op("CIRCULAR_BUFFER", [x], [buffer])
    g.op("RELU", [buffer], [y])
    g.output(y)
    data, image = b.finish(), np.ones((2, 1, 1, 2, 4), np.int8)
    with pytest.raises(MicrointerpError, match="the op has not run"):
        explain(data, 1, (0, 0, 0, 0), [image], sample=0)
    assert explain(data, 1, (0, 2, 0, 0), [image], sample=1).value == 1  # its second invoke


def test_notes_on_files_are_told_on_stderr(files: Path) -> None:
    np.save(files / "far.npy", np.full_like(X[0], 0, np.float32) + 1e9)
    asked = ("explain", "model.tflite", "--op", 0, "--index", "0,0,1,1", "--input", "far.npy")
    told = call(*asked)
    assert told.exit_code == 0
    assert told.stderr.startswith("note: far.npy")
    assert "note" not in told.stdout
    assert call(*asked, "--json").stderr == ""


def test_long_parts_show_their_last_step() -> None:
    """Of an op that ran three times, whose terms have two long sections before the last one."""
    made = explain(pointwise(), 0, (0, 0, 1, 1), [X])
    (first, *_) = (step for step in made.steps if not step.terms)
    early = [
        replace(first, number=i, label=f"{title} {i}", section=title)
        for title in ("begin", "middle")
        for i in range(30)
    ]
    last = [replace(first, label="the end", section="last")]
    long = replace(made, runs=3, steps=(*early, *last), float_model=None)
    for everything in (False, True):
        console = Console(file=io.StringIO(), width=120)
        show(console, long, everything)
        told = console.file.getvalue()  # type: ignore[attr-defined]
        assert "the last of 3 runs" in told
        assert "the end" in told
        assert told.index("begin") < told.index("middle") < told.index("the end")
        assert told.count("29 steps before this one: --all") == (0 if everything else 2)
        assert ("begin 3 " in told) == everything
        assert "begin 29 " in told

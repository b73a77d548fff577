"""What a report takes from other commands: a comparison, and elements explained."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp.model_builder import ModelBuilder
from microinterp.report.comparison_section import comparison_section
from tests.arena_pictures import SCRIPTED
from tests.browser import opened
from tests.cli import good, good_json, refused, stored, sums_model
from tests.models import chain_model, conv_model
from tests.report_pages import Shown, lookup, says

COMPARISON: dict[str, Any] = {
    "equal": False,
    "differing_elements": 1234,
    "compared_elements": 5678,
    "first_op": {"subgraph": 0, "index": 1, "name": "CONV_2D"},
    "cause": "single rounding <b>",
    "ours": "microinterp",
    "other": "theirs <i>",
    "ops": [
        {"subgraph": 0, "index": 0, "name": "ADD", "tensor": 3, "elements": 64, "differing": 0,
         "max_difference": 0.0, "isolated_differing": 0, "causes": []},
        {"subgraph": 2, "index": 1, "name": SCRIPTED["image"], "tensor": 5, "elements": 640,
         "differing": 1234, "max_difference": 2.5, "isolated_differing": None,
         "causes": ["ruy", "<u>"]},
    ],
    "outputs": [{"output": 0, "tensor_name": "y <p>", "norms": {"rmse": 0.125, "acc": None}},
                {"output": 1, "tensor_name": "z", "norms": None}],
    "evidence": ["odd <s>"],
    "notes": [],
}  # fmt: skip
FINDINGS = [
    {"name": "ruy", "text": "rounds up", "detail": "once", "op": "CONV_2D", "index": 1,
     "reproduces": 3, "of": 4},
    {"name": "other", "text": "also fits", "detail": "", "op": None, "index": None,
     "reproduces": 0, "of": 0},
]  # fmt: skip


def text_of(markup: str) -> str:
    """The words of a piece of markup."""
    parts: list[str] = []

    class Words(Shown):
        def handle_data(self, data: str) -> None:
            parts.append(data)

    Words(markup)
    return "".join(parts)


def test_a_comparison() -> None:
    markup = comparison_section(COMPARISON, "With litert <script>")
    assert not any(f"<{tag}>" in markup for tag in ("script", "i", "s", "u", "img"))
    assert '<a href="#mi-op-0-1">op 1 CONV_2D</a>' in markup
    assert '<a href="#mi-op-2-1">2:1</a>' in markup
    text = text_of(markup)
    assert "With litert <script>" in text
    assert "microinterp against theirs <i>" in text
    assert "different: 1,234 of 5,678 elements differ, first in op 1 CONV_2D" in text
    assert "Cause: single rounding <b>" in text
    assert "odd <s>" in text
    assert "5" + "640" + "1,234" + "2.5" + "-" + "ruy, <u>" in text
    assert "ADD" not in text
    assert "left out here: 1." in text
    assert "outputrmse" + "0 y <p>0.125" + "1 z-" in text


def test_causes_are_listed() -> None:
    text = text_of(comparison_section({**COMPARISON, "findings": FINDINGS}))
    assert "Any of these gives the other side's bytes:" in text
    assert "ruy: CONV_2D (op 1) rounds up, once: so do 3 of 4" in text
    assert "other: also fits" in text
    one = text_of(comparison_section({**COMPARISON, "findings": FINDINGS[:1]}))
    assert "The cause:" in one


@pytest.mark.parametrize(
    ("comparison", "said"),
    [
        ({"equal": True, "differing_elements": 0}, "equal: no element differs"),
        ({"equal": False}, "The cause is not explained."),
        ({"equal": False, "differing_elements": 2, "ops": None, "cause": None}, "2 elements"),
        ({**COMPARISON, "ops": COMPARISON["ops"][:1]}, "No tensor differs"),
    ],
)
def test_comparisons_may_tell_little(comparison: dict[str, Any], said: str) -> None:
    assert said in text_of(comparison_section(comparison))


def test_small_differences_are_not_shown_as_none() -> None:
    op = {**COMPARISON["ops"][1], "max_difference": 0.00012, "name": "MUL"}
    assert "0.00012" in text_of(comparison_section({**COMPARISON, "ops": [op]}))


def test_with_another_profile(tmp_path: Path) -> None:
    """The page's figures, those of the comparison too, are the JSON's, in a browser."""
    page, sample = tmp_path / "page.html", tmp_path / "x.npy"
    rng = np.random.default_rng(0)
    np.save(sample, rng.integers(-128, 128, (40, 1, 4, 4, 1)).astype(np.int8))
    model = stored(tmp_path, conv_model(filters=8))
    printed = json.loads(
        good("report", model, "-i", sample, "-o", page, "--json", "--with", "host",
             "--explain", "0:0,1,2,1")
    )  # fmt: skip
    shown, console = opened(tmp_path, page.read_text())
    assert console == []
    parts = Shown(shown)
    assert parts.data == printed
    for path, texts in parts.figures.items():
        assert all(says(text, lookup(printed, path)) for text in texts), path
    compared = printed["comparison"]
    assert compared["samples"] == 40
    assert compared["equal"] is False
    assert "comparison.differing_elements" in parts.figures
    names = [text for path, texts in parts.figures.items() for text in texts
             if path.startswith("comparison.findings.") and path.endswith(".name")]  # fmt: skip
    assert "single-rounding" in names


def test_the_other_profile_can_be_chosen(tmp_path: Path) -> None:
    model = stored(tmp_path, conv_model(filters=8))
    for profile, equal in (("tflm", True), ("single", False)):
        told = good_json("report", model, "--with", "host", "--other-profile", profile)
        assert told["comparison"]["other"].endswith(f"profile {profile}")
        assert told["comparison"]["equal"] is equal


def test_an_equal_side(tmp_path: Path) -> None:
    """Weights of -1 and scales of 1: no rounding, so that all profiles agree."""
    page = tmp_path / "page.html"
    good("report", stored(tmp_path, chain_model()), "-o", page, "--with", "host")
    assert "equal: no element differs" in page.read_text()


def test_elements_are_explained(tmp_path: Path) -> None:
    """As `explain` explains them, for the first sample."""
    page, sample = tmp_path / "page.html", tmp_path / "x.npy"
    np.save(sample, np.array([[13, 4, 3, 3], [9, 9, 9, 9]], np.int8))
    model = stored(tmp_path, sums_model())
    printed = json.loads(
        good("report", model, "-i", sample, "-o", page, "--json", "--explain", "0:0,1",
             "--explain", "0/0:[0, 0]")
    )  # fmt: skip
    first, second = printed["explanations"]
    assert first == good_json("explain", model, "--op", 0, "--index", "0,1", "--input", sample)
    assert (first["value"], second["value"]) == (9, 11)
    text = page.read_text()
    assert text.count('class="mi-explain"') == 2
    assert "at [0,1] = 9" in text


@pytest.mark.parametrize("wanted", ["0", "x:1", "0:1,x", ":0,1", "0:0,,1", "-1:0,0", "0/:0,0"])
def test_elements_that_are_none(tmp_path: Path, wanted: str) -> None:
    model = stored(tmp_path, sums_model())
    assert "3:0,4,5,2" in refused("report", model, "--json", f"--explain={wanted}")


@pytest.mark.parametrize("wanted", ["9:0,0", "0:0,7", "3/0:0,0", "0:0"])
def test_elements_that_the_model_lacks(tmp_path: Path, wanted: str) -> None:
    assert refused("report", stored(tmp_path, sums_model()), "--json", "--explain", wanted)


def test_a_side_that_is_none(tmp_path: Path) -> None:
    model = stored(tmp_path, sums_model())
    assert "nobody" in refused("report", model, "--json", "--with", "nobody")


def test_only_the_end_that_is_cut_is_marked(tmp_path: Path) -> None:
    """A RELU6 whose range ends at 3: zeros are meant, what is above 3 is cut."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 256), "int8", scale=3 / 255, zero_point=-128)
    y = g.tensor("y", (1, 256), "int8", scale=3 / 255, zero_point=-128)
    g.op("RELU6", [x], [y])
    g.output(y)
    sample, page = tmp_path / "x.npy", tmp_path / "page.html"
    codes = np.tile(np.arange(-128, 128).astype(np.int8), (4, 1, 1))
    codes[:, :, :100] = -128
    codes[:, :, 200:] = 127
    np.save(sample, codes)
    printed = good("report", stored(tmp_path, b.finish()), "-i", sample, "-o", page, "--json")
    (found,) = json.loads(printed)["health"]
    assert found["figures"] == {"values": 1024, "at_highest": 224}
    assert found["message"] == "21.88% of 1,024 values lie at the highest code"
    (cut,) = re.findall(r'class="mi-cut" d="M([\d.]+) ', page.read_text())
    assert float(cut) == 256 * 63 / 64

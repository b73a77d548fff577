"""`microinterp plan --svg` and `--html`: the files, and paths that cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arena_pictures import hostile_model, parsed, texts, with_class
from tests.cli import good, good_json, refused, stored
from tests.test_arena_best import staggered_model
from tests.test_arena_report import doubling_model


def test_svg(tmp_path: Path) -> None:
    path, out = stored(tmp_path, doubling_model()), tmp_path / "out.svg"
    usual = good("plan", path)
    assert good("plan", path, "--svg", out) == usual
    root = parsed(out.read_text())
    assert texts(root)[0] == "model.tflite"
    assert len(with_class(root, "mi-bar")) == 3
    assert with_class(root, "mi-mark") == []


def test_another_planner_is_compared_with_tflms_head(tmp_path: Path) -> None:
    path, out = stored(tmp_path, staggered_model()), tmp_path / "out.svg"
    good("plan", path, "--planner", "best", "--svg", out)
    assert {"TFLM's head 64", "head 48"} <= set(texts(parsed(out.read_text())))


def test_html_beside_json(tmp_path: Path) -> None:
    path, out = stored(tmp_path, doubling_model()), tmp_path / "out.html"
    document = good_json("plan", path, "--html", out, "--svg", tmp_path / "out.svg")
    assert document["head_bytes"] == 96
    assert document["regions"] is None
    text = out.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "<h1>model.tflite</h1>" in text
    assert (tmp_path / "out.svg").exists()


def test_the_file_name_is_escaped(tmp_path: Path) -> None:
    path = stored(tmp_path, hostile_model(), "<b>&.tflite")
    good("plan", path, "--html", tmp_path / "a.html", "--svg", tmp_path / "a.svg")
    assert "<h1>&lt;b&gt;&amp;.tflite</h1>" in (tmp_path / "a.html").read_text()
    assert texts(parsed((tmp_path / "a.svg").read_text()))[0] == "<b>&.tflite"


@pytest.mark.parametrize("option", ["--svg", "--html"])
def test_refusals(tmp_path: Path, option: str) -> None:
    path = stored(tmp_path, doubling_model())
    assert "Is a directory" in refused("plan", path, option, tmp_path)
    assert "No such file" in refused("plan", path, option, tmp_path / "none" / "x")
    out = tmp_path / "out"
    refused("plan", stored(tmp_path, b"garbage", "bad.tflite"), option, out)
    assert not out.exists()

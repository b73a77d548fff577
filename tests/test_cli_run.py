"""`microinterp run`: answers, labels, options, timings, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from microinterp import Interpreter
from microinterp.inputs import random_samples
from tests.cli import call, copying_model, good, good_json, refused, stored, sums_model
from tests.conftest import SHARED_MODELS, shared_model

WEIGHTS = ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Raw outputs are x0 - 3, x1 - 3, x2 - 3 for raw inputs; real ones are twice-halved sums."""
    return stored(tmp_path, sums_model(WEIGHTS))


def npy(folder: Path, values: Any, dtype: str = "int8", name: str = "x.npy") -> Path:
    np.save(folder / name, np.asarray(values, dtype))
    return folder / name


def top_of(document: Any, sample: int = 0) -> list[tuple[int, float, int]]:
    (output,) = document["samples"][sample]["outputs"]
    return [(entry["index"], entry["score"], entry["raw"]) for entry in output["top"]]


def test_answers_by_hand(tmp_path: Path, model: Path) -> None:
    document = good_json("run", model, npy(tmp_path, [4, 13, 7, 0]))
    assert document.keys() == {"profile", "exact", "inexact_ops", "notes", "samples", "timing"}
    assert document["samples"][0]["outputs"][0].keys() == {"index", "name", "top"}
    assert top_of(document) == [(1, 2.5, 10), (2, 1.0, 4), (0, 0.25, 1)]
    assert document["exact"] is True
    assert document["timing"]["ops"] is None
    assert document["timing"]["invoke_seconds"] > 0


def test_text_shows_the_highest_first(tmp_path: Path, model: Path) -> None:
    shown = good("run", model, npy(tmp_path, [4, 13, 7, 0]))
    rows = [line.split() for line in shown.splitlines() if line.startswith("[")]
    assert rows == [["[1]", "2.5", "10"], ["[2]", "1", "4"], ["[0]", "0.25", "1"]]
    assert "bit for bit as TensorFlow Lite Micro computes it" in shown


def test_real_values_and_raw_ones(tmp_path: Path, model: Path) -> None:
    path = npy(tmp_path, [2.0, 1.0, 0.0, 0.0], "float32")
    assert top_of(good_json("run", model, path)) == [(0, 1.0, 4), (1, 0.5, 2), (2, 0.0, 0)]
    raw = good_json("run", model, path, "--raw")
    assert [entry[2] for entry in top_of(raw)] == [-1, -2, -3]


def test_top(tmp_path: Path, model: Path) -> None:
    path = npy(tmp_path, [4, 13, 7, 0])
    assert len(top_of(good_json("run", model, path, "--top", 2))) == 2
    assert call("run", model, path, "--top", 0).exit_code == 2


def test_equal_scores_keep_their_order(tmp_path: Path, model: Path) -> None:
    document = good_json("run", model, npy(tmp_path, [5, 5, 5, 5]))
    assert [entry[0] for entry in top_of(document)] == [0, 1, 2]


def test_labels_given_and_beside_the_model(tmp_path: Path, model: Path) -> None:
    path = npy(tmp_path, [4, 13, 7, 0])
    given = stored(tmp_path, "\ufefflow\r\n[bold]\x1b[31mhigh\r\nmid\r\n".encode(), "l.txt")
    shown = good("run", model, path, "--labels", given)
    assert "[bold]\\x1b[31mhigh" in shown
    assert "\x1b" not in shown
    document = good_json("run", model, path, "--labels", given)
    labels = [entry["label"] for entry in document["samples"][0]["outputs"][0]["top"]]
    assert labels == ["[bold]\x1b[31mhigh", "mid", "low"]
    stored(tmp_path, b"a\nb\nc", "model.labels.txt")
    assert "b" in good("run", model, path).split()
    assert "high" in good("run", model, path, "--labels", given)


def test_labels_of_the_wrong_count(tmp_path: Path, model: Path) -> None:
    given = stored(tmp_path, b"a\nb\n", "l.txt")
    message = refused("run", model, npy(tmp_path, [0] * 4), "--labels", given)
    assert "has 2 labels, the model's outputs have 3 elements" in message
    assert "hint: one label per line" in message
    assert "No such file" in refused("run", model, npy(tmp_path, [0] * 4), "--labels", "none.txt")


def test_many_samples(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    path = npy(tmp_path, np.arange(25 * 4).reshape(25, 4))
    shown = good("run", model, path)
    assert f"{path}[19]" in shown
    assert f"{path}[20]" not in shown
    assert "... and 5 more samples: --output keeps them all" in shown
    lines = shown.splitlines()
    assert lines[0].split() == ["sample", "highest", "score", "second", "score", "third", "score"]
    document = good_json("run", model, path)
    best = [(f"[{index}]", f"{value:.6g}") for index, value, _ in top_of(document, 19)]
    assert lines[20].split() == [f"{path}[19]", *best[0], *best[1], *best[2]]
    monkeypatch.setenv("COLUMNS", str(len(f"{path}[19]") + 60))
    assert good("run", model, path).splitlines()[20].split() == [
        f"{path}[19]",
        *best[0],
        *best[1],
    ]  # no number is cut: fewer are shown
    assert top_of(document, 24)[0] == (2, 0.25 * 95, 95)


def test_output_round_trip(tmp_path: Path, model: Path) -> None:
    first = npy(tmp_path, np.arange(8).reshape(2, 4))
    kept = tmp_path / "out.npz"
    good("run", model, first, "--output", kept)
    with np.load(kept, allow_pickle=False) as arrays:
        assert arrays.files == ["output_0"]
        assert arrays["output_0"].dtype == np.int8
        assert arrays["output_0"].tolist() == [[[-3, -2, -1]], [[1, 2, 3]]]
    copier = stored(tmp_path, copying_model((1, 3)), "copy.tflite")
    again = tmp_path / "again.npz"
    good("run", copier, f"{kept}:output_0", "--output", again)
    with np.load(again, allow_pickle=False) as arrays:
        assert arrays["output_0"].tolist() == [[-3, -2, -1], [1, 2, 3]]
    assert "cannot write" in refused("run", model, first, "--output", tmp_path / "no" / "x.npz")


def test_several_outputs_are_named(tmp_path: Path) -> None:
    model = stored(tmp_path, copying_model((1, 2), count=2))
    a, b = npy(tmp_path, [1, 2], name="a.npy"), npy(tmp_path, [4, 3], name="b.npy")
    shown = good("run", model, a, b)
    assert shown.index("y0") < shown.index("y1")
    outputs = good_json("run", model, a, b)["samples"][0]["outputs"]
    assert [(o["index"], o["name"], o["top"][0]["raw"]) for o in outputs] == [
        (0, "y0", 2),
        (1, "y1", 4),
    ]


def test_repeat_and_per_op(tmp_path: Path, model: Path) -> None:
    path = npy(tmp_path, [4, 13, 7, 0])
    assert "(one run)" in good("run", model, path)
    assert "(median of 7)" in good("run", model, path, "--repeat", 7)
    shown = good("run", model, path, "--per-op")
    header = next(line for line in shown.splitlines() if line.startswith("op "))
    assert "time us" in header
    timing = good_json("run", model, path, "--per-op", "--repeat", 3)["timing"]
    assert timing["repeats"] == 3
    (op,) = timing["ops"]
    assert (op["subgraph"], op["index"], op["name"]) == (0, 0, "FULLY_CONNECTED")
    assert 0 < op["seconds"] < 1


def test_profile(tmp_path: Path, model: Path) -> None:
    path = npy(tmp_path, [4, 13, 7, 0])
    document = good_json("run", model, path, "--profile", "single")
    assert (document["profile"], document["exact"]) == ("single", False)
    assert "profile single, which is not the chip's" in good(
        "run", model, path, "--profile", "single"
    )
    assert "[red]" in refused("run", model, path, "--profile", "[red]")
    device = ("run", model, path, "--profile", "cmsis-nn")
    assert good_json(*device)["exact"] is True
    assert "as TensorFlow Lite Micro with CMSIS-NN computes it" in good(*device)


def test_notes_go_to_stderr_or_into_the_json(tmp_path: Path, model: Path) -> None:
    path = npy(tmp_path, [1e9, 0, 0, 0], "float32")
    result = call("run", model, path)
    assert result.stderr.startswith("note: ")
    assert "were clamped" in result.stderr
    assert "clamped" not in result.stdout
    (note,) = good_json("run", model, path)["notes"]
    assert "were clamped" in note


def test_pictures(tmp_path: Path) -> None:
    model = stored(tmp_path, copying_model((1, 2, 2, 1), scale=1.0))
    path = tmp_path / "x.png"
    Image.fromarray(np.array([[0, 50], [200, 255]], np.uint8)).save(path)

    def raws(*options: object) -> list[int]:
        return [entry[2] for entry in sorted(top_of(good_json("run", model, path, *options)))]

    assert raws() == [-128, -78, 72, 127]
    assert raws("--image-range", "0:100") == [0, 20, 78, 100]
    assert raws("--image-range", "raw") == [0, 50, -56, -1]
    assert raws("--image-range", "full") == [-128, -78, 72, 127]
    assert "no image range" in refused("run", model, path, "--image-range", "dark")
    Image.new("L", (4, 4), 128).save(path)
    assert "--resize" in refused("run", model, path)
    assert raws("--resize") == [0, 0, 0, 0]


def test_refusals(tmp_path: Path, model: Path) -> None:
    sound = npy(tmp_path, [0] * 4)
    assert "either input files or --samples N" in refused("run", model)
    two = stored(tmp_path, copying_model((1, 2), count=2), "two.tflite")
    assert "the model has 2 inputs, got 3 files" in refused("run", two, sound, sound, sound)
    assert "No such file" in refused("run", tmp_path / "none.tflite", sound)
    assert "No such file" in refused("run", model, tmp_path / "none.npy")
    assert "Is a directory" in refused("run", tmp_path, sound)
    refused("run", stored(tmp_path, b"garbage" * 99, "g.tflite"), sound)
    refused("run", stored(tmp_path, sums_model()[:400], "t.tflite"), sound)
    message = refused("run", model, npy(tmp_path, [0] * 5, name="bad.npy"))
    assert "input, tensor 0 'x'" in message
    assert "wanted shape [1, 4], or [N, ...] for N samples; got [5]" in message
    assert "hint: --raw" in refused("run", model, npy(tmp_path, [0] * 4, "int32", "t.npy"))
    pixels = refused("run", model, npy(tmp_path, [0] * 4, "uint8", "p.npy"))
    assert "hint: --image-range, if they are pixels; --raw" in pixels
    np.save(tmp_path / "p.npy", np.array([{}]), allow_pickle=True)
    assert "never loaded" in refused("run", model, tmp_path / "p.npy")


@pytest.mark.parametrize(("name", "answer"), [("person", 1), ("no_person", 0)])
def test_person_detection(name: str, answer: int, tmp_path: Path) -> None:
    model = stored(tmp_path, shared_model("person_detect.tflite"), "person_detect.tflite")
    stored(tmp_path, b"no person\nperson\n", "person_detect.labels.txt")
    document = good_json("run", model, SHARED_MODELS / "inputs" / f"{name}.bmp")
    best = document["samples"][0]["outputs"][0]["top"][0]
    assert (best["index"], best["label"]) == (answer, ("no person", "person")[answer])
    assert best["score"] > 0.7


def test_random_samples(tmp_path: Path, model: Path) -> None:
    """The same for the same seed, and those that `random_samples` makes."""
    out = [tmp_path / name for name in ("a.npz", "b.npz", "c.npz", "given.npz")]
    for path, seed in zip(out, (3, 3, 4), strict=False):
        assert f"random sample 4, seed {seed}" in good(
            "run", model, "--samples", 5, "--seed", seed, "-o", path
        )
    inputs = Interpreter.from_file(model).graph.main.inputs
    (array,) = random_samples(inputs, 5, 3)
    good("run", model, npy(tmp_path, array), "--raw", "-o", out[3])
    first, again, other, given = (np.load(path)["output_0"] for path in out)
    assert np.array_equal(first, again)
    assert np.array_equal(first, given)
    assert not np.array_equal(first, other)
    assert "either input files" in refused("run", model, npy(tmp_path, [0] * 4), "--samples", 1)
    assert "takes files of sound" in refused("run", model, "--samples", 1, "--frontend", model)

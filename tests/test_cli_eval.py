"""`microinterp eval` on the command line: the digits end to end, options, limits, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.cli import HOSTILE, call, copying_model, good, good_json, refused, stored
from tests.conftest import SHARED_MODELS, shared_model
from tests.digits import DIGITS
from tests.eval_data import DIGITS_MODEL, adding_model, many_digits, npz

IMAGES = (f"{DIGITS}/test_images.npz:images", "--image-range", "0:15.9375")  # 16 is 1.0
KEYS = {
    *("model_sha256", "profile", "task", "samples", "answers", "sequences", "classes", "values"),
    *("anomaly", "agreement", "passed", "notes", "note_count", "timing"),
}


def figures(document: dict[str, Any]) -> dict[str, Any]:
    """All but the times."""
    return {key: value for key, value in document.items() if key != "timing"}


def test_the_digits_as_their_readme_says() -> None:
    document = good_json("eval", DIGITS_MODEL, *IMAGES)
    assert document.keys() == KEYS
    assert (document["task"], document["samples"]) == ("classes", 899)
    classes = document["classes"]
    assert classes["correct"] == 887
    assert classes["accuracy"] == 887 / 899
    assert (classes["k"], classes["top_k"]) == (5, 1.0)
    assert sum(map(sum, classes["confusion"])) == 899
    assert [row["index"] for row in classes["per_class"]] == list(range(10))
    assert classes["per_class"][0].keys() == {
        *("index", "label", "samples", "answers", "precision", "recall", "f1", "auc")
    }
    timing = document["timing"]
    assert timing.keys() == {
        *("seconds", "run_seconds", "workers", "lost_workers", "samples_per_second")
    }
    assert timing["samples_per_second"] == pytest.approx(899 / timing["seconds"])
    shown = good("eval", DIGITS_MODEL, *IMAGES)
    assert "accuracy 98.67 % (887 of 899), top 5 100.00 %, AUC 0.99" in shown
    assert "rows: true class; columns: answer" in shown
    assert "899 samples in " in shown


@pytest.mark.slow
def test_ten_thousand_samples_whoever_computes_them(tmp_path: Path) -> None:
    """The same numbers from one process, from two, and when one of two is killed."""
    data = many_digits(tmp_path / "d.npz", 10_000)
    alone = good_json("eval", DIGITS_MODEL, data)
    assert alone["samples"] == 10_000
    assert 0.8 < alone["classes"]["accuracy"] < 0.99  # there is something to get wrong
    two = good_json("eval", DIGITS_MODEL, data, "--workers", 2)
    assert figures(two) == figures(alone)
    assert two["timing"]["workers"] == 2
    killed = after_a_kill(data)
    assert figures(killed) == figures(alone)
    assert killed["timing"]["lost_workers"] == 1


def after_a_kill(data: Path) -> Any:
    """What the command prints when one of its two workers is killed on the way."""
    command = (*("-m", "microinterp", "eval", DIGITS_MODEL, data), "--json")
    slow = ("--workers", "2", "--piece", "5", "--kernels", "plain")
    running = subprocess.Popen(
        [sys.executable, *map(str, command), *slow],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    parent = psutil.Process(running.pid)
    while len(children := parent.children()) < 2 and running.poll() is None:
        time.sleep(0.01)
    time.sleep(0.5)  # both are at work, or nearly
    children[0].kill()
    printed, said = running.communicate(timeout=120)
    assert (running.returncode, said) == (0, "")
    return json.loads(printed)


def test_limits_decide_the_exit_status(tmp_path: Path) -> None:
    model = stored(tmp_path, copying_model((1, 2)))
    data = npz(tmp_path / "d.npz", x=np.array([[1, 0], [0, 1], [1, 0]], np.int8), y=[0, 1, 1])
    assert good_json("eval", model, data)["passed"] is None
    assert good_json("eval", model, data, "--min-accuracy", 2 / 3)["passed"] is True
    assert "within the limits" in good("eval", model, data, "--min-accuracy", 0.6)
    below = call("eval", model, data, "--min-accuracy", 0.67)
    assert (below.exit_code, below.stdout.splitlines()[-1]) == (1, "out of limits")
    both = call("eval", model, data, "--min-accuracy", 0.5, "--min-auc", 0.76, "--json")
    assert (both.exit_code, json.loads(both.stdout)["passed"]) == (1, False)
    assert good_json("eval", model, data, "--min-auc", 0.75)["passed"] is True
    assert call("eval", model, data, "--min-accuracy", 1.1).exit_code == 2
    assert "--max-error does not fit the task" in refused("eval", model, data, "--max-error", 1)
    values = ("eval", model, data, "--task", "values", "--truth", npz_of_values(tmp_path))
    assert good_json(*values, "--max-error", 0.5)["passed"] is True
    assert call(*values, "--max-error", 0.4).exit_code == 1
    assert "mean absolute error 0.416667" in good(*values)
    assert "--min-accuracy does not fit" in refused(*values, "--min-accuracy", 0.5)


def npz_of_values(folder: Path) -> str:
    """Real answers are 0.5 0, 0 0.5, 0.5 0: off by 0, 0.5, 0.5 and 0.5, 0.5, 0.5."""
    np.save(folder / "v.npy", np.array([[0.5, 0.5], [0.5, 0.0], [1.0, 0.5]]))
    return str(folder / "v.npy")


def test_an_undefined_figure_keeps_no_limit(tmp_path: Path) -> None:
    model = stored(tmp_path, copying_model((1, 2)))
    data = npz(tmp_path / "d.npz", x=np.array([[1, 0]], np.int8), y=[0])
    assert call("eval", model, data, "--min-auc", 0).exit_code == 1
    assert "AUC -" in good("eval", model, data)


def test_names_of_classes(tmp_path: Path) -> None:
    model = stored(tmp_path, copying_model((1, 2)))
    data = npz(tmp_path / "d.npz", x=np.array([[1, 0]], np.int8), y=[0])
    stored(tmp_path, b"low\n[bold]\x1b[31mhigh\n", "model.labels.txt")
    shown = good("eval", model, data)
    assert "0 low" in shown
    assert "[bold]\\x1b[31mhigh" in shown
    labels = [row["label"] for row in good_json("eval", model, data)["classes"]["per_class"]]
    assert labels == ["low", "[bold]\x1b[31mhigh"]
    three = stored(tmp_path, b"a\nb\nc\n", "three.txt")
    assert "has 3 labels" in refused("eval", model, data, "--labels", three)
    single = stored(tmp_path, copying_model((1, 1)), "single.tflite")
    ones = npz(tmp_path / "s.npz", x=np.array([[1], [0]], np.int8), y=[1, 0])
    stored(tmp_path, b"no\nyes\n", "single.labels.txt")
    rows = good_json("eval", single, ones)["classes"]["per_class"]
    assert [(row["label"], row["recall"]) for row in rows] == [("no", 1.0), ("yes", 1.0)]


@pytest.mark.parametrize("name", HOSTILE, ids=HOSTILE)
def test_hostile_names_of_folders_are_shown_safely(tmp_path: Path, name: str) -> None:
    model = stored(tmp_path, copying_model((1, 2)))
    text = HOSTILE[name].replace("\x00", "").replace("\n", "").replace("\r", "")[:80]
    folder = tmp_path / "set"
    for each in (text, "zzz"):
        (folder / each).mkdir(parents=True)
        np.save(folder / each / "x.npy", np.zeros(2, np.int8))
    result = call("eval", model, folder)
    assert result.exit_code == 0, result.stderr
    assert "\x1b" not in result.stdout + result.stderr
    assert "\u202e" not in result.stdout + result.stderr


def test_many_classes_are_cut_short(tmp_path: Path) -> None:
    model = stored(tmp_path, copying_model((1, 40)))
    x = np.eye(40, dtype=np.int8)
    y = np.arange(40)
    y[3] = 4
    shown = good("eval", model, npz(tmp_path / "d.npz", x=x, y=y))
    assert "... and 10 more classes" in shown
    assert "most frequent wrong answers" in shown
    row = next(
        line.split() for line in shown.splitlines() if line.startswith("4 ") and "%" not in line
    )
    assert row == ["4", "3", "1"]


def test_notes_are_told(tmp_path: Path) -> None:
    model = stored(tmp_path, copying_model((1, 2)))
    data = npz(tmp_path / "d.npz", x=np.full((9, 2), 1e9, np.float32), y=[0] * 9)
    result = call("eval", model, data)
    assert result.stderr.count("were clamped") == 5
    assert "... and 4 more of the kind" in result.stderr
    document = good_json("eval", model, data)
    assert (len(document["notes"]), document["note_count"]) == (5, 9)


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    model = stored(tmp_path, copying_model((1, 2, 2, 1)))
    for number in range(4):
        pixels = np.zeros((3, 3), np.uint8)
        pixels[number // 2 * 2, number % 2 * 2] = 255
        (tmp_path / "set" / str(number)).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "set" / str(number) / "x.png")
    assert "--resize" in refused("eval", model, tmp_path / "set")
    document = good_json("eval", model, tmp_path / "set", "--resize", "--workers", 2)
    assert document["classes"]["accuracy"] == 1.0


def test_agreement_is_told(tmp_path: Path) -> None:
    data = many_digits(tmp_path / "d.npz", 300)
    equal = good("eval", DIGITS_MODEL, data, "--against", "plain")
    assert "equal to microinterp " in equal
    assert "3,000 bytes of outputs" in equal
    differing = good("eval", DIGITS_MODEL, data, "--against", "host", "--other-profile", "single")
    assert "differs from microinterp " in differing
    found = good_json("eval", DIGITS_MODEL, data, "--against", "host")["agreement"]
    assert found.keys() == {
        *("against", "compared_bytes", "differing_bytes", "differing_samples"),
        *("largest_difference", "same_top"),
    }


def test_refusals(tmp_path: Path) -> None:
    model = stored(tmp_path, adding_model())
    data = npz(tmp_path / "d.npz", x=np.zeros((4, 2), np.int8), y=[0] * 4)
    assert "hint: run it with one worker" in refused("eval", model, data, "--workers", 2)
    assert "a front end takes sound" in refused("eval", model, data, "--frontend", model)
    assert "a stride is of no use" in refused("eval", model, data, "--stride", 3)
    both = ("--workers", 2, "--cluster", "tcp://127.0.0.1:9", "--sequences", "sample")
    assert "drop one of the two" in refused("eval", model, data, *both)
    assert "no numeric profile" in refused("eval", model, data, "--profile", "none")
    assert "kernels is 'none'" in refused("eval", model, data, "--kernels", "none")
    assert "no task" in refused("eval", model, data, "--task", "none")
    assert "No such file" in refused("eval", tmp_path / "none.tflite", data)
    assert "No such file" in refused("eval", model, tmp_path / "none.npz")
    assert call("eval", model).exit_code == 2
    assert call("eval", model, data, "--workers", 0).exit_code == 2


def test_sounds_through_a_front_end(tmp_path: Path) -> None:
    model = stored(tmp_path, shared_model("micro_speech_int8.tflite"))
    front = stored(tmp_path, shared_model("audio_preprocessor_int8.tflite"), "front.tflite")
    stored(tmp_path, b"silence\nunknown\nyes\nno\n", "model.labels.txt")
    for name in ("yes", "no", "silence"):
        (tmp_path / "set" / name).mkdir(parents=True)
        sound = SHARED_MODELS / "inputs" / f"{name}_1000ms.wav"
        (tmp_path / "set" / name / "x.wav").write_bytes(sound.read_bytes())
    options = ("--frontend", front, "--workers", 2, "--piece", 1)
    document = good_json("eval", model, tmp_path / "set", *options)
    assert (document["samples"], document["classes"]["accuracy"]) == (3, 1.0)
    with wave.open(str(tmp_path / "set" / "no" / "short.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(100))
    message = refused("eval", model, tmp_path / "set", *options)
    assert "short.wav': wanted int16 samples" in message

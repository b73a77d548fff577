"""The command line's edges: no command, Ctrl-C, options that commands share."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from microinterp import golden
from microinterp.arena.target import TARGETS
from tests.cli import call, copying_model, good, refused, stored


@pytest.mark.parametrize("words", [(), ("golden",)])
def test_no_command_shows_the_help(words: tuple[str, ...]) -> None:
    assert good(*words).rstrip() == good(*words, "--help").rstrip()


@pytest.mark.parametrize(("typed", "meant"), [("runn", "run"), ("boards", "board")])
def test_a_command_that_is_nearly_there_is_named(typed: str, meant: str) -> None:
    result = call(typed)
    assert result.exit_code == 2
    assert f"No such command '{typed}'. Did you mean '{meant}'?" in result.stderr
    assert "Did you mean" not in call("xyzzy").stderr


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("microinterp r", "run report"),
        ("microinterp board d", "deploy"),
        ("microinterp pack --ti", "--tier"),
    ],
)
def test_the_tab_key_completes(line: str, wanted: str) -> None:
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    environment = os.environ | asked | {"_MICROINTERP_COMPLETE": "complete_bash"}
    command = [sys.executable, "-c", "from microinterp.cli import main; main()"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == wanted.split(), done.stderr


@pytest.mark.parametrize("words", [("run",), ("golden", "check"), ("inspect",), ("plan",)])
def test_ctrl_c_is_quiet(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: str, **more: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("microinterp.model.read_bytes", interrupted)
    bundle = ("bundle.golden",) if "check" in words else ()
    result = call(*words, "model.tflite", *bundle)
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")
@pytest.mark.parametrize("words", [("ops",), ("ops", "--json"), ("ops", "CONV_2D", "--json")])
def test_a_full_disk_behind_stdout_is_told(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "microinterp", *words]
    with open("/dev/full", "w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.stderr == "error: cannot write the output: No space left on device\n"
    assert result.returncode == 2


def test_a_file_that_may_not_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: str, **more: object) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr("microinterp.model.read_bytes", denied)
    assert refused("inspect", "a\x1b.tflite") == "cannot use 'a\\x1b.tflite': Permission denied\n"


def test_outputs_are_saved_under_both_names(tmp_path: Path) -> None:
    model = stored(tmp_path, copying_model((1, 4)))
    sample = tmp_path / "a.npy"
    np.save(sample, np.array([1, -2, 3, -4], np.int8))
    files = [tmp_path / "short.npz", tmp_path / "long.npz"]
    good("run", model, sample, "-o", files[0])
    good("run", model, sample, "--output", files[1])
    for file in files:
        with np.load(file) as saved:
            assert saved.files == ["output_0"]
            assert saved["output_0"].tolist() == [[1, -2, 3, -4]]


def test_golden_record_scales_pictures_when_asked(tmp_path: Path) -> None:
    model = stored(tmp_path, copying_model((1, 2, 2, 1), scale=1.0, zero_point=-128))
    picture = tmp_path / "flat.png"
    Image.new("L", (6, 4), 200).save(picture)
    bundle = tmp_path / "a.golden"
    assert "--resize" in refused("golden", "record", model, picture, "-o", bundle)
    good("golden", "record", model, picture, "-o", bundle, "--resize")
    assert golden.load(bundle).inputs[0].ravel().tolist() == [200 - 128] * 4


def test_the_targets_of_plan_are_all_named() -> None:
    assert f"Targets: {', '.join(TARGETS)}." in " ".join(good("plan", "--help").split())

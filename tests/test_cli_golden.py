"""`microinterp golden record|check`: exit statuses, messages, JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from microinterp import __version__, golden
from microinterp.runtimes.tflm import version
from tests.cli import HOSTILE, call, good, good_json, refused, stored, sums_model
from tests.conftest import require_or_skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return stored(tmp_path, sums_model())


@pytest.fixture
def bundle(tmp_path: Path, model: Path) -> Path:
    path = tmp_path / "g.npz"
    good("golden", "record", model, "--samples", 7, "--seed", 3, "-o", path)
    return path


def flipped(bundle: Path) -> Path:
    """One bit of one output changed, in sample 4, element [0, 1]."""
    loaded = golden.load(bundle)
    output = loaded.outputs[0].copy()
    output[4, 0, 1] ^= 1
    golden.save(replace(loaded, outputs=(output,)), bundle)
    return bundle


def test_record_says_what_it_made(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "g.npz"
    shown = good("golden", "record", model, "--samples", 7, "--output", path)
    assert shown == f"{path}: 7 samples, 14 bytes of outputs of host {__version__}\n"
    document = good_json("golden", "record", model, "--samples", 7, "--seed", 2, "-o", path)
    assert document.keys() == {
        *("path", "model_sha256", "profile", "runtime", "version", "samples", "seed"),
        "output_bytes",
    }
    assert (document["seed"], document["samples"], document["output_bytes"]) == (2, 7, 14)


def test_equal(model: Path, bundle: Path) -> None:
    assert good("golden", "check", model, bundle) == (
        f"equal: 7 samples, 14 bytes, computed by host {__version__}\n"
    )
    assert good_json("golden", "check", model, bundle) == {
        "equal": True,
        "model_matches": True,
        "runtime": "host",
        "version": __version__,
        "samples": 7,
        "compared_bytes": 14,
        "differing_samples": 0,
        "differing_elements": 0,
        "first": None,
    }


def test_a_flipped_byte_is_found_and_placed(model: Path, bundle: Path) -> None:
    got = int(golden.load(bundle).outputs[0][4, 0, 1])
    flipped(bundle)
    result = call("golden", "check", model, bundle)
    assert result.exit_code == 1
    assert "different: 1 of 7 samples; 1 element in all" in result.stdout
    assert (
        f"first: sample 4, output 0, element [0, 1]: wanted {got ^ 1}, got {got}" in result.stdout
    )
    result = call("golden", "check", "--json", model, bundle)
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["equal"] is False
    assert document["first"] == {
        "sample": 4,
        "output": 0,
        "element": [0, 1],
        "wanted": got ^ 1,
        "got": got,
    }


def test_another_model(tmp_path: Path, bundle: Path) -> None:
    other = stored(tmp_path, sums_model(((1, 2, 3, 4),)), "other.tflite")
    result = call("golden", "check", other, bundle)
    assert result.exit_code == 1
    assert "another file" in result.stdout
    assert (
        json.loads(call("golden", "check", "--json", other, bundle).stdout)["model_matches"]
        is False
    )


def test_from_files(tmp_path: Path, model: Path) -> None:
    np.save(tmp_path / "x.npy", np.int8([[4, 3, 3, 3], [3, 9, 3, 3]]))
    np.save(tmp_path / "r.npy", np.float32([0.5, 0, 0, 0]))
    path = tmp_path / "g.npz"
    good("golden", "record", model, tmp_path / "x.npy", tmp_path / "r.npy", "-o", path)
    loaded = golden.load(path)
    assert loaded.outputs[0].tolist() == [[[1, 1]], [[6, -6]], [[1, 1]]]
    assert loaded.header.seed is None


def test_notes(tmp_path: Path, model: Path) -> None:
    np.save(tmp_path / "x.npy", np.float32([1e9, 0, 0, 0]))
    arguments = ("golden", "record", model, tmp_path / "x.npy", "-o", tmp_path / "g.npz", "--json")
    result = call(*arguments)
    assert "were clamped" in result.stderr
    assert json.loads(result.stdout)["samples"] == 1


def test_tflm(tmp_path: Path, model: Path, bundle: Path) -> None:
    if version() is None:
        require_or_skip("the TFLM wheel", "pip install 'microinterp[oracle]' (Linux x86-64)")
    assert f"computed by tflm {version()}" in good(
        "golden", "check", model, bundle, "--runtime", "tflm"
    )
    path = tmp_path / "t.npz"
    document = good_json("golden", "record", model, "--samples", 3, "-o", path, "--runtime", "tflm")
    assert (document["runtime"], document["version"]) == ("tflm", version())
    assert golden.load(path).header.runtime == "tflm"
    assert call("golden", "check", model, flipped(bundle), "--runtime", "tflm").exit_code == 1


def test_without_the_wheel(model: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microinterp.runtimes.tflm.version", lambda: None)
    assert "pip install" in refused("golden", "check", model, bundle, "--runtime", "tflm")


def test_refusals(tmp_path: Path, model: Path, bundle: Path) -> None:
    out = tmp_path / "o.npz"
    assert "either input files or --samples" in refused("golden", "record", model, "-o", out)
    assert "either" in refused("golden", "record", model, "x.npy", "--samples", 2, "-o", out)
    assert "no runtime 'fly'" in refused("golden", "check", model, bundle, "--runtime", "fly")
    assert "No such file" in refused("golden", "check", model, tmp_path / "none.npz")
    assert "No such file" in refused("golden", "check", tmp_path / "none.tflite", bundle)
    assert "Is a directory" in refused("golden", "check", model, tmp_path)
    sound = bundle.read_bytes()
    for data in (b"", b"garbage", sound[: len(sound) // 2]):
        assert "cannot read" in refused("golden", "check", model, stored(tmp_path, data, "d.npz"))
    assert "cannot write" in refused(
        "golden", "record", model, "--samples", 1, "-o", tmp_path / "no" / "g.npz"
    )
    assert call("golden", "record", model, "--samples", 0, "-o", out).exit_code == 2
    assert not out.exists()


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_names(tmp_path: Path, kind: str) -> None:
    model = stored(tmp_path, sums_model(name=HOSTILE[kind]))
    path = tmp_path / "[red]\x1b[31m.npz"
    np.save(tmp_path / "bad.npy", np.zeros(9, np.int8))
    shown = good("golden", "record", model, "--samples", 1, "-o", path)
    assert "[red]\\x1b[31m.npz: 1 sample, 2 bytes" in shown
    shown += good("golden", "check", model, path)
    shown += refused("golden", "record", model, tmp_path / "bad.npy", "-o", path)
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert "\nerror: faked" not in shown

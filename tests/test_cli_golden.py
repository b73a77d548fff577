"""`microinterp golden record|check`: exit statuses, messages, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from microinterp import __version__, golden
from microinterp.runtimes.tflm import version
from tests.bundles import change_bundle
from tests.cli import HOSTILE, call, good, good_json, refused, stored, sums_model
from tests.conftest import require_or_skip

HOST = f"host (microinterp {__version__}, profile tflm)"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return stored(tmp_path, sums_model())


@pytest.fixture
def bundle(tmp_path: Path, model: Path) -> Path:
    path = tmp_path / "g.golden"
    good("golden", "record", model, "--samples", 7, "--seed", 3, "-o", path)
    return path


def test_record_says_what_it_made(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "g.golden"
    record = ("golden", "record", model, "--samples", 7, "-o", path)
    assert good(*record) == (
        f"{path}: 7 samples, 14 bytes of outputs, CRC32s of 1 tensor of {HOST}\n"
    )
    assert good(*record, "--append") == (
        f"{path}: 7 samples more, 14 bytes of outputs, CRC32s of 1 tensor of {HOST}; 14 in all\n"
    )
    assert ", the bytes of 1 tensor of" in good(*record, "--tensors", "bytes")
    assert "14 bytes of outputs of host" in good(*record, "--tensors", "none")
    document = good_json(*record, "--seed", 2)
    assert document.keys() == {
        *("path", "model_sha256", "profile", "runtime", "version", "samples", "total_samples"),
        *("output_bytes", "tensors", "checks", "seed"),
    }
    assert (document["seed"], document["samples"], document["output_bytes"]) == (2, 7, 14)


def test_the_same_random_inputs_again_are_told(model: Path, bundle: Path) -> None:
    record = ("golden", "record", model, "-o", bundle, "--append", "--samples", 2, "--seed")
    assert call(*record, 3).stderr == (
        "note: the bundle begins with the same random inputs: --seed 4 adds others\n"
    )
    assert call(*record, 4).stderr == ""


def test_equal(model: Path, bundle: Path) -> None:
    assert good("golden", "check", model, bundle) == (
        f"equal: 7 samples, 14 bytes of outputs, 7 CRC32s of tensors, computed by {HOST}\n"
    )
    assert good_json("golden", "check", model, bundle) == {
        "equal": True,
        "model_matches": True,
        "runtime": "host",
        "version": f"microinterp {__version__}, profile tflm",
        "samples": 7,
        "profile": "tflm",
        "compared_bytes": 14,
        "compared_crcs": 7,
        "compared_tensor_bytes": 0,
        "differing_samples": 0,
        "differing_elements": 0,
        "differing_tensors": 0,
        "recorded_crcs": 7,
        "changed_op": None,
        "first": None,
        "first_output": None,
    }


def test_a_flipped_byte_is_found_and_placed(model: Path, bundle: Path) -> None:
    got = int(golden.load(bundle).outputs[0][4, 0, 1])
    change_bundle(bundle, outputs=[(0, (4, 0, 1))])
    result = call("golden", "check", model, bundle)
    assert result.exit_code == 1
    assert result.stdout == (
        f"different: 1 of 7 samples; 1 element of outputs, 0 tensors in all, computed by {HOST}\n"
        "first: sample 4, output 0 (tensor 2 'y'): 1 of 2 elements differ: "
        f"[0, 1] wanted {got ^ 1}, got {got}\n"
    )
    result = call("golden", "check", "--json", model, bundle)
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["equal"] is False
    assert document["first"] == document["first_output"]
    wanted = {"sample": 4, "output": 0, "element": [0, 1], "wanted": got ^ 1, "got": got}
    assert wanted.items() <= document["first"].items()


def test_a_flipped_crc_names_the_op(model: Path, bundle: Path) -> None:
    change_bundle(bundle, crcs=[(4, 0)])
    result = call("golden", "check", model, bundle)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[1].startswith("first: sample 4, op 0 FULLY_CONNECTED, tensor 2 'y': CRC32 ")
    assert lines[2] == "the outputs of this sample are as recorded"


def test_a_flipped_byte_of_a_file_is_placed(model: Path, bundle: Path) -> None:
    data = bytearray(bundle.read_bytes())
    data[-60] ^= 4
    bundle.write_bytes(data)
    text = refused("golden", "check", model, bundle)
    assert "the block at byte " in text
    assert "is damaged: its CRC32 is " in text or "is damaged: " in text


def test_another_model(tmp_path: Path, bundle: Path) -> None:
    other = stored(tmp_path, sums_model(((1, 2, 3, 4), (1, -1, 0, 0))), "other.tflite")
    result = call("golden", "check", other, bundle)
    assert result.exit_code == 1
    assert "another file" in result.stdout
    assert "--any-model" in result.stdout
    document = json.loads(call("golden", "check", "--json", other, bundle).stdout)
    assert (document["model_matches"], document["samples"]) == (False, 7)
    result = call("golden", "check", other, bundle, "--any-model")
    assert result.exit_code == 1
    assert "op 0 FULLY_CONNECTED, tensor 2 'y': CRC32" in result.stdout
    renamed = stored(tmp_path, sums_model(name="n"), "renamed.tflite")
    assert "though the model is another file" in good(
        "golden", "check", renamed, bundle, "--any-model"
    )


def test_from_files(tmp_path: Path, model: Path) -> None:
    np.save(tmp_path / "x.npy", np.int8([[4, 3, 3, 3], [3, 9, 3, 3]]))
    np.save(tmp_path / "r.npy", np.float32([0.5, 0, 0, 0]))
    path = tmp_path / "g.golden"
    good("golden", "record", model, tmp_path / "x.npy", tmp_path / "r.npy", "-o", path)
    loaded = golden.load(path)
    assert loaded.outputs[0].tolist() == [[[1, 1]], [[6, -6]], [[1, 1]]]
    assert loaded.header.seed is None


def test_notes(tmp_path: Path, model: Path) -> None:
    np.save(tmp_path / "x.npy", np.float32([1e9, 0, 0, 0]))
    arguments = ("golden", "record", model, tmp_path / "x.npy", "-o", tmp_path / "g", "--json")
    result = call(*arguments)
    assert "were clamped" in result.stderr
    assert json.loads(result.stdout)["samples"] == 1


def test_tflm(tmp_path: Path, model: Path, bundle: Path) -> None:
    if version() is None:
        require_or_skip("the TFLM wheel", "pip install 'microinterp[oracle]' (Linux x86-64)")
    check = ("golden", "check", model, bundle, "--runtime", "tflm")
    assert f"7 CRC32s of tensors, computed by tflm (tflite-micro {version()})" in good(*check)
    path = tmp_path / "t.golden"
    document = good_json("golden", "record", model, "--samples", 3, "-o", path, "--runtime", "tflm")
    assert (document["runtime"], document["version"]) == ("tflm", f"tflite-micro {version()}")
    assert golden.load(path).header.runtime == "tflm"
    change_bundle(bundle, outputs=[(0, (4, 0, 1))])
    assert call(*check).exit_code == 1


def test_without_the_wheel(model: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microinterp.runtimes.tflm.version", lambda: None)
    assert "pip install" in refused("golden", "check", model, bundle, "--runtime", "tflm")


def test_profiles(tmp_path: Path, model: Path, bundle: Path) -> None:
    assert "profile single" in good("golden", "check", model, bundle, "--profile", "single")
    assert "profile 'x'" in refused("golden", "check", model, bundle, "--profile", "x")
    path = tmp_path / "s.golden"
    good("golden", "record", model, "--samples", 2, "-o", path, "--profile", "single")
    assert "computes in profile tflm, not single" in refused(
        "golden", "check", model, path, "--runtime", "tflm"
    )


def test_refusals(tmp_path: Path, model: Path, bundle: Path) -> None:
    out = tmp_path / "o.golden"
    record = ("golden", "record", model, "-o", out)
    assert "either input files or --samples" in refused(*record)
    assert "either" in refused(*record, "x.npy", "--samples", 2)
    assert "wanted crc, bytes, none" in refused(*record, "--samples", 2, "--tensors", "all")
    assert "without --append" in refused(*record, "--samples", 2, "--append")
    assert "another checks" in refused(
        "golden", "record", model, "-o", bundle, "--samples", 2, "--append", "--tensors", "none"
    )
    assert "no runtime 'fly'" in refused("golden", "check", model, bundle, "--runtime", "fly")
    assert "No such file" in refused("golden", "check", model, tmp_path / "none")
    assert "No such file" in refused("golden", "check", tmp_path / "none.tflite", bundle)
    assert "Is a directory" in refused("golden", "check", model, tmp_path)
    sound = bundle.read_bytes()
    for data in (b"", b"garbage", sound[: len(sound) // 2]):
        assert "cannot read" in refused("golden", "check", model, stored(tmp_path, data, "d"))
    np.savez(tmp_path / "old.npz", header=np.zeros(3, np.uint8))
    assert "record it anew" in refused("golden", "check", model, tmp_path / "old.npz")
    assert "cannot write" in refused(
        "golden", "record", model, "--samples", 1, "-o", tmp_path / "no" / "g.golden"
    )
    assert call(*record, "--samples", 0).exit_code == 2
    assert not out.exists()


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_names(tmp_path: Path, kind: str) -> None:
    model = stored(tmp_path, sums_model(name=HOSTILE[kind]))
    path = tmp_path / "[red]\x1b[31m.golden"
    np.save(tmp_path / "bad.npy", np.zeros(9, np.int8))
    shown = good("golden", "record", model, "--samples", 1, "-o", path)
    assert "[red]\\x1b[31m.golden: 1 sample, 2 bytes" in shown
    shown += good("golden", "check", model, path)
    shown += good("golden", "show", path, "--sample", 0)
    text = HOSTILE[kind].encode(errors="backslashreplace").decode()
    change_bundle(path, outputs=[(0, (0, 0, 1))], runtime=text, tool=text, profile=text)
    shown += call("golden", "check", model, path).stdout
    shown += good("golden", "show", path)
    shown += refused("golden", "record", model, tmp_path / "bad.npy", "-o", path)
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert "\nerror: faked" not in shown

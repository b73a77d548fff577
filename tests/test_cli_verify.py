"""`microinterp verify`: all problems, exit statuses, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli import broken_models, call, good, good_json, refused, stored, sums_model

BROKEN = broken_models()


def test_good_model(tmp_path: Path) -> None:
    path = stored(tmp_path, sums_model())
    assert good("verify", path) == f"{path}: good\n"
    assert good_json("verify", path) == {
        "models": [{"path": str(path), "ok": True, "problems": []}]
    }


@pytest.mark.parametrize("name", BROKEN)
def test_all_problems_are_told(tmp_path: Path, name: str) -> None:
    data, wanted = BROKEN[name]
    result = call("verify", stored(tmp_path, data))
    assert result.exit_code == 1
    assert result.stderr == ""
    lines = [line for line in result.stdout.splitlines() if line.startswith("  error ")]
    for text in wanted:
        assert any(text in line for line in lines), (text, result.stdout)
    assert f": {len(lines)} errors\n" in result.stdout


def test_problems_as_json(tmp_path: Path) -> None:
    result = call("verify", "--json", stored(tmp_path, BROKEN["operators"][0]))
    assert result.exit_code == 1
    (model,) = json.loads(result.stdout)["models"]
    assert model["ok"] is False
    first, second = model["problems"]
    assert first.keys() == {"rule", "severity", "message", "hint", "where"}
    assert first["rule"] == "unsupported"
    assert first["where"]["op_name"] == "TILE"
    assert second["where"]["op_index"] == 1


@pytest.mark.parametrize("data", [b"", b"TFL3", b"no model at all" * 9, bytes(4000)])
def test_garbage_has_problems(tmp_path: Path, data: bytes) -> None:
    result = call("verify", stored(tmp_path, data))
    assert result.exit_code == 1
    assert "error" in result.stdout


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_model_has_problems(tmp_path: Path, share: float) -> None:
    data = sums_model()
    result = call("verify", stored(tmp_path, data[: int(share * len(data))]))
    assert result.exit_code == 1
    assert "error" in result.stdout


def test_a_missing_file_ends_with_2_and_the_others_are_checked(tmp_path: Path) -> None:
    sound = stored(tmp_path, sums_model())
    bad = stored(tmp_path, BROKEN["operators"][0], "bad.tflite")
    missing = tmp_path / "missing.tflite"
    result = call("verify", missing, bad, sound)
    assert result.exit_code == 2
    assert result.stderr == f"error: cannot read '{missing}': No such file or directory\n"
    assert f"{sound}: good" in result.stdout
    assert f"{bad}: 2 errors" in result.stdout
    assert str(missing) not in result.stdout
    models = json.loads(call("verify", "--json", missing, sound).stdout)["models"]
    assert [model["ok"] for model in models] == [False, True]
    assert models[0]["problems"][0]["rule"] == "unreadable"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "Is a directory" in refused("verify", tmp_path)

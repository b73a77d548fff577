"""`microinterp plan`: JSON, tables, the map, resource variables, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from microinterp import Interpreter
from tests.cli import broken_models, call, good, good_json, refused, stored, sums_model
from tests.conftest import shared_model
from tests.test_arena_best import staggered_model
from tests.test_arena_report import doubling_model, mean_model


def test_json_by_hand(tmp_path: Path) -> None:
    document = good_json("plan", stored(tmp_path, doubling_model()))
    assert document["planner"] == "tflm"
    assert document["head_bytes"] == document["tflm_head_bytes"] == 96
    assert document["extra_macs"] == 0
    assert document["peak_bytes"] == 96
    assert document["peak_ops"] == [{"subgraph": 0, "index": 1, "name": "CONCATENATION"}]
    assert document["variables"] == document["scratch"] == []
    assert document["tensors"][1] == {
        "subgraph": 0,
        "index": 1,
        "name": "a",
        "type": "int8",
        "shape": [32],
        "offset": 64,
        "size": 32,
        "nbytes": 32,
        "first_op": {"subgraph": 0, "index": 0, "name": "RELU"},
        "last_op": {"subgraph": 0, "index": 1, "name": "CONCATENATION"},
        "first_scope": 1,
        "last_scope": 2,
    }
    assert document["tensors"][0]["first_op"] is None


def test_linear_planner(tmp_path: Path) -> None:
    path = stored(tmp_path, doubling_model())
    document = good_json("plan", path, "--planner", "linear")
    assert (document["head_bytes"], document["tflm_head_bytes"]) == (128, 96)
    assert "TFLM's head  96 bytes" in good("plan", path, "--planner", "linear")
    assert "there are: tflm, best, linear" in refused("plan", path, "--planner", "[red]\x1b")


def test_best_planner(tmp_path: Path) -> None:
    path = stored(tmp_path, staggered_model())
    document = good_json("plan", path, "--planner", "best")
    assert document["planner"] == "best"
    assert (document["head_bytes"], document["lower_bound"]) == (48, 48)
    assert document["tflm_head_bytes"] == 64
    shown = " ".join(good("plan", path, "--planner", "best").split())
    assert "head 48 bytes TFLM's head 64 bytes" in shown
    assert "lower bound 48 bytes; proved: no plan is smaller" in shown


def test_scratch(tmp_path: Path) -> None:
    path = stored(tmp_path, mean_model())
    scratch = good_json("plan", path)["scratch"]
    assert [(s["subgraph"], s["op"], s["number"]) for s in scratch] == [
        (0, 0, number) for number in range(len(scratch))
    ]
    assert scratch[0]["nbytes"] == 4 * 64
    assert "op 0 s0" in good("plan", path, "--no-map")


def test_parts_can_be_left_out(tmp_path: Path) -> None:
    path = stored(tmp_path, doubling_model())
    everything = good("plan", path)
    assert "buffer  offset" in everything
    assert "kept for a later op" in everything
    assert "buffer  offset" not in good("plan", path, "--no-table")
    assert "kept for a later op" not in good("plan", path, "--no-map")
    assert "96 bytes" in good("plan", path, "--no-map", "--no-table")


def test_table_by_hand(tmp_path: Path) -> None:
    shown = good("plan", stored(tmp_path, doubling_model()), "--no-map")
    rows = [line.split() for line in shown.splitlines() if "int8[" in line]
    assert rows == [
        ["0", "0", "32", "inputs", "0", "int8[32]", "x"],
        ["1", "64", "32", "0", "1", "int8[32]", "a"],
        ["2", "0", "64", "1", "1", "int8[64]", "b"],
    ]


@pytest.mark.parametrize("width", [80, 100])
def test_widths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = good("plan", stored(tmp_path, shared_model("kws_int8.tflite")))
    assert all(len(line) <= width for line in shown.splitlines())
    row = next(line for line in shown.splitlines() if line.startswith("    22 "))
    assert row.split()[:6] == ["22", "0", "8,000", "0", "1", "int8[1,25,5,64]"]


@pytest.mark.parametrize("name", ["kws_int8", "person_detect"])
def test_figures_are_the_interpreters(tmp_path: Path, name: str) -> None:
    data = shared_model(f"{name}.tflite")
    document = good_json("plan", stored(tmp_path, data))
    arena = Interpreter.from_bytes(data).arena
    assert document["head_bytes"] == arena.head_bytes
    offsets = {tensor["index"]: tensor["offset"] for tensor in document["tensors"]}
    assert offsets == dict(arena.offsets)


def test_refusals(tmp_path: Path) -> None:
    assert "No such file" in refused("plan", tmp_path / "none.tflite")
    assert "Is a directory" in refused("plan", tmp_path)
    refused("plan", stored(tmp_path, b"garbage"))
    refused("plan", stored(tmp_path, sums_model()[:200]))
    message = refused("plan", stored(tmp_path, broken_models()["operators"][0]))
    assert message.startswith("op 0 TILE: operator is not supported")
    assert "\n  hint: " in message
    assert call("plan").exit_code == 2

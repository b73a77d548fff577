"""The benchmark of instructions: the page says what was counted, and a run is kept only whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import instructions, instructions_page
from benchmarks.instructions import LAYER_SETS, MODEL_SETS, MODELS, STORED, main
from benchmarks.instructions_layers import layers
from benchmarks.instructions_page import PAGE, per_unit, sections
from benchmarks.page import replaced
from microinterp.inspect_model import inspect_model
from microinterp_boards import runtime

FOUND: dict[str, Any] = json.loads(STORED.read_text())


def test_the_page_has_the_figures_of_the_file() -> None:
    text = PAGE.read_text()
    assert replaced(text, sections(FOUND)) == text
    changed = json.loads(STORED.read_text())
    changed["models"][0]["runs"][0]["instructions"] += 100_000
    assert replaced(text, sections(changed)) != text


def test_marks() -> None:
    text = "a\n<!-- x -->\nold\n<!-- end of x -->\nb"
    assert replaced(text, {"x": "new"}) == text.replace("old", "new")
    for wrong in ("", text + text, text.replace("end of ", "")):
        with pytest.raises(ValueError, match="wanted one '<!-- x -->'"):
            replaced(wrong, {"x": "new"})


def test_layers_are_those_of_the_file() -> None:
    made = {layer.name: layer for layer in layers()}
    assert [row["name"] for row in FOUND["layers"]] == list(made)
    for row in FOUND["layers"]:
        layer = made[row["name"]]
        assert (row["units"], row["count"]) == (layer.units, layer.count)
        assert row["cmsis_nn"] == dict(layer.cmsis_nn)
        facts = inspect_model(layer.data)
        assert facts.runs
        assert facts.macs == (layer.count if layer.units == "MAC" else 0)
        (output,) = facts.subgraphs[0].outputs
        if layer.units == "output":
            assert layer.count == facts.subgraphs[0].tensors[output].nbytes


def test_the_file_is_whole() -> None:
    """Every set on every board, every model, and no byte that differs."""
    assert runtime.manifest()["sets"].keys() >= {s for sets in LAYER_SETS.values() for s in sets}
    for row in FOUND["layers"]:
        sets = {(run["cpu"], run["set"]) for run in row["runs"]}
        wanted = {(cpu, each) for cpu, all_sets in LAYER_SETS.items() for each in all_sets}
        assert wanted - sets <= {("m4", "bytecode")}
    assert [row["name"] for row in FOUND["models"]] == list(MODELS)
    for row in FOUND["models"]:
        sets = [(run["cpu"], run["set"]) for run in row["runs"]]
        assert sets == [(cpu, each) for cpu, all_sets in MODEL_SETS.items() for each in all_sets]
        assert row["macs"] == sum(op["macs"] for op in row["ops"])
        for run in row["runs"]:
            assert len(run["ops"]) == len(row["ops"])
            ops = sum(op["in_kernels"] for op in run["ops"])  # medians, each of its own
            assert ops == pytest.approx(run["in_kernels"], rel=1e-3)
            assert run["in_kernels"] + run["outside"] == run["instructions"]
    for row in (*FOUND["layers"], *FOUND["models"]):
        for run in row["runs"]:
            assert run["differing_bytes"] == 0 < run["compared_bytes"]


def test_python_takes_at_most_five_per_cent_of_ic_resnet8() -> None:
    (row,) = (row for row in FOUND["models"] if row["name"] == "ic_resnet8_int8")
    assert all(run["outside"] <= 0.05 * run["instructions"] for run in row["runs"])


@pytest.fixture
def without_boards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Counts come from the file; what a run replaces lies in a folder of its own."""

    def stored_layers(wanted: Any, say: Any) -> list[Any]:
        names = [layer.name for layer in wanted]
        return [row for row in FOUND["layers"] if row["name"] in names]

    def stored_models(names: Any, say: Any) -> list[Any]:
        return [row for row in FOUND["models"] if row["name"] in names]

    page = tmp_path / "page.md"
    marks = [f"<!-- {name} -->\n<!-- end of {name} -->\n" for name in sections(FOUND)]
    page.write_text("".join(marks))
    monkeypatch.setattr(instructions, "count_layers", stored_layers)
    monkeypatch.setattr(instructions, "count_models", stored_models)
    monkeypatch.setattr(instructions, "tools", lambda: FOUND["tools"])
    monkeypatch.setattr(instructions, "STORED", tmp_path / "stored.json")
    monkeypatch.setattr(instructions_page, "PAGE", page)
    return tmp_path


def test_a_whole_run_replaces_file_and_page(without_boards: Path) -> None:
    assert main(["--json", str(without_boards / "new" / "run.json")]) == 0
    for name in ("stored.json", "new/run.json"):
        assert json.loads((without_boards / name).read_text()) == FOUND
    assert "CMSIS-NN, M4" in (without_boards / "page.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "layers_there", "models_there"),
    [(["--layers", "3x3"], 2, 0), (["--models", "kws", "ad01"], 0, 2)],
)
def test_a_run_of_some_leaves_them_alone(
    without_boards: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    layers_there: int,
    models_there: int,
) -> None:
    before = (without_boards / "page.md").read_text()
    assert main([*arguments, "--json", str(without_boards / "run.json")]) == 0
    found = json.loads((without_boards / "run.json").read_text())
    assert (len(found["layers"]), len(found["models"])) == (layers_there, models_there)
    assert not (without_boards / "stored.json").exists()
    assert (without_boards / "page.md").read_text() == before
    assert "no byte of an output differs" in capsys.readouterr().out


def test_a_byte_that_differs_is_an_error_and_nothing_is_kept(
    without_boards: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json.loads(json.dumps(FOUND["models"]))
    rows[1]["runs"][0]["differing_bytes"] = 3
    monkeypatch.setattr(instructions, "count_models", lambda names, say: rows)
    assert main(["--json", str(without_boards / "run.json")]) == 1
    assert "DIFFERENT outputs: ic_resnet8_int8: m4, armv7em: 3 bytes" in capsys.readouterr().out
    assert not (without_boards / "stored.json").exists()


def test_models_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(instructions, "SHARED", tmp_path)
    rows = instructions.count_models(["kws_int8"], lambda text: None)
    reason = "there is no kws_int8.tflite in ../shared/models"
    assert rows == [{"name": "kws_int8", "skipped": reason}]
    assert not instructions.is_complete({"models": rows})
    assert f"| kws_int8 | left out: {reason} |" in sections(FOUND | {"models": rows})["models"]


def test_figures_of_a_layer() -> None:
    row = {"count": 200, "runs": [{"cpu": "m4", "set": "armv7em", "instructions": 300}]}
    assert per_unit(row, "m4", "armv7em") == 1.5
    assert per_unit(row, "m3", "armv7em") is None

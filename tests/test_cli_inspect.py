"""`microinterp inspect`: text, JSON, models that do not run, names that a terminal would act on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from microinterp.model_builder import ModelBuilder
from tests.cli import HOSTILE, broken_models, call, good, good_json, refused, stored, sums_model
from tests.conftest import SHARED_MODELS, shared_model
from tests.models import conv_model


def test_text(tmp_path: Path) -> None:
    shown = good("inspect", stored(tmp_path, sums_model()))
    assert "int8[1,4]  scale, zero: 0.5 +3  x" in shown
    row = next(line for line in shown.splitlines() if "FULLY_CONNECTED" in line)
    assert row.split() == ["0", "FULLY_CONNECTED", "int8[1,2]", "0.25", "+0", "8", "8", "exact"]
    assert "1 op, 8 MACs, 8 bytes of constants: runs" in shown


def test_paths_say_which_kernel_runs_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    shown = good("inspect", "--paths", stored(tmp_path, sums_model())).splitlines()
    row = next(line.split() for line in shown if "product," in line)
    assert row[:2] == ["0", "FULLY_CONNECTED"]
    assert row[2] == "fast"
    assert " ".join(row[3:]).startswith("4 x 2 float32 product, sums below 2^")
    assert shown[-1].endswith("runs, 1 of them fast")
    (op,) = good_json("inspect", stored(tmp_path, sums_model()))["subgraphs"][0]["ops"]
    assert op["path"] == "fast"
    assert op["path_reason"] == " ".join(row[3:])


def test_columns_with_nothing_in_them_are_left_out(tmp_path: Path) -> None:
    model = ModelBuilder()
    g = model.subgraph()
    x, y = g.input("x", (1, 4), "float32"), g.tensor("y", (1, 4), "float32")
    g.op("ABS", [x], [y])
    g.output(y)
    shown = good("inspect", stored(tmp_path, model.finish())).splitlines()
    header = next(line for line in shown if line.startswith("op "))
    assert header.split() == ["op", "name", "output", "weights", "runs"]
    assert ["0", "ABS", "float32[1,4]", "-", "exact"] in [line.split() for line in shown]


def test_tensors_are_listed_when_asked(tmp_path: Path) -> None:
    path = stored(tmp_path, sums_model())
    assert "constant" not in good("inspect", path).replace("bytes of constants", "")
    row = next(
        line for line in good("inspect", path, "--tensors").splitlines() if "constant " in line
    )
    assert row.split() == ["1", "int8[2,4]", "0.5", "+0", "8", "constant", "w"]


def test_json_keys(tmp_path: Path) -> None:
    facts = good_json("inspect", stored(tmp_path, conv_model(filters=3)))
    assert facts.keys() == {
        *("file_bytes", "sha256", "version", "description", "runs", "macs", "weight_bytes"),
        *("ops", "subgraphs", "metadata", "signatures", "problems", "health"),
    }
    assert facts["description"] == "one convolution"
    assert facts["runs"] is True
    assert facts["macs"] == 4 * 4 * 3 * 9
    assert facts["weight_bytes"] == 3 * 9 + 3 * 4
    (subgraph,) = facts["subgraphs"]
    assert subgraph.keys() == {"index", "name", "inputs", "outputs", "tensors", "ops"}
    assert subgraph["ops"][0]["exactness"] == "exact"


def test_a_model_that_does_not_run_is_shown_all_the_same(tmp_path: Path) -> None:
    path = stored(tmp_path, broken_models()["operators"][0])
    shown = good("inspect", path)
    assert "TILE" in shown
    assert "Flying[bold]" in shown
    assert "does not run, 2 errors" in shown
    facts = good_json("inspect", path)
    assert facts["runs"] is False
    assert [op["supported"] for op in facts["subgraphs"][0]["ops"]] == [False, False]


def test_subgraphs_have_titles(tmp_path: Path) -> None:
    b = ModelBuilder()
    for name in ("one", "two"):
        g = b.subgraph(name)
        x = g.input("x", (2,), "int8", scale=1.0, zero_point=0)
        y = g.tensor("y", (2,), "int8", scale=1.0, zero_point=0)
        g.op("RELU", [x], [y])
        g.output(y)
    shown = good("inspect", stored(tmp_path, b.finish()))
    assert "subgraph 0 one" in shown
    assert "subgraph 1 two" in shown


def test_bad_files(tmp_path: Path) -> None:
    assert "No such file" in refused("inspect", tmp_path / "missing.tflite")
    assert "Is a directory" in refused("inspect", tmp_path)
    refused("inspect", stored(tmp_path, b""))
    refused("inspect", stored(tmp_path, b"garbage" * 100))
    refused("inspect", stored(tmp_path, sums_model()[:300]))
    refused("inspect", "nul\x00inside")


@pytest.mark.parametrize("width", [80, 100])
def test_rows_stay_whole_at_usual_widths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = good("inspect", stored(tmp_path, shared_model("kws_int8.tflite")))
    assert all(len(line) <= width for line in shown.splitlines())
    row = next(line for line in shown.splitlines() if line.startswith(" 1  DEPTHWISE"))
    assert row.split() == [
        *("1", "DEPTHWISE_CONV_2D", "int8[1,25,5,64]", "0.082815", "-128"),
        *("72,000", "832", "exact"),
    ]


COMMANDS = (
    ("inspect",),
    ("inspect", "--tensors"),
    ("inspect", "--json"),
    ("verify",),
    ("verify", "--json"),
    ("plan",),
    ("plan", "--json"),
    ("run", "--per-op"),
    ("run", "--json"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("kind", HOSTILE)
def test_names_do_nothing_to_a_terminal(
    tmp_path: Path, kind: str, command: tuple[str, ...]
) -> None:
    path = stored(tmp_path, sums_model(name=HOSTILE[kind]))
    data = tmp_path / "x.npy"
    np.save(data, np.zeros((1, 4), np.int8))
    shown = good(*command, path, *([data] if command[0] == "run" else []))
    assert_harmless(shown)
    assert len(shown) < 20_000 or "--json" in command  # JSON has names whole
    if kind == "markup" and command == ("inspect", "--tensors"):
        assert shown.count("[red]boom[/red]x") == 3  # input, signature, table


@pytest.mark.parametrize("kind", HOSTILE)
def test_names_in_errors_do_nothing_to_a_terminal(tmp_path: Path, kind: str) -> None:
    name = HOSTILE[kind]
    b = ModelBuilder()
    g = b.subgraph(name)
    x = g.input(name, (1, 4), "int8", scale=-1.0, zero_point=0)
    y = g.tensor(name, (1, 4), "float32")
    g.custom_op(name, [x], [y])
    g.output(y)
    path = stored(tmp_path, b.finish())
    for command in ("inspect", "verify", "plan", "run"):
        result = call(command, path)
        assert result.exit_code == {"inspect": 0, "verify": 1}.get(command, 2)
        assert_harmless(result.stdout)
        assert_harmless(result.stderr)
        if kind == "markup" and command != "inspect":
            assert name in result.stdout + result.stderr


def assert_harmless(text: str) -> None:
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "\nerror: faked" not in text


def test_a_shared_model_with_states() -> None:
    shared_model("dtln.tflite")
    facts = good_json("inspect", SHARED_MODELS / "dtln.tflite")
    assert facts["runs"] is True
    ops = facts["subgraphs"][0]["ops"]
    assert [op["name"] for op in ops[:2]] == ["UNIDIRECTIONAL_SEQUENCE_LSTM"] * 2
    assert all(op["reason"] == "" for op in ops)

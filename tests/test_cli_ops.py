"""`microinterp ops`, and what holds for the command line as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import microinterp
from microinterp.kernels import default_registry
from tests.cli import HOSTILE, call, good, good_json, refused, stored, sums_model

ROOT = Path(__file__).resolve().parents[1]


def shell(
    *arguments: object, cut: int | None = None, **environment: str
) -> tuple[int, bytes, bytes]:
    """`python -m microinterp` as a process; with `cut` its reader leaves after so many bytes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "microinterp", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    assert process.stdout is not None
    if cut is not None:
        first = process.stdout.read(cut)
        process.stdout.close()
        process.stdout = None
        _, errors = process.communicate(timeout=60)
        return process.returncode, first, errors
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def test_json_is_a_list_of_every_operator() -> None:
    rows = good_json("ops")
    assert [row["name"] for row in rows] == sorted(op.name for op in default_registry())
    found = next(row for row in rows if row["name"] == "MAX_POOL_2D")
    assert found == {
        "name": "MAX_POOL_2D",
        "kind": "builtin",
        "types": ["float32", "int8", "int16"],
        "limits": found["limits"],
        "exactness": "exact",
        "refused": "",
        "fast": ["int8", "int16"],
        "boards": ["thumb", "viper", "bytecode"],
        "test": "python -m tests.differential --op MAX_POOL_2D",
    }
    assert all(row.keys() == found.keys() for row in rows)


@pytest.mark.parametrize("columns", [80, 120])
def test_text_has_a_line_for_every_operator(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = good("ops").splitlines()
    assert all(len(line) <= columns for line in shown)
    first = [line.split()[0] for line in shown if line and line[0] != " "]
    assert first == ["operator", *sorted(op.name for op in default_registry()), "exact", "118"]
    assert shown[-1].startswith("118 of TFLM's 118 operators")


def test_text_says_how_exact() -> None:
    lines = {line.split()[0]: line.split()[1:] for line in good("ops").splitlines() if line}
    assert lines["MAX_POOL_2D"] == ["float32", "int8", "int16", "yes", "yes"]
    assert lines["CONV_2D"] == ["float32", "int8", "int4", "int16", "int", "yes"]
    assert lines["SIN"] == ["float32", "libm"]
    assert lines["ELU"] == ["float32", "int8", "libm"]
    assert lines["SignalEnergy"] == ["int16", "uint32", "yes"]
    assert lines["ethos-u"] == ["never"]


def test_text_of_one_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = [line.rstrip() for line in good("ops", "prelu", "QUANTIZE").splitlines()]
    assert shown == [
        "operator      PRELU (builtin)",
        "types         float32",
        "              int8",
        "              int16 x int8",
        "limits        float32 of rank up to 4",
        "against TFLM  exact",
        "fast on a PC  int8",
        "boards        no",
        "compare       python -m tests.differential --op PRELU  # in a checkout",
        "",
        "operator      QUANTIZE (builtin)",
        "types         float32 -> int8 / int16",
        "              int32 -> int8 / int16",
        "              int16 -> int8 / int16 / int32",
        "              int8 -> int8 / uint8 / int16 / int32",
        "              uint8 -> int8",
        "limits        none",
        "against TFLM  exact",
        "fast on a PC  float32 -> int8 / int16",
        "              int16 -> int8 / int16 / int32",
        "              int8 -> int8 / uint8 / int16 / int32",
        "              uint8 -> int8",
        "boards        thumb, viper, bytecode kernels",
        "compare       python -m tests.differential --op QUANTIZE  # in a checkout",
    ]
    assert "command stream" in good("ops", "ethos-u")


def test_json_of_one_operator() -> None:
    (row,) = good_json("ops", "conv_2d")
    assert row == next(each for each in good_json("ops") if each["name"] == "CONV_2D")


def test_an_unknown_operator_gets_a_suggestion() -> None:
    assert refused("ops", "CONV2D") == (
        "TFLM has no operator 'CONV2D'\n  hint: do you mean CONV_2D?\n"
    )
    assert "`microinterp ops` lists all" in refused("ops", "\x1b[31m")


def test_module_is_the_same_command() -> None:
    status, output, errors = shell("--version")
    assert (status, output.decode(), errors) == (0, f"{microinterp.__version__}\n", b"")


def test_version_and_help() -> None:
    assert good("--version") == f"{microinterp.__version__}\n"
    for names in ((), ("inspect",), ("run",), ("verify",), ("ops",), ("plan",), ("golden",)):
        assert "Usage: " in good(*names, "--help")
    assert good() == good("-h")


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("ops", "--fly"),
        ("ops", "ADD", "--markdown"),
        ("ops", "--json", "--markdown"),
        ("inspect",),
        ("golden", "fly"),
    ],
)
def test_bad_use_ends_with_2(arguments: tuple[str, ...]) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage:" in result.stderr


@pytest.mark.parametrize("option", [(), ("--json",)], ids=" ".join)
def test_a_reader_that_leaves_early_is_no_error(option: tuple[str, ...]) -> None:
    """It leaves before the first byte; 141 is what a shell reports for SIGPIPE."""
    assert shell("ops", *option, cut=0) == (141, b"", b"")


@pytest.mark.parametrize("command", ["inspect", "plan", "verify"])
def test_a_terminal_without_utf8_gets_escapes(tmp_path: Path, command: str) -> None:
    path = stored(tmp_path, sums_model(name="gr\u00fc\u00df\u2713"), "m\u00fc.tflite")
    status, output, errors = shell(command, path, PYTHONIOENCODING="ascii")
    assert (status, errors) == (0, b"")
    assert b"\\xfc" in output


@pytest.mark.parametrize("kind", sorted(set(HOSTILE) - {"nul"}))
def test_hostile_paths_do_nothing_to_a_terminal(kind: str) -> None:
    for command in ("inspect", "verify", "plan", "run"):
        message = refused(command, HOSTILE[kind])
        assert all(c.isprintable() or c == "\n" for c in message)
        assert message.startswith("cannot read '")
        assert message.count("\n") == 1


def test_hostile_input_paths(tmp_path: Path) -> None:
    model = stored(tmp_path, sums_model())
    for name in HOSTILE.values():
        for path in (name, f"{name}.npy", f"{name}.npz:{name}"):
            message = refused("run", model, path)
            assert all(c.isprintable() or c == "\n" for c in message)
    data = tmp_path / "[red]x\x1b[31m.npy"
    np.save(data, np.zeros((1, 4), np.int8))
    shown = good("run", model, data)
    assert "[red]x\\x1b[31m.npy" in shown

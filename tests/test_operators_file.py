"""Operators in a file: read for Python, and by every command that runs a model (--operators)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.core import TyperGroup

from microinterp import Interpreter
from microinterp.cli import app
from microinterp.errors import InputError
from microinterp.kernels import default_registry
from microinterp.operators_file import registry_with
from microinterp.registry import OWN
from tests.cli import call, good, good_json, refused, stored
from tests.golden_projects import Project
from tests.own_operators import SOURCE, doubled_file, doubled_model

X = np.array([[3, 4, 0, 100]], np.int8)
Y = [[3, 5, 3, 127]]  # 2 x - 3, clipped, and never below the zero point


@pytest.fixture
def model(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "set.npz", x=np.repeat(X[None], 12, 0), y=np.full(12, 3))
    return stored(tmp_path, doubled_model())


def test_in_python(tmp_path: Path) -> None:
    it = Interpreter.from_bytes(doubled_model(), registry=registry_with(doubled_file(tmp_path)))
    it.set_input(X, 0)
    it.invoke()
    assert it.get_output(0).tolist() == Y


def test_without_a_file_it_is_the_packages_own() -> None:
    assert registry_with(None) is default_registry()


def test_a_file_may_import_its_neighbours(tmp_path: Path) -> None:
    doubled_file(tmp_path)
    (tmp_path / "all_of_them.py").write_text("from doubled import OPS\n")
    path = list(sys.path)
    try:
        assert "DOUBLED" in registry_with(tmp_path / "all_of_them.py")
    finally:
        sys.modules.pop("doubled", None)
    assert sys.path == path


def test_two_files_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "doubled.py").write_text(SOURCE.replace("DOUBLED", "OTHER"))
    assert "DOUBLED" in registry_with(doubled_file(tmp_path))
    other = registry_with(tmp_path / "a" / "doubled.py")
    assert "OTHER" in other
    assert "DOUBLED" not in other


WRONG = {
    "x = 1\n": "has no OPS, a tuple of microinterp.registry.Op",
    "OPS = ()\n": "has no OPS, a tuple",
    "OPS = ['CONV_2D']\n": "has no OPS, a tuple",
    "import numpy\nOPS = numpy.nothing\n": "fails in line 2: AttributeError: ",
    "x = 1\n\ndef f(:\n": "fails in line 3: SyntaxError: invalid syntax",
    "import missing_module\n": "fails in line 1: ModuleNotFoundError: No module named",
    "def f():\n    raise ValueError('\\x1b[31m')\n\nf()\n": r"fails in line 2: ValueError: \x1b",
    "raise SystemExit(0)\n": "fails in line 1: SystemExit: 0",
}


@pytest.mark.parametrize(("text", "told"), WRONG.items(), ids=range(len(WRONG)))
def test_files_that_are_wrong(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(text)
    loaded = set(sys.modules)
    with pytest.raises(InputError) as caught:
        registry_with(path)
    assert f"own.py' {told}" in caught.value.message
    assert caught.value.message.count("line") <= 1
    assert "docs/custom_ops.md" in caught.value.hint
    if "fails" in told:
        assert not {name for name in set(sys.modules) - loaded if name.startswith("microinterp")}


def test_no_such_file(model: Path) -> None:
    assert "cannot read" in refused("run", model, "--samples", 1, "--operators", "nowhere.py")


def test_run(model: Path) -> None:
    file = doubled_file(model.parent)
    found = good_json("run", model, model.parent / "x.npy", "--operators", file, "--per-op")
    top = found["samples"][0]["outputs"][0]["top"]
    assert sorted((each["index"], each["raw"]) for each in top) == list(enumerate(Y[0]))
    assert not found["exact"]
    assert found["inexact_ops"] == {"DOUBLED": OWN}
    assert "DOUBLED: your own" in good("run", model, "--samples", 1, "--operators", file)


COMMANDS: dict[str, tuple[tuple[object, ...], str]] = {
    "inspect": ((), "0  DOUBLED"),
    "verify": ((), "model.tflite: good"),
    "run": (("--samples", 2, "--repeat", 2), "median of 2"),
    "plan": (
        ("--target", "cortex-m-cmsis-nn", "--embed", "{}/embedded.tflite"),
        "smallest that works",
    ),
    "compare": (("--with", "host", "--dump", "{}/dump.txt"), "no byte differs"),
    "explain": (("--op", 1, "--index", "0,2"), "op 1 RELU"),
    "report": (
        ("-o", "{}/page.html", "--json", "--with", "host", "--explain", "1:0,1"),
        '"runs": true',
    ),
    "golden record": (("--samples", 2, "-o", "{}/x.golden"), "CRC32s of 2 tensors"),
    "eval": (("{}/set.npz", "--against", "plain"), "accuracy 100.00 %"),
    "fit": (("--board", "pico", "--firmware", "tflm"), "fits"),
}
"""What each is given, and what it says when all is well."""


@pytest.mark.parametrize("words", COMMANDS)
def test_commands(model: Path, words: str) -> None:
    given, said = COMMANDS[words]
    line = (*words.split(), model, *(str(each).format(model.parent) for each in given))
    without = call(*line)
    assert said not in without.stdout or words == "inspect"
    assert "operator is not supported" in without.stdout + without.stderr
    assert said in good(*line, "--operators", doubled_file(model.parent))


def test_every_command_that_runs_models_has_it() -> None:
    """A new one must be told here: with --operators, or why not."""
    without = {
        "example": "takes no model",
        "ops": "lists the package's",
        "pack": "boards have kernels of their own",
        "board": "the same",
    }
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for name in group.list_commands(typer.Context(group)):
        command = group.get_command(typer.Context(group), name)
        parts = [command]
        if name == "golden":
            parts = [command.commands[part] for part in ("record", "check")]
        for part in parts:
            options = {option for each in part.params for option in each.opts}
            assert ("--operators" in options) == (name not in without), name


def test_compare_with_other_sides(model: Path) -> None:
    """A bundle, our own dump, and the same model as its original."""
    file = doubled_file(model.parent)
    folder = model.parent
    good("golden", "record", model, "--samples", 3, "-o", folder / "x.golden", "--operators", file)
    good("compare", model, "--with", "host", "--other-profile", "tflm", "--operators", file,
         "--dump", folder / "dump.txt")  # fmt: skip
    for other in (folder / "x.golden", folder / "dump.txt", model):
        assert good_json("compare", model, "--with", other, "--operators", file)["equal"], other


def test_golden_check(model: Path) -> None:
    file, bundle = doubled_file(model.parent), model.parent / "x.golden"
    good("golden", "record", model, "--samples", 3, "-o", bundle, "--operators", file)
    found = good_json("golden", "check", model, bundle, "--operators", file)
    assert (found["samples"], found["compared_crcs"]) == (3, 6)
    file.write_text(SOURCE.replace("2 * x", "3 * x"))
    changed = call("golden", "check", model, bundle, "--operators", file, "--json")
    assert changed.exit_code == 1
    assert json.loads(changed.stdout)["first"]["op_name"] == "DOUBLED"


def test_eval_in_processes_of_their_own(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers run the file themselves; a path relative to this folder is enough."""
    doubled_file(model.parent)
    monkeypatch.chdir(model.parent)
    found = good_json(
        "eval", "model.tflite", "set.npz", "--operators", "doubled.py", "--workers", 2, "--piece", 4
    )
    assert found["samples"] == 12
    assert found["classes"]["accuracy"] == 1.0


def test_a_golden_toml(
    model: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(pytester, monkeypatch)
    file = doubled_file(project.path)
    project.model.write_bytes(model.read_bytes())
    project.record(project.bundle, registry=registry_with(file))
    project.toml('operators = "doubled.py"')
    project.run().assert_outcomes(passed=1)
    file.write_text(SOURCE.replace("2 * x", "3 * x"))
    failed = project.run()
    failed.assert_outcomes(failed=1)
    assert project.pasted(failed, "golden check")[-2:] == ["--operators", "doubled.py"]
    assert call(*project.pasted(failed, "golden check")[1:]).exit_code == 1


def test_fit_says_that_boards_have_no_kernel_for_it(model: Path) -> None:
    file = doubled_file(model.parent)
    result = call("fit", model, "--board", "pico", "--operators", file, "--json")
    (board,) = json.loads(result.stdout)["boards"]
    assert result.exit_code == 1
    assert board["tflm"]["fits"] is True
    assert board["micropython"]["fits"] is False
    assert "boards have no kernel" in board["micropython"]["reason"]


def test_pack_says_where_own_operators_run(model: Path) -> None:
    said = refused("pack", model, "-o", model.parent / "x.mipk")
    assert "op 0 DOUBLED: operator is not supported" in said
    assert "operators of your own run on the PC: --operators FILE.py" in said

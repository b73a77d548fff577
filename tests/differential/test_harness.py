"""The harness finds a planted fault, makes the model small, saves it, and runs it again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from microinterp import interpreter
from microinterp.graph import Node, build
from microinterp.kernels import default_registry
from microinterp.model import load
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Registry
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential import __main__ as command
from tests.differential.cases import all_cases
from tests.differential.run import run_case

(CASE,) = (case for case in all_cases() if case.name == "ADD[int32]")


def faulty_add() -> Registry:
    """ADD is one too high in the second element of its last axis, if it has one."""
    (add,) = (op for op in default_registry() if op.name == "ADD")

    def prepare(node: Node, context: Context) -> Kernel:
        kernel = add.prepare(node, context)

        def evaluate(params: Any, arrays: Arrays) -> None:
            kernel.evaluate(params, arrays)
            if node.output().shape[-1:] > (1,):
                arrays.outputs[0][..., 1] += 1

        return replace(kernel, evaluate=evaluate)

    return default_registry().with_op(replace(add, prepare=prepare))


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "default_registry", faulty_add)


def test_a_fault_is_found_and_made_small(tflm: TflmRuntime, fault: None) -> None:
    _, failure = run_case(tflm, CASE, 100, seed=3)
    assert failure is not None
    assert "1 of 2 elements differ, the first at 1" in failure.reason
    (node,) = build(load(failure.model)).nodes()
    assert node.output().elements == 2
    assert run_case(tflm, CASE, 100, seed=3)[1] == failure  # the seed gives the same again


def test_the_command_saves_what_differs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: None
) -> None:
    def run(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["differential", *arguments])
        return command.main()

    types = ("--op", "ADD", "--types", "int32")
    assert run(*types, "--n", "50", "--save", str(tmp_path)) == 1
    assert "1 cases with a difference" in capsys.readouterr().out
    path, note = tmp_path / "ADD_int32.tflite", (tmp_path / "ADD_int32.txt").read_text()
    seed = note.rpartition("--seed ")[2].strip()
    assert run("--model", str(path), "--seed", seed) == 1
    assert "elements differ" in capsys.readouterr().out
    monkeypatch.setattr(interpreter, "default_registry", default_registry)
    assert run("--model", str(path), "--seed", seed) == 0
    assert run(*types, "--n", "20") == 0
    assert run("--op", "NO_SUCH") == 2


def test_no_fault_no_failure(tflm: TflmRuntime) -> None:
    tally, failure = run_case(tflm, CASE, 20)
    assert failure is None
    assert tally.models >= 20
    assert tally.bytes > 0

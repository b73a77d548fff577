"""Models that keep state: sequences run in order and start anew, wherever they are run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.errors import InputError
from microinterp.evaluation import Settings, evaluate
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import TflmRuntime
from tests.eval_data import adding_model, npz, opened, timeless
from tests.ops.streaming import streaming_model

X = np.array([[1, 0], [0, 3], [1, 0], [0, 1], [2, 0]], np.int8)


def answers(path: Path, model: bytes, **options: str) -> list[int]:
    """How often each class is answered; all labels are 0."""
    figures = evaluate(model, opened(model, path, **options)).classes
    assert figures is not None
    return list(figures.confusion[0].tolist())


def test_all_samples_are_one_sequence_unless_something_else_is_said(tmp_path: Path) -> None:
    model = adding_model()
    path = npz(tmp_path / "d.npz", x=X, y=np.zeros(5, int), s=np.array([0, 0, 1, 1, 1]))
    # 1 0, 1 3, 2 3, 2 4, 4 4
    assert answers(path, model) == [2, 3]
    # 1 0, 1 3; 1 0, 1 1, 3 1
    assert answers(path, model, sequences="s") == [4, 1]
    assert answers(path, model, sequences="sample") == [3, 2]


def test_one_sequence_cannot_be_shared_out(tmp_path: Path) -> None:
    model = adding_model()
    path = npz(tmp_path / "d.npz", x=X, y=np.zeros(5, int))
    for settings in (Settings(workers=2), Settings(cluster="tcp://127.0.0.1:9")):
        with pytest.raises(InputError, match="keeps state") as caught:
            evaluate(model, opened(model, path), settings)
        assert "--sequences" in caught.value.hint
    shared = evaluate(model, opened(model, path, sequences="sample"), Settings(workers=2))
    assert shared.sequences == 5


def test_a_sequence_longer_than_a_reading_keeps_its_state(tmp_path: Path) -> None:
    """Read in spans of 256 rows, but 600 ones add up to a sum that is clamped once."""
    model = adding_model(1)
    x = np.zeros((600, 1), np.int8)
    x[[10, 300, 599]] = 1
    wanted = np.cumsum(x).astype(np.float64)
    data = opened(model, npz(tmp_path / "d.npz", x=x, y=wanted))
    found = evaluate(model, data, Settings(task="values")).values
    assert found is not None
    assert found.largest_error == 0.0


def test_state_does_not_tell_which_sequence_ran_before(tmp_path: Path) -> None:
    """CALL_ONCE runs once in an interpreter, even after reset(): every sequence needs a new one."""
    model = once_model()
    x = np.zeros((6, 1), np.int8)
    path = npz(tmp_path / "d.npz", x=x, y=np.full(6, 5.0), s=np.repeat([0, 1, 2], 2))
    data = opened(model, path, sequences="s")
    found = [
        evaluate(model, data, settings)
        for settings in (Settings(), Settings(workers=2, piece=1), Settings(workers=3, piece=3))
    ]
    assert {timeless(each) for each in found} == {timeless(found[0])}
    assert found[0].values is not None
    assert found[0].values.largest_error == 0.0


def once_model() -> bytes:
    """int8 [1, 1] -> the input plus 5, which CALL_ONCE has put into a variable."""
    b = ModelBuilder()
    main, once = b.subgraph("main"), b.subgraph("once")

    def handle(g: object) -> int:
        made = g.tensor("handle", (), "resource")  # type: ignore[attr-defined]
        g.op("VAR_HANDLE", [], [made], container="", shared_name="five")  # type: ignore[attr-defined]
        return int(made)

    five = once.constant("five", np.full((1, 1), 5, np.int8), scale=1.0, zero_point=0)
    once.op("ASSIGN_VARIABLE", [handle(once), five], [])
    x = main.input("x", (1, 1), "int8", scale=1.0, zero_point=0)
    held, y = (main.tensor(n, (1, 1), "int8", scale=1.0, zero_point=0) for n in ("held", "y"))
    main.op("CALL_ONCE", [], [], init_subgraph_index=once.index)
    main.op("READ_VARIABLE", [handle(main)], [held])
    main.op("ADD", [x, held], [y])
    main.output(y)
    return b.finish()


def test_a_streaming_model_may_be_silent(tmp_path: Path) -> None:
    """Samples on which invoke() aborts are run, but have no answer to count."""
    model = streaming_model(rows=2, height=1, depth=1, cycles=2)
    x = np.arange(1, 8, dtype=np.int8).reshape(7, 1)
    interpreter, spoken = Interpreter(model), []
    for row in x:
        interpreter.set_input(row.reshape(1, 1, 1, 1), 0)
        spoken.append(interpreter.invoke() == 0)
    assert sorted(set(spoken)) == [False, True]
    data = opened(model, npz(tmp_path / "d.npz", x=x, y=np.zeros(7, int)))
    for settings in (Settings(), Settings(against="plain")):
        found = evaluate(model, data, settings)
        assert (found.samples, found.answers) == (7, sum(spoken))
        assert found.classes is not None
        assert int(found.classes.confusion.sum()) == sum(spoken)


def test_sequences_agree_with_tflm(tmp_path: Path, tflm: TflmRuntime) -> None:
    rng = np.random.default_rng(1)
    for model in (adding_model(), once_model()):
        width = 2 if model == adding_model() else 1
        x = rng.integers(-9, 10, (30, width)).astype(np.int8)
        path = npz(tmp_path / "d.npz", x=x, s=np.repeat([0, 1, 2], [7, 20, 3]))
        for options in ({}, {"sequences": "s"}, {"sequences": "sample"}):
            data = opened(model, path, **options)
            agreement = evaluate(model, data, Settings(against="tflm")).agreement
            assert agreement is not None
            assert (agreement.compared_bytes, agreement.differing_bytes) == (30 * width, 0)

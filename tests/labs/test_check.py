"""What a check says: one line when a task is solved, else NotYet and never another exception."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.labs.labs import module

lab = module("lab")


def says(check: Callable[[], object], *words: str) -> None:
    with pytest.raises(lab.NotYet) as caught:
        lab.check("double", check)
    assert str(caught.value).startswith("double: ")
    for word in words:
        assert word in str(caught.value)


def test_a_solved_task_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    @lab.check("double")
    def _() -> None:
        lab.equal(np.array([1, 2]), np.array([1, 2]))

    lab.check("half", lambda: True)
    lab.check("third", np.float32(1) == 1)
    out = capsys.readouterr().out
    assert out.count("\n") == 3
    assert "double: solved" in out
    assert "half: solved" in out
    assert "third: solved" in out


@pytest.mark.parametrize("verdict", [None, ..., False, 0, 1, "yes", [True], np.bool_(False)])
def test_only_true_is_solved(verdict: object) -> None:
    says(lambda: verdict, "that is not it")
    with pytest.raises(lab.NotYet):
        lab.check("double", verdict)


def test_stubs_and_exceptions_of_the_students_code_are_not_yet() -> None:
    def stub() -> None:
        raise NotImplementedError

    says(stub, "nothing in the function")
    says(lambda: 1 / 0, "ZeroDivisionError")
    says(lambda: nobody_defined_this, "nobody_defined_this", "Run the cells above")  # type: ignore[name-defined]  # noqa: F821


def test_equal_says_where_arrays_differ() -> None:
    wanted = np.arange(6).reshape(2, 3)
    got = wanted.copy()
    got[1, 1] = 9
    says(lambda: lab.equal(got, wanted, "Look at row 1."), "1 of 6", "[1, 1]", "9", "4", "row 1")
    says(lambda: lab.equal(got[0], wanted), "(3,)", "(2, 3)")
    says(lambda: lab.equal(None, wanted), "still None")
    says(lambda: lab.equal(..., 4), "still Ellipsis")
    says(lambda: lab.equal(np.int8(3), 4, what="the byte"), "the byte is 3, wanted is 4")
    lab.equal([1, 2], np.array([1, 2]))
    lab.equal(np.int8(4), 4)
    lab.equal(None, None)
    says(lambda: lab.equal(4, None), "wanted is None")


def test_near() -> None:
    lab.near(0.31, 0.3, 0.011)
    says(lambda: lab.near(0.4, 0.3, 0.05, "Hm."), "0.4", "0.3 within 0.05", "Hm.")
    says(lambda: lab.near(float("nan"), 0.3, 0.05))


def test_an_answer_is_not_given_away() -> None:
    lab.answer(4711, 4711)
    with pytest.raises(lab.NotYet) as caught:
        lab.answer(4710, 4711, "Count the bias.")
    assert "4711" not in str(caught.value)
    assert "too small" in str(caught.value)
    assert "Count the bias." in str(caught.value)


def test_expect() -> None:
    lab.expect(np.bool_(True), "no")
    says(lambda: lab.expect(None, "no such thing"), "no such thing")


def test_jupyter_shows_no_traceback() -> None:
    (line,) = lab.NotYet("double: that is not it.")._render_traceback_()
    assert "double: that is not it." in line


def test_digits_are_the_models_own_input() -> None:
    digits = lab.digits()
    assert digits.inputs.dtype == np.int8
    assert digits.inputs.shape == (899, 1, 8, 8, 1)
    assert np.allclose((digits.inputs[:, 0].astype(float) + 128) / 240, digits.images / 16)
    assert digits.images.shape == (899, 8, 8, 1)
    assert digits.model[4:8] == b"TFL3"
    assert digits.float_path.exists()


def test_a_command_prints_and_returns_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.command("ops", "CONV_2D") == 0
    assert "CONV_2D" in capsys.readouterr().out
    assert lab.command("inspect", "no-such-file.tflite") == 2
    assert "no-such-file.tflite" in capsys.readouterr().out


def test_a_shared_model_that_is_absent_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.shared_model("no_such_model.tflite") is None
    assert "no_such_model.tflite is not here" in capsys.readouterr().out

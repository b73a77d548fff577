"""The code that is sent to boards: only bytes and ints go in, as literals."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from microinterp_boards import Board, device

FOLDER = Path(device.__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def test_every_value_is_a_literal() -> None:
    code = device.call("put", b"a'\"\\\n\x03\xff", -5, 0, 1, 2).decode("ascii")
    assert "_put(b'a\\'\"\\\\\\n\\x03\\xff', -5, 0, 1, 2)" in code
    (call,) = [
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_put"
    ]
    assert [ast.literal_eval(value) for value in call.args] == [b"a'\"\\\n\x03\xff", -5, 0, 1, 2]


@pytest.mark.parametrize("value", ["text", True, 1.5, None, bytearray(b"x"), [1]])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="only bytes and ints go to a board"):
        device.call("stat", value)  # type: ignore[arg-type]


class Sly(int):
    """An int that writes itself as something else."""

    def __repr__(self) -> str:
        return "__import__('os').remove('main.py')"


def test_values_that_write_themselves_otherwise_are_refused() -> None:
    with pytest.raises(TypeError, match="not Sly"):
        device.call("stat", Sly(1))


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_one_private_function_that_fits_a_small_board(name: str) -> None:
    text = device.read(name, device.__name__)
    tree = ast.parse(text)
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    assert function.name == f"_{name}"
    assert '"""' not in text
    assert "#" not in text
    assert len(text) < 4096  # parsing takes about 7 bytes of heap for each
    code = device.call(name)
    assert not any(byte in code for byte in range(1, 6))
    assert code.decode("ascii")


def test_nothing_stays_on_the_board(board: Board) -> None:
    before = board.exec("import gc; gc.collect(); print(sorted(globals()))")
    board.files.put("a", bytes(3000))
    board.files.get("a")
    board.files.list()
    board.files.stat("a")
    board.probe()
    with pytest.raises(Exception, match="no such file"):
        board.files.get("b")
    assert board.exec("import gc; gc.collect(); print(sorted(globals()))") == before

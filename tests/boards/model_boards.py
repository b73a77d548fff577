"""Virtual boards with models on them."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from microinterp import packed
from microinterp.packed.steps import CallOnce
from microinterp_boards import Board, virtual_board
from microinterp_boards.files import Files
from microinterp_boards.store.places import current
from tests.digits import DIGITS

MODEL = DIGITS / "digits_int8.tflite"
GOLDEN = DIGITS / "digits_tflm.golden"
NAME = "digits_int8"
LARGE_HEAP = 1 << 20
needs_viper = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="viper code of the unix port is for x86-64"
)


@contextmanager
def board_with(**options: Any) -> Iterator[Board]:
    """A board with a heap in which every model fits, if nothing else is said."""
    with virtual_board(**{"heap": LARGE_HEAP, **options}) as port, Board(port, patience=5) as board:
        yield board


def weight_of(packed_model: bytes, op_index: int) -> int:
    """Position in the file of a byte in the middle of an op's weights."""
    model = packed.load(packed_model)
    (op,) = (op for op in model.subgraphs[0].ops if op.index == op_index)
    (step,) = model.subgraphs[0].steps[op.first_step : op.first_step + op.steps]
    assert not isinstance(step, CallOnce)
    start = packed_model.index(bytes(model.weights))
    return start + ~step.w + 1  # type: ignore[attr-defined]


def file_in_use(board: Board, name: str = NAME) -> tuple[Files, str]:
    """Folder and name of the file of a model that is deployed."""
    path, _ = current(board.link, name)
    folder, _, file = path.rpartition("/")
    return Files(board.link, folder), file


def model_in_use(board: Board, name: str = NAME) -> bytes:
    """The packed model that is deployed under a name."""
    files, file = file_in_use(board, name)
    return files.get(file)


def change_byte(board: Board, position: int, name: str = NAME) -> None:
    """Flip the highest bit of one byte of a deployed model."""
    files, file = file_in_use(board, name)
    data = bytearray(files.get(file))
    data[position] ^= 0x80
    files.put(file, bytes(data))


def other_digits(folder: Path) -> Path:
    """The digits model with one byte of its description changed: the same, but another file."""
    data = bytearray(MODEL.read_bytes())
    at = data.index(b"TFL3")
    assert at == 4
    path = folder / MODEL.name
    path.write_bytes(bytes(data) + b"\0\0\0\0")
    return path

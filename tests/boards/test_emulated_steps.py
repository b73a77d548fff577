"""The firmware's sources under CPython, with 32-bit and 64-bit words and with small ints only."""

from __future__ import annotations

import random

import pytest

from tests.boards.packed_builder import build
from tests.boards.random_steps import MAKERS, make
from tests.boards.test_steps import assert_equal
from tests.boards.unix_port import Outcome
from tests.boards.viper_emulator import Board

CASES = 12
KINDS = {"bytecode": ("bytecode", 32), "viper32": ("viper", 32), "viper64": ("viper", 64)}


@pytest.fixture(scope="module", params=KINDS)
def board(request: pytest.FixtureRequest) -> Board:
    return Board(*KINDS[request.param])


@pytest.mark.parametrize("name", MAKERS)
def test_step(name: str, board: Board) -> None:
    rng = random.Random(f"emulated {name}")
    for _ in range(CASES):
        case = make(name, rng)
        assert_equal(case, Outcome(board.run(build(case.packed), case.arena)))

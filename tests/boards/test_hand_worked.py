"""Steps with numbers worked out by hand."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.boards.packed_builder import Packed, Subgraph, build
from tests.boards.step_reference import Step, int8_bytes
from tests.boards.unix_port import SETS, Job, run_jobs

ONE, HALF = (32768, 0, 1), (32768, 0, 0)
"""Multipliers of 1 and 1/2: m is 2^30, hi 2^15."""


def channel(bias: int, shift: int) -> bytes:
    return struct.pack("<iHHBBH", bias, 32768, 0, max(shift, 0), max(-shift, 0), 0)


def geometry(width: int, channels: int) -> list[int]:
    """One row of pixels, a filter of one tap."""
    return [1, 1, width, channels, 1, width, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1]


# Each: the step, its weights, the arena before, and the arena's first bytes after.
CASES: dict[str, tuple[Step, bytes, bytes, bytes]] = {
    # 1 * 3 + 2 * -1 + 4 = 5, times 1, plus 1. The bias in the table:
    # 4 - (128 + 0) * (131 + 127) + 128 * (128 + 0) * 2 = -252.
    "CONV": (
        ("CONV", [2, ~0, ~16, 0, *geometry(1, 2), 0, 1, -128, 127, 8]),
        bytes([131, 127]) + bytes(14) + channel(-252, 1),
        int8_bytes([0, 0, 1, 2]) + bytes(12),
        int8_bytes([6]),
    ),
    # (-128 + 128) * 2 / 4 = 0 and (127 + 128) * 2 / 4 = 127.5, rounded away from zero; minus 100.
    "DEPTHWISE": (
        ("DEPTHWISE", [2, ~0, ~16, 0, *geometry(2, 1), -128, -100, -128, 127]),
        bytes([130]) + bytes(15) + channel(0, -1),
        int8_bytes([0, 0, -128, 127]),
        int8_bytes([-100, 28]),
    ),
    # Windows of two over [pad, 3, 4, -3, -4]: 3, 3.5, 0.5, -3.5.
    "AVERAGE_POOL": (
        ("AVERAGE_POOL", [4, 0, 1, 1, 4, 1, 1, 4, 1, 2, 1, 1, 0, 1, -128, 127]),
        b"",
        int8_bytes([0, 0, 0, 0, 3, 4, -3, -4]),
        int8_bytes([3, 4, 1, -4]),
    ),
    "MAX_POOL": (
        ("MAX_POOL", [4, 0, 1, 1, 4, 1, 1, 4, 1, 2, 1, 1, 0, 1, -128, 3]),
        b"",
        int8_bytes([0, 0, 0, 0, 3, 4, -3, -4]),
        int8_bytes([3, 3, 3, -3]),
    ),
    # (10 + 11 - 2 * 3) / 2 = 7.5, rounded up, plus 5.
    "MEAN": (
        ("MEAN", [1, 0, 1, 2, 1, 6, *HALF, 5]),
        b"",
        int8_bytes([0, 10, 11]),
        int8_bytes([13]),
    ),
    # Scales of 1: a and b by 1/2, their sum by 2 / 2^20 = 2^30 / 2^31 * 2^-18. 10 + 20 - 3 = 27.
    "ADD": (
        ("ADD", [1, 1, 2, 1, 0, 1, 20, 0, 3, *HALF, *HALF, 32768, 0, -18, 0, -128, 127]),
        b"",
        int8_bytes([0, 10, 20]),
        int8_bytes([27]),
    ),
    # (10 - 1) * (-4 - 1) = -45, times 1, minus 2.
    "MUL": (
        ("MUL", [1, 1, 2, 1, 0, 1, 1, 1, *ONE, -2, -128, 127]),
        b"",
        int8_bytes([0, 10, -4]),
        int8_bytes([-47]),
    ),
    # Two equal values and one that is left out: a half each is 128 of 256, and 0.
    "SOFTMAX": (
        ("SOFTMAX", [3, 0, 1, 3, ~0]),
        struct.pack("<I", 2**31 - 1) + bytes(1020),
        int8_bytes([0, 0, 0, 7, 7, -9]),
        int8_bytes([0, 0, -128]),
    ),
    # (-5 - 3) * 0.5 and (3 - 3) * 0.5; 0.5 is 126 << 23.
    "DEQUANTIZE": (
        ("DEQUANTIZE", [8, 0, 2, 1, 0, 3, 126 << 23]),
        b"",
        bytes(8) + int8_bytes([-5, 3]),
        struct.pack("<2f", -4.0, 0.0),
    ),
    # Two rows of two, transposed and each read from its end.
    "MOVE": (
        ("MOVE", [7, 0, 1, 1, 1, 1, 2, 2, 0, 0, 0, -1, -2, 0, 0, 0, 2, 1]),
        b"",
        bytes(4) + bytes([1, 2, 3, 4]),
        bytes([4, 2, 3, 1]),
    ),
    # The same DEPTHWISE from its last pixel to the first: each goes to the byte behind its input.
    "DEPTHWISE over its input": (
        ("DEPTHWISE", [0, ~0, ~16, 1, *geometry(2, 1), -128, -100, -128, 127, 1]),
        bytes([130]) + bytes(15) + channel(0, -1),
        int8_bytes([-128, 127, 0]),
        int8_bytes([-128, -100, 28]),
    ),
    # The same MAX_POOL: window i of bytes i + 1 and i + 2 goes to byte i.
    "MAX_POOL over its input": (
        ("MAX_POOL", [2, 0, 1, 1, 4, 1, 1, 4, 1, 2, 1, 1, 0, 1, -128, 3, 0]),
        b"",
        int8_bytes([0, 0, 3, 4, -3, -4]),
        int8_bytes([3, 3, 3, -3, -3, -4]),
    ),
    # Two pixels of two channels, weights 2 and -2: (255 * -2) / 4 = -127.5, away from zero and
    # less 100 below the least; the others as in DEPTHWISE.
    "DEPTHWISE_IN_PLACE": (
        (
            "DEPTHWISE_IN_PLACE",
            [0, ~0, ~16, 4, 1, 1, 2, 2, 1, 2, 2, *[1] * 6, 0, 0, 1, -128, -100, -128, 127],
        ),
        bytes([130, 126]) + bytes(14) + 2 * channel(0, -1),
        int8_bytes([-128, 127, 127, -128, 0, 0]),
        int8_bytes([-100, -128, 28, -100]),
    ),
    "FILL": (("FILL", [0, 2, 2, -2]), b"", bytes(5), b"\xfe\xff\xfe\xff\0"),
}


@pytest.mark.parametrize("tier", SETS)
def test_numbers_worked_by_hand(tier: str, tmp_path: Path) -> None:
    jobs = [
        Job(build(Packed(len(arena), [Subgraph([step])], weights)), arena)
        for step, weights, arena, _ in CASES.values()
    ]
    outcomes = run_jobs(jobs, tier, tmp_path)
    for (name, (_, _, _, wanted)), outcome in zip(CASES.items(), outcomes, strict=True):
        assert outcome.arena is not None, (name, outcome.error)
        assert outcome.arena[: len(wanted)] == wanted, name

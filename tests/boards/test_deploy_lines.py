"""Models reach a board over a bad line: whole, each time, and in time."""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from microinterp_boards import Board, virtual_board
from microinterp_boards.faults import FaultEvent, read_log
from microinterp_boards.framed.codec import OVERHEAD
from tests.boards.deploying import HEAP, counted, in_time, variant, what_is_opened
from tests.boards.model_boards import needs_viper

pytestmark = [
    pytest.mark.usefixtures("interpreter"),
    needs_viper,
    pytest.mark.skipif(sys.platform != "linux", reason="the fault ctrl-c needs Linux"),
]
FRAME, ANSWER = 1024, 16  # bytes of a frame, to the board and to the host
LIMIT = 120.0  # seconds for a deployment


def chance(of_frame: float) -> float:
    """Of each byte, such that so many frames are hit."""
    return 1 - (1 - of_frame) ** (1 / FRAME)


def faults(log: Path, seed: int) -> str:
    """5 % of frames are corrupted, 2 % dropped, 1 % come twice, and the line stalls.

    A byte to the host is as likely to be hit: of short answers there, fewer are.
    """
    parts = {
        "flip": f"{chance(0.05):.3g}",
        "drop": f"{chance(0.02):.3g}:{FRAME}",
        "dup": f"{chance(0.01):.3g}:{FRAME}",
        "to-host.drop": f"{chance(0.02):.3g}:{ANSWER}",
        "to-host.dup": f"{chance(0.01):.3g}:{ANSWER}",
        "stall": f"{chance(0.01):.3g}:0.2",
        "seed": str(seed),
        "log": str(log),
    }
    return ",".join(f"{name}={value}" for name, value in parts.items()) + ",ctrl-c"


def hits(events: list[FaultEvent], way: str) -> Counter[str]:
    """How often each fault came; a block that was dropped is one."""
    found: Counter[str] = Counter()
    last = -2
    for event in (event for event in events if event.way == way):
        if event.fault != "drop" or event.at != last + 1:
            found[event.fault] += 1
        if event.fault == "drop":
            last = event.at
    return found


def deploy_often(folder: Path, count: int, seed: int, is_new: bool = True) -> str:
    """Another model each time, under new names and under one that has had many; says how it went.

    is_new: the board has nothing, not even the link's own files. A second board looks at the same
    folder: what it opens comes over a good line.
    """
    log = folder / "faults.jsonl"
    files = folder / "files"
    started = time.monotonic()
    seconds, breaks, sent = [], 0, 0
    bad = virtual_board(folder=files, heap=HEAP, faults=faults(log, seed))
    good = virtual_board(folder=files, heap=HEAP)
    with bad as port, good as other, Board(other) as reader, ExitStack() as stack:
        if not is_new:
            reader.deploy(variant(seed - 1).tflite, "same")
        frames = stack.enter_context(counted())
        for number in range(count):
            model = variant(seed + number)
            name = f"n{number // 2}" if number % 2 else "same"
            with in_time(LIMIT), Board(port, patience=30) as board:
                done = board.deploy(model.tflite, name)
            assert what_is_opened(reader, name) == (done.path, model.opened), number
            assert done.tested_samples > 0
            if number > 1 and number % 2:  # make room: not on the line that is tested
                reader.remove_model(f"n{number // 2 - 1}")
            seconds.append(done.seconds)
            breaks += done.breaks
            sent += done.sent_bytes
        assert [kept.generation for kept in reader.models() if kept.name == "same"] == [
            (count + 1) // 2 + (not is_new)
        ]
    events = read_log(log)
    there, back = hits(events, "to-board"), hits(events, "to-host")
    assert there["flip"] > 0.6 * 0.05 * frames.sent_bytes / (FRAME + OVERHEAD)
    assert frames.repeated > 0
    if count > 100:
        for fault, share in (("drop", 0.02), ("dup", 0.01)):
            assert there[fault] > 0.6 * share * frames.sent_bytes / (FRAME + OVERHEAD)
        assert min(there["stall"], there["ctrl-c"], back["flip"], back["drop"], back["dup"]) > 0
    seconds.sort()
    return (
        f"{count} deployments in {time.monotonic() - started:.0f} s: {sum(seconds):.0f} s of their"
        f" own, median {seconds[count // 2]:.2f}, longest {seconds[-1]:.2f}; {sent} bytes of files;"
        f" {frames}; {breaks} breaks; to the board {dict(there)}, to the host {dict(back)}"
    )


def test_deployments_over_a_bad_line(tmp_path: Path) -> None:
    print(deploy_often(tmp_path, 2, 30, is_new=False))


@pytest.mark.slow
def test_more_deployments_over_a_bad_line(tmp_path: Path) -> None:
    print(deploy_often(tmp_path, 12, 500))


@pytest.mark.thorough
def test_200_deployments_over_a_bad_line(tmp_path: Path) -> None:
    print(deploy_often(tmp_path, 200, 9000))

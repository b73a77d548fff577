"""Deployments that end at a random point: the old model runs, or the new one, and all can go on."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.store.requests import Requests
from microinterp_boards.transport import Transport
from tests.boards import deploy_child
from tests.boards.deploying import HEAP, LOOSE, Variant, in_time, variant, what_is_opened
from tests.boards.model_boards import needs_viper

pytestmark = [pytest.mark.usefixtures("interpreter"), needs_viper]
NAME = "kws"
FLASH = 768 * 1024
IDLE = 0.7  # seconds; as by default, but for the test's time
LIMIT = 60.0  # seconds for all that happens at one point
FEW, SOME, MANY = 1, 8, 100  # points of each kind
COUNTS = [
    FEW,
    pytest.param(SOME, marks=pytest.mark.slow),
    pytest.param(MANY, marks=pytest.mark.thorough),
]


KINDS: dict[str, dict[str, int]] = {
    "folder": {"heap": HEAP},
    "flash": {"heap": HEAP, "flash": FLASH},
}


class Crashes:
    """A board with a model in use, that a new one is to take the place of, again and again."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.old, self.new = variant(seed), variant(seed + 1)
        self.random = random.Random(seed)
        self.outcomes: Counter[str] = Counter()
        self.resumed: list[float] = []  # share of the model
        self._folder = folder
        self._seen = 0  # bytes that the board had, as the host knows

    @contextmanager
    def board(self, folder: Path, kind: str, faults: str | None = None) -> Iterator[str]:
        with virtual_board(folder=folder, faults=faults, **KINDS[kind]) as port:
            yield port

    def fresh(self, kind: str) -> Path:
        """The board's files as they were before; of flash, all that there is."""
        if not (self._folder / kind).exists():
            with self.board(self._folder / kind, kind) as port, Board(port) as board:
                board.deploy(self.old.tflite, NAME)
        copy = self._folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self._folder / kind, copy)
        return copy

    def told(self, done: int, of: int) -> None:
        self._seen = done

    def begin(self) -> None:
        self._seen = 0

    def look(self, board: Board, old: Variant, new: Variant, what: str) -> None:
        """What a program opens is one of the two, as a whole; then the deployment can be ended."""
        path, opened = what_is_opened(board, NAME)
        assert opened in (old.opened, new.opened), what
        is_new = opened == new.opened
        self.outcomes["new" if is_new else "old"] += 1
        (kept,) = board.models()
        assert kept.path == path
        done = board.deploy(new.tflite, NAME)
        total = done.model_bytes
        if is_new:
            assert done.sent_bytes == done.resumed_bytes == 0, what
        else:
            assert done.resumed_bytes >= self._seen - LOOSE, (what, self._seen)
            assert done.resumed_bytes + done.sent_bytes >= total, what
            self.resumed.append(done.resumed_bytes / total)
            if self._seen > total / 2:
                assert done.resumed_bytes > 0
                self.outcomes["most was sent, and resumed"] += 1
        assert what_is_opened(board, NAME) == (done.path, new.opened), what

    def summary(self) -> str:
        mean = sum(self.resumed) / max(len(self.resumed), 1)
        return f"{dict(self.outcomes)}, {mean:.0%} of the model resumed where the old one ran"


@pytest.fixture
def crashes(tmp_path: Path) -> Crashes:
    return Crashes(tmp_path, 70)


def require_words(error: DeviceError, words: str, what: str) -> None:
    assert words in str(error), what


def bytes_of_a_deployment(crashes: Crashes, kind: str) -> tuple[int, int]:
    """To the board and to the host, without what ends the connection."""
    to_board = to_host = 0
    write, fill = Transport.write, Transport._fill

    def writing(self: Transport, data: bytes) -> None:
        nonlocal to_board
        to_board += len(data)
        write(self, data)

    def filling(self: Transport, timeout: float) -> bool:
        nonlocal to_host
        before = len(self._pending)
        found = fill(self, timeout)
        to_host += len(self._pending) - before
        return found

    with (
        crashes.board(crashes.fresh(kind), kind) as port,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(Transport, "write", writing)
        patch.setattr(Transport, "_fill", filling)
        with Board(port) as board:
            board.deploy(crashes.new.tflite, NAME)
            return to_board, to_host


@pytest.mark.parametrize("count", COUNTS)
def test_the_board_dies(crashes: Crashes, count: int) -> None:
    """After so many bytes from the host, or to it: its last ones are the commit itself."""
    totals = {kind: bytes_of_a_deployment(crashes, kind) for kind in KINDS}
    for number in range(count):
        kind = ("folder", "flash")[number % 2]
        to_board, to_host = totals[kind]
        last = crashes.random.choice((to_board, to_board, 4000, 200))
        if number % 4 < 2:
            point = f"die-at={to_board - crashes.random.randrange(1, last)}"
        else:
            point = f"to-host.die-at={crashes.random.randrange(1, to_host)}"
        folder = crashes.fresh(kind)
        crashes.begin()
        with in_time(LIMIT):
            with crashes.board(folder, kind, point) as port:
                try:
                    with Board(port) as board:
                        board.deploy(crashes.new.tflite, NAME, progress=crashes.told)
                        crashes.outcomes["deployed before"] += 1
                except DeviceError as error:
                    require_words(error, "gone", point)
            with crashes.board(folder, kind) as port, Board(port) as board:
                crashes.look(board, crashes.old, crashes.new, f"{kind} {point}")
    outcomes = crashes.outcomes
    assert outcomes["old"] + outcomes["new"] == count
    assert outcomes["deployed before"] <= count / 10
    if count == MANY:
        assert min(outcomes["old"], outcomes["new"]) > 0
    print(f"board died at {count} points: {crashes.summary()}")


@pytest.mark.parametrize("count", COUNTS)
def test_the_host_dies(crashes: Crashes, count: int, tmp_path: Path) -> None:
    """Killed after so much time, or after so many bytes of the model; the board lives on."""
    old, file = crashes.old, tmp_path / "new.tflite"
    seconds = 0.0
    with crashes.board(crashes.fresh("flash"), "flash") as port:
        with Board(port) as board:  # how long one takes
            old = variant(1000)
            started = time.monotonic()
            board.deploy(old.tflite, NAME)
            seconds = time.monotonic() - started + 0.3
        for number in range(count):
            new = variant(2000 + number)
            file.write_bytes(new.tflite)
            crashes.begin()
            with in_time(LIMIT):
                point = _kill_a_host(crashes, port, file, seconds, by_time=number % 2 == 1)
                with Board(port) as board:
                    crashes.look(board, old, new, point)
            old = new
    assert crashes.outcomes["old"] + crashes.outcomes["new"] == count
    print(f"host died at {count} points: {crashes.summary()}")


def _kill_a_host(crashes: Crashes, port: str, file: Path, seconds: float, by_time: bool) -> str:
    """Returns when that was."""
    program = [sys.executable, deploy_child.__file__, port, NAME, str(file), str(IDLE)]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "ready\n"
            child.stdin.write("\n")
            child.stdin.flush()
            if by_time:
                limit = crashes.random.uniform(0, seconds)
                point = f"{limit:.3f} of {seconds:.3f} s"
                time.sleep(limit)
            else:
                size = crashes.random.randrange(110_000)
                point = f"{size} bytes"
                for line in child.stdout:
                    if line.startswith("done") or int(line) >= size:
                        break
                    crashes.told(int(line), 0)
        finally:
            child.kill()
        for line in child.stdout.read().split("\n")[:-1]:
            if line.startswith("done"):
                crashes.outcomes["deployed before"] += 1
            else:
                crashes.told(int(line), 0)
    return point


@pytest.mark.parametrize("count", COUNTS)
def test_the_filesystem_gets_full(
    crashes: Crashes, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the way, of a board that does not tell beforehand what room it has."""
    monkeypatch.setattr(Requests, "room", lambda self: None)
    for number in range(count):
        room = crashes.random.randrange(4096, 112 * 1024) if number % 3 else number // 3 % 8 * 512
        folder = crashes.fresh("flash")
        crashes.begin()
        with in_time(LIMIT), crashes.board(folder, "flash") as port, Board(port) as board:
            board.exec(
                "import os, gc\nf = open('filler', 'wb')\ns = os.statvfs('/')\n"
                f"n = (s[0] * s[3] - {room}) // 4096 - 1\n"
                "data = bytes(4096)\n"
                "for _ in range(n): f.write(data)\n"
                "f.close()\ndel data, n, s, f",
                timeout=30,
            )
            what = f"{room} bytes of room"
            try:
                board.deploy(crashes.new.tflite, NAME, progress=crashes.told)
                crashes.outcomes["fitted"] += 1
            except DeviceError as error:
                require_words(error, "no room", what)
            board.exec("import os\nos.remove('filler')")
            crashes.look(board, crashes.old, crashes.new, what)
    assert crashes.outcomes["fitted"] <= count / 4
    print(f"full at {count} points: {crashes.summary()}")

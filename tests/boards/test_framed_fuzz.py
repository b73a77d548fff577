"""Random and mutated frames thrown at the service on a board, and at the host's client."""

from __future__ import annotations

import random
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest

from microinterp_boards import Board, virtual_board
from microinterp_boards.framed import service
from microinterp_boards.framed.client import Client
from microinterp_boards.framed.codec import ANSWER, HELLO, encode
from microinterp_boards.framed.exchange import RefusedError
from tests.boards.test_framed_client import throw_at_the_client

SERVE = """
import gc, micropython, microinterp_link
from microinterp_link import files, upload, slots, selftest, sign
gc.collect()
free = gc.mem_free()
microinterp_link.serve(3000, 1012, 4)
micropython.kbd_intr(-1)  # what came twice on a slow machine may have 0x03 in it
gc.collect()
print(free - gc.mem_free())
micropython.kbd_intr(3)
"""
GROWTH = 2500
"""Bytes: mostly it is 0, but a stale pointer on the stack may hold the buffers. A leak of the least
that MicroPython allocates, 32 bytes, would make 9,600 in 300 frames."""
LIMIT = 5.0  # seconds for an answer, whatever came before
NAMES = [
    *(b"kws", b"a", b"x" * 32, b"kws.test", b"digits.part", b"kws.a", b"_load.mpy"),
    *(b"", b".", b"..", b"../a", b"/etc/passwd", b"a/b", b"a\\b", b"\0", b".key", b"a\0b", b"\xff"),
    *(b"x" * 33, b"x" * 255, b"kws.", b"con", b"C:x", b"kws.a.part", b"lib", b"KWS", b"boot.py"),
]
FIELDS = {
    **{0x10: (1, 0, 2), 0x11: (1, 1, 0), 0x12: (1, 1, 8), 0x13: (1, 1, 10), 0x14: (1, 1, 6)},
    **{0x15: (1, 1, 0), 0x16: (1, 0, 0), 0x20: (1, 1, 36), 0x21: (0, 0, 4), 0x22: (0, 0, 12)},
    **{0x23: (0, 0, 4), **dict.fromkeys(range(0x24, 0x29), (0, 1, 0))},
}
"""Of each kind: has it a place, has it a name, and bytes behind them."""
PARENTS = ("models", "lib/microinterp", "microinterp")


class Thrower:
    """Throws things at a service; each that is a request of the session is answered in time."""

    def __init__(self, client: Client, seed: int) -> None:
        self.client = client
        self.draw = random.Random(seed)
        self.thrown = self.answers = self.refusals = 0

    def throw(self) -> None:
        self.thrown += 1
        kind = self.draw.random()
        if kind < 0.55:
            self.ask()
        elif kind < 0.85:
            self.write(self.mutated())
        elif kind < 0.99:
            self.write(self.draw.randbytes(self.draw.randrange(60)))
        else:  # the board waits a moment for the rest
            frame = self.frame()
            self.write(frame[: self.draw.randrange(len(frame))])

    def ask(self) -> None:
        """A sound request, in order: kinds there are, mostly."""
        kinds = [*range(0x10, 0x17), *range(0x20, 0x29), self.draw.randrange(3, 0x80)]
        try:
            kind = self.draw.choice(kinds)
            self.client.ask(kind, self.payload(kind), LIMIT)
            self.answers += 1
        except RefusedError:
            self.refusals += 1

    def payload(self, kind: int) -> bytes:
        """What a kind wants, with odd names and numbers, or something else."""
        draw = self.draw
        if draw.random() < 0.1 or kind not in FIELDS:
            return draw.randbytes(draw.randrange(80))
        place, has_name, tail = FIELDS[kind]
        name = draw.choice(NAMES if draw.random() < 0.5 else NAMES[:3])
        size = len(name) if draw.random() < 0.98 else draw.randrange(256)
        made = bytes([draw.choice([0, 0, 0, 1, 2, 3])]) if place else b""
        if has_name:
            made += bytes([size & 255]) + name
        while tail > 0:
            made += draw.choice([0, 0, 1, 5, 100, 1 << 16, (1 << 32) - 1]).to_bytes(4, "little")
            tail -= 4
        made = made[: len(made) + tail]
        return made + draw.randbytes(draw.choice([0, 0, 0, 0, 1, 200]) if kind == 0x21 else 0)

    def frame(self) -> bytes:
        """A frame that the board must not take for the next request."""
        exchange = self.client._exchange
        number = (exchange._next + self.draw.randrange(1, 256)) & 255
        kind = self.draw.choice([*range(2, 0x29), ANSWER, 0x82, 0xFF])
        session = exchange._decoder.session ^ self.draw.choice([0, 0, 1])
        return encode(kind, number, self.payload(kind), session)

    def mutated(self) -> bytes:
        exchange = self.client._exchange
        frame = bytearray(self.frame())
        if self.draw.random() < 0.5:  # the next request, but damaged
            payload = self.payload(0x20)
            frame = bytearray(
                encode(0x20, exchange._next, payload, exchange._decoder.session)
                if self.draw.random() < 0.9
                else encode(HELLO, 0, b"abcd", 0)
            )
            was = zlib.crc32(frame)
            while zlib.crc32(frame) == was:
                at = self.draw.randrange(2, len(frame))
                frame[at] ^= 1 << self.draw.randrange(8)
                if at in (4, 5):  # no long frames that never end: those are thrown apart
                    frame[at] = 0
        return bytes(frame)

    def write(self, data: bytes) -> None:
        self.client._port.write(data)


def outside(folder: Path) -> dict[str, bytes]:
    """Files of a board, but those that the service may write."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: path.read_bytes() if path.is_file() else b"a folder"
        for name, path in found.items()
        if not any(name == f"board/{each}" or f"board/{each}/" in name for each in PARENTS)
    }


def throw_at_a_board(folder: Path, rounds: list[int]) -> None:
    (folder / "board").mkdir()
    (folder / "secret").write_bytes(b"not the board's")
    with virtual_board(folder=folder / "board") as port, Board(port) as board:
        service.install(board.link)
        (folder / "board" / "main.py").write_bytes(b"pass")
        before = outside(folder)
        grown = []
        for seed, count in enumerate(rounds):
            board.link.start(SERVE)
            client = Client(board.link.transport, 40_000.0, keep=None)
            thrower = Thrower(client, seed)
            while thrower.thrown < count:
                thrower.throw()
            assert len(client._counters) == 1  # the first session lasted
            assert thrower.answers > count / 20
            assert thrower.refusals > count / 10
            client.close()
            assert client.has_ended
            board.link.transport.unread(client.rest())
            grown.append(int(board.link.finish(5).split()[-1]))
            board.link.enter()
        assert grown[-1] <= GROWTH, grown
        assert outside(folder) == before
        assert board.exec("print(1)") == "1\n"


def test_frames_thrown_at_the_service(interpreter: None, tmp_path: Path) -> None:
    throw_at_a_board(tmp_path, [100, 300])


@pytest.mark.slow
def test_10_000_frames_thrown_at_the_service(interpreter: None, tmp_path: Path) -> None:
    throw_at_a_board(tmp_path, [1000, 10_000])


@pytest.mark.slow
def test_10_000_frames_thrown_at_the_client() -> None:
    throw_at_the_client(500)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        started = time.monotonic()
        throw_at_the_client(10_000)
        assert time.monotonic() - started < 60
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held - before < 100_000
    assert most - before < 2_000_000

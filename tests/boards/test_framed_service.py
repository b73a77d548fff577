"""The service in MicroPython: how it gets there, what it answers, and every way how it ends."""

from __future__ import annotations

import itertools
import os
import random
import time
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board, runtime, virtual_board
from microinterp_boards.framed import service
from microinterp_boards.framed.client import Client
from microinterp_boards.framed.codec import ANSWER, HELLO, KEEP, REPEAT, Decoder, encode
from microinterp_boards.framed.exchange import RefusedError
from microinterp_boards.framed.service import start_service
from microinterp_boards.framed.window import Line
from microinterp_boards.link import Link
from tests.boards.conftest import wait_for
from tests.clock import quickest

RATE = 40_000.0
SESSION = 0xA55A7301
COUNTING = """
import microinterp_link
class files:
    done = []
    def handle(state, kind, payload, limit):
        files.done.append(bytes(payload))
        kind = bytes(payload[:3])
        if kind == b"raise":
            raise ValueError("\\u00e9")
        if kind == b"sys": raise OSError(28)
        if kind == b"mem": raise MemoryError("short of 5 bytes")
        if kind == b"big": return bytes(limit + 1)
        if kind == b"val": raise ValueError("\\u00e9")
        if kind == b"pri": print("battery low")
        return payload
microinterp_link.files = files
print(microinterp_link.serve({idle}, {payload}, {window}), len(files.done))
"""
"""A service whose kinds 10 to 1F come back, and are counted."""
IS_INTERRUPTED = """
import micropython, sys
try:
    while True: pass
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.fixture
def link(board: Board) -> Link:
    """A board that has the service's files."""
    service.install(board.link)
    return board.link


def begin(link: Link, idle: int = 400, payload: int = 1012, window: int = 4) -> Client:
    """The counting service, and a session with it without signs of life."""
    link.start(COUNTING.format(idle=idle, payload=payload, window=window))
    return Client(link.transport, RATE, keep=None)


def end_of(client: Client, link: Link) -> bytes:
    """Say goodbye; what the program on the board prints then."""
    client.close()
    assert client.has_ended
    link.transport.unread(client.rest())
    said = link.finish(2)
    link.enter()  # a slow machine may have seen the goodbye twice, and the second one is ^B
    return said


def is_interrupted(link: Link) -> bool:
    """Whether 0x03 stops a program again."""
    link.start(IS_INTERRUPTED)
    time.sleep(0.05)
    link.transport.write(b"\x03")
    return link.finish(2).strip() == b"interrupted"


def test_only_what_differs_is_sent(board: Board, port: str) -> None:
    names = sorted(runtime.shipped_link())
    assert sorted(service.install(board.link)) == names
    assert service.install(board.link) == []
    folder = runtime.installed(board.link, service.PACKAGE).folder
    board.exec(
        f"open('{folder}/frames.mpy', 'r+b').write(b'damaged')\n"
        f"open('{folder}/old.mpy', 'wb').write(b'of an older version')"
    )
    assert service.install(board.link) == ["frames.mpy"]
    assert sorted(runtime.installed(board.link, service.PACKAGE).files) == names


def test_a_session_begins_and_ends(board: Board) -> None:
    for _ in range(2):
        with start_service(board.link) as client:
            assert (client.window, client.payload) == (4, 1012)
            with pytest.raises(RefusedError, match="there is no kind 102") as caught:
                client.ask(0x66)
            assert caught.value.code == 1
        assert board.exec("import sys; print('microinterp_link' in sys.modules)") == "False\n"
    assert is_interrupted(board.link)


def test_a_line_that_drops_bytes_has_small_frames(board: Board) -> None:
    with start_service(board.link, line=Line(1, 240, 11_520.0)) as client:
        assert (client.window, client.payload) == (1, 228)


def test_answers_and_refusals(link: Link) -> None:
    client = begin(link)
    draw = random.Random(1)
    for size in (0, 1, 3, 100, 1012):
        data = draw.randbytes(size)  # with 0x03 and frame marks in it
        assert client.ask(0x10, data) == data
    assert client.ask(0x1F, b"\x03\xa5\x5a\x03" * 9) == b"\x03\xa5\x5a\x03" * 9
    for text, code, words in (
        (b"sys", 3, "28"),
        (b"mem", 8, "short of 5 bytes"),
        (b"big", 1, "an answer of 1013 bytes"),
        (b"val", 1, "ValueError: \u00e9"),
    ):
        with pytest.raises(RefusedError) as caught:
            client.ask(0x10, text)
        assert (caught.value.code, caught.value.text) == (code, words)
    assert client.ask(0x10, b"print") == b"print"
    assert b"battery low" in client.heard
    assert end_of(client, link).split() == [b"True", b"11"]
    assert link.exec("print(1)").strip() == b"1"


def test_each_request_is_done_once(link: Link) -> None:
    client = begin(link, idle=2000)
    write, draw = link.transport.write, random.Random(4)

    def badly(data: bytes) -> None:
        kind = draw.randrange(8)
        if kind == 0:
            return
        if kind == 1:
            data = data[: draw.randrange(len(data))]
        if kind == 2:
            at = draw.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        write(data * 2 if kind == 3 else b"\xa5Z\x10" + data if kind == 4 else data)

    link.transport.write = badly  # type: ignore[method-assign]
    for n in range(15):
        text = b"%d" % n
        assert client.ask(0x10, text) == text
    link.transport.write = write  # type: ignore[method-assign]
    assert client.counters.repeated > 2
    assert end_of(client, link).split() == [b"True", b"15"]


@pytest.mark.parametrize(
    "last",
    [
        b"",
        encode(0x10, 1, bytes(900), SESSION)[:-500],  # the host was killed in a frame
        encode(0x10, 1, b"x", SESSION)[:5],
        b"\xa5",
        b"\xa5\x5a" * 900,
    ],
    ids=["nothing", "half a frame", "half a header", "a mark", "marks"],
)
def test_a_board_that_is_left_alone_gives_back_its_prompt(link: Link, last: bytes) -> None:
    def left_alone() -> None:
        link.start(COUNTING.format(idle=300, payload=1012, window=4))
        link.transport.write(encode(HELLO, 0, SESSION.to_bytes(4, "little"), SESSION))
        assert link.transport.read(16, 10, "an answer")
        link.transport.write(last)
        said = link.transport.read_until(b"0\n\4\4>", 10, "the end")
        decoder = Decoder(SESSION)
        frames = decoder.feed(said) + decoder.give_up()
        assert decoder.take_text() == b"False 0\n\4\4>"
        assert {(frame.kind, frame.number) for frame in frames} <= {(REPEAT, 1)}
        link.enter()

    assert 0.2 < quickest(left_alone, 1.0) < 1.0
    assert is_interrupted(link)


@pytest.mark.slow
def test_garbage_does_not_keep_it_and_a_sign_of_life_does(link: Link) -> None:
    idle = 0.2

    def alive(data: bytes, seconds: float) -> bool | None:
        """Whether the service is there after `data` came again and again for so long.

        None: this machine itself came so late that a service may end.
        """
        link.start(COUNTING.format(idle=round(1000 * idle), payload=240, window=1))
        link.transport.write(encode(HELLO, 0, SESSION.to_bytes(4, "little"), SESSION))
        link.transport.read(16, 2, "an answer")
        came = [time.monotonic()]
        until = came[0] + seconds
        while came[-1] < until:
            link.transport.write(data)
            time.sleep(0.02)
            came.append(time.monotonic())
        link.transport.write(encode(0x10, 1, b"there?", SESSION))
        came.append(time.monotonic())
        said = link.transport.read_until(b"\4>", 10, "the end")  # 03 may stop its last words
        link.enter()
        if any(frame.payload == b"there?" for frame in Decoder(SESSION).feed(said)):
            return True
        late = max(after - before for before, after in itertools.pairwise(came)) > idle - 0.05
        return None if late else False

    kept = (alive(encode(KEEP, 0, b"", SESSION), 0.5) for _ in range(20))
    assert next(each for each in kept if each is not None)
    for garbage in (
        b"\xa5\x5a\x10\x01",
        encode(KEEP, 0, b"", SESSION ^ 1),  # another session's
        encode(ANSWER, 1, b"an echo", SESSION),
        b"\x03" * 5,
    ):
        assert not alive(garbage, 0.4)


def test_a_host_that_died_in_a_frame(tmp_path: Path) -> None:
    """The next one gets in by itself, as soon as the board has waited long enough."""
    with virtual_board(folder=tmp_path) as port:
        with Board(port) as board:
            service.install(board.link)
            begin(board.link, idle=600)
            board.link.transport.write(encode(0x10, 1, bytes(900), 0)[:100])
            board.link.transport.close()  # without a goodbye
        with Board(port, patience=5) as board:
            assert board.exec("print(1)") == "1\n"
            with start_service(board.link) as client:
                assert client.payload == 1012


def test_what_stops_the_service_gives_back_interrupts(link: Link) -> None:
    link.start(COUNTING.format(idle=2000, payload=1012, window=4).replace("MemoryError", "SystemE"))
    client = Client(link.transport, RATE, keep=None)
    with pytest.raises(RefusedError, match="NameError"):
        client.ask(0x10, b"mem")
    client.close()
    link.start(
        COUNTING.format(idle=2000, payload=1012, window=4).replace(
            'MemoryError("short of 5 bytes")', "KeyboardInterrupt"
        )
    )
    client = Client(link.transport, RATE, keep=None)
    with pytest.raises(DeviceError, match=r"the service on the board has ended.*KeyboardInt"):
        client.ask(0x10, b"mem", 20)
    assert is_interrupted(link)


def test_a_small_heap(board: Board) -> None:
    """32-bit boards need half of what this 64-bit one does."""
    board.exec(
        "import gc\ngc.collect()\nkeep = []\n"
        "while gc.mem_free() > 32_000: keep.append(bytearray(500))"
    )
    free = []
    for _ in range(3):
        with start_service(board.link, line=Line(1, 240, 11_520.0)) as client:
            assert client.payload == 228
        free.append(int(board.exec("import gc; gc.collect(); print(gc.mem_free())")))
    assert free[0] > 24_000  # names stay in MicroPython's tables
    assert free[2] >= free[1] - 64


@pytest.mark.parametrize("line", [None, Line(1, 240, 11_520.0)], ids=["window", "one by one"])
def test_on_a_bad_line(tmp_path: Path, line: Line | None) -> None:
    """From the first question of the raw REPL on."""
    faults = "flip=1e-4,drop=5e-5,dup=5e-5:20,stall=2e-5:0.1,seed=11,ctrl-c"
    with virtual_board(folder=tmp_path, faults=faults) as port, Board(port, patience=20) as board:
        assert board.probe().implementation == "micropython"
        with start_service(board.link, line=line) as client:
            for n in range(40):
                with pytest.raises(RefusedError, match="there is no kind 102"):
                    client.ask(0x66, os.urandom(n))
        for name, data in runtime.shipped_link().items():
            found = [path for path in tmp_path.rglob(name) if path.read_bytes() == data]
            assert len(found) == 1


@pytest.mark.slow
def test_keeping_a_board_that_nobody_asks(board: Board) -> None:
    for _ in range(3):  # a machine that stands still may ask twice
        with start_service(board.link, idle=3) as client:
            time.sleep(4.5)
            with pytest.raises(RefusedError, match="no kind"):
                client.ask(0x66, limit=20)
        if client.counters.timeouts == 0:
            break
    assert client.counters.timeouts == 0
    thread = client._thread
    assert thread is not None
    assert wait_for(lambda: not thread.is_alive())

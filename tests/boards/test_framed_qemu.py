"""The frames of the service on a Cortex-M4: what a byte costs, and that it allocates nothing."""

from __future__ import annotations

import pytest

from microinterp_boards import Board, virtual_board
from microinterp_boards.framed import service
from microinterp_boards.framed.exchange import RefusedError
from microinterp_boards.framed.service import start_service

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("qemu")]
MOST_INSTRUCTIONS = 1500  # a byte, beside what the stream and the wait for it take
BUFFERS, MOST_HEAP = 2 * 1024, 2500

MEASURE = """
import gc, io
from binascii import crc32
from board import instructions
from microinterp_link.frames import Frames

def u16(number): return bytes((number & 255, number >> 8 & 255))

def framed(payload):
    head = bytes((0x21, 5)) + u16(len(payload))
    crc = crc32(payload, crc32(head)).to_bytes(4, "little")
    return b"\\xa5\\x5a" + head + u16(crc32(head)) + payload + crc

gc.collect()
free = gc.mem_free()
frames = Frames(1012, 5000)
gc.collect()
print(free - gc.mem_free())
marks = bytearray(8), bytearray(8)
for size in (0, 1012):
    frame = framed(bytes(size))
    stream = io.BytesIO(frame * 3)
    frames._read = stream.readinto
    frames._wait = {0: (0,)}.get
    for _ in range(3):
        gc.collect()
        held = gc.mem_alloc()
        instructions(marks[0])
        taken = frames.take()
        instructions(marks[1])
        held = gc.mem_alloc() - held
        spent = int.from_bytes(marks[1], "little") - int.from_bytes(marks[0], "little")
    print(taken, len(frame), spent, held)
"""


def test_what_a_byte_costs() -> None:
    with virtual_board("qemu", cpu="m4") as port, Board(port) as board:
        service.install(board.link)
        heap, *rows = board.exec(MEASURE, 30).splitlines()
    assert BUFFERS < int(heap) < MOST_HEAP
    (_, few, spent_few, held_few), (good, many, spent, held) = [
        [int(word) for word in row.split()] for row in rows
    ]
    assert good == 1
    assert (few, many) == (12, 1024)
    assert (spent - spent_few) / (many - few) < MOST_INSTRUCTIONS
    assert held_few <= held < 300  # some objects for a frame, none for a byte


def test_a_session() -> None:
    with virtual_board("qemu", cpu="m3") as port, Board(port) as board:
        for _ in range(2):
            with start_service(board.link) as client:
                assert (client.window, client.payload) == (4, 1012)
                for size in (0, 1, 1012):
                    with pytest.raises(RefusedError, match="there is no kind 102"):
                        client.ask(0x66, bytes(n & 255 for n in range(size)))
        assert board.exec("print(1)") == "1\n"

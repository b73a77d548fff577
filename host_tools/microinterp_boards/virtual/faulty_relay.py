"""The process of a virtual board whose line has faults: what goes either way goes through them.

    host <-> relay's port <-> FaultyLine, one for each way <-> board

Run as a program in place of relay.py, with the standard library only. argv[1] as there, and in it
"faults": Faults.config.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from microinterp_boards.faults.line import FaultyLine, Piece
    from microinterp_boards.faults.opening import Openings
    from microinterp_boards.virtual.life import BUFFER
    from microinterp_boards.virtual.relay import Relay, main
else:
    _HERE = Path(__file__).resolve().parent
    sys.path += [str(_HERE), str(_HERE.parent / "faults")]
    from life import BUFFER
    from line import FaultyLine, Piece
    from opening import Openings
    from relay import Relay, main

_BOOT = b"\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
_INTERRUPT = b"\x03"
_MARKS = ("reset-at", "die-at")


class FaultyRelay(Relay):
    """A board on a bad line."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Open the log too, and watch the port if need be."""
        self.faults: dict[str, Any] = config["faults"]
        seed = self.faults["seed"]
        self.typed = FaultyLine(**self.faults["to_board"], seed=f"{seed} to-board")
        self.printed = FaultyLine(**self.faults["to_host"], seed=f"{seed} to-host")
        self.unanswered = 0  # bytes that the board got since it last said something
        self.end_words = ""
        self.cold: object = None  # the life that a reset has begun
        self.log: int | None = None
        if self.faults["log"]:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self.log = os.open(self.faults["log"], flags, 0o666)
        super().__init__(config)
        self.openings = Openings(self.name) if self.faults["reset_on_open"] else None

    def last_words(self) -> str:
        """As Relay.last_words; or that this end was asked for."""
        return self.end_words or super().last_words()

    def _interest(self, lifeline: int) -> tuple[list[int], list[int], list[int]]:
        read, write, others = super()._interest(lifeline)
        full = []
        if len(self.to_board) + self.typed.held >= BUFFER:
            full.append(self.port)
        if len(self.to_host) + self.printed.held >= BUFFER:
            full.append(self.life.master)
        read = [each for each in read if each not in full]
        if self.openings is not None:
            read.append(self.openings.descriptor)
        return read, write, others

    def _patience(self) -> float:
        now = time.monotonic()
        waits = [
            wait for line in (self.typed, self.printed) if (wait := line.wait(now)) is not None
        ]
        return min([super()._patience(), *waits])

    def _from_host(self, data: bytes) -> None:
        self._look_for_openings()  # told before what the program that has opened the port writes
        self.typed.feed(data)

    def _say(self, data: bytes) -> None:
        if data:
            self.unanswered = 0
            self.printed.feed(data)

    def _flush(self) -> None:
        self._look_for_openings()
        now = time.monotonic()
        for piece in self.typed.due(now):
            for part in self._parts(piece):
                self._type(part)
            if self.is_over:
                return
        for piece in self.printed.due(now):
            self._record("to-host", piece)
            if piece.fault in _MARKS:
                self._meet(piece, "to the host")
            self.to_host += piece.data
        super()._flush()

    def _look_for_openings(self) -> None:
        if self.openings is not None and self.openings.seen():
            self._record("to-board", Piece(self.typed.taken - 1, b"", "reset-on-open"))
            self._power_up()

    def _power_up(self) -> None:
        """A reset as by the reset pin: main.py runs too."""
        self._start_again(False, _BOOT)
        self.cold = self.life

    def _type(self, piece: Piece) -> None:
        """Hand one piece to the board, or do what it stands for."""
        self._record("to-board", piece)
        if piece.fault in _MARKS:
            super()._flush()  # what its terminal takes it has got
            self._meet(piece, "from the host")
        elif self.life is self.cold and not self.life.is_up:
            self._lose("boot", piece, 0)
        else:
            room = len(piece.data)
            if self.faults["overflow"] is not None:
                room = min(room, self.faults["overflow"] - self.unanswered)
            self.unanswered += room
            self._deliver(piece, room)
            self._lose("overflow", piece, room)

    def _meet(self, piece: Piece, way: str) -> None:
        """What the board was to meet with after so many bytes."""
        if piece.fault == "reset-at":
            self._power_up()
            return
        self.life.kill()
        self.end_words = f"die-at: killed after {piece.at + 1} bytes {way}"
        self.is_over = True

    def _parts(self, piece: Piece) -> Iterable[Piece]:
        """A piece, cut where interrupts in it are to be acted on."""
        if self.faults["ctrl_c"] and _INTERRUPT in piece.data and self.life.catches_interrupts:
            return _cut(piece)
        return [piece]

    def _deliver(self, piece: Piece, room: int) -> None:
        """Put the first `room` bytes of a piece where the board reads them."""
        data = piece.data[:room]
        if not self.faults["ctrl_c"]:
            super()._from_host(data)
            return
        self.to_board += data
        if data.endswith(_INTERRUPT) and self.life.catches_interrupts:
            lost = self.life.take_unread() + self.to_board
            self.to_board = b""
            self._record("to-board", Piece(_place(piece, room - 1), b"", "ctrl-c", lost))
            self.life.take_interrupt()

    def _lose(self, fault: str, piece: Piece, start: int) -> None:
        """Record the bytes of a piece from `start` on, which go nowhere."""
        lost = piece.data[start:]
        if piece.fault and lost:
            self._record("to-board", Piece(piece.at, b"", fault, lost))
            return
        for index, byte in enumerate(lost, start):  # as much in one line would hang on the moment
            self._record("to-board", Piece(piece.at + index, b"", fault, bytes([byte])))

    def _record(self, way: str, piece: Piece) -> None:
        """A line in the log, before anybody can see what it is about."""
        if self.log is None or not piece.fault:
            return
        fields = (way, piece.at, piece.fault, piece.was.hex(), piece.data.hex(), piece.seconds)
        os.write(self.log, json.dumps(fields).encode() + b"\n")


def _place(piece: Piece, index: int) -> int:
    """Offset, in what was sent, of a byte of a piece."""
    return piece.at if piece.fault else piece.at + index


def _cut(piece: Piece) -> Iterator[Piece]:
    """A piece in parts that have an interrupt at their end, or none."""
    at, data = piece.at, piece.data
    while True:
        head, mark, data = data.partition(_INTERRUPT)
        yield replace(piece, at=at, data=head + mark)
        if not data:
            return
        at += 0 if piece.fault else len(head + mark)


if __name__ == "__main__":
    main(FaultyRelay)

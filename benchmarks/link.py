"""How long 100 kB take onto a virtual board: over a clean line and a bad one.

python -m benchmarks.link [--uploads N]

The bad line corrupts 5 % of the frames to the board, drops 2 %, has 1 % come twice and stands still
for 0.2 s behind 1 %; a byte to the host is as likely to be hit. Speed is that of the host, of
MicroPython on it and of both sides' checks: a virtual line has no baud rate. "On the line" are the
bytes sent for each byte of the file, and what a line of a known rate would carry follows from them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from microinterp_boards import Board, virtual_board
from microinterp_boards.framed.client import Counters
from microinterp_boards.framed.codec import OVERHEAD
from microinterp_boards.framed.service import start_service
from microinterp_boards.framed.window import Line
from microinterp_boards.store.requests import Place, Requests
from microinterp_boards.store.upload import upload

SIZE = 100_000
HEAP = 1 << 20
NAME = "bench"
ANSWER = 16  # bytes of a frame to the host
UART = 11_520  # bytes a second at 115,200 baud
LINES = {"4 frames of 1,024 bytes": Line(4, 1024, 40_000.0), "1 of 240": Line(1, 240, 11_520.0)}


@dataclass(frozen=True)
class Uploads:
    """Of one kind of line: seconds of each upload, and what went over the line for all."""

    seconds: Sequence[float]
    counters: Counters

    @property
    def on_the_line(self) -> float:
        """Bytes that the host sent for each byte of a file."""
        return self.counters.sent_bytes / (SIZE * len(self.seconds))


def faults(frame: int, seed: int) -> str:
    """By the byte, so that frames of that size meet with what is said above."""

    def chance(of_frame: float) -> str:
        return f"{1 - (1 - of_frame) ** (1 / frame):.4g}"

    drop, dup, stall = chance(0.02), chance(0.01), chance(0.01)
    return (
        f"flip={chance(0.05)},drop={drop}:{frame},dup={dup}:{frame},stall={stall}:0.2,"
        f"to-host.drop={drop}:{ANSWER},to-host.dup={dup}:{ANSWER},seed={seed},ctrl-c"
    )


def measure(folder: Path, line: Line, count: int, is_bad: bool) -> Uploads:
    """Upload random bytes, other ones each time, as a model that is never put to use."""
    seconds = []
    trouble = faults(line.frame_bytes, 5) if is_bad else None
    with (
        virtual_board(folder=folder, heap=HEAP, faults=trouble) as port,
        Board(port, patience=30) as board,
        start_service(board.link, line=line) as client,
    ):
        for _ in range(count):
            data = os.urandom(SIZE)
            started = time.monotonic()
            upload(Requests(client), Place.MODELS, NAME, data)
            seconds.append(time.monotonic() - started)
        return Uploads(seconds, client.counters)


def row(name: str, found: Uploads) -> str:
    """A row of the table."""
    middle, counters = statistics.median(found.seconds), found.counters
    cells = (
        name,
        f"{middle:.2f} s",
        f"{SIZE / middle / 1000:.0f} kB/s",
        f"{max(found.seconds):.2f} s",
        f"{counters.sent / len(found.seconds):.0f}",
        f"{counters.repeated / counters.sent:.1%}",
        f"{found.on_the_line:.2f}",
        f"{UART / found.on_the_line / 1000:.1f} kB/s",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=20, help="of each line (20)")
    count = parser.parse_args().uploads
    print(
        f"{count} uploads of {SIZE:,} bytes over each line, VERIFY and all; {OVERHEAD} bytes of a"
    )
    print("frame are not payload\n")
    print(
        "| line | median | that is | longest | frames | repeated | on the line"
        " | at most at 115,200 baud |\n|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure(folder, LINES["1 of 240"], 1, False)  # the link's own files
        for text, line in LINES.items():
            for is_bad in (False, True):
                found = measure(folder, line, count, is_bad)
                print(row(f"{'bad' if is_bad else 'clean'}, {text}", found), flush=True)


if __name__ == "__main__":
    main()

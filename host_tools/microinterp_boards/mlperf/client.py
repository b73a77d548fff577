"""A small runner: the host's side of the protocol, over a port that is open."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from microinterp.errors import DeviceError, printable
from microinterp_boards.transport import Transport

PIECE = 31
"""Bytes that one `db` command carries, as the public runner sends them."""
LINE_LIMIT = 5.0
"""Seconds in which the public runner wants the next line of an answer."""
INFER_LIMIT = 30.0
"""The same for `infer`: from one lap to the next nothing is printed."""
_MAX_LINE = 1 << 16
_MAX_LINES = 1 << 14
_READY = "m-ready"
_LAP = re.compile(r"m-lap-us-(\d{1,18})")
_RESULTS = re.compile(r"m-results-\[([^\]]+)\]")


@dataclass(frozen=True, slots=True)
class Inference:
    """What an `infer` has told.

    Attributes:
        results: the numbers of the last inference, exactly as the board has printed them.
        count: inferences between the laps.
        microseconds: from lap to lap, by the board's clock.
        seconds: from the command to the end of the answer, by the host's.
    """

    results: tuple[float, ...]
    count: int
    microseconds: int
    seconds: float


class Client:
    """Asks a board whose service runs. Raises DeviceError where the board tells an error."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def ask(self, command: str, limit: float = LINE_LIMIT) -> list[str]:
        """The lines of the answer to a command, without the last, m-ready.

        limit: seconds for each line.
        """
        self._transport.write(f"{command}%".encode("ascii"))
        lines = self.answer(limit, f"an answer to '{printable(command, 20)}'")
        for line in lines:
            if line.startswith("e-["):
                told = printable(line[3:].removesuffix("]"), 200)
                raise self._transport.error(f"the board refuses '{printable(command, 20)}': {told}")
        return lines

    def answer(self, limit: float, wanted: str) -> list[str]:
        """Lines up to m-ready."""
        lines: list[str] = []
        while len(lines) < _MAX_LINES:
            data = self._transport.read_until(b"\n", limit, wanted, _MAX_LINE)
            line = data.decode("ascii", "backslashreplace").rstrip("\r\n")
            if line == _READY:
                return lines
            lines.append(line)
        raise self._nonsense(wanted)

    def name(self) -> str:
        """Of the device."""
        return self._bracketed("name", "m-name-dut-")

    def model(self) -> str:
        """The benchmark's name of the model, such as kws01."""
        return self._bracketed("profile", "m-model-")

    def _bracketed(self, command: str, start: str) -> str:
        for line in self.ask(command):
            if line.startswith(f"{start}[") and line.endswith("]"):
                return printable(line[len(start) + 1 : -1])
        raise self._nonsense(f"an answer to '{command}'")

    def load(self, stimulus: bytes, progress: Callable[[int], object] = lambda done: None) -> None:
        """Send a stimulus; `progress` is told the bytes that are there."""
        lines = self.ask(f"db load {len(stimulus)}")
        for at in range(0, len(stimulus), PIECE):
            lines = self.ask(f"db {stimulus[at : at + PIECE].hex()}")
            progress(min(at + PIECE, len(stimulus)))
        if lines != ["m-load-done"]:
            raise self._nonsense("m-load-done")

    def infer(self, count: int = 1, warmups: int = 0, limit: float = INFER_LIMIT) -> Inference:
        """Run the model `warmups` times, then `count` times between two laps.

        limit: seconds for all of the warm-ups, and for all of the rest.
        """
        start = time.monotonic()
        lines = self.ask(f"infer {count} {warmups}", limit)
        seconds = time.monotonic() - start
        laps = [int(match[1]) for line in lines if (match := _LAP.fullmatch(line))]
        found = [match[1] for line in lines if (match := _RESULTS.fullmatch(line))]
        if len(laps) != 2 or len(found) != 1:
            raise self._nonsense("two laps and results")
        try:
            results = tuple(float(number) for number in found[0].split(","))
        except ValueError:
            raise self._nonsense("results") from None
        return Inference(results, count, laps[1] - laps[0], seconds)

    def _nonsense(self, wanted: str) -> DeviceError:
        return self._transport.error(
            f"something else came instead of {wanted}",
            "something printed on the line, or bytes were lost: try again",
        )

"""A board on a serial port: the object that everything done with a board goes through."""

from __future__ import annotations

from types import TracebackType

from microinterp_boards.files import Files
from microinterp_boards.link import Link
from microinterp_boards.probe import Probe, probe


class Board:
    """A MicroPython board. A context manager; the port is this process's alone until its end.

    Every method raises DeviceError when the board, or the line to it, does not do what is asked.
    """

    def __init__(self, port: str, *, baud: int = 115200, patience: float = 10.0) -> None:
        """Open a port (any pyserial URL) and interrupt what runs, within `patience` seconds."""
        self.link = Link(port, baud, patience)
        self.files = Files(self.link)

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def port(self) -> str:
        """The port as it was given."""
        return self.link.port

    def close(self) -> None:
        """Give the board its prompt back and close the port."""
        self.link.close()

    def probe(self) -> Probe:
        """What the board is, has free, and can run."""
        return probe(self.link)

    def exec(self, code: str, timeout: float = 10.0) -> str:
        """Run code on the board; returns what it printed, with plain line ends."""
        output = self.link.exec(code, timeout)
        return output.decode(errors="backslashreplace").replace("\r\n", "\n")

    def soft_reset(self) -> None:
        """Start MicroPython again with an empty heap; boot.py runs, main.py does not."""
        self.link.soft_reset()

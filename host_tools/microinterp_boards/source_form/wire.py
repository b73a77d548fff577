"""Short texts to a board with a small heap, and its answers, each checked."""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

from microinterp.errors import DeviceError, printable
from microinterp_boards import device
from microinterp_boards.link import Link

_FOLDER = f"{__package__}.device"
_LITERAL = 48  # characters, so that the statement is one burst (see Link)
_PATIENCE = 20.0  # seconds for what takes no computing


class State(NamedTuple):
    """Size and Adler-32 of bytes."""

    size: int
    adler32: int


def state_of(data: bytes) -> State:
    """The state of these bytes."""
    return State(len(data), zlib.adler32(data))


class Wire:
    """Calls of the functions in `device`. Raises DeviceError when board or line fail."""

    def __init__(self, link: Link) -> None:
        """A link whose board is not running anything."""
        self.link = link

    def call(self, name: str, *arguments: bytes | int, timeout: float = _PATIENCE) -> str:
        """What a function of `device` writes, with plain line ends, stripped.

        The call is a text of its own, so that nothing else is on the board's small stack.
        """
        self.link.exec(device.read(name, _FOLDER))
        output = self.link.exec(f"_{name}({','.join(map(repr, arguments))})", timeout)
        self.link.exec(f"del _{name}")
        return output.decode("ascii", "backslashreplace").replace("\r\n", "\n").strip()

    def number(self, name: str, *arguments: int, timeout: float = _PATIENCE) -> int:
        """The same where one number is written."""
        text = self.call(name, *arguments, timeout=timeout)
        if re.fullmatch("[0-9]{1,10}", text) is None:
            raise self.nonsense(text, "a number")
        return int(text)

    def write_file(self, name: str, data: bytes) -> None:
        """Write a file, and compare what the board reads from it."""
        self.link.exec(f"f=open('{name}','wb')")
        try:
            for part in device.literals(data, _LITERAL):
                self.link.exec(f"f.write({part})")
        finally:
            self.link.exec("f.close()\ndel f")
        if self.state(name) != state_of(data):
            raise self.link.transport.error(
                f"the board reads other bytes from '{name}' than it was sent",
                "bytes were lost on the line, or its flash is damaged: try again",
            )

    def state(self, name: str) -> State | None:
        """Of a file; None if there is none."""
        text = self.call("state", name.encode())
        return None if text == "none" else self.parse_state(text)

    def send_input(self, index: int, data: bytes) -> None:
        """Make `data` the module's input `index`."""
        self.link.exec("d=b''")
        for part in device.literals(data, _LITERAL):
            self.link.exec(f"d+={part}")
        if self.parse_state(self.call("take", index)) != state_of(data):
            raise self._damaged()
        self.link.exec("del d")

    def bytes_of(self, index: int, at: int = 0, size: int = 0) -> bytes:
        """Output `index` of the module, or, if that is -1, `size` bytes of its arena."""
        if not (size or index >= 0):
            return b""
        text = self.call("tell", index, at, size)
        match = re.fullmatch("((?:[0-9a-f]{2})+) ([0-9]{1,5}) ([0-9]{1,5})", text)
        if match is None:
            raise self.nonsense(text, "bytes of the arena")
        data = bytes.fromhex(match[1])
        if zlib.adler32(data) != int(match[3]) << 16 | int(match[2]):
            raise self._damaged()
        return data

    def parse_state(self, text: str) -> State:
        """What device/state.py and device/take.py write."""
        match = re.fullmatch("([0-9]{1,9}) ([0-9]{1,5}) ([0-9]{1,5})", text)
        if match is None:
            raise self.nonsense(text, "a size and a checksum")
        return State(int(match[1]), int(match[3]) << 16 | int(match[2]))

    def nonsense(self, text: str, wanted: str) -> DeviceError:
        """The error for an answer that is none."""
        return self.link.transport.error(
            f"'{printable(text)}' came instead of {wanted}",
            "something printed on the line, or bytes were lost: try again",
        )

    def _damaged(self) -> DeviceError:
        return self.link.transport.error(
            "bytes were damaged or lost on the line",
            "try again; a shorter cable or a lower baud rate may help",
        )

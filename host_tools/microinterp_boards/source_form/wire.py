"""Short texts to a board with a small heap, and its answers, each checked."""

from __future__ import annotations

import ast
import re
import zlib
from typing import NamedTuple

from microinterp.errors import DeviceError, printable
from microinterp_boards import device
from microinterp_boards.link import Link

_FOLDER = f"{__package__}.device"
_LITERAL = 50  # characters, so that the statement is one burst (see Link)
_PATIENCE = 20.0  # seconds for what takes no computing
_FREE = "import gc;gc.collect();print(gc.mem_free())"


class State(NamedTuple):
    """Size and Adler-32 of bytes."""

    size: int
    adler32: int


def state_of(data: bytes) -> State:
    """The state of these bytes."""
    return State(len(data), zlib.adler32(data))


class Wire:
    """What is asked of a board in short texts. Raises DeviceError when board or line fail.

    Every `timeout` is in seconds.
    """

    def __init__(self, link: Link) -> None:
        """A link whose board is not running anything."""
        self.link = link

    def ask(self, code: str, timeout: float = _PATIENCE) -> str:
        """What a statement prints, with plain line ends, stripped."""
        output = self.link.exec(code, timeout)
        return output.decode("ascii", "backslashreplace").replace("\r\n", "\n").strip()

    def number(self, code: str, timeout: float = _PATIENCE) -> int:
        """The same where one number is printed."""
        text = self.ask(code, timeout)
        if re.fullmatch("[0-9]{1,10}", text) is None:
            raise self.nonsense(text, "a number")
        return int(text)

    def heap_free(self) -> int:
        """Bytes, after a collection."""
        return self.number(_FREE)

    def define(self, name: str) -> None:
        """Make a function of `device` known to the board."""
        self.link.exec(device.read(name, _FOLDER))

    def call(self, name: str, *arguments: bytes | int) -> str:
        """What a function of `device` writes; it does not stay on the board."""
        self.define(name)
        text = self.ask(f"_{name}({','.join(map(repr, arguments))})")
        self.link.exec(f"del _{name}")
        return text

    def bytes_of(self, expression: str, at: int, end: int) -> bytes:
        """Some bytes of what an expression is on a board that knows device/tell.py."""
        text = self.ask(f"_tell({expression},{at},{end})")
        match = re.fullmatch("((?:[0-9a-f]{2})*) ?([0-9]{1,5}) ([0-9]{1,5})", text)
        if match is None:
            raise self.nonsense(text, "bytes in hex")
        data = bytes.fromhex(match[1])
        if zlib.adler32(data) != int(match[3]) << 16 | int(match[2]) or len(data) != end - at:
            raise self._damaged()
        return data

    def put(self, at: int, data: bytes) -> None:
        """Write into the arena of a board that knows device/put.py, and read it back."""
        start = at
        for part in device.literals(data, _LITERAL - len("00000")):
            self.link.exec(f"_put({at},{part})")
            at += len(ast.literal_eval(part))
        if self.bytes_of("m.A", start, at) != data:
            raise self._damaged()

    def write_file(self, name: str, data: bytes) -> None:
        """Write a file, and compare what the board reads from it."""
        self.link.exec(f"f=open('{name}','wb')")
        try:
            for part in device.literals(data, _LITERAL):
                self.link.exec(f"f.write({part})")
        finally:
            self.link.exec("f.close();del f")
        if self.state(name) != state_of(data):
            raise self.link.transport.error(
                f"the board reads other bytes from '{name}' than it was sent",
                "bytes were lost on the line, or its flash is damaged: try again",
            )

    def state(self, name: str) -> State | None:
        """Of a file; None if there is none."""
        text = self.call("state", name.encode())
        if text == "none":
            return None
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

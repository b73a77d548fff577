"""Frames to bytes, and bytes to frames and the text between them; schemas/link.md is the format."""

from __future__ import annotations

import zlib
from typing import NamedTuple

KEEP, HELLO, BYE = 0x00, 0x01, 0x02
ANSWER, REFUSAL, REPEAT = 0x80, 0x81, 0x82
MARK = b"\xa5\x5a"
OVERHEAD = 12
"""Bytes of a frame that are not payload."""
LONGEST = 2048
"""Bytes of payload that a decoder believes in unless told otherwise."""
_HEAD = 8


class Frame(NamedTuple):
    """One frame; `number` is 0 to 255."""

    kind: int
    number: int
    payload: bytes


def encode(kind: int, number: int, payload: bytes, session: int) -> bytes:
    """The bytes of a frame in `session`, a u32."""
    fields = bytes((kind, number)) + len(payload).to_bytes(2, "little")
    check = zlib.crc32(fields) & 0xFFFF
    crc = zlib.crc32(payload, zlib.crc32(fields, 0 if kind == HELLO else session))
    ends = check.to_bytes(2, "little"), crc.to_bytes(4, "little")
    return b"".join((MARK, fields, ends[0], payload, ends[1]))


class Decoder:
    """A stream of bytes that has frames in it.

    The same frames and text come of it in whatever pieces it is fed. What is in the payload of a
    sound frame is never taken for a frame; what a damaged one has swallowed is looked through.
    """

    def __init__(self, session: int = 0, longest: int = LONGEST) -> None:
        """`session` may be changed between frames. `longest`: a larger payload is no frame."""
        self.session = session
        self.damaged = 0
        self._longest = longest
        self._pending = bytearray()
        self._text = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Frames that are whole now. `damaged` counts sound headers without a sound frame."""
        self._pending += data
        found = []
        while (frame := self._next()) is not None:
            found.append(frame)
        return found

    def give_up(self) -> list[Frame]:
        """Look behind the start of a frame whose rest is not coming; nothing remains pending."""
        found = []
        while self._pending:
            if len(self._pending) >= _HEAD:
                self.damaged += 1
            self._skip(1)
            found += self.feed(b"")
        return found

    def take_text(self) -> bytes:
        """What came between frames since it was last taken."""
        text = bytes(self._text)
        self._text.clear()
        return text

    def rest(self) -> bytes:
        """Take what is pending, whatever it may have become."""
        rest = bytes(self._pending)
        self._pending.clear()
        return rest

    @property
    def in_frame(self) -> bool:
        """Whether something is there that may be the start of a frame."""
        return bool(self._pending)

    def _next(self) -> Frame | None:
        pending = self._pending
        while True:
            at = pending.find(MARK)
            if at < 0:
                self._skip(len(pending) - pending.endswith(MARK[:1]))
                return None
            self._skip(at)
            if len(pending) < _HEAD:
                return None
            size = self._size()
            if size is None:
                self._skip(1)
            elif len(pending) < size:
                return None
            elif (frame := self._frame(size)) is not None:
                return frame
            else:
                self.damaged += 1
                self._skip(1)

    def _size(self) -> int | None:
        """Bytes of the frame whose header is pending; None if it is no header."""
        fields, check = self._pending[2:6], self._pending[6:8]
        length = int.from_bytes(fields[2:], "little")
        if length > self._longest or zlib.crc32(fields) & 0xFFFF != int.from_bytes(check, "little"):
            return None
        return length + OVERHEAD

    def _frame(self, size: int) -> Frame | None:
        """Take a frame out of what is pending, if it is sound."""
        whole = bytes(self._pending[:size])
        kind, payload = whole[2], whole[_HEAD:-4]
        crc = zlib.crc32(payload, zlib.crc32(whole[2:6], 0 if kind == HELLO else self.session))
        if crc != int.from_bytes(whole[-4:], "little"):
            return None
        del self._pending[:size]
        return Frame(kind, whole[3], payload)

    def _skip(self, count: int) -> None:
        self._text += self._pending[:count]
        del self._pending[:count]

"""The service on a board: put there, started, and left again; see schemas/link.md."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from microinterp.errors import DeviceError, printable
from microinterp_boards import checked, runtime
from microinterp_boards.files import Files, stored_bytes
from microinterp_boards.framed.client import Client
from microinterp_boards.framed.window import Line, line_of
from microinterp_boards.link import Link
from microinterp_boards.runtime import Installed, state_of

PACKAGE = "microinterp_link"
IDLE = 5.0
"""Seconds without a good frame after which a board gives its prompt back."""
_PIECE = 512  # bytes of a file that go in one go
_FULL = re.compile(r"OSError: .*\b(?:27|28|ENOSPC|EFBIG)\b")
_ROUNDS = 3  # of writing and reading back
_HELLO_LIMIT = 4.0  # seconds
_END_LIMIT = 2.0  # seconds


@contextmanager
def start_service(link: Link, idle: float = IDLE, line: Line | None = None) -> Iterator[Client]:
    """A session with the service on a board, which gets the files that it lacks.

    At the end the board is in its raw REPL again, and `link` can be used; until then it must not.
    Raises DeviceError.

    Args:
        link: a board.
        idle: seconds after which a board that hears nothing ends the service by itself.
        line: what the line bears; None is what the port looks like.
    """
    _require_able(link)
    install(link)
    line = line or line_of(link.port, link.transport.baud)
    client = checked.patiently(link, lambda: _started(link, idle, line))
    try:
        yield client
    finally:
        client.close()
        if client.has_ended and client.counters.is_clean:
            _take_back(link, client.rest())


def install(link: Link) -> list[str]:
    """Bring the service's files up to date; returns the names of those that were sent."""
    wanted = runtime.shipped_link()
    sent: list[str] = []
    for _ in range(_ROUNDS):
        there = runtime.installed(link, PACKAGE)
        differing = [n for n, data in wanted.items() if there.files.get(n) != state_of(data)]
        left = [name for name in there.files if name not in wanted]
        if not differing and not left:
            return sent
        _update(link, there, {name: wanted[name] for name in differing}, left)
        sent += [name for name in differing if name not in sent]
    raise link.transport.error(
        f"the board reads other bytes from {', '.join(differing + left)} than it was sent",
        "its flash or filesystem may be damaged: format it",
    )


def _update(link: Link, there: Installed, files: dict[str, bytes], left: list[str]) -> None:
    folder = Files(link)
    room = folder.room()
    needed = sum(stored_bytes(len(data), room.block) for data in files.values())
    if room.free is not None and needed > room.free:
        raise _no_room(link, f"{needed} bytes, {room.free} are free")
    for name in there.folder.split("/"):
        folder = folder.folder(name, create=True)
    for name in left:
        folder.remove(name)
    for name, data in files.items():
        path = f"{there.folder}/{name}".encode()
        for at in range(0, len(data), _PIECE):
            try:
                checked.run(link, "piece", path, at, data[at : at + _PIECE].hex().encode())
            except DeviceError as error:
                if not _FULL.search(error.message):
                    raise
                raise _no_room(link, f"writing {name}") from None


def _no_room(link: Link, what: str) -> DeviceError:
    return DeviceError(
        f"{printable(link.port)}: no room for the link's own files on the board's filesystem:"
        f" {what}",
        hint="remove files that are not needed",
    )


def _started(link: Link, idle: float, line: Line) -> Client:
    window, payload = line.frames, line.payload
    checked.start(link, "serve", round(idle * 1000), payload, window)
    return Client(link.transport, line.rate, limit=_HELLO_LIMIT)


def _take_back(link: Link, rest: bytes) -> None:
    """Wait for the end of the program on the board, behind `rest`, so that nothing interrupts it.

    Otherwise the link enters the raw REPL anew when it is next used: a goodbye that came twice has
    been a key there, ^B.
    """
    with contextlib.suppress(DeviceError):
        link.transport.unread(rest)
        link.finish(_END_LIMIT)


def _require_able(link: Link) -> None:
    if not checked.can_check(link):
        raise DeviceError(
            f"{printable(link.port)}: the board's firmware cannot run the framed link: it has no"
            " CRC32",
            hint="flash MicroPython 1.23 or later",
        )

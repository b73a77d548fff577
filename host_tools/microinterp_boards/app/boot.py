"""main.py, which starts the program; starting it, watching it, and what the board has noted."""

from __future__ import annotations

import re
import struct
import time
import zlib

from microinterp.errors import DeviceError, printable
from microinterp_boards import checked
from microinterp_boards.files import Files, FileState
from microinterp_boards.link import Link

MAIN = "main.py"
_MARK = "# made by microinterp board deploy --app; `microinterp board app --remove` removes it\n"
_TEXT = f"{_MARK}from microinterp import app\n\napp.start()\n".encode()
MAIN_STATE = FileState(len(_TEXT), zlib.crc32(_TEXT))
_GREETING = b"microinterp app: "
_RUNS = re.compile(rb"microinterp app: (?:the program runs|not started: .*)\r?\n")  # it is noted
_START_LIMIT = 15.0  # seconds for boot.py, and to import the runtime; for the wait before a start
_TRIES = 4  # of a start whose greeting may have been damaged
_PRINTED = 1 << 16  # bytes that are kept of what a program prints
_ANSWER = re.compile(r"((?:[0-9a-f]{2})*)\.((?:[0-9a-f]{2})*)\.((?:[0-9a-f]{2})*)\.")
_NOTE = struct.Struct("<4sIIBB2xI")


def main_state(link: Link) -> FileState | None:
    """Size and CRC32 of the board's main.py; MAIN_STATE is ours, None none."""
    return Files(link).stat(MAIN)


def require_own(link: Link) -> bool:
    """Whether main.py is ours. Raises DeviceError if there is one of somebody else."""
    state = main_state(link)
    if state is not None and state != MAIN_STATE:
        raise DeviceError(
            f"{printable(link.port)}: there is a {MAIN} on the board already, which would run no"
            " more",
            hint="save it, remove it, and deploy again; one that `board mlperf --boot` has made"
            " goes with `board mlperf` without --boot",
        )
    return state is not None


def write_main(link: Link) -> None:
    """Put our main.py on the board, as a whole or not at all, on a bad line too."""
    if require_own(link):
        return
    part = f"{MAIN}.part"
    for _ in range(_TRIES):
        checked.run(link, "piece", part.encode(), 0, _TEXT.hex().encode())
        if Files(link).stat(part) == MAIN_STATE:
            break
    checked.run(link, "app_main")
    if not require_own(link):
        raise link.transport.error(f"{MAIN} could not be written", "is the filesystem full?")


def remove_main(link: Link) -> bool:
    """Remove a main.py of ours; False if there is none."""
    files = Files(link)
    return files.stat(MAIN) == MAIN_STATE and files.remove(MAIN)


def forget_notes(link: Link) -> None:
    """Let the board start the program as if it had never crashed."""
    checked.run(link, "app_forget")


def notes(link: Link, generation: int) -> tuple[int, int, str]:
    """What became of the last start of the program of that generation, crashes, and the log.

    The first is an index of STATES.
    """
    told = checked.run(link, "app_notes").decode("ascii", "replace").strip()
    match = _ANSWER.fullmatch(told)
    if match is None:
        raise link.transport.error("something else came instead of a program's notes")
    newest, state, crashes = 0, 0, 0
    for data in (bytes.fromhex(match[1]), bytes.fromhex(match[2])):
        if len(data) != _NOTE.size or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
            continue
        mark, number, of, what, count, _ = _NOTE.unpack(data)
        if mark == b"MIA1" and number > newest:
            newest = number
            state, crashes = (what, count) if of == generation else (0, 0)
    log = bytes.fromhex(match[3]).decode(errors="backslashreplace").replace("\r\n", "\n")
    return state if state <= 6 else 0, crashes, log


def start(link: Link) -> None:
    """Boot the board and wait until its main.py says that it starts the program."""
    for attempt in range(_TRIES):
        link.boot()
        try:
            link.transport.read_until(_GREETING, _START_LIMIT, "the program's start", _PRINTED)
            return
        except DeviceError:
            if link.transport.gone or attempt == _TRIES - 1:
                raise


def watch(link: Link, seconds: float) -> str:
    """What comes from the board until its program has run for so long."""
    seen, runs = bytearray(_GREETING), False
    until = time.monotonic() + _START_LIMIT  # where the line was damaged that says that it runs
    while time.monotonic() < until:
        seen += link.transport.some(0.05)
        if not runs and _RUNS.search(seen):
            runs, until = True, time.monotonic() + seconds
        del seen[:-_PRINTED]
    return seen.decode(errors="backslashreplace").replace("\r\n", "\n")


def leave(link: Link) -> None:
    """Close the port; what runs on the board goes on, which `Link.close` would stop."""
    link.transport.close()
    link.transport.gone = True

"""One file onto a board: what is there already is not sent again."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from microinterp.errors import DeviceError
from microinterp_boards.framed.client import Refusal, RefusedError
from microinterp_boards.store.delta import BLOCK, Run, runs
from microinterp_boards.store.requests import Kept, Place, Requests

_IO = "5"
_STEP = 256  # bytes; the good part of a broken upload is found to within these


@dataclass(slots=True)
class Tally:
    """Where the bytes of files came from.

    Attributes:
        resumed: were there, from an earlier attempt.
        copied: of the model in use, on the board.
        sent: over the line.
        begun: the files that were asked for.
    """

    resumed: int = 0
    copied: int = 0
    sent: int = 0
    begun: set[tuple[Place, str]] = field(default_factory=set, compare=False)


def upload(
    board: Requests,
    place: Place,
    name: str,
    data: bytes,
    *,
    old: Kept | None = None,
    version: int = 0,
    sign: Callable[[], bytes] = lambda: b"",
    tally: Tally | None = None,
    progress: Callable[[int], object] = lambda done: None,
) -> None:
    """Send a file; when this returns the board has read it again and given it its name.

    A part that an earlier attempt has left is gone on with, behind its last good byte.

    Args:
        board: its service.
        place, name: where to.
        data: its contents.
        old: the model, some slot of which is in use: what that has in common with `data` is copied.
        version, sign: for VERIFY; `sign` is asked once the slot is known.
        tally: adds up where the bytes came from, also if an error ends it.
        progress: told the bytes that are there.
    """
    count = Tally() if tally is None else tally
    there = _open(board, place, name, data)
    start = _good(board, place, name, data, there)
    in_use = old.in_use if old is not None else None
    steps = [Run(0, len(data))]
    if old is not None and in_use is not None and start < len(data):
        sums = board.sums(place, f"{name}.{old.slot}", BLOCK, in_use.size)
        steps = runs(data, sums)
    if (place, name) not in count.begun:  # what is there later is of this attempt
        count.begun.add((place, name))
        count.resumed += start
    progress(start)
    for step in steps:
        end = step.offset + step.size
        if end <= start:
            continue
        offset = max(start, step.offset)
        if step.source is None:
            _send(board, data[:end], offset, count, progress)
        else:
            board.copy(offset, step.source + offset - step.offset, end - offset)
            count.copied += end - offset
            progress(end)
    try:
        board.verify(version, sign())
    except RefusedError as error:
        if error.code != Refusal.NOT_ANNOUNCED or not (start or len(steps) > 1):
            raise
        # a CRC32 was met by chance: send all of it
        board.remove(_folder(place), _part(place, name))
        upload(board, place, name, data, version=version, sign=sign, progress=progress)


def _send(
    board: Requests, data: bytes, start: int, count: Tally, progress: Callable[[int], object]
) -> None:
    """Send the bytes behind the first `start`, and count those that arrive."""
    before = count.sent

    def told(done: int) -> None:
        count.sent = before + done - start
        progress(done)

    board.send(data, start, told)


def _part(place: Place, name: str) -> str:
    return f"{name}.test.part" if place is Place.TESTS else f"{name}.part"


def _folder(place: Place) -> Place:
    return Place.MODELS if place is Place.TESTS else place


def _open(board: Requests, place: Place, name: str, data: bytes) -> int:
    return board.open(place, name, len(data), hashlib.sha256(data).digest())


def _good(board: Requests, place: Place, name: str, data: bytes, there: int) -> int:
    """How many of the bytes that are there are those of `data`."""
    if not there:
        return 0
    part, folder = _part(place, name), _folder(place)

    def is_good(size: int) -> bool:
        return board.sum(folder, part, size) == zlib.crc32(data[:size])

    try:
        if is_good(there):
            return there
        low, high = 0, there // _STEP  # in steps; `low` is good
        while low < high:
            middle = (low + high + 1) // 2
            if is_good(middle * _STEP):
                low = middle
            else:
                high = middle - 1
        return low * _STEP
    except RefusedError as error:
        if error.code != Refusal.OS_ERROR or error.text != _IO:
            raise
    board.remove(folder, part)  # torn by a power cut
    if _open(board, place, name, data):
        raise DeviceError(
            f"'{part}' was removed on the board and is still there",
            hint="its filesystem is damaged: format it",
        )
    return 0

"""Which faults a line has: as objects, and as text such as "drop=0.01,to-host.flip=0.005"."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from microinterp.errors import DeviceError, printable
from microinterp_boards.faults.line import KINDS

WAYS = ("to-board", "to-host")
_MIN_PROBABILITY = 1e-9
_MAX_BLOCK = 1 << 20
_MAX_NOISE = 4096  # bytes for each one that is sent
_MAX_STALL = 3600.0
_MAX_COUNT = 1 << 40
_STALL = 0.1  # seconds, where none are given
_FORMS = {
    "drop": "drop=P[:BYTES]",
    "flip": "flip=P[:BYTES]",
    "dup": "dup=P[:BYTES]",
    "noise": "noise=P[:BYTES]",
    "stall": "stall=P[:SECONDS]",
    "overflow": "overflow=BYTES",
    "ctrl-c": "ctrl-c",
    "reset-on-open": "reset-on-open",
    "reset-at": "reset-at=BYTES",
    "die-at": "die-at=BYTES",
    "seed": "seed=NUMBER",
    "log": "log=FILE",
}
_HINT = (
    f"faults: {', '.join(_FORMS.values())}; to-board. or to-host. before those of P, reset-at and"
    " die-at"
)
_MARKS = {"reset-at": "reset_at", "die-at": "die_at"}


@dataclass(frozen=True, slots=True)
class Chance:
    """A fault that comes by chance: at each byte with `probability`, from 1e-9 to 1.

    size: bytes that it takes in one go; of a stall, seconds. Raises DeviceError if one of them is
    out of range.
    """

    probability: float
    size: float = 1

    def __post_init__(self) -> None:
        """Check the range of what is common to all kinds."""
        if not _MIN_PROBABILITY <= self.probability <= 1:
            raise DeviceError(
                f"a fault cannot have a probability of {self.probability:g}",
                hint=f"from {_MIN_PROBABILITY:g} to 1, for each byte",
            )


@dataclass(frozen=True, slots=True)
class WayFaults:
    """What happens to bytes that go one way, and to the board after so many; None is never.

    drop: bytes are lost. flip: one bit of each is turned. dup: they come a second time. noise: as
    many random ones come after a byte. stall: after a byte the line stands still. reset_at: bytes
    after which the board is reset, once. die_at: bytes after which it is killed; its port goes.
    Raises DeviceError if a size is out of range: 1 to 1048576 bytes (noise 4096), 0.001 to 3600
    seconds; for the last two 1 to 2^40 bytes.
    """

    drop: Chance | None = None
    flip: Chance | None = None
    dup: Chance | None = None
    noise: Chance | None = None
    stall: Chance | None = None
    reset_at: int | None = None
    die_at: int | None = None

    def __post_init__(self) -> None:
        """Check the sizes."""
        for name, attribute in _MARKS.items():
            _check_count(name, getattr(self, attribute))
        for kind in KINDS:
            chance: Chance | None = getattr(self, kind)
            if chance is None:
                continue
            if kind == "stall":
                fits = 0.001 <= chance.size <= _MAX_STALL
                hint = f"from 0.001 to {_MAX_STALL:g} s"
            else:
                limit = _MAX_NOISE if kind == "noise" else _MAX_BLOCK
                fits = 1 <= chance.size <= limit and chance.size == int(chance.size)
                hint = f"whole bytes, from 1 to {limit}"
            if not fits:
                raise DeviceError(f"{kind} cannot have a size of {chance.size:g}", hint=hint)


@dataclass(frozen=True, slots=True)
class Faults:
    """All that is wrong with a line and its board.

    Attributes:
        to_board: what happens to what the host sends.
        to_host: what happens to what the board sends.
        seed: of all chances. The same seed and the same bytes give the same faults.
        ctrl_c: 0x03 interrupts as on a real port: what the board has received and not read is lost
            with it. Where the board has switched interrupts off it is a byte like others.
        overflow: bytes of the board's receive buffer, which nothing keeps the host from filling:
            of what comes without a word from the board in between, bytes past that are lost.
        reset_on_open: the board is reset when a host opens the port. What comes before it is up
            again is lost.
        log: file for a line of JSON about each fault; see read_log. It is emptied at the start.

    Raises DeviceError if a number is out of range.
    """

    to_board: WayFaults = field(default_factory=WayFaults)
    to_host: WayFaults = field(default_factory=WayFaults)
    seed: int = 0
    ctrl_c: bool = False
    overflow: int | None = None
    reset_on_open: bool = False
    log: Path | None = None

    def __post_init__(self) -> None:
        """Check the one count."""
        _check_count("overflow", self.overflow)

    def config(self) -> dict[str, Any]:
        """The same as plain values for the process of a virtual board, which reads JSON."""
        plain = asdict(self) | {"log": "" if self.log is None else str(self.log.absolute())}
        for way in ("to_board", "to_host"):
            given = {name: value for name, value in plain[way].items() if value is not None}
            plain[way] = {
                "chances": {kind: list(given[kind].values()) for kind in KINDS if kind in given},
                "marks": {name: given[each] for name, each in _MARKS.items() if each in given},
            }
        return plain


def parse_faults(text: str) -> Faults:
    """Faults from text: NAME, NAME=VALUE or WAY.NAME=VALUE, with commas between.

    What comes by chance does so both ways, unless WAY, to-board or to-host, says which; a fault
    given for one way holds there in place of one for both. reset-at and die-at count bytes to the
    board, unless WAY says to-host. Raises DeviceError.
    """
    given: dict[str, str | None] = {}
    for item in text.split(","):
        name, equals, value = item.strip().partition("=")
        if name in given:
            raise DeviceError(f"the fault '{printable(name)}' is given twice", hint=_HINT)
        given[name] = value if equals else None
    ways: dict[str, dict[str, Any]] = {way: {} for way in WAYS}
    rest: dict[str, Any] = {}
    for name, found in sorted(given.items(), key=lambda item: "." in item[0]):  # both ways first
        way, _, kind = name.rpartition(".")
        if kind in KINDS and way in ("", *WAYS):
            for each in (way,) if way else WAYS:
                ways[each][kind] = _chance(kind, _value(kind, found))
        elif kind in _MARKS and way in ("", *WAYS):
            ways[way or WAYS[0]][_MARKS[kind]] = _count(kind, found)
        elif name in _FORMS:
            rest[name.replace("-", "_")] = _READERS[name](name, found)
        else:
            raise DeviceError(f"there is no fault '{printable(name)}'", hint=_HINT)
    return Faults(WayFaults(**ways[WAYS[0]]), WayFaults(**ways[WAYS[1]]), **rest)


def _value(name: str, value: str | None) -> str:
    if not value:
        raise DeviceError(f"the fault '{name}' needs a value", hint=_FORMS[name])
    return value


def _chance(kind: str, text: str) -> Chance:
    probability, colon, size = text.partition(":")
    default = _STALL if kind == "stall" else 1
    return Chance(_number(kind, probability), _number(kind, size) if colon else default)


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DeviceError(f"{name}: '{printable(text)}' is not a number", hint=_FORMS[name])
    return value


def _count(name: str, text: str | None) -> int:
    value = _value(name, text)
    if not (value.isascii() and value.isdecimal() and len(value) < 20):
        raise DeviceError(f"{name}: '{printable(value)}' is not a whole number", hint=_FORMS[name])
    return int(value)


def _check_count(name: str, count: int | None) -> None:
    if count is not None and not 1 <= count <= _MAX_COUNT:
        raise DeviceError(f"{name} cannot be {count}", hint=f"from 1 to {_MAX_COUNT}")


def _flag(name: str, value: str | None) -> bool:
    if value is not None:
        raise DeviceError(f"the fault '{name}' takes no value", hint=_FORMS[name])
    return True


def _path(name: str, value: str | None) -> Path:
    return Path(_value(name, value))


_READERS: dict[str, Callable[[str, str | None], object]] = {
    "ctrl-c": _flag,
    "reset-on-open": _flag,
    "overflow": _count,
    "seed": _count,
    "log": _path,
}

"""fleet.toml, read and checked: which boards there are, by what name, and how to reach them.

The form of the file is told in docs/fleet.md.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from microinterp.errors import DeviceError, InputError, printable, printable_path
from microinterp.files import read_bytes
from microinterp_boards.processor import TIERS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "fleet.toml"
VARIABLE = "MICROINTERP_FLEET"
"""An environment variable: the path of the file, where no other is given."""
KERNELS = (*reversed(TIERS), "viper", "bytecode", "source")
"""What a board may be held to run best."""
_MOST_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,39}")
_WINDOWS_PORT = re.compile(r"com\d+", re.IGNORECASE)
_USB = re.compile(r"([0-9A-Fa-f]{1,4}):([0-9A-Fa-f]{1,4})")
_REFUSED = ("spy",)  # it writes a file wherever the URL says
_LINKS = 3  # near names that are told
_BAUD = range(300, 20_000_001)


@dataclass(frozen=True, slots=True)
class Entry:
    """A board of the inventory.

    Attributes:
        name: as the user calls it.
        port: a port or URL; "" where it is found by USB.
        usb: "vvvv:pppp", vendor and product, lower case hex; or "".
        serial: the USB serial number, or "".
        baud: bits a second; None where nothing is said.
        machine: part of what the board calls its machine, or "".
        kernels: of KERNELS, or "".
        tags: groups that it is in.
    """

    name: str
    port: str = ""
    usb: str = ""
    serial: str = ""
    baud: int | None = None
    machine: str = ""
    kernels: str = ""
    tags: tuple[str, ...] = ()

    @property
    def is_on_usb(self) -> bool:
        """Whether its port must be looked for."""
        return not self.port


@dataclass(frozen=True, slots=True)
class Inventory:
    """The boards of a file, by name, in its order."""

    path: Path
    entries: Mapping[str, Entry]

    def get(self, name: str) -> Entry:
        """The board of a name. Raises DeviceError, with near names, if there is none."""
        if name not in self.entries:
            raise DeviceError(
                f"there is no board '{printable(name)}' in {_shown(self.path)}",
                hint=_near(name, self.entries) or "it has none",
            )
        return self.entries[name]

    def pick(self, names: Iterable[str]) -> list[Entry]:
        """The boards of these names and tags, each once. Raises DeviceError for an unknown one."""
        wanted: dict[str, Entry] = {}
        for name in names:
            tagged = [entry for entry in self.entries.values() if name in entry.tags]
            if not tagged and name not in self.entries:
                tags = [tag for entry in self.entries.values() for tag in entry.tags]
                raise DeviceError(
                    f"there is no board or tag '{printable(name)}' in {_shown(self.path)}",
                    hint=_near(name, dict.fromkeys([*self.entries, *tags])),
                )
            wanted |= {entry.name: entry for entry in tagged or [self.entries[name]]}
        return list(wanted.values())


def find_file(given: Path | None = None) -> Path | None:
    """The inventory's path: `given`, else that of VARIABLE, ./fleet.toml, the user's; or None."""
    if given is not None:
        return given
    if told := os.environ.get(VARIABLE):
        return Path(told)
    places = (Path(FILE), _config_folder() / "microinterp" / FILE)
    return next((path for path in places if path.is_file()), None)


def load(given: Path | None = None) -> Inventory:
    """Read the inventory; see find_file.

    Raises DeviceError if there is none, and InputError that names line and key of what is wrong.
    """
    path = find_file(given)
    if path is None:
        raise DeviceError(
            f"there is no {FILE}: neither here nor in {_shown(_config_folder() / 'microinterp')}",
            hint="it lists boards by name: see docs/fleet.md",
        )
    try:
        text = read_bytes(path, _MOST_BYTES).decode()
    except UnicodeDecodeError:
        raise InputError(f"{_shown(path)} is no text in UTF-8") from None
    return Inventory(path, parse(text, _shown(path)))


def named(text: str, given: Path | None = None) -> Entry | None:
    """The board that `text` is the name of; None if it is a port, or there is no inventory.

    Raises DeviceError, with near names, if it can only be a name and is none in the inventory.
    """
    is_name = _NAME.fullmatch(text) is not None and _WINDOWS_PORT.fullmatch(text) is None
    path = find_file(given) if is_name else None
    if path is None or (given is None and os.path.exists(text)):
        return None
    return load(path).get(text)


def parse(text: str, file: str) -> Mapping[str, Entry]:
    """Read an inventory; `file` is what errors call it. Raises InputError."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:  # it tells line and column
        raise InputError(f"{file} is no TOML: {printable(str(error), 200)}") from None
    return _Parser(text, file).entries(tables)


class _Parser:
    """Makes entries of tables; its errors say file, line, board, key and what was wanted."""

    def __init__(self, text: str, file: str) -> None:
        self.lines, self.file = text.splitlines(), file

    def entries(self, tables: dict[str, Any]) -> Mapping[str, Entry]:
        for key in tables:
            if key != "board":
                raise self._wrong("", key, "is not known", "boards are tables [board.NAME]")
        boards = tables.get("board", {})
        if not isinstance(boards, dict) or not boards:
            raise self._wrong("", "board", "has no boards in it", "wanted tables [board.NAME]")
        found = {name: self._entry(name, table) for name, table in boards.items()}
        for entry in found.values():
            for tag in entry.tags:
                if tag in found:
                    raise self._wrong(
                        entry.name, "tags", f"has '{tag}', a board's name", "choose another word"
                    )
        return MappingProxyType(found)

    def _entry(self, name: str, table: Any) -> Entry:
        if _NAME.fullmatch(name) is None or _WINDOWS_PORT.fullmatch(name) is not None:
            raise self._wrong(
                name, "", "cannot be a name", "1 to 40 of A-Z a-z 0-9 . _ -, and no COM port"
            )
        if not isinstance(table, dict):
            raise self._wrong(name, "", "is no table", f"wanted [board.{name}]")
        known = [field.name for field in fields(Entry) if field.name != "name"]
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in known:
                raise self._wrong(name, key, "is not known", _near(key, known))
            values[key] = getattr(self, f"_{key}", self._text)(name, key, value)
        entry = Entry(name, **values)
        if bool(entry.port) == bool(entry.usb or entry.serial):
            what = "has both a port and USB ids" if entry.port else "has no port"
            raise self._wrong(name, "", what, "wanted port, or usb, or serial, or the last two")
        return entry

    def _text(self, name: str, key: str, value: Any) -> str:
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise self._wrong(name, key, f"is {value!r}", "wanted a text")
        return value

    def _port(self, name: str, key: str, value: Any) -> str:
        port = self._text(name, key, value)
        if port.partition("://")[0].lower() in _REFUSED and "://" in port:
            raise self._wrong(name, key, f"is {port!r}", "spy:// writes files: use --port for it")
        return port

    def _usb(self, name: str, key: str, value: Any) -> str:
        match = _USB.fullmatch(self._text(name, key, value))
        if match is None:
            hint = 'wanted "vendor:product" in hex, such as "2e8a:0005"'
            raise self._wrong(name, key, f"is {value!r}", hint)
        return ":".join(f"{int(number, 16):04x}" for number in match.groups())

    def _baud(self, name: str, key: str, value: Any) -> int:
        if type(value) is not int or value not in _BAUD:
            wanted = f"wanted a number from {_BAUD.start} to {_BAUD.stop - 1}"
            raise self._wrong(name, key, f"is {value!r}", wanted)
        return value

    def _kernels(self, name: str, key: str, value: Any) -> str:
        if value not in KERNELS:
            near = _near(str(value), KERNELS)
            raise self._wrong(name, key, f"is {value!r}", near)
        return str(value)

    def _tags(self, name: str, key: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(
            isinstance(tag, str) and _NAME.fullmatch(tag) for tag in value
        ):
            raise self._wrong(
                name, key, f"is {value!r}", 'wanted a list of words, such as ["lab", "cortex-m4"]'
            )
        return tuple(value)

    def _wrong(self, name: str, key: str, what: str, wanted: str) -> InputError:
        line = self._line(name, key)
        place = [self.file] + ([f"line {line}"] if line else [])
        place += [f"board '{printable(name)}'"] if name else []
        subject = f"{printable(key)} {printable(what, 200)}" if key else printable(what, 200)
        return InputError(f"{', '.join(place)}: {subject}", hint=printable(wanted, 1000))

    def _line(self, name: str, key: str) -> int:
        """Where a board, or a key of it, stands; 0 if it is not written in the usual way."""
        at, quote = 0, "[\"']?"
        if name:
            header = re.compile(rf"\s*\[\s*board\s*\.\s*{quote}{re.escape(name)}{quote}\s*\]")
            at = next((n for n, line in enumerate(self.lines, 1) if header.match(line)), 0)
            if not at or not key:
                return at
        wanted = re.compile(rf"\s*(\[\s*)?{quote}{re.escape(key)}{quote}\s*[.\]=]")
        for number, line in enumerate(self.lines[at:], at + 1):
            if wanted.match(line):
                return number
            if name and line.lstrip().startswith("["):
                break
        return at


def _near(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = get_close_matches(word, names, n=_LINKS, cutoff=0.5)
    return (f"perhaps {', '.join(near)}; " if near else "") + f"there are: {', '.join(names)}"


def _config_folder() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("APPDATA") or str(Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Application Support")
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base)


def _shown(path: Path) -> str:
    return printable_path(str(path))

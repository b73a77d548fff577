"""Fields of JSON that anybody may have written: each is of its type, or an error names it."""

from __future__ import annotations

import json
import math
from typing import Any

from microinterp.errors import InputError, printable

MOST = 1 << 128
"""Larger numbers are refused, so that figures can be divided without a thought."""


class Fields:
    """An object of JSON. Its methods raise InputError, which names the field."""

    def __init__(self, value: Any, place: str = "") -> None:
        self._value = value
        self._place = place
        if not isinstance(value, dict):
            raise self._wrong("", "is no object")

    def part(self, name: str) -> Fields:
        """An object in it."""
        return Fields(self._get(name), self._path(name))

    def part_or_none(self, name: str) -> Fields | None:
        """An object in it, or None for null."""
        return None if self._get(name) is None else self.part(name)

    def parts(self, name: str) -> list[Fields]:
        """A list of objects."""
        return [
            Fields(each, f"{self._path(name)}[{number}]")
            for number, each in enumerate(self._list(name))
        ]

    def text(self, name: str) -> str:
        """A string that can be written as UTF-8."""
        return self._text(self._get(name), name)

    def text_or_none(self, name: str) -> str | None:
        """A string, or None for null."""
        return None if self._get(name) is None else self.text(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(self._text(each, name) for each in self._list(name))

    def truth(self, name: str) -> bool:
        """A boolean."""
        value = self._get(name)
        if not isinstance(value, bool):
            raise self._wrong(name, "is neither true nor false")
        return value

    def whole(self, name: str) -> int:
        """An integer from 0 on; 3.0 is one, as in JSON Schema."""
        value = self.number(name)
        if value != int(value):
            raise self._wrong(name, "is no integer")
        return int(value)

    def number(self, name: str) -> float:
        """A number from 0 on; an int stays one."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(name, "is no number")
        if not 0 <= value <= MOST:  # NaN neither
            raise self._wrong(name, "is out of range")
        return value

    def number_or_none(self, name: str) -> float | None:
        """A number, or None for null."""
        return None if self._get(name) is None else self.number(name)

    def wrong(self, name: str, what: str) -> InputError:
        """The error to raise for a field that is of its type and still not right."""
        return self._wrong(name, what)

    def _get(self, name: str) -> Any:
        if name not in self._value:
            raise self._wrong(name, "is missing")
        return self._value[name]

    def _list(self, name: str) -> list[Any]:
        value = self._get(name)
        if not isinstance(value, list):
            raise self._wrong(name, "is no list")
        return value

    def _text(self, value: Any, name: str) -> str:
        if not isinstance(value, str):
            raise self._wrong(name, "is no string")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self._wrong(name, "holds half a character") from None
        return value

    def _path(self, name: str) -> str:
        return f"{self._place}.{name}" if self._place and name else self._place or name

    def _wrong(self, name: str, what: str) -> InputError:
        path = self._path(name)
        subject = f"its field {printable(path)}" if path else "it"
        return InputError(f"{subject} {what}")


def parse_json(text: str | bytes) -> Any:
    """What JSON text holds. Raises InputError; NaN and infinity, which JSON lacks, are refused."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise InputError("its objects are nested too deeply") from None
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are such
        raise InputError(f"it is no JSON: {error}") from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large")
    return value

"""Reads *.golden.toml: which models are held to which bundles, and by which runtimes."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from microinterp.errors import InputError, printable, printable_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TABLE = "golden"
REQUIRED = ("model", "bundle")
KEYS = (*REQUIRED, "name", "runtimes", "profile", "operators")
RUNTIMES = ("host", "tflm", "litert", "litert-ref", "litert-noxnn", "board", "board:PORT")
_HINTS = {
    "model": "paths are relative to the folder of the .golden.toml",
    "operators": "paths are relative to the folder of the .golden.toml",
    "bundle": "record it: microinterp golden record MODEL INPUTS -o BUNDLE",
}
_BUNDLE_SUFFIX = ".golden"
_HEAD = re.compile(rf"\s*\[\[\s*{TABLE}\s*\]\]")
_IN_IDS = ("::", "[", "]")  # what pytest cuts the id of a test at


@dataclass(frozen=True, slots=True)
class Case:
    """One golden test: a model is held to a bundle by one runtime.

    Attributes:
        name: of the entry.
        model, bundle: files.
        runtime: one of RUNTIMES; "board" is the only board that there is.
        profile: that the bundle must have been recorded in; None is whichever it was.
        line: of the entry in its file, from 0; 0 where it is not known.
        operators: Python file with operators of the user's (`operators_file`); None is none.
    """

    name: str
    model: Path
    bundle: Path
    runtime: str = "host"
    profile: str | None = None
    line: int = 0
    operators: Path | None = None


def read_cases(path: Path) -> tuple[Case, ...]:
    """The cases of a file, in its order; paths in it are relative to its folder.

    Raises:
        InputError: it cannot be read, is no TOML, has unknown or missing keys or values of a wrong
            type, names files that are not there, or two tests of one name.
    """
    text, table = _parsed(path)
    _no_others(table, (TABLE,), f"cannot use '{_shown(path)}'")
    entries = table.get(TABLE)
    if not isinstance(entries, list) or not entries:
        raise _bad(path, f"has no [[{TABLE}]]", f"write [[{TABLE}]] above the keys of each test")
    lines = [n for n, line in enumerate(text.splitlines()) if _HEAD.match(line)]
    if len(lines) != len(entries):
        lines = [0] * len(entries)  # another way to write a list of tables
    cases = tuple(
        case
        for number, (entry, line) in enumerate(zip(entries, lines, strict=True), 1)
        for case in _cases(path, f"{TABLE} {number}", entry, line)
    )
    seen: dict[tuple[str, str], Case] = {}
    models: dict[Path, Path] = {}
    for case in cases:
        if (case.name, case.runtime) in seen:
            raise _bad(
                path,
                f"two tests are called {case.name}[{case.runtime}]",
                "give each entry a `name` of its own",
            )
        seen[case.name, case.runtime] = case
        if models.setdefault(case.bundle.resolve(), case.model.resolve()) != case.model.resolve():
            raise _bad(
                path,
                f"names the bundle '{_shown(case.bundle)}' for two models",
                "a bundle belongs to one model",
            )
    return cases


def runtime_problem(runtime: str) -> str:
    """What is wrong with the name of a runtime; empty if nothing is."""
    if runtime in RUNTIMES or (runtime.startswith("board:") and runtime != "board:"):
        return ""
    return f"there is no runtime '{printable(runtime)}'; there are: {', '.join(RUNTIMES)}"


def _parsed(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_bytes().decode()
        table: dict[str, Any] = tomllib.loads(text)
    except OSError as error:
        raise _bad(path, f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise _bad(path, f"is not UTF-8 at byte {error.start}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _bad(path, f"is no TOML: {error or 'nested too deeply'}") from None
    return text, table


def _cases(path: Path, which: str, entry: object, line: int) -> list[Case]:
    place = f"cannot use '{_shown(path)}': {which}"
    if not isinstance(entry, dict):
        raise InputError(f"{place} is no table", hint=f"write [[{TABLE}]] above its keys")
    _no_others(entry, KEYS, place)
    for key in REQUIRED:
        if key not in entry:
            raise InputError(
                f"{place} has no key '{key}'", hint=f"it needs {' and '.join(REQUIRED)}"
            )
    model, bundle = (_file(place, entry, key, path.parent) for key in REQUIRED)
    name = _text(place, entry, "name", bundle.name.removesuffix(_BUNDLE_SUFFIX))
    if not name.isprintable() or any(text in name for text in _IN_IDS):
        raise InputError(
            f"{place}, key 'name': '{printable(name)}' cannot be the name of a test",
            hint=f"leave out {', '.join(_IN_IDS)} and what is not printable",
        )
    profile = _profile(place, entry)
    own = _file(place, entry, "operators", path.parent) if "operators" in entry else None
    return [Case(name, model, bundle, each, profile, line, own) for each in _runtimes(place, entry)]


def _profile(place: str, entry: Mapping[str, Any]) -> str | None:
    if "profile" not in entry:
        return None
    from microinterp.quant.profile import PROFILES  # loads NumPy

    profile = _text(place, entry, "profile", "")
    if profile not in PROFILES:
        raise InputError(
            f"{place}, key 'profile': there is no profile '{printable(profile)}'",
            hint=f"there are: {', '.join(PROFILES)}",
        )
    return profile


def _runtimes(place: str, entry: Mapping[str, Any]) -> list[str]:
    place = f"{place}, key 'runtimes'"
    runtimes = entry.get("runtimes", ["host"])
    if not isinstance(runtimes, list) or not all(isinstance(each, str) for each in runtimes):
        raise InputError(f"{place}: wanted a list of names", hint='runtimes = ["host", "tflm"]')
    if not runtimes:
        raise InputError(f"{place} is empty", hint="leave it out for the host alone")
    for each in runtimes:
        if problem := runtime_problem(each):
            raise InputError(f"{place}: {problem}")
    return runtimes


def _text(place: str, entry: Mapping[str, Any], key: str, default: str) -> str:
    value = entry.get(key, default)
    if not isinstance(value, str) or (key in entry and not value):
        is_what = "an empty text" if value == "" else f"a value of type {type(value).__name__}"
        raise InputError(f"{place}, key '{key}': wanted a text, got {is_what}")
    return value


def _file(place: str, entry: Mapping[str, Any], key: str, folder: Path) -> Path:
    path = folder / _text(place, entry, key, "")
    try:
        is_there = path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        is_there = False
    if not is_there:
        raise InputError(f"{place}, key '{key}': no file '{_shown(path)}'", hint=_HINTS[key])
    return path


def _no_others(table: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    for key in table:
        if key not in known:
            close = get_close_matches(key, known, 1)
            raise InputError(
                f"{place}: unknown key '{printable(key)}'",
                hint=f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}",
            )


def _bad(path: Path, what: str, hint: str = "") -> InputError:
    return InputError(f"cannot use '{_shown(path)}': it {what}", hint=hint)


def _shown(path: Path) -> str:
    return printable_path(str(path))

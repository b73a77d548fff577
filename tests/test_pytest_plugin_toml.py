"""What is wrong with a .golden.toml is told with file and key, as one collection error."""

from __future__ import annotations

from pathlib import Path

import pytest

from microinterp.errors import InputError
from microinterp.sides import NAMES
from microinterp.testing.settings import RUNTIMES, Case, read_cases
from tests.golden_projects import Project

ENTRY = '[[golden]]\nmodel = "m.tflite"\nbundle = "b.golden"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("m.tflite", "n.tflite", "b.golden", "keys 1.golden", "o.py"):
        (tmp_path / name).touch()
    return tmp_path


def read(folder: Path, text: str | bytes) -> tuple[Case, ...]:
    path = folder / "x.golden.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_cases(path)


def test_defaults_and_every_key(folder: Path) -> None:
    full = 'runtimes = ["tflm", "board:/dev/ttyACM0"]\nprofile = "single"\noperators = "o.py"\n'
    cases = read(folder, f'\n{ENTRY}\n{ENTRY}name = "all keys"\n{full}')
    model, bundle = folder / "m.tflite", folder / "b.golden"
    assert cases == (
        Case("b", model, bundle, "host", None, 1),
        Case("all keys", model, bundle, "tflm", "single", 5, folder / "o.py"),
        Case("all keys", model, bundle, "board:/dev/ttyACM0", "single", 5, folder / "o.py"),
    )


def test_another_way_to_write_it(folder: Path) -> None:
    (case,) = read(folder, 'golden = [{model = "m.tflite", bundle = "keys 1.golden"}]')
    assert (case.name, case.line) == ("keys 1", 0)


def test_every_runtime_is_known(folder: Path) -> None:
    assert RUNTIMES == NAMES
    names = [name.replace("PORT", "COM3") for name in RUNTIMES]
    assert [case.runtime for case in read(folder, f"{ENTRY}runtimes = {names}")] == names


WRONG: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", r"it has no \[\[golden\]\]"),
    "a table": ('[golden]\nmodel = "m.tflite"', r"it has no \[\[golden\]\]"),
    "numbers": ("golden = [1]", "golden 1 is no table"),
    "no TOML": ("golden = [", "it is no TOML: .*end of document"),
    "twice": (f'{ENTRY}model = "m.tflite"', "it is no TOML: Cannot overwrite"),
    "deep": ("a = " + "[" * 5000, "it is no TOML: "),
    "not UTF-8": (b'[[golden]]\nname = "\xff"', "it is not UTF-8 at byte 19"),
    "above": (f"version = 1\n{ENTRY}", "unknown key 'version'.*\n.*known: golden"),
    "unknown": (f"{ENTRY}modle = 1", "golden 1: unknown key 'modle'\n.*mean 'model'"),
    "second": (f"{ENTRY}\n[[golden]]\n", "golden 2 has no key 'model'"),
    "no bundle": ('[[golden]]\nmodel = "m.tflite"', "golden 1 has no key 'bundle'"),
    "no file": (ENTRY.replace("m.t", "q.t"), "golden 1, key 'model': no file '.*q.tflite'"),
    "no record": (
        ENTRY.replace("b.g", "q.g"),
        "golden 1, key 'bundle': no file '.*q.golden'\n.*golden record",
    ),
    "a folder": (ENTRY.replace("m.tflite", "."), "key 'model': no file"),
    "NUL": (ENTRY.replace("m.tflite", "\\u0000"), r"key 'model': no file '.*\\x00'"),
    "too long": (ENTRY.replace("m.tflite", "m" * 9999), "key 'model': no file"),
    "a number": (ENTRY.replace('"m.tflite"', "3"), "key 'model': wanted a text, got .*int"),
    "a name": (f"{ENTRY}name = 3", "key 'name': wanted a text, got a value of type int"),
    "no name": (f'{ENTRY}name = ""', "key 'name': wanted a text, got an empty text"),
    "an id": (f'{ENTRY}name = "a::b"', "key 'name': 'a::b' cannot be the name"),
    "brackets": (f'{ENTRY}name = "a[b]"', "cannot be the name"),
    "escapes": (f'{ENTRY}name = "\\u001b[31m"', r"'\\x1b\[31m' cannot be the name"),
    "one runtime": (f'{ENTRY}runtimes = "host"', "key 'runtimes': wanted a list"),
    "no runtime": (f"{ENTRY}runtimes = []", "key 'runtimes' is empty"),
    "of numbers": (f"{ENTRY}runtimes = [1]", "key 'runtimes': wanted a list"),
    "fly": (f'{ENTRY}runtimes = ["fly"]', "no runtime 'fly'; there are: host, tflm"),
    "a board": (f'{ENTRY}runtimes = ["board:"]', "no runtime 'board:'"),
    "a pattern": (f'{ENTRY}runtimes = ["board:PORT", "host", "host"]', "two tests are called"),
    "profile": (f'{ENTRY}profile = "fly"', "no profile 'fly'\n.*there are: tflm"),
    "no profile": (f"{ENTRY}profile = 1", "key 'profile': wanted a text"),
    "no operators": (
        f'{ENTRY}operators = "none.py"',
        "key 'operators': no file '.*none.py'\n.*relative",
    ),
    "same name": (ENTRY + ENTRY, r"two tests are called b\[host\]\n.*`name`"),
    "two models": (
        ENTRY + ENTRY.replace("m.t", "n.t") + 'name = "n"',
        "it names the bundle '.*b.golden' for two models",
    ),
}


@pytest.mark.parametrize(("text", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong(folder: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        read(folder, text)
    assert str(caught.value).startswith(f"cannot use '{folder}/x.golden.toml': ")
    assert all(c.isprintable() or c == "\n" for c in str(caught.value))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it cannot be read: No such file"):
        read_cases(tmp_path / "x.golden.toml")


def test_pytest_tells_it_as_one_error(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(pytester, monkeypatch)
    project.toml("speed = 1")
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR collecting sums.golden.toml*",
            "cannot use '*sums.golden.toml': golden 1: unknown key 'speed'",
            "*known: model, bundle, name, runtimes, profile, operators",
        ]
    )
    start = next(i for i, line in enumerate(result.outlines) if "= ERRORS =" in line) + 1
    length = next(i for i, line in enumerate(result.outlines[start:]) if line.startswith("==="))
    assert length <= 4

"""The tests of an area that run the lines of a mutant: noted once, then chosen for each mutant.

As a plugin (`pytest -p benchmarks.mutant_tests`, below coverage.py) it tells coverage.py which test
runs. Tests that only use what another test's fixture made are not chosen, so that a mutant may
survive here that the whole area kills: `--again` runs all tests on survivors.
"""

from __future__ import annotations

import ast
import difflib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

PYTEST = (
    *("-q", "-x", "--tb=no", "--assert=plain", "-p", "no:cacheprovider"),
    *("--hypothesis-profile", "mutants", "-m", "not slow and not thorough"),
)
SECONDS: dict[str, float] = {}


def file_of(nodeid: str) -> str:
    """The file of a test."""
    return nodeid.partition("::")[0]


def function_of(nodeid: str) -> str:
    """A test without its parameters."""
    return nodeid.partition("[")[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Everything until the test's end is run by it."""
    from coverage import Coverage

    name, started = function_of(item.nodeid), time.monotonic()
    if (current := Coverage.current()) is not None:
        current.switch_context(name)
    result = yield
    SECONDS[name] = SECONDS.get(name, 0.0) + time.monotonic() - started
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep the seconds beside coverage.py's data."""
    from coverage import Coverage

    if (current := Coverage.current()) is not None:
        path = Path(str(current.get_option("run:data_file"))).with_name("seconds.json")
        path.write_text(json.dumps(SECONDS))


def note_tests(
    folder: Path, code: Sequence[str], tests: Sequence[str], variables: Mapping[str, str]
) -> int:
    """Run all tests once below coverage.py in the copy; who ran which line goes to lines.json."""
    (folder / "coveragerc").write_text(f"[run]\ndata_file = {folder / 'coverage'}\n")
    command = [sys.executable, "-m", "coverage", "run", "--rcfile", str(folder / "coveragerc")]
    paths = [folder / "tree" / each for each in code]
    patterns = [f"{path}/**" if path.is_dir() else str(path) for path in paths]
    command += ["--include", ",".join(patterns)]
    command += ["-m", "pytest", "-p", "benchmarks.mutant_tests", *PYTEST, *tests]
    status = subprocess.run(command, cwd=folder / "tree", env=variables, check=False).returncode
    (folder / "lines.json").write_text(json.dumps(_lines(folder)))
    (folder / "tests.json").write_text(json.dumps(tests))
    return status


def _lines(folder: Path) -> dict[str, dict[int, list[str]]]:
    from coverage import CoverageData

    data = CoverageData(str(folder / "coverage"))
    data.read()
    tree = folder / "tree"
    return {
        Path(path).relative_to(tree).as_posix(): data.contexts_by_lineno(path)
        for path in data.measured_files()
    }


def changed_lines(before: str, after: str) -> set[int]:
    """Numbers of the lines, from 1, that a mutant took away."""
    matcher = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    return {
        line + 1
        for what, first, last, _, _ in matcher.get_opcodes()
        if what != "equal"
        for line in range(first, max(last, first + 1))
    }


def statement_lines(source: str, lines: set[int]) -> set[int]:
    """All lines of the statements that have these lines, without what is nested in them."""
    found = set(lines)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            span = set(range(node.lineno, last + 1))
            if span & lines:
                found |= span
    return found


def keep_survived(folder: Path, jobs: Sequence[str]) -> None:
    """Mutants that are to be run against all tests."""
    (folder / "survived.json").write_text(json.dumps([*jobs, *_survived(folder)]))


def _survived(folder: Path) -> list[str]:
    path = folder / "survived.json"
    return list(json.loads(path.read_text())) if path.exists() else []


def chosen(folder: Path, job: str) -> list[str]:
    """The tests that run what is mutated, quickest first; all where a line is run by no test."""
    everything: list[str] = json.loads((folder / "tests.json").read_text())
    if job in _survived(folder):
        return everything
    seconds = json.loads((folder / "seconds.json").read_text())
    found: set[str] = set()
    for name, ran in json.loads((folder / "lines.json").read_text()).items():
        before = (folder / "original" / name).read_text()
        after = (folder / "tree" / name).read_text()
        lines = changed_lines(before, after) if before != after else set()
        tests = {test for line in statement_lines(before, lines) for test in ran.get(str(line), ())}
        if lines and not tests - {""}:  # when it is imported, or not at all
            return everything
        found |= tests - {""}
    return sorted(found, key=lambda name: seconds.get(name, 0.0)) or everything

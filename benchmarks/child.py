"""The parent's side of a runtime's process: see microinterp.runtimes.child."""

from __future__ import annotations

from pathlib import Path

from microinterp.runtimes import child

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 120.0


class Child(child.Child):
    """One of benchmarks.runtimes in a process of its own."""

    def __init__(self, name: str, timeout: float = TIMEOUT) -> None:
        super().__init__(name, "benchmarks.worker", name, timeout=timeout, folder=ROOT)

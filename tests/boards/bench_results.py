"""Results of benchmarks as tests need them: sound ones with figures that are easy to work with."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import Any

from microinterp_boards.results.record import FORMAT

_seconds = itertools.count()


def op(index: int, name: str, time: float, spread: float = 0, subgraph: int = 0) -> dict[str, Any]:
    return {
        "subgraph": subgraph,
        "index": index,
        "name": name,
        "runs": 5,
        "time": time,
        "least": time - spread,
        "most": time + spread,
        "macs": 0,
        "in_kernels": None,
        "per_mac": None,
    }


CONV, POOL = op(0, "CONV_2D", 700, 50), op(1, "MAX_POOL_2D", 300, 10)
_BASE: dict[str, Any] = {
    "format": FORMAT,
    "model": {
        "name": "digits",
        "tflite_sha256": "a" * 64,
        "model_bytes": 9584,
        "arena_bytes": 3264,
        "head_bytes": 3072,
        "passes": [],
        "macs": 82304,
    },
    "board": {
        "implementation": "micropython",
        "version": "1.29.0",
        "machine": "Pico with RP2040",
        "platform": "rp2",
        "mpy_version": 6,
        "mpy_subversion": 3,
        "architecture": "armv6m",
        "cpu_id": 0x410CC601,
        "cpu": "Cortex-M0+",
        "cpu_architecture": "ARMv6-M",
        "dsp": False,
        "inline_asm": True,
        "tier": "armv6m",
        "int_bits": 32,
        "heap_free": 180_000,
        "heap_total": 190_000,
        "files_free": None,
        "files_total": None,
        "frequency": 125_000_000,
        "sets": ["armv6m", "viper-armv6m", "bytecode"],
        "mpy_set": "armv6m",
        "kernels": "armv6m",
        "reason": "its firmware runs armv6m",
    },
    "runtime": {"version": "0.1.0", "mpy_set": "armv6m", "kernels": "armv6m"},
    "clock_unit": "us",
    "seed": 0,
    "runs": 20,
    "median": 1000,
    "p10": 990,
    "p90": 1010,
    "op_runs": 5,
    "ops": [CONV, POOL],
    "instructions": None,
    "heap_free": {
        "start": 180_000,
        "runtime_imported": 170_000,
        "model_loaded": 150_000,
        "after_invoke": 150_000,
    },
    "tools": {"microinterp": "0.1.0", "python": "3.11.7", "numpy": "2.1.0", "pyserial": "3.5"},
    "host": {"system": "Linux", "release": "6.1", "machine": "x86_64", "cpu": "Some CPU"},
    "git": {"commit": "0123456789" * 4, "branch": "main", "changed": False},
    "timestamp": "2026-01-01T00:00:00+00:00",
}


def result(
    median: float = 1000,
    spread: float = 10,
    ops: Sequence[dict[str, Any]] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A result, each one some seconds later than the one before.

    `changes` go into it; a name like board__machine means a field of a field.
    """
    made = copy.deepcopy(_BASE)
    made |= {"median": median, "p10": median - spread, "p90": median + spread}
    number = next(_seconds)
    made["timestamp"] = (
        f"2026-01-{1 + number // 3600 % 28:02}T{number // 60 % 60:02}:{number % 60:02}:00+00:00"
    )
    if ops is not None:
        made["ops"] = copy.deepcopy([*ops])
    for name, value in changes.items():
        *parents, last = name.split("__")
        part = made
        for parent in parents:
            part = part[parent]
        assert last in part
        part[last] = value
    return made


def counted(whole: float = 1000, ops: Sequence[dict[str, Any]] = (CONV, POOL)) -> dict[str, Any]:
    """A result of a board that counts instructions."""
    rows = [each | {"in_kernels": each["time"] / 2} for each in ops]
    about = {
        "whole": whole,
        "per_mac": whole / 82304,
        "in_kernels": whole / 2,
        "outside": whole / 2,
        "outside_share": 0.5,
    }
    return result(whole, 0, rows, clock_unit="instructions", instructions=about)

"""What TFLM's Python wheel says of its own arena: its recording allocator's lines, as numbers.

    python -m tests.struct_sizes.wheel MODEL.tflite...

prints them. The wheel is a closed build; where its structs differ from those of the source that its
table is compiled from, the requested bytes of "Persistent buffer data" say by how much.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from microinterp.runtimes.tflm_worker import _captured_stderr, _interpreter

_LINE = re.compile(r"'([^']+)' used (\d+) bytes .*\(requested (\d+) bytes for (\d+) ")


@dataclass(frozen=True)
class Recorded:
    """One category: bytes taken with padding, bytes asked for, and how often."""

    used: int
    requested: int
    count: int


def recorded(model: bytes, arena_size: int = 16 << 20) -> Mapping[str, Recorded]:
    """The wheel's categories by its own names; "head" and "tail" have used bytes only."""
    interpreter = _interpreter(model, False, arena_size)
    printed = _captured_stderr(interpreter.print_allocations)
    found = {
        part: Recorded(int(nbytes), int(nbytes), 1)
        for part, nbytes in re.findall(r"Arena allocation (head|tail) (\d+) bytes", printed)
    }
    for name, used, requested, count in _LINE.findall(printed):
        found[name] = Recorded(int(used), int(requested), int(count))
    return found


def main() -> None:
    """Print the categories of each file named on the command line."""
    for path in sys.argv[1:]:
        print(path)
        for name, figures in recorded(Path(path).read_bytes()).items():
            print(f"  {name}: {figures}")


if __name__ == "__main__":
    main()

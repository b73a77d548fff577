"""What TFLM's Python wheel says of its own arena: its recording allocator's lines, as JSON.

    python -m tests.struct_sizes.wheel MODEL.tflite [ARENA_SIZE...]

The wheel is a closed build. Where its structs differ from those of the source that its table is
compiled from, models with 0, 1, 2 and more ops of one kind show by how much, and in which category;
how far the next allocation is pushed shows its alignment.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from microinterp.runtimes.tflm_worker import _captured_stderr, _interpreter

_LINE = re.compile(r"'([^']+)' used (\d+) bytes ")


def recorded(model: bytes, arena_size: int) -> Mapping[str, int]:
    """Bytes taken, padding included: "head", "tail", and the tail's categories by TFLM's names."""
    interpreter = _interpreter(model, False, arena_size)
    printed = _captured_stderr(interpreter.print_allocations)
    ends = re.findall(r"Arena allocation (head|tail) (\d+) bytes", printed)
    return {name: int(nbytes) for name, nbytes in [*ends, *_LINE.findall(printed)]}


def main() -> None:
    """One line for each arena size."""
    model, arena_sizes = Path(sys.argv[1]).read_bytes(), sys.argv[2:] or ["16777216"]
    for size in arena_sizes:
        print(json.dumps(recorded(model, int(size))))


if __name__ == "__main__":
    main()

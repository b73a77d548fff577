"""Writes the tables of microinterp/arena/sizes from TFLM's source.

    TFLM_SOURCE=... CMSIS_NN_SOURCE=... python -m tests.struct_sizes [TABLE...]

See probe.py for the environment. Tables named after a commit are compiled: g++ for x86-64 (with
compression and the recording allocator, as TFLM's Python wheel is built), arm-none-eabi-g++ for
Cortex-M, whose enums are as short as they can be. The wheel is newer than that source; its table
extends the compiled one with what is measured to be different: wheel.py prints its recorded bytes,
and tests/test_arena_sizes_wheel.py compares them all.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import microinterp.arena.sizes
from tests.struct_sizes import structs
from tests.struct_sizes.probe import Compiler, measure

_FOLDER = Path(microinterp.arena.sizes.__file__).parent
_SHARED = ("-DTF_LITE_STATIC_MEMORY", "-fno-rtti", "-fno-exceptions")
_X86 = Compiler("g++", (*_SHARED, "-DUSE_TFLM_COMPRESSION"))
_ARM = Compiler(
    "arm-none-eabi-g++",
    ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", *_SHARED),
)
_COMMON = {**structs.CORE, **structs.REFERENCE, **structs.SIGNAL}


@dataclass(frozen=True)
class Recipe:
    """How a table is made: the compiler, the types, the table that it extends."""

    compiler: Compiler
    files: Mapping[str, Mapping[str, str]]
    extends: str | None = None


RECIPES = {
    "x86_64-tflm-90b983c": Recipe(_X86, {**_COMMON, **structs.RECORDING, **structs.COMPRESSION}),
    "arm-none-eabi-tflm-90b983c": Recipe(_ARM, _COMMON),
    "arm-none-eabi-cmsis-nn-tflm-90b983c": Recipe(
        Compiler(_ARM.program, (*_ARM.flags, "-DCMSIS_NN", "-DKERNELS_OPTIMIZED_FOR_SPEED")),
        structs.CMSIS_NN,
        "arm-none-eabi-tflm-90b983c",
    ),
}


def contents(recipe: Recipe) -> dict[str, object]:
    """What the table's file holds."""
    compiler = recipe.compiler
    source = f"tflite-micro 90b983c; {compiler.version}; {' '.join(compiler.flags)}"
    found: dict[str, object] = {"source": source}
    if recipe.extends is not None:
        found["extends"] = recipe.extends
    found["structs"] = dict(sorted(measure(compiler, recipe.files).items()))
    return found


def text_of(table: Mapping[str, object]) -> str:
    """JSON with one type a line."""
    return re.sub(r"\[\s+(\d+),\s+(\d+)\s+\]", r"[\1, \2]", json.dumps(table, indent=1)) + "\n"


def main() -> None:
    """Write the tables named on the command line, all of them by default."""
    for name in sys.argv[1:] or RECIPES:
        (_FOLDER / f"{name}.json").write_text(text_of(contents(RECIPES[name])))
        print(f"{name}.json")


if __name__ == "__main__":
    main()

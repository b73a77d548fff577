"""Reads sizeof and alignof of TFLM's types from a compiler's assembly: no chip, no simulator.

    TFLM_SOURCE=... CMSIS_NN_SOURCE=... python -m tests.struct_sizes

TFLM_SOURCE is a checkout of tflite-micro, TFLM_DOWNLOADS the folder with flatbuffers, gemmlowp, ruy
and kissfft as its Makefile downloads and patches them (by default where the Makefile puts them).
Each source file of TFLM is included in one of ours, which defines two words for each type. Needs
g++, gcc-arm-none-eabi and libstdc++-arm-none-eabi-newlib.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Sizes = dict[str, tuple[int, int]]
"""(sizeof, alignof) by the table's name."""

_WORD = re.compile(r"\.(?:word|long)\s+(\d+)")


@dataclass(frozen=True)
class Compiler:
    """A compiler for one ABI.

    Attributes:
        program: for example "arm-none-eabi-g++".
        flags: what decides the layout of structs, definitions included.
    """

    program: str
    flags: Sequence[str]

    @property
    def version(self) -> str:
        """First line of --version."""
        done = subprocess.run(
            [self.program, "--version"], capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()[0]


def include_flags() -> list[str]:
    """-I for TFLM and what it needs, from the environment."""
    tflm = Path(os.environ["TFLM_SOURCE"])
    make = tflm / "tensorflow/lite/micro/tools/make/downloads"
    downloads = Path(os.environ.get("TFLM_DOWNLOADS", make))
    folders = [tflm, downloads / "flatbuffers/include", downloads / "gemmlowp"]
    folders += [downloads / "ruy", downloads / "kissfft", downloads]
    if "CMSIS_NN_SOURCE" in os.environ:
        cmsis = Path(os.environ["CMSIS_NN_SOURCE"])
        folders += [cmsis, cmsis / "Include"]
    return [f"-I{folder}" for folder in folders]


def measure(compiler: Compiler, files: Mapping[str, Mapping[str, str]]) -> Sizes:
    """Sizes of all types in `files`, which are by source file; see structs.py.

    Raises:
        RuntimeError: a file does not compile, with the compiler's words.
    """
    sizes: Sizes = {}
    for source, types in files.items():
        sizes.update(_measure_file(compiler, source, types))
    return sizes


def _measure_file(compiler: Compiler, source: str, types: Mapping[str, str]) -> Sizes:
    text = "#include <cstddef>\n#include <type_traits>\n" + f'#include "{source}"\n'
    for number, kind in enumerate(types.values()):
        text += (
            f'extern "C" const unsigned int probe_{number}[2] = '
            f"{{sizeof({kind}), alignof({kind})}};\n"
        )
    with tempfile.TemporaryDirectory() as folder:
        path, made = Path(folder, "probe.cc"), Path(folder, "probe.s")
        path.write_text(text)
        command = [compiler.program, *compiler.flags, "-std=c++17", "-fno-access-control", "-w"]
        command += ["-S", *include_flags(), str(path), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{source}: {done.stderr[:2000]}")
        words = made.read_text()
    found = {}
    for number, name in enumerate(types):
        after = words[words.index(f"\nprobe_{number}:") :]
        size, alignment = (int(word) for word in _WORD.findall(after)[:2])
        found[name] = (size, alignment)
    return found

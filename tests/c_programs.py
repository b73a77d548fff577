"""C and C++ programs of tests: compiled with every warning an error, and run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import require_or_skip

COMPILERS = {
    "c99": ("gcc", "c"),
    "c11": ("gcc", "c"),
    "c++11": ("g++", "c++"),
    "c++20": ("g++", "c++"),
}
"""Compiler and language of each standard."""
_STRICT = ("-Wall", "-Wextra", "-pedantic", "-Werror", "-O1")


def compiled(
    folder: Path, *sources: str, standard: str = "c99", options: Sequence[str] = ()
) -> Path:
    """The program of these texts, which may include headers in `folder`; skips where it must."""
    compiler, language = COMPILERS[standard]
    if shutil.which(compiler) is None:
        require_or_skip(compiler, f"apt install {compiler}")
    program = folder / "program"
    files: list[Path] = []
    for number, source in enumerate(sources):
        files.append(folder / f"source{number}.c")
        files[-1].write_text(source)
    made = ("-o", str(program), "-x", language, *map(str, files))
    command = [compiler, f"-std={standard}", *_STRICT, *options, *made]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def printed(
    folder: Path, *sources: str, standard: str = "c99", options: Sequence[str] = ()
) -> bytes:
    """What it prints; its exit status must be 0."""
    program = compiled(folder, *sources, standard=standard, options=options)
    done = subprocess.run([program], capture_output=True, check=False)
    assert done.returncode == 0, done
    return done.stdout

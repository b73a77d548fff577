"""Code that runs on boards, one function per file, and how it is turned into text to send.

Every other file here is MicroPython: it must run on the oldest and smallest firmware, holds one
function with all its imports inside (so that nothing stays on the board's heap), and is never
imported by the host. What a function is given is written into the text as literals of bytes and
ints, and of nothing else.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files


def call(name: str, *arguments: bytes | int) -> bytes:
    """Source text that defines the function in device/`name`.py, calls it and forgets it."""
    for value in arguments:
        if type(value) not in (bytes, int):
            raise TypeError(f"only bytes and ints go to a board, not {type(value).__name__}")
    text = read(name, __name__)
    function = text.removeprefix("def ").partition("(")[0]
    values = ", ".join(map(repr, arguments))
    return f"{text}\ntry:\n {function}({values})\nfinally:\n del {function}\n".encode()


def define(*names: str) -> bytes:
    """Source text that defines functions for those of `call` to use."""
    return "".join(f"{read(name, __name__)}\n" for name in names).encode()


def literals(data: bytes, limit: int) -> Iterator[str]:
    """Bytes literals that together are `data`, each of at most `limit` characters."""
    at = 0
    while at < len(data):
        size = limit - len("b''")
        while len(text := literal(data[at : at + size])) > limit:
            size -= -(-(len(text) - limit) // len(r"\x00"))
        yield text
        at += size


def literal(data: bytes) -> str:
    r"""A bytes literal in few characters: \0 where no digit follows."""
    return re.sub(r"(?<!\\)((?:\\\\)*)\\x00(?![0-7])", r"\1\\0", repr(data))


@cache
def read(name: str, package: str) -> str:
    """The one function of a file for boards, without what boards need not parse.

    Comments, docstring and module text are left out, and a level of indentation is one space: on
    a slow line and in a small heap each byte counts.
    """
    tree = ast.parse(files(package).joinpath(f"{name}.py").read_text("utf-8"))
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    if ast.get_docstring(function) is not None:
        del function.body[0]
    return "\n".join(map(_narrow, ast.unparse(function).splitlines()))


def _narrow(line: str) -> str:
    stripped = line.lstrip(" ")
    return " " * ((len(line) - len(stripped)) // 4) + stripped

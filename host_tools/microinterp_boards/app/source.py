"""A program's file, looked at before anything is sent: is it one, and can Ctrl-C stop it?"""

from __future__ import annotations

import ast
import codecs
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from microinterp.errors import InputError, printable_path
from microinterp.files import read_bytes

LIMIT = 64 * 1024
"""Bytes; a board compiles the text in its heap."""
_CATCHES = {"BaseException", "KeyboardInterrupt"}
_LOOPS = (ast.While, ast.For, ast.AsyncFor)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Program:
    """A program for a board.

    Attributes:
        label: its file, for messages.
        text: contents, without an editor's mark at their start.
        sha256: of them, hex.
    """

    label: str
    text: bytes
    sha256: str


def read_program(path: str | os.PathLike[str]) -> Program:
    """Read a MicroPython program.

    Raises InputError where there is no such file, it is empty or larger than LIMIT, is no text or
    no Python (with the line), or keeps Ctrl-C from stopping it.
    """
    label = printable_path(os.fspath(path))
    text = read_bytes(path).removeprefix(codecs.BOM_UTF8)  # MicroPython takes none
    if len(text) > LIMIT:
        raise InputError(
            f"the program '{label}' has more than {LIMIT} bytes",
            hint="put what it imports into modules on the board, in lib, as .mpy files",
        )
    if not text.strip():
        raise InputError(f"the program '{label}' is empty")
    tree = _tree(label, text)
    for line, what in _deaf_places(tree):
        raise InputError(
            f"'{label}', line {line}: {what}, so that nothing could stop the program",
            hint="catch Exception, which Ctrl-C is not; or end the handler with `raise`",
        )
    return Program(label, text, hashlib.sha256(text).hexdigest())


def _tree(label: str, text: bytes) -> ast.Module:
    try:
        return ast.parse(text.decode())
    except UnicodeDecodeError as error:
        raise InputError(
            f"the program '{label}' is no text: byte {error.start} is not UTF-8",
            hint="give the source, a .py file",
        ) from None
    except SyntaxError as error:
        raise InputError(f"'{label}', line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"the program '{label}' cannot be parsed: {error}") from None


def _deaf_places(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and description of what keeps a program running after Ctrl-C."""
    for node, loops, is_function in _walk(tree):
        if isinstance(node, ast.Call) and _called(node) == "kbd_intr":
            yield node.lineno, "micropython.kbd_intr takes Ctrl-C away"
        if isinstance(node, ast.ExceptHandler) and _goes_on(node, loops, is_function):
            caught = "`except:`" if node.type is None else f"`except {ast.unparse(node.type)}:`"
            yield node.lineno, f"{caught} catches Ctrl-C too, and goes on"


def _walk(tree: ast.Module) -> Iterator[tuple[ast.AST, bool, bool]]:
    """All nodes; whether each is in a loop of its function, and whether there is a function.

    Without recursion: a long chain of `elif`, or of `+`, is a tree deeper than Python's stack.
    """
    waiting: list[tuple[ast.AST, bool, bool]] = [(tree, False, False)]
    while waiting:
        node, loops, is_function = waiting.pop()
        yield node, loops, is_function
        inner = isinstance(node, _FUNCTIONS)
        loop = False if inner else loops or isinstance(node, _LOOPS)
        children = [(child, loop, is_function or inner) for child in ast.iter_child_nodes(node)]
        waiting += reversed(children)  # the first is looked at next


def _goes_on(handler: ast.ExceptHandler, loops: bool, is_function: bool) -> bool:
    """Whether Ctrl-C may end here without ending the program."""
    if not _catches(handler) or any(isinstance(each, ast.Raise) for each in ast.walk(handler)):
        return False
    leaves = any(isinstance(each, (ast.Break, ast.Return)) for each in ast.walk(handler))
    if handler.type is not None and "KeyboardInterrupt" in ast.unparse(handler.type):
        return loops and not leaves  # somebody has thought of it
    return is_function or (loops and not leaves)


def _called(node: ast.Call) -> str:
    """The last name of what is called, where it has one."""
    return str(getattr(node.func, "attr", getattr(node.func, "id", "")))


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(name, ast.Name) and name.id in _CATCHES for name in names)

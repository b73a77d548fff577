"""Which mutants are worth running: those in annotations change nothing that is ever computed."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

Position = tuple[int, int]


def is_in_annotation(path: Path, start: Position) -> bool:
    """Whether a place (line from 1, column from 0) lies in a type annotation."""
    return any(first <= start < last for first, last in _annotations(path))


@cache
def _annotations(path: Path) -> tuple[tuple[Position, Position], ...]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.arg, ast.AnnAssign)) and node.annotation is not None:
            found.append(_span(node.annotation))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns:
            found.append(_span(node.returns))
    return tuple(found)


def _span(node: ast.expr) -> tuple[Position, Position]:
    return (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)

"""docs/walks.md: every function that it names is there, and the drawing is what imports say."""

from __future__ import annotations

import ast
import re

from tests.test_house import ROOT, imports_of, module_of

PAGE = ROOT / "docs" / "walks.md"
ANYBODY = {"errors", "trace", "tensor_types", "closing"}


def names_in(path: str) -> set[str]:
    """Functions, methods and classes of a file."""
    tree = ast.parse((ROOT / path).read_text())
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def test_every_function_on_the_way_is_there() -> None:
    """A name in backticks belongs to the last file before it."""
    seen = 0
    for line in PAGE.read_text().replace("\n   ", " ").split("\n"):
        path = ""
        for word in re.findall(r"`([^`]+)`", line):
            if re.fullmatch(r"[\w/]+\.py", word):
                assert (ROOT / word).is_file(), word
                path = word
            elif word.endswith("/"):
                assert (ROOT / word).is_dir(), word
            elif path and re.fullmatch(r"[A-Za-z_]+", word) and word not in ("bytearray", "Model"):
                known = names_in(path)
                assert word in known or word in everywhere(), f"{path} has no {word}"
                seen += word in known
    assert seen > 35


def everywhere() -> set[str]:
    """Names of the files that the page shows, for those told a line later, and commands."""
    files = re.findall(r"`([\w/]+\.py)`", PAGE.read_text())
    return {name for file in files for name in names_in(file)} | {"compare", "packed", "prepare"}


def test_the_drawing_is_what_imports_say() -> None:
    (drawing,) = re.findall(r"```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    drawn = {
        left.strip(): set(right.split())
        for left, right in (line.split("->") for line in drawing.splitlines())
    }
    found: dict[str, set[str]] = {name: set() for name in drawn}
    for path in (ROOT / "microinterp").rglob("*.py"):
        module = module_of(path)
        if module in found:
            found[module] |= imports_of(path) - ANYBODY - {module}
    assert drawn == found

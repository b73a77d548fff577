"""What `make house` looks for across files: import cycles, dead code, functions that are twins."""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

USED_BY_NAME: Mapping[str, str] = {
    "choose_*": "microinterp.kernels.fast finds them by their names, when an op is met",
    "pytest_*,runtest,reportinfo,_use_item_location,pytest_plugins": "pytest calls or reads them",
    "show_header,justify,no_wrap,on_broken_pipe": "rich reads or calls them",
    "compress_type": "zipfile reads it",
    "__getattr__": "Python calls it",
    "_usb,_baud,_tags": "fleet.inventory has a method for each key of the file",
    "die_at": "faults.options has a field for each fault",
    "n[0-9],ss[0-9],ds[0-9]": "fields of a packed step, which are read as a tuple",
    "BUILTIN,BUILTIN_WITHOUT_DEFAULT_DELEGATES,experimental_*,strict": "LiteRT's own interface",
    "AbstractSet,EllipsisType": "stand in the text of a type alias",
    "visit_*": "ast calls them",
}
"""Names that nothing in the code seems to use, and who does."""
_TWIN_NODES = 40  # of a syntax tree: smaller functions may be alike by chance


def cycles(paths: Sequence[Path], root: Path) -> list[str]:
    """Groups of modules that import each other when they are loaded."""
    names = {module_name(path, root): path for path in paths}
    graph = {name: imported(path, names, name) for name, path in names.items()}
    return [" <-> ".join(sorted(group)) for group in components(graph) if len(group) > 1]


def module_name(path: Path, root: Path) -> str:
    """The dotted name by which a file is imported."""
    parts = path.relative_to(root).with_suffix("").parts
    parts = parts[1:] if parts[0] == "host_tools" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, names: Mapping[str, Path], own: str) -> set[str]:
    """Modules that a file imports at its top level; packages on the way are not counted."""
    found: set[str] = set()
    for node in top_level(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in inner if name in names} or {node.module}
    return {name for name in found if name in names and name != own}


def top_level(tree: ast.Module) -> Iterable[ast.stmt]:
    """Statements that run on import, those for type checkers left out."""
    todo: list[ast.stmt] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If):
            if ast.unparse(node.test) != "TYPE_CHECKING":
                todo += node.body + node.orelse
        elif isinstance(node, ast.Try):
            todo += node.body + node.orelse + node.finalbody
            todo += [each for handler in node.handlers for each in handler.body]
        else:
            yield node


def components(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Strongly connected parts (Tarjan's algorithm, without recursion)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []
    for start in graph:
        if start in number:
            continue
        work = [(start, iter(sorted(graph[start])))]
        number[start] = low[start] = len(number)
        stack.append(start)
        while work:
            name, rest = work[-1]
            for other in rest:
                if other not in number:
                    number[other] = low[other] = len(number)
                    stack.append(other)
                    work.append((other, iter(sorted(graph[other]))))
                    break
                if other in stack:
                    low[name] = min(low[name], number[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == number[name]:
                    at = stack.index(name)
                    found.append(set(stack[at:]))
                    del stack[at:]
    return found


def dead_code(folders: Sequence[Path], root: Path) -> list[str]:
    """What vulture finds unused; what only tests, labs or examples use counts as used."""
    used_by = [root / name for name in ("tests", "labs", "benchmarks", "examples", "docs")]
    command = [sys.executable, "-m", "vulture", *map(str, [*folders, *used_by])]
    command += [
        "--min-confidence",
        "60",
        "--exclude",
        "*/generated/*,*/device/*,*/code/*,*/boot.py",
    ]
    command += ["--ignore-names", ",".join(USED_BY_NAME)]
    command += ["--ignore-decorators", "@app.*,@pytest.*,@_app.*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        raise RuntimeError(done.stderr or done.stdout)
    inside = tuple(f"{folder}/" for folder in folders)
    lines = [
        line for line in done.stdout.splitlines() if str(Path(line).absolute()).startswith(inside)
    ]
    return [_without_number(line, root) for line in lines]


def _without_number(line: str, root: Path) -> str:
    """path: what, without the line's number, which changes too often to be an exception's name."""
    path, _, what = line.split(":", 2)
    place = Path(path).absolute().relative_to(root).as_posix()
    return f"{place}:{what.rpartition(' (')[0]}"


def twins(functions: Iterable[tuple[str, ast.AST]]) -> list[str]:
    """Functions with the same body but for the names of their variables."""
    groups: dict[str, list[str]] = {}
    for place, node in functions:
        shape = _Shape().of(node)
        if shape.count("(") >= _TWIN_NODES:
            groups.setdefault(hashlib.sha256(shape.encode()).hexdigest(), []).append(place)
    return [" = ".join(places) for places in groups.values() if len(places) > 1]


class _Shape(ast.NodeTransformer):
    """A syntax tree in which local names are numbers in the order of their first use."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def of(self, node: ast.AST) -> str:
        """The body's shape, docstring left out."""
        copy = ast.parse(ast.unparse(node)).body[0]
        assert isinstance(copy, (ast.FunctionDef, ast.AsyncFunctionDef))
        local = {each.arg for each in ast.walk(copy) if isinstance(each, ast.arg)}
        local |= {
            each.id
            for each in ast.walk(copy)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        }
        self.local = local
        body = copy.body[1:] if ast.get_docstring(copy) else copy.body
        return "".join(ast.dump(self.visit(each)) for each in body)

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Give a local variable its number."""
        if node.id in self.local:
            node.id = self.names.setdefault(node.id, str(len(self.names)))
        return node

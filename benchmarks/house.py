"""`make house`: the shape of the code in figures, held to targets; exceptions say why.

    python -m benchmarks.house [--json]

Exit status: 0 every target is met, or an exception below gives the reason; 1 not.
"""

from __future__ import annotations

import ast
import io
import json
import statistics
import sys
import tokenize
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.house_checks import cycles, dead_code, twins

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("microinterp", "host_tools/microinterp_boards")
GENERATED = ("microinterp/generated/",)
BOARD_CODE = (
    "host_tools/microinterp_boards/device/",
    "host_tools/microinterp_boards/source_form/code/",
)
"""Text that boards run: no host code imports it, annotations would cost memory there."""
MAX_FILE, MAX_FUNCTION = 400, 60
MEDIAN_FILE, MEDIAN_FUNCTION = 120, 10
KERNEL_TESTS = 1.5  # test lines per line
OP_PLACES = 3

EXCEPTIONS: Mapping[str, str] = {}
"""What breaks a target, as it is printed, and why it may."""


@dataclass(frozen=True, slots=True)
class Row:
    """A figure, its target in words, and what breaks it."""

    name: str
    figure: str
    target: str = ""
    broken_by: tuple[str, ...] = ()


@cache
def sources(*folders: str) -> tuple[Path, ...]:
    """Python files that people write, below these folders of the repository."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return tuple(path for path in found if not relative(path).startswith(GENERATED))


def relative(path: Path) -> str:
    """A path as the repository names it."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


Function = ast.FunctionDef | ast.AsyncFunctionDef
Public = ast.FunctionDef | ast.ClassDef


def functions(paths: Iterable[Path]) -> list[tuple[str, Function]]:
    """Every function and method, with the place where it stands."""
    return [
        (f"{relative(path)}:{node.lineno} {node.name}", node)
        for path in paths
        for node in ast.walk(tree_of(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def statement_lines(function: Function) -> int:
    """Lines of the statements: a signature is data, and a docstring is no code."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    if not body:
        return 0
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def code_lines(paths: Iterable[Path]) -> tuple[int, int]:
    """Lines with code or docstrings, and lines with comments."""
    code = comments = 0
    for path in paths:
        text = path.read_text(encoding="utf-8")
        code += sum(bool(line.strip()) for line in text.splitlines())
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        comments += sum(token.type == tokenize.COMMENT for token in tokens)
    return code, comments


def spread(name: str, sizes: Mapping[str, int], most: int, median: int) -> Row:
    """Median, 90th percentile and maximum; those above `most` break it."""
    values = sorted(sizes.values())
    middle, high = statistics.median(values), values[int(0.9 * (len(values) - 1))]
    over = tuple(f"{place}: {size} lines" for place, size in sizes.items() if size > most)
    if middle > median:
        over += (f"{name}: the median is {middle:g}",)
    figure = f"{len(values):,}; median {middle:g}, p90 {high}, max {values[-1]}"
    return Row(name, figure, f"median {median}, max {most}", over)


def public(paths: Iterable[Path]) -> list[tuple[str, Public]]:
    """Public functions, classes and methods of public classes."""
    found: list[tuple[str, Public]] = []
    for path in paths:
        tree = tree_of(path)
        owners: list[ast.Module | ast.ClassDef] = [tree]
        owners += [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_"]
        for owner in owners:
            found += [
                (f"{relative(path)}:{node.lineno} {node.name}", node)
                for node in owner.body
                if isinstance(node, (ast.FunctionDef, ast.ClassDef))
                and not node.name.startswith("_")
            ]
    return found


def is_documented(node: Public) -> bool:
    """Whether it has a docstring; a property's setter has that of its getter."""
    is_setter = any(ast.unparse(each).endswith(".setter") for each in node.decorator_list)
    return is_setter or bool(ast.get_docstring(node))


def is_annotated(node: Public) -> bool:
    """Whether all arguments of a function, and what it returns, have types."""
    if not isinstance(node, ast.FunctionDef):
        return True
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return node.returns is not None and all(
        each.annotation for each in given if each.arg not in ("self", "cls")
    )


def share(name: str, nodes: Sequence[tuple[str, Public]], good: Callable[[Public], bool]) -> Row:
    """How many public names have something; all must."""
    bad = tuple(place for place, node in nodes if not good(node))
    percent = 100 * (len(nodes) - len(bad)) / len(nodes)
    return Row(name, f"{percent:.1f} % of {len(nodes):,}", "100 %", bad)


def places_of_operators(paths: Iterable[Path]) -> dict[str, list[str]]:
    """By operator: the files that name it in a string.

    The fewest are what adding one must touch: its kernel, the list of kernels, its test. What else
    knows an operator by name (explain, TFLM's struct sizes, passes) does more with it than run it.
    """
    from microinterp.kernels import default_registry

    names = {op.name for op in default_registry()}
    found: dict[str, list[str]] = {name: [] for name in names}
    for path in paths:
        strings = {
            node.value
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        for name in names & strings:
            found[name].append(relative(path))
    return found


def measure() -> list[Row]:
    """Every figure."""
    ours = sources(*PACKAGES)
    host = tuple(path for path in ours if not relative(path).startswith(BOARD_CODE))
    tests = sources("tests")
    kernels = sources("microinterp/kernels")
    kernel_tests = sources("tests/ops", "tests/fast", "tests/spec_ops", "tests/differential")
    names = public(host)
    (code, comments), (test_code, _) = code_lines(ours), code_lines(tests)
    ratio = code_lines(kernel_tests)[0] / code_lines(kernels)[0]
    lines = {relative(path): path.read_text().count("\n") for path in ours}
    sizes = {place: statement_lines(node) for place, node in functions(ours)}
    touched = places_of_operators([*sources("microinterp"), *sources("tests/ops")])
    fewest = min(len(files) for files in touched.values())
    usual = statistics.median(len(files) for files in touched.values())
    return [
        spread("files, lines", lines, MAX_FILE, MEDIAN_FILE),
        spread("functions, lines", sizes, MAX_FUNCTION, MEDIAN_FUNCTION),
        share("public docstrings", names, is_documented),
        share("public annotations", names, is_annotated),
        Row("comments per 100 lines", f"{100 * comments / code:.1f} of {code:,}"),
        Row("test lines per line", f"{test_code / code:.2f}"),
        Row(
            "kernels' test lines per line",
            f"{ratio:.2f}",
            f"{KERNEL_TESTS}",
            () if ratio >= KERNEL_TESTS else (f"kernels: {ratio:.2f} test lines per line",),
        ),
        Row(
            "files that name an operator",
            f"fewest {fewest}, median {usual:g}",
            f"fewest {OP_PLACES}",
            () if fewest <= OP_PLACES else (f"operators: each is named in {fewest} files",),
        ),
        _listed("import cycles", cycles(ours, ROOT)),
        _listed("dead code", dead_code([ROOT / folder for folder in PACKAGES], ROOT)),
        _listed("functions that are twins", twins(functions(host))),
    ]


def _listed(name: str, found: Sequence[str]) -> Row:
    return Row(name, str(len(found)), "0", tuple(found))


def main(words: Sequence[str]) -> int:
    """Print the table; what breaks a target stands below it."""
    rows = measure()
    used: set[str] = set()
    for row in rows:
        used |= {each for each in row.broken_by if each in EXCEPTIONS}
    broken = [each for row in rows for each in row.broken_by if each not in EXCEPTIONS]
    stale = sorted(EXCEPTIONS.keys() - used)
    if "--json" in words:
        print(json.dumps([{"name": row.name, "figure": row.figure} for row in rows], indent=2))
    else:
        for row in rows:
            print(f"{row.name:<30} {row.figure:<48} {row.target}")
        for each in sorted(used):
            print(f"exception: {each}: {EXCEPTIONS[each]}")
    for each in broken:
        print(f"broken: {each}")
    for each in stale:
        print(f"no exception any more: {each}")
    return 1 if broken or stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

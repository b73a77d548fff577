"""The shape of the house: layers, lists that must equal folders, docstrings, sizes, no print."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest

import microinterp
from benchmarks.house import (
    MAX_FILE,
    MAX_FUNCTION,
    PACKAGES,
    relative,
    sources,
    statement_lines,
)
from microinterp.kernels import BUILTINS, CUSTOM, default_registry

ROOT = Path(__file__).resolve().parents[1]
KERNEL_HELPERS = {
    "__init__",
    "broadcast",
    "common",
    "filters",
    "lstm_gates",
    "resizing",
    "scaling",
    "tabulated",
}

# Lower layers first; a module may import from its own layer and from those before it.
LAYERS = (
    ("errors", "tensor_types", "files", "closing", "flatbuffer_parts"),
    ("schema", "quant", "decoding", "generated"),
    ("structure",),
    ("model", "compression"),
    ("rules", "verify"),
    ("graph", "macs"),
    ("registry", "prepare", "resources", "trace", "custom_options", "fast_path"),
    ("kernels", "arena"),
    ("passes",),
    ("packed",),
    ("binding", "batch", "checked_inputs"),
    ("input_files", "images", "inputs", "operators_file", "runtimes"),
    ("interpreter",),
    ("frontend",),
    ("sides",),
    ("evaluation",),
)
FOUNDATIONS = {name: number for number, names in enumerate(LAYERS) for name in names}


def imports_of(path: Path) -> set[str]:
    """Names of the package's own modules that a file imports when it runs."""
    found = set()
    for node in _run_time_nodes(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "microinterp":
                names = [f"microinterp.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("microinterp.")}
    return found


def _run_time_nodes(tree: ast.Module) -> list[ast.AST]:
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    return [node for node in ast.walk(tree) if id(node) not in guarded]


def module_of(path: Path) -> str:
    return path.relative_to(ROOT / "microinterp").parts[0].removesuffix(".py")


def test_layers_import_only_downwards() -> None:
    for path in sorted((ROOT / "microinterp").rglob("*.py")):
        layer = FOUNDATIONS.get(module_of(path))
        if layer is None:
            continue
        for name in imports_of(path):
            assert name in FOUNDATIONS, f"{relative(path)} imports {name}, which stands above it"
            assert FOUNDATIONS[name] <= layer, f"{relative(path)} imports {name} from above"


def test_nobody_below_imports_the_interpreter() -> None:
    for path in sorted((ROOT / "microinterp").rglob("*.py")):
        if FOUNDATIONS.get(module_of(path), len(LAYERS)) < FOUNDATIONS["interpreter"]:
            assert "interpreter" not in imports_of(path), relative(path)


def test_kernel_list_equals_the_folder() -> None:
    files = {path.stem for path in (ROOT / "microinterp" / "kernels").glob("*.py")}
    assert {*BUILTINS, *CUSTOM} == files - KERNEL_HELPERS
    assert not BUILTINS.keys() & CUSTOM.keys()


@pytest.mark.parametrize("family", [*BUILTINS, *CUSTOM])
def test_kernel_list_names_each_familys_operators(family: str) -> None:
    ops = import_module(f"microinterp.kernels.{family}").OPS
    assert tuple(op.name for op in ops if not op.is_custom) == BUILTINS.get(family, ())
    assert tuple(op.name for op in ops if op.is_custom) == CUSTOM.get(family, ())


def test_every_operator_has_a_test_file_that_names_it() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests" / "ops").glob("test_*.py"))
    missing = [op.name for op in default_registry() if f'"{op.name}"' not in tests]
    assert not missing


def test_every_operator_says_its_types_and_exactness() -> None:
    for op in default_registry():
        assert op.types or op.refused, op.name
        assert op.exactness, op.name


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=relative)
def test_file(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a file's first line says what may live there"
    assert text.count("\n") <= MAX_FILE
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert statement_lines(node) <= MAX_FUNCTION, node.name
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and "cli" not in path.parts
        ):
            assert node.func.id != "print", f"print at line {node.lineno}"


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=relative)
def test_public_names_have_docstrings_and_annotations(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for owner in [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef))]:
        if isinstance(owner, ast.ClassDef) and owner.name.startswith("_"):
            continue
        for node in owner.body:
            if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or node.name.startswith("_"):
                continue
            is_property_twin = isinstance(node, ast.FunctionDef) and any(
                ast.unparse(d).endswith(".setter") for d in node.decorator_list
            )
            assert is_property_twin or ast.get_docstring(node), f"{node.name} has no docstring"
            if isinstance(node, ast.FunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                for argument in arguments:
                    if argument.arg not in ("self", "cls"):
                        assert argument.annotation, f"{node.name}({argument.arg})"
                assert node.returns, f"{node.name} has no return annotation"


def test_public_interface_is_what_the_design_says() -> None:
    for name in (
        "from_file",
        "from_bytes",
        "set_input",
        "invoke",
        "get_output",
        "reset",
        "get_input_details",
        "get_output_details",
        "get_tensor",
        "run_batch",
        "arena",
    ):
        assert hasattr(microinterp.Interpreter, name)
    parameters = inspect.signature(microinterp.Interpreter).parameters
    for name in ("arena_size", "profile", "planner", "preserve_all_tensors"):
        assert name in parameters

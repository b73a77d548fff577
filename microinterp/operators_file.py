"""Operators in a file of the user's, for commands (`--operators affine.py`) and for Python.

    registry = registry_with("affine.py")
    it = Interpreter.from_file("model.tflite", registry=registry)

The file holds OPS, a tuple of Op, as each family in kernels/ does.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from types import ModuleType

from microinterp.errors import InputError, printable, printable_path
from microinterp.files import FilePath, read_bytes
from microinterp.kernels import default_registry
from microinterp.registry import Op, Registry

_LARGEST = 1 << 20
_HINT = "docs/custom_ops.md has an example"


def registry_with(path: FilePath | None) -> Registry:
    """The package's operators, and those of a Python file; None: the package's alone.

    The file is run as any program is: give only one that you trust. It may import its neighbours.

    Raises:
        InputError: the file cannot be read, fails when it is run, or has no OPS.
    """
    registry = default_registry()
    if path is None:
        return registry
    read_bytes(path, _LARGEST)  # its own error says why a file cannot be read
    module = _run(os.path.abspath(path))
    ops = getattr(module, "OPS", None)
    if not isinstance(ops, (tuple, list)) or not ops or not all(isinstance(op, Op) for op in ops):
        wanted = "OPS, a tuple of microinterp.registry.Op"
        raise InputError(f"'{printable_path(os.fspath(path))}' has no {wanted}", hint=_HINT)
    for op in ops:
        registry = registry.with_op(op)
    return registry


def _run(path: str) -> ModuleType:
    """The file as a module, under a name that no other module has."""
    folder, name = os.path.split(path)
    name = f"microinterp_ops_of.{name.removesuffix('.py')}"
    loader = SourceFileLoader(name, path)
    spec = spec_from_loader(name, loader)
    assert spec is not None  # the loader is given
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up there
    sys.path.insert(0, folder)
    try:
        # not by exec_module, whose bytecode cache misses a change within the same second
        exec(loader.source_to_code(loader.get_data(path), path), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        raise InputError(
            f"'{printable_path(path)}' fails{_line(error, path)}:"
            f" {type(error).__name__}: {printable(said, 300)}",
            hint=_HINT,
        ) from error
    finally:
        sys.path.remove(folder)
    return module


def _line(error: BaseException, path: str) -> str:
    """The last of the file's own lines that the error came through."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return f" in line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path]
    return f" in line {lines[-1]}" if lines else ""

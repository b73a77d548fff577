"""What random models there are: one module per operator family, each with CASES."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from tests.differential.case import Case


@cache
def all_cases() -> tuple[Case, ...]:
    """The cases of every module of this folder, by operator and types."""
    names = sorted(module.name for module in iter_modules(__path__))
    found = [case for name in names for case in import_module(f"{__name__}.{name}").CASES]
    return tuple(sorted(found, key=lambda case: (case.op, case.types)))

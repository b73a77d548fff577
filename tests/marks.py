"""Marks for tests with parameters: which of them run in the slow suite alone, or by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def slow(*values: Any) -> Any:
    """One set of parameters that is slow."""
    return pytest.param(*values, marks=pytest.mark.slow)


def thorough(*values: Any) -> Any:
    """One set of parameters that takes too long for CI."""
    return pytest.param(*values, marks=pytest.mark.thorough)


def slow_but(names: Iterable[Any], *quick: Any) -> list[Any]:
    """All values, those that are not `quick` for the slow suite."""
    return [name if name in quick else slow(name) for name in names]

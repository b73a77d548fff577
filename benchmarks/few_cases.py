"""A pytest plugin (`-p benchmarks.few_cases`): of each test's cases the first and the last only.

For `make coverage`: what a package's lines are reached by does not take all cases, and the figure
it prints is then one that the whole suite has at least.
"""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what lies between a function's first case and its last."""
    by_function: dict[str, list[pytest.Item]] = {}
    for item in items:
        by_function.setdefault(item.nodeid.partition("[")[0], []).append(item)
    kept = {item for cases in by_function.values() for item in (cases[0], cases[-1])}
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]

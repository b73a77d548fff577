"""Sizes on Cortex-M against what TFLM itself said, compiled for each target and run under QEMU.

tests/struct_sizes/chip.py records the answers.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from microinterp.arena.plan import plan
from microinterp.arena.target import target_sizes
from microinterp.errors import ArenaError
from microinterp.interpreter import prepare_model
from tests.conftest import shared_model
from tests.struct_sizes.chip import BUILDS, RECORD, unpacked

ROWS: list[dict[str, Any]] = json.loads(RECORD.read_text())["models"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_used_bytes_equal_those_of_the_chip(row: dict[str, Any]) -> None:
    """None stands for a model that TFLM refused there: we refuse it, too."""
    data = unpacked(row["model"]) if row["model"] else shared_model(row["name"])
    prepared = prepare_model(data, kernels="plain")
    assert row["used_bytes"].keys() == BUILDS.keys()
    for target, said in row["used_bytes"].items():
        if said is None:
            with pytest.raises(ArenaError):
                target_sizes(prepared, plan(prepared), target)
        else:
            assert target_sizes(prepared, plan(prepared), target).used_bytes == said, target

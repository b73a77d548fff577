"""From ops to steps: one file per family, each with its table of operator names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from microinterp.packed.lower import (
    elementwise,
    filters,
    mean,
    movement,
    pool,
    tables,
    variables,
)
from microinterp.packed.lower.common import Lower

LOWER: Mapping[str, Lower] = MappingProxyType(
    elementwise.LOWER
    | filters.LOWER
    | mean.LOWER
    | movement.LOWER
    | pool.LOWER
    | tables.LOWER
    | variables.LOWER
)
"""Operator name -> its lowering: every operator that boards run."""

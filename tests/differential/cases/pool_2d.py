"""Random AVERAGE_POOL_2D, MAX_POOL_2D and L2_POOL_2D models."""

from __future__ import annotations

from tests.differential.case import Case
from tests.ops.test_pool_2d import POOLS, pools

CASES = tuple(Case(op, dtype, pools(op, dtype).map(lambda p: p.data())) for op, dtype in POOLS)

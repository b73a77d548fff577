"""Random BATCH_MATMUL models."""

from __future__ import annotations

from tests.differential.case import Case
from tests.ops.test_batch_matmul import TYPES, random_products

CASES = tuple(
    Case("BATCH_MATMUL", dtype, random_products(dtype).map(lambda p: p.data())) for dtype in TYPES
)

"""Random SVDF models, whose state lives on from invoke to invoke, and is reset."""

from __future__ import annotations

from tests.differential.case import Case
from tests.ops.test_svdf import TYPES, layers, with_resets

CASES = tuple(
    Case("SVDF", types, layers(types).map(lambda layer: layer.data()), samples=6, draw=with_resets)
    for types in TYPES
)

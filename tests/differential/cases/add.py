"""Random ADD and SUB models."""

from __future__ import annotations

from tests.differential.case import Case
from tests.ops.binary import binaries

TYPES = ("float32", "int8", "int16", "int32")
CASES = tuple(
    Case(op, types, binaries(op, (types,)).map(lambda b: b.data))
    for op in ("ADD", "SUB")
    for types in TYPES
)

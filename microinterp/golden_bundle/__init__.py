"""Golden bundles as files: inputs, outputs and checksums of tensors, in a stream of checked blocks.

The format is told in schemas/golden.fbs. What records and checks them is microinterp.golden.
"""

from __future__ import annotations

from microinterp.golden_bundle.blocks import MAGIC
from microinterp.golden_bundle.reader import Bundle, BundleReader, read_bundle
from microinterp.golden_bundle.records import (
    BundleHeader,
    BundleTensor,
    Check,
    Chunk,
    check_of,
    describe,
)
from microinterp.golden_bundle.writer import BundleWriter

__all__ = [
    "MAGIC",
    "Bundle",
    "BundleHeader",
    "BundleReader",
    "BundleTensor",
    "BundleWriter",
    "Check",
    "Chunk",
    "check_of",
    "describe",
    "read_bundle",
]

"""Golden bundles: inputs and what a runtime computed from them, to be held to later.

    golden.record(model, [images], "digits.golden")      # once
    golden.check(model, "digits.golden").equal           # in every build

A bundle (schemas/golden.fbs) has inputs, outputs, and for each tensor that an op writes its CRC32,
and its bytes if asked for. Samples are run in order from a fresh start, so a model with state is
held to its whole sequence. Only some MB of samples are held at a time, `load` excepted.
"""

from __future__ import annotations

from microinterp.golden.checking import check
from microinterp.golden.exporting import KINDS, MAX_C_BYTES, export
from microinterp.golden.recording import record, stored_inputs
from microinterp.golden.results import CheckResult, Difference, Recorded
from microinterp.golden.running import TENSORS, Array
from microinterp.golden.whole import Golden, Header, load
from microinterp.sides import NAMES as RUNTIMES
from microinterp.sides.choice import sound_graph

__all__ = [
    "KINDS",
    "MAX_C_BYTES",
    "RUNTIMES",
    "TENSORS",
    "Array",
    "CheckResult",
    "Difference",
    "Golden",
    "Header",
    "Recorded",
    "check",
    "export",
    "load",
    "record",
    "sound_graph",
    "stored_inputs",
]

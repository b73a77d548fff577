"""How much heap a generated module takes, before it is sent: measured on the micro:bit, 32 bits.

Blocks have 16 bytes there. The figures are what random FULLY_CONNECTED models took, rounded up; in
docs/boards.md is the account of one.
"""

from __future__ import annotations

from microinterp_boards.packing import BoardModel
from microinterp_boards.source_form.generate import Source

_CODE_TENTHS = 15  # tenths of a byte in the heap for each byte of the functions' source
_STEP = 144  # bytes: its tuple, its place in the list, the headers of its constants
_WORKING = 3900  # bytes that compiling the next text needs, with holes between what stays


def least(model: BoardModel) -> int:
    """Bytes that the model takes in whatever form: weights, tables and arena."""
    return model.report.weights_bytes + model.plan.head_bytes


def estimate(source: Source) -> int:
    """Bytes that must be free for the module to be imported and run."""
    code = source.code_bytes * _CODE_TENTHS // 10
    data = source.arena_bytes + source.constant_bytes + source.steps * _STEP
    return code + data + _WORKING

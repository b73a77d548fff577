"""How much heap a generated module takes, before it is sent."""

from __future__ import annotations

from microinterp_boards.packing import BoardModel
from microinterp_boards.source_form.generate import Source


def least(model: BoardModel) -> int:
    """Bytes that the model takes at least, in whatever form."""
    return model.report.weights_bytes + model.plan.head_bytes


def estimate(source: Source) -> int:
    """Bytes."""
    return 0

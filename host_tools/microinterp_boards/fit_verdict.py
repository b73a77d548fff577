"""What `fit` finds out of a board: whether a model fits, what is short, what would make it fit."""

from __future__ import annotations

from dataclasses import dataclass

from microinterp_boards.boards_table import BoardRow
from microinterp_boards.heap_need import HeapNeed


@dataclass(frozen=True, slots=True)
class Remedy:
    """What makes a model fit that does not fit as it is.

    Attributes:
        passes: memory passes by name, as `board deploy --passes` takes them; may be empty. For TFLM
            "best": the planner of `plan --embed`.
        extra_macs: share of the model's multiply-accumulates that they do twice.
        mapping: how its weights are to stay in flash, as in the table of boards; "" in the heap.
        needed_bytes: of RAM or heap with all that.
    """

    passes: tuple[str, ...]
    extra_macs: float
    mapping: str
    needed_bytes: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a model fits a board with one kind of firmware. Sizes in bytes, None if not known.

    Attributes:
        fits: None if the table lacks a size that decides.
        needed_bytes, available_bytes, short_bytes: TFLM: the arena, and all RAM; MicroPython: its
            heap.
        flash_needed_bytes, flash_available_bytes, flash_short_bytes: TFLM: model and CORE_BYTES,
            and flash; MicroPython: model and runtime on its filesystem.
        is_estimate: a figure of this verdict is one.
        target: TFLM: the build whose sizes were taken.
        parts: MicroPython: what the heap is needed for.
        remedy: None if it fits, or if nothing was found.
        reason: why it does not fit, or is not known, where that is not a number of bytes.
    """

    fits: bool | None
    needed_bytes: int | None = None
    available_bytes: int | None = None
    short_bytes: int = 0
    flash_needed_bytes: int | None = None
    flash_available_bytes: int | None = None
    flash_short_bytes: int = 0
    is_estimate: bool = False
    target: str = ""
    parts: HeapNeed | None = None
    remedy: Remedy | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BoardFit:
    """The verdicts for one board; TFLM's is None for a board that is no chip."""

    board: BoardRow
    tflm: Verdict | None
    micropython: Verdict

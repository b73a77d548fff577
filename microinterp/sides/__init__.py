"""Sides: runtimes that run the same samples and tell what each op has written."""

from __future__ import annotations

from microinterp.sides.choice import NAMES, open_side
from microinterp.sides.side import Observed, Place, Side, Summed, TakesChecksums, places_of

__all__ = [
    "NAMES",
    "Observed",
    "Place",
    "Side",
    "Summed",
    "TakesChecksums",
    "open_side",
    "places_of",
]

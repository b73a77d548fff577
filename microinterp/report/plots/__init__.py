"""Pictures by matplotlib, for notebooks and papers: arena, ops, ranges, differences.

Every function draws into `ax`, or makes a figure of its own, and returns the Axes. matplotlib is
imported when a picture is drawn, no earlier: `pip install 'microinterp[plots]'`. The functions draw
what the interpreter, `measure`, `record_uses` and `compare` have found.
"""

from __future__ import annotations

from microinterp.report.plots.arena import arena_map
from microinterp.report.plots.differences import error_against, error_elements
from microinterp.report.plots.ops import op_times
from microinterp.report.plots.ranges import histogram

__all__ = ["arena_map", "error_against", "error_elements", "histogram", "op_times"]

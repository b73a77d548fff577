"""MLPerf Tiny protocol, unofficial: a board that the benchmark's public runner drives.

The board's side is firmware/microinterp/mlperf.py. Here are what sets a board up for the runner,
and a small runner of our own. Figures of either are no MLPerf results: those are reviewed.
"""

from __future__ import annotations

from microinterp_boards.mlperf.accuracy import Accuracy
from microinterp_boards.mlperf.client import Client, Inference
from microinterp_boards.mlperf.kinds import KINDS
from microinterp_boards.mlperf.setup import PROTOCOL, Setup, set_up

__all__ = ["KINDS", "PROTOCOL", "Accuracy", "Client", "Inference", "Setup", "set_up"]

"""A model over a data set: accuracy, errors, agreement; in one process, in several, on a cluster.

data = open_data(["test.npz"], graph.main.inputs)
figures = evaluate(model, data, Settings(workers=4))
"""

from __future__ import annotations

from microinterp.evaluation.data import Data
from microinterp.evaluation.opening import open_data
from microinterp.evaluation.running import Evaluation, Settings, Timing, evaluate

__all__ = ["Data", "Evaluation", "Settings", "Timing", "evaluate", "open_data"]

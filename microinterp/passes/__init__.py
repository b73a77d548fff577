"""Memory passes: the same bits from a smaller arena. Each is a function from graph to graph.

What runs afterwards is no longer TFLM's plan for TFLM's interpreter: tensors lie over others, ops
run in pieces. It runs in this package's interpreter and in its port to boards.
"""

from microinterp.passes.run import NAMES, Passed, PassReport, ladder, run_passes

__all__ = ["NAMES", "PassReport", "Passed", "ladder", "run_passes"]

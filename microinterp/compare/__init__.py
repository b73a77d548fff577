"""Where two runtimes differ on one model, and why: tensor by tensor, with the cause by name.

`compare` runs a model here and reads what another side has computed (an Account: from a runtime
that runs now, from a golden bundle, an .npz or a dump). Rows say which tensors differ, also with
the other side's own inputs to an op fed to ours. The diagnosis then changes the first differing op,
the inputs or the order of samples by every known cause and names those that give the other side's
bytes exactly. docs/compare.md tells what they are.
"""

from __future__ import annotations

from microinterp.compare.comparing import compare
from microinterp.compare.comparison import Comparison, Finding, FirstOp, OutputRow, Row
from microinterp.compare.norms import Norms, norms
from microinterp.compare.told import Account, Told

__all__ = [
    "Account",
    "Comparison",
    "Finding",
    "FirstOp",
    "Norms",
    "OutputRow",
    "Row",
    "Told",
    "compare",
    "norms",
]

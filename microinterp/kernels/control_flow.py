"""CALL_ONCE: runs a subgraph (which fills resource variables) at the first invoke, then never.

A reset does not make it run again, so that variables keep their zero point from then on.
Source: TFLM kernels/call_once.cc.
"""

from __future__ import annotations

import tflite

from microinterp.graph import Node
from microinterp.prepare import Arrays, Context, Kernel, State
from microinterp.registry import Op


def evaluate_call_once(p: None, arrays: Arrays) -> None:
    """state[0][0] tells whether the subgraph has run."""
    (has_run,) = arrays.state
    if not has_run[0]:
        arrays.subgraphs[0].run()
        has_run[0] = 1


def prepare_call_once(node: Node, context: Context) -> Kernel:
    """Check the subgraph's number; it is run as it is, with neither inputs nor outputs."""
    node.require_counts((0, 0), outputs=0)
    subgraph = node.options(tflite.CallOnceOptions).InitSubgraphIndex()
    count = len(context.graph.subgraphs)
    node.require(0 < subgraph < count, f"runs subgraph {subgraph}, wanted one of 1 to {count - 1}")
    has_run = State(1, resets=False)
    return Kernel(evaluate_call_once, state=(has_run,), subgraphs=(subgraph,))


OPS = (Op("CALL_ONCE", prepare_call_once, ("any",)),)

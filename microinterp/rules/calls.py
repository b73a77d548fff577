"""Rules about control flow: which subgraphs an op runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tflite
from tflite import BuiltinOperator, BuiltinOptions

from microinterp.errors import Problem, Where
from microinterp.model import Model, Operator
from microinterp.rules.common import error, op_code, op_where, operators

MAX_DEPTH = 16
MAX_RUNS = 10_000

_CALLS: dict[int, tuple[int, Any, tuple[str, ...]]] = {
    # builtin operator: its options' number and class, and the fields that name a subgraph
    BuiltinOperator.IF: (
        BuiltinOptions.IfOptions,
        tflite.IfOptions,
        ("ThenSubgraphIndex", "ElseSubgraphIndex"),
    ),
    BuiltinOperator.WHILE: (
        BuiltinOptions.WhileOptions,
        tflite.WhileOptions,
        ("CondSubgraphIndex", "BodySubgraphIndex"),
    ),
    BuiltinOperator.CALL_ONCE: (
        BuiltinOptions.CallOnceOptions,
        tflite.CallOnceOptions,
        ("InitSubgraphIndex",),
    ),
    BuiltinOperator.CALL: (BuiltinOptions.CallOptions, tflite.CallOptions, ("Subgraph",)),
}


def called_subgraphs_exist(model: Model) -> Iterator[Problem]:
    """The subgraphs that IF, WHILE, CALL_ONCE and CALL run are in the file."""
    count = len(model.subgraphs)
    for _, op, where in operators(model):
        for index in called_subgraphs(model, op):
            if not 0 <= index < count:
                yield error(f"runs subgraph {index}, the file has {count}", where)


def no_recursion(model: Model) -> Iterator[Problem]:
    """No subgraph runs itself, directly or through others."""
    for where in _walk_calls(model)[1]:
        yield error("the op runs a subgraph that it is itself part of", where)


def calls_bounded(model: Model) -> Iterator[Problem]:
    """Subgraphs nest at most 16 deep, and one pass through all calls runs at most 10000 of them."""
    order, recursive = _walk_calls(model)
    if recursive:
        return
    depth, runs = [1] * len(order), [1] * len(order)
    for index in order:  # those that are called come first
        for callee in _callees(model, index):
            depth[index] = max(depth[index], 1 + depth[callee])
            runs[index] = min(MAX_RUNS + 1, runs[index] + runs[callee])
    for index in range(len(order)):
        if depth[index] > MAX_DEPTH or runs[index] > MAX_RUNS:
            text = f"the subgraph's calls nest {depth[index]} deep and make {runs[index]} runs"
            yield error(f"{text}; at most {MAX_DEPTH} and {MAX_RUNS} are allowed", Where(index))


def called_subgraphs(model: Model, op: Operator) -> tuple[int, ...]:
    """Numbers of the subgraphs that an op runs, as they stand in the file."""
    call = _CALLS.get(op_code(model, op))
    if call is None or op.options is None or op.options_type != call[0]:
        return ()
    _, kind, getters = call
    options = kind()
    options.Init(op.options.Bytes, op.options.Pos)
    return tuple(getattr(options, getter)() for getter in getters)


def _callees(model: Model, index: int) -> list[int]:
    ops = model.subgraphs[index].operators
    return [i for op in ops for i in called_subgraphs(model, op) if 0 <= i < len(model.subgraphs)]


def _walk_calls(model: Model) -> tuple[list[int], list[Where]]:
    """Subgraphs in an order with callees first, and the ops that close a circle."""
    order: list[int] = []
    circles: list[Where] = []
    entered: set[int] = set()
    done: set[int] = set()
    for start in range(len(model.subgraphs)):
        stack = [] if start in entered else [(start, _calls_of(model, start))]
        entered.add(start)
        while stack:
            index, calls = stack[-1]
            callee, where = next(calls, (None, None))
            if callee is None or where is None:
                stack.pop()
                done.add(index)
                order.append(index)
            elif callee in entered:
                if callee not in done:
                    circles.append(where)
            else:
                entered.add(callee)
                stack.append((callee, _calls_of(model, callee)))
    return order, circles


def _calls_of(model: Model, index: int) -> Iterator[tuple[int, Where]]:
    subgraph = model.subgraphs[index]
    for number, op in enumerate(subgraph.operators):
        for callee in called_subgraphs(model, op):
            if 0 <= callee < len(model.subgraphs):
                yield callee, op_where(model, subgraph, number)

"""Models of control flow and of compressed constants for the fuzz tests to damage."""

from __future__ import annotations

from typing import Any

import numpy as np

from microinterp.compression import METADATA_NAME
from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from tests.encoders import LUT, PRUNED, ancillary, huffman, lut_metadata, packed, pruned

_LOOP: tuple[tuple[tuple[int, ...], str], ...] = (((4,), "bool"), ((2,), "int32"), ((), "resource"))
"""What the loop carries: bools that say whether to go on, a sum, a handle."""


def control_flow_model() -> bytes:
    """WHILE and IF that pass values and a handle on; the input says how often the loop runs."""
    b = ModelBuilder()
    main, test, body = (b.subgraph(name) for name in ("main", "condition", "body"))
    once, branch = b.subgraph("once"), b.subgraph("branch")
    _fill_once(once)
    ins = [main.input("tape", (4,), "bool"), main.input("x", (2,), "int32"), _handle(main)]
    outs = [main.tensor(f"out{i}", *kind) for i, kind in enumerate(_LOOP)]
    y = main.tensor("y", (2,), "int32")
    main.op("CALL_ONCE", [], [], init_subgraph_index=once.index)
    loop = {"cond_subgraph_index": test.index, "body_subgraph_index": body.index}
    main.op("WHILE", ins, outs, **loop)
    branches = {"then_subgraph_index": branch.index, "else_subgraph_index": branch.index}
    main.op("IF", [_first(main, outs[0]), *outs[1:]], [y], **branches)
    main.output(y)
    for graph in (test, body):
        for i, kind in enumerate(_LOOP):
            graph.input(f"in{i}", *kind)
    test.output(_first(test, 0))
    _fill_body(body)
    _fill_branch(branch)
    return b.finish()


def _fill_once(g: SubGraphBuilder) -> None:
    start = g.constant("start", np.ones(2, np.int32))
    g.op("ASSIGN_VARIABLE", [_handle(g), start], [])


def _fill_body(g: SubGraphBuilder) -> None:
    """Drops the first bool, doubles the sum, assigns it."""
    rest, doubled = g.tensor("rest", (4,), "bool"), g.tensor("sum", (2,), "int32")
    short = g.tensor("short", (3,), "bool")
    g.op("SLICE", [0, _ints(g, 1), _ints(g, 3)], [short])
    end = g.constant("end", np.zeros(1, np.bool_))
    g.op("CONCATENATION", [short, end], [rest], axis=0)
    g.op("ADD", [1, 1], [doubled])
    g.op("ASSIGN_VARIABLE", [2, doubled], [])
    for tensor in (rest, doubled, 2):
        g.output(tensor)


def _fill_branch(g: SubGraphBuilder) -> None:
    """The sum less what the handle's variable holds."""
    value, handle = g.input("value", (2,), "int32"), g.input("handle", (), "resource")
    read, difference = g.tensor("read", (2,), "int32"), g.tensor("difference", (2,), "int32")
    g.op("READ_VARIABLE", [handle], [read])
    g.op("SUB", [value, read], [difference])
    g.output(difference)


def _handle(g: SubGraphBuilder) -> int:
    handle = g.tensor("handle", (), "resource")
    g.op("VAR_HANDLE", [], [handle], container="", shared_name="sum")
    return handle


def _first(g: SubGraphBuilder, row: int) -> int:
    out = g.tensor("first", (1,), "bool")
    g.op("SLICE", [row, _ints(g, 0), _ints(g, 1)], [out])
    return out


def _ints(g: SubGraphBuilder, *numbers: int) -> int:
    return g.constant(f"numbers {numbers}", np.array(numbers, np.int32))


def decode_model() -> bytes:
    """TFLM_DECODE of a table, pruned values and Huffman codes, all joined with the input."""
    rng = np.random.default_rng(4)
    values = np.array([-9, 0, 5, 77], np.int8)[rng.integers(0, 4, 24)]
    table = np.array([3, 1, -4, 7], np.int8).tobytes()
    bits, kept = pruned(values, np.zeros(24, np.int8))
    parts = [packed(rng.integers(0, 4, 24)), ancillary(LUT, bytes([2, 4]), table)]
    parts += [bits, ancillary(PRUNED, b"", kept), *huffman(values, 1, 1, 16)]
    b = ModelBuilder()
    g = b.subgraph("main")
    quantised = {"scale": 0.5, "zero_point": 0}
    x = g.input("x", (24,), "int8", **quantised)
    sources = [g.constant(f"part{i}", np.frombuffer(p, np.uint8)) for i, p in enumerate(parts)]
    decoded = [g.tensor(f"decoded{i}", (24,), "int8", **quantised) for i in range(3)]
    g.custom_op("TFLM_DECODE", sources, decoded)
    y = g.tensor("y", (96,), "int8", **quantised)
    g.op("CONCATENATION", [x, *decoded], [y], axis=0)
    g.output(y)
    return b.finish()


def compressed_model() -> bytes:
    """FULLY_CONNECTED whose filter and bias are compressed by the file's metadata."""
    rng = np.random.default_rng(5)
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (2, 6), "int8", scale=0.5, zero_point=3)
    rows: dict[str, Any] = {"zero_point": 0, "axis": 0}
    scales = np.array([0.01, 0.02, 0.03])
    indices, biases = packed(rng.integers(0, 4, 18)), packed([3, 0, 1])
    w = g.constant("w", indices, "int8", shape=(3, 6), scale=scales.tolist(), **rows)
    halves = (scales * 0.5).tolist()
    bias = g.constant("bias", biases, "int32", shape=(3,), scale=halves, **rows)
    y = g.tensor("y", (2, 3), "int8", scale=0.5, zero_point=-1)
    g.op("FULLY_CONNECTED", [x, w, bias], [y])
    g.output(y)
    tables = [rng.integers(-99, 99, 12).astype(dtype) for dtype in ("int8", "int32")]
    buffers = [b.buffer(table.tobytes()) for table in tables]
    entries = [(w, buffers[0], 2), (bias, buffers[1], 2)]
    b.metadata(METADATA_NAME, lut_metadata([entries]))
    return b.finish()

"""Entries of control flow, state and compressed constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tests.encoders import LUT, PRUNED, ancillary, huffman, packed, pruned
from tests.graphs.growing import Growing, Kind, NoFitError, Signature, quantization

Entry = Callable[[Growing], None]
HANDLE = Kind("resource", ())
TAPE = 4
"""Bools of a tape: a WHILE runs as long as the first one is true, and drops it."""


def condition(w: Growing) -> int:
    """One bool of a row of them."""
    row = w.pick("bool", fits=lambda kind: kind.rank == 1)
    at = w.integer(0, w.values[row].shape[0] - 1)
    out = w.tensor(Kind("bool", (1,)))
    w.g.op("SLICE", [row, w.ints(at), w.ints(1)], [out])
    return out


def arguments(w: Growing) -> list[int]:
    """Up to four values, handles among them."""
    return [w.choose(list(w.values)) for _ in range(w.integer(0, 4))]


def branch(w: Growing, inputs: Sequence[Kind], outputs: Sequence[Kind]) -> int:
    """A subgraph that makes `outputs` of `inputs`: a new one, or one that is there already."""
    wanted = (tuple(inputs), tuple(outputs))
    known = [s.index for s in w.shared.finished if (s.inputs, s.outputs) == wanted]
    if known and w.chance(2):
        return w.choose(known)
    inner = w.subgraph(inputs)
    inner.grow(w.integer(0, 3))
    index = inner.finish(outputs)
    w.shared.finished.append(Signature(*wanted, index))
    return index


def if_(w: Growing) -> None:
    """IF; the branches may be one subgraph."""
    if w.depth >= 2:
        raise NoFitError
    test = condition(w)
    values = arguments(w)
    kinds = [w.values[value] for value in values]
    plain = [kind for kind in w.values.values() if kind.dtype != "resource"]
    outputs = [w.choose(kinds if kinds and w.chance(2) else plain) for _ in range(w.integer(1, 3))]
    then = branch(w, kinds, outputs)
    otherwise = branch(w, kinds, outputs)
    w.op("IF", [test, *values], *outputs, then_subgraph_index=then, else_subgraph_index=otherwise)


def while_(w: Growing) -> None:
    """WHILE over a tape of bools and other values."""
    if w.depth >= 2:
        raise NoFitError
    tape = w.pick("bool", fits=lambda kind: kind.shape == (TAPE,))
    values = [tape, *arguments(w)]
    kinds = [w.values[value] for value in values]
    test = w.subgraph(kinds)
    test.grow(w.integer(0, 2))
    first = test.tensor(Kind("bool", (1,)))
    test.g.op("SLICE", [0, test.ints(0), test.ints(1)], [first])
    test.g.output(first)
    body = w.subgraph(kinds)
    body.grow(w.integer(0, 3))
    rest, shifted = (body.tensor(Kind("bool", (n,))) for n in (TAPE - 1, TAPE))
    body.g.op("SLICE", [0, body.ints(1), body.ints(TAPE - 1)], [rest])
    body.g.op("CONCATENATION", [rest, body.constant([False])], [shifted])
    body.g.output(shifted)
    body.finish(kinds[1:])
    indexes = {"cond_subgraph_index": test.g.index, "body_subgraph_index": body.g.index}
    w.op("WHILE", values, *kinds, **indexes)


def handle(w: Growing) -> None:
    """VAR_HANDLE."""
    w.op("VAR_HANDLE", [], HANDLE, shared_name=w.choose(w.shared.variables), container="")


def read(w: Growing) -> None:
    """READ_VARIABLE."""
    w.op("READ_VARIABLE", [w.pick("resource")], w.shared.variable)


def assign(w: Growing) -> None:
    """ASSIGN_VARIABLE of a value or a constant."""
    target = w.pick("resource")
    kind = w.shared.variable
    try:
        value = w.pick(kind.dtype, fits=lambda other: other == kind)
    except NoFitError:
        value = w.known(kind)
    w.op("ASSIGN_VARIABLE", [target, value])


def variable_tensor(w: Growing) -> None:
    """A tensor that is a variable itself is read, and then written."""
    x = w.pick(*("float32", "int8", "int16", "int32", "int64", "bool"))
    kind = w.values[x]
    memory = w.tensor(kind, is_variable=True)
    before = w.values[x].shape
    w.op("RESHAPE", [memory], kind, new_shape=before)
    w.g.op("RESHAPE", [x], [memory], new_shape=before)


def call_once(w: Growing) -> None:
    """CALL_ONCE of a subgraph that assigns constants to all variables."""
    if w.depth or not w.shared.variables:
        raise NoFitError
    inner = w.subgraph(())
    for name in w.shared.variables:
        target = inner.op("VAR_HANDLE", [], HANDLE, shared_name=name, container="")
        inner.op("ASSIGN_VARIABLE", [target, inner.known(w.shared.variable)])
    w.op("CALL_ONCE", [], init_subgraph_index=inner.g.index)


def decode(w: Growing) -> None:
    """TFLM_DECODE of a constant that is like some value."""
    kind = w.values[w.pick("int8", "int16", "int32", "float32", "bool")]
    scheme = w.choose(("lut", "pruned", "huffman"))
    few = w.random(kind.shaped(4))
    indices = w.rng.integers(0, 4, kind.shape)
    if scheme == "lut":
        parts = packed(indices, 2), ancillary(LUT, bytes([2, 4]), few.tobytes())
    elif scheme == "pruned":
        zeros = np.full(kind.shape, kind.zero_point or 0).astype(kind.dtype)
        bits, table = pruned(np.where(indices > 1, few[indices], zeros), zeros)
        parts = bits, ancillary(PRUNED, b"", table)
    elif kind.dtype in ("int8", "int16"):
        parts = huffman(few[indices], 2, 1, 32)
    else:
        raise NoFitError
    sources = [w.constant(np.frombuffer(part, np.uint8)) for part in parts]
    out = w.value(kind)
    w.g.custom_op("TFLM_DECODE", sources, [out])


def compressed(w: Growing) -> None:
    """CONCATENATION with a constant that is compressed by the file's metadata."""
    if w.depth:
        raise NoFitError
    types = ("float32", "int8", "int16", "int32", "int64", "bool")
    x = w.pick(*types, fits=lambda kind: kind.rank > 0)
    kind = w.values[x]
    indices, table = w.rng.integers(0, 4, kind.shape), w.random(kind.shaped(4))
    numbers = quantization(kind)
    lut = w.g.constant("lut", packed(indices, 2), kind.dtype, shape=kind.shape, **numbers)
    w.shared.compressed.append((lut, w.shared.builder.buffer(table.tobytes()), 2))
    shape = (2 * kind.shape[0], *kind.shape[1:])
    w.op("CONCATENATION", [x, lut], kind.shaped(*shape), axis=0)


ENTRIES: dict[str, Entry] = {
    "IF": if_,
    "WHILE": while_,
    "VAR_HANDLE": handle,
    "READ_VARIABLE": read,
    "ASSIGN_VARIABLE": assign,
    "CALL_ONCE": call_once,
    "TFLM_DECODE": decode,
    "compressed constant": compressed,
    "variable tensor": variable_tensor,
}

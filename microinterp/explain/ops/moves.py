"""Ops that move numbers about without changing any: which one of which input an element is.

Rather than to write each kernel's geometry down a second time, the kernel itself is run on numbered
elements: the output then says which one went where.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from microinterp.explain.recorder import Recorder, dequantised
from microinterp.explain.subject import Array, Explainer, Outcome, Subject
from microinterp.kernels.gather import HybridParams
from microinterp.prepare import Arrays

_ALL = -1
MOVED: Mapping[str, tuple[int, ...]] = {
    "BATCH_TO_SPACE_ND": (0,),
    "BROADCAST_TO": (0,),
    "CIRCULAR_BUFFER": (0,),
    "CONCATENATION": (_ALL,),
    "DEPTH_TO_SPACE": (0,),
    "DYNAMIC_UPDATE_SLICE": (0, 1),
    "EMBEDDING_LOOKUP": (1,),
    "EXPAND_DIMS": (0,),
    "FILL": (1,),
    "GATHER": (0,),
    "GATHER_ND": (0,),
    "MIRROR_PAD": (0,),
    "PACK": (_ALL,),
    "PAD": (0,),
    "PADV2": (0, 2),
    "RESHAPE": (0,),
    "RESIZE_NEAREST_NEIGHBOR": (0,),
    "REVERSE_V2": (0,),
    "SELECT_V2": (1, 2),
    "SHAPE": (),
    "SLICE": (0,),
    "SPACE_TO_BATCH_ND": (0,),
    "SPACE_TO_DEPTH": (0,),
    "SPLIT": (1,),
    "SPLIT_V": (0,),
    "SQUEEZE": (0,),
    "STRIDED_SLICE": (0,),
    "TFLM_DECODE": (),
    "TRANSPOSE": (0,),
    "UNPACK": (0,),
    "ZEROS_LIKE": (),
}
"""Inputs whose elements go to the outputs; the others say where to."""

_DIGIT = 6  # bits of an element's number that a run shows: int8 holds them, and one more


def _move(subject: Subject, recorder: Recorder) -> Outcome:
    """The element that the output's is a copy of; a number of the op's own if there is none."""
    origin = _origin(subject)
    if origin is None:
        label = "a constant of the op: no input element goes here"
        value = recorder.read(label, subject.node.name, subject.index, subject.value)
        return Outcome(value, dequantised(subject.out, value))
    position, at = origin
    if position == _BEFORE:
        label = "moved up: what the output held before this invoke"
        before = subject.before.outputs[subject.output][at]
        return Outcome(recorder.read(label, "the output before", at, before), None)
    tensor = subject.node.input(position)
    label = f"a copy of input {position}"
    value = recorder.read(label, tensor, at, subject.array(position)[at])
    return Outcome(value, dequantised(tensor, value))


_BEFORE = -1


def _origin(subject: Subject) -> tuple[int, tuple[int, ...]] | None:
    """Input and index there (_BEFORE: the output before the invoke); None for a constant."""
    sources = _sources(subject)
    sizes = [array.size for _, array in sources]
    total = sum(sizes)
    first = [sum(sizes[:i]) for i in range(len(sizes))]
    number = 0
    bits = max(1, (total - 1).bit_length()) if total else 0
    for shift, width in _digits(bits, subject.out.dtype):
        numbers = [
            (np.arange(n) + f) >> shift & ((1 << width) - 1)
            for n, f in zip(sizes, first, strict=True)
        ]
        plain = _run(subject, sources, numbers)
        marked = _run(subject, sources, [(1 << width) + n if width > 1 else 1 - n for n in numbers])
        if plain == marked:
            return None
        number |= plain << shift
    if not total:
        return None
    which = max(i for i, f in enumerate(first) if f <= number and sizes[i])
    at = np.unravel_index(number - first[which], sources[which][1].shape)
    return sources[which][0], tuple(int(i) for i in at)


def _digits(bits: int, dtype: np.dtype[np.generic]) -> Iterator[tuple[int, int]]:
    """Place and width of each digit of an element's number, as the type can hold it."""
    width = 1 if dtype.kind == "b" else _DIGIT
    for shift in range(0, bits, width):
        yield shift, width


def _sources(subject: Subject) -> list[tuple[int, Array]]:
    """Inputs whose elements move, and what the output held where that stays."""
    positions: Sequence[int] = MOVED[subject.node.name]
    if positions == (_ALL,):
        positions = range(len(subject.node.inputs))
    found = [(i, subject.array(i)) for i in positions if i < len(subject.node.inputs)]
    if subject.prepared.kernel.keeps_outputs:
        found.append((_BEFORE, subject.before.outputs[subject.output]))
    return found


def _run(subject: Subject, sources: list[tuple[int, Array]], numbers: list[Array]) -> int:
    """What the kernel puts at the element when the sources hold these numbers."""
    inputs = [None if x is None else np.array(x) for x in subject.before.inputs]
    outputs = [np.zeros_like(x) for x in subject.before.outputs]
    for (position, array), values in zip(sources, numbers, strict=True):
        filled = values.astype(array.dtype).reshape(array.shape)
        if position == _BEFORE:
            outputs[subject.output] = filled
        else:
            inputs[position] = filled
    state = tuple(np.array(x) for x in subject.before.state)
    arrays = Arrays(tuple(inputs), tuple(outputs), state=state)
    subject.prepared.kernel.evaluate(subject.params, arrays)
    return int(outputs[subject.output][subject.index])


def _embedding_lookup(subject: Subject, recorder: Recorder) -> Outcome:
    """A move, but where an int8 table is looked up as float32."""
    p = subject.params
    if not isinstance(p, HybridParams):
        return _move(subject, recorder)
    row, *rest = subject.index
    at = (int(subject.array(0)[row]), *rest)
    x = subject.read(recorder, 1, at)
    label = "times the table's scale, to float32"
    return Outcome(recorder.do("multiply_to_float32", label, x=x, y=float(p.scale)))


def _broadcast_args(subject: Subject, recorder: Recorder) -> Outcome:
    """The other shape's size where one is 1 or has no such axis."""
    sizes = []
    for position in range(2):
        at = subject.index[0] - subject.out.shape[0] + subject.node.input(position).shape[0]
        if at >= 0:
            sizes.append((position, (at,), int(subject.array(position).astype(np.int32)[at])))
    position, place, _ = next((size for size in sizes if size[2] != 1), sizes[0])
    label = f"the size in shape {position}: the other has 1, the same, or no such axis"
    return Outcome(recorder.wrap(subject.read(recorder, position, place, label), 32))


def _read_variable(subject: Subject, recorder: Recorder) -> Outcome:
    """What the variable holds."""
    number = int(subject.array(0).reshape(-1)[0])
    held = subject.before.variables[number].view(subject.out.dtype).reshape(subject.out.shape)
    value = recorder.read(
        "held by the variable", f"variable {number}", subject.index, held[subject.index]
    )
    return Outcome(value, dequantised(subject.out, value))


EXPLAINERS: Mapping[str, Explainer] = {
    **dict.fromkeys(MOVED, _move),
    "BROADCAST_ARGS": _broadcast_args,
    "EMBEDDING_LOOKUP": _embedding_lookup,
    "READ_VARIABLE": _read_variable,
}

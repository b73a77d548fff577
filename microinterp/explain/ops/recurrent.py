"""SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM: layers with a memory.

The formulas are those of the kernels. Of an LSTM one time step is opened up: the states that the
step before left are read, and its own elements can be explained in turn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from microinterp.explain.ops.common import activated, ratio_text
from microinterp.explain.ops.curves import sigmoid_int16, tanh_int16
from microinterp.explain.recorder import Recorder, Tap, dequantised
from microinterp.explain.subject import Array, Explainer, Outcome, Subject
from microinterp.graph import Tensor
from microinterp.kernels import lstm, svdf
from microinterp.kernels.logistic import logistic_int16
from microinterp.kernels.lstm_gates import GATE_SCALE, Gate, Product
from microinterp.kernels.scaling import Scaling
from microinterp.prepare import Arrays

_STATE = 4
_HIDDEN, _CELL = 18, 19
_NAMES = ("input gate", "forget gate", "cell gate", "output gate")


def _svdf(subject: Subject, recorder: Recorder) -> Outcome:
    p: svdf.Params = subject.params
    sample, unit = subject.index
    first = unit * p.geometry.rank
    x, feature, time, bias = (subject.array(i) for i in range(4))
    state = subject.array(_STATE).reshape(sample_shape(p))
    unit_sums, real = [], 0.0
    for f in range(first, first + p.geometry.rank):
        response = _response(subject, recorder, p, sample, f)
        memory = [int(s) for s in state[sample, f, 1:]]
        rows: list[Tap] = [
            ((f, j), (m, int(time[f, j]))) for j, m in enumerate([*memory, response])
        ]
        columns, zeros = ("response", "weight"), (p.state_zero_point, 0)
        label = f"filter {f}: sum over time"
        with recorder.section(f"filter {f}"):
            unit_sums.append(recorder.sum_of_products(label, columns, zeros, rows))
        real += _svdf_real(subject, memory, x[sample], feature[f], time[f])
    total = unit_sums[0]
    for more in unit_sums[1:]:
        total = recorder.do("add", "add the unit's next filter", x=total, y=more)
    unit_bias = int(bias.reshape(-1)[unit])
    total = recorder.do("add", f"add bias {unit}", x=total, y=unit_bias)
    total = recorder.wrap(total, 32)
    scales = [float(subject.node.input(i).scale) for i in (_STATE, 2)]
    note = ratio_text(scales, subject.scale)
    scaled = recorder.requantise(total, p.requantise, p.multiplier, p.shift, note)
    value = recorder.output(scaled, p.output_zero_point, p.low, p.high, subject.scale)
    real += unit_bias * scales[0] * scales[1]
    return Outcome(value, activated(subject.node, real))


def sample_shape(p: svdf.Params) -> tuple[int, int, int]:
    """Shape of the state: batches, filters, memory."""
    return p.geometry.batches, p.geometry.filters, p.geometry.memory


def _response(
    subject: Subject, recorder: Recorder, p: svdf.Params, sample: int, number: int
) -> Any:
    """A filter's response to the newest input, as the state keeps it."""
    x, feature = subject.array(0), subject.array(1)
    taps: list[Tap] = [
        ((sample, i), (int(x[sample, i]), int(feature[number, i]))) for i in range(x.shape[1])
    ]
    scales = [float(subject.node.input(i).scale) for i in (0, 1, _STATE)]
    with recorder.section(f"filter {number}: its response to the input"):
        label = "sum of the products"
        zeros = (p.input_zero_point, 0)
        source = subject.node.input(0)
        total = recorder.sum_of_products(label, ("input", "weight"), zeros, taps, source=source)
        total = recorder.wrap(total, 32)
        note = ratio_text(scales[:2], scales[2])
        factor = p.feature
        scaled = recorder.requantise(total, p.requantise, factor.multiplier, factor.shift, note)
        low, high = p.responses
        value = recorder.do("clamp", "clamp to the state's type", x=scaled, low=low, high=high)
        if p.state_zero_point:
            value = recorder.do("add", "add the state's zero point", x=value, y=p.state_zero_point)
        return recorder.wrap(value, 8 * subject.node.input(_STATE).dtype.itemsize)


def _svdf_real(subject: Subject, memory: list[int], x: Any, feature: Any, time: Any) -> float:
    """A filter's sum over time in real numbers, the newest response unrounded."""
    tensors = [subject.node.input(i) for i in range(_STATE + 1)]

    def real(position: int, value: Any) -> float:
        return dequantised(tensors[position], value) or 0.0

    responses = [real(_STATE, m) for m in memory]
    pairs = zip(x, feature, strict=True)
    responses.append(sum(real(0, a) * real(1, w) for a, w in pairs))
    return sum(r * real(2, w) for r, w in zip(responses, time, strict=True))


@dataclass(frozen=True)
class _Row:
    """Numbers, the tensor that they stand in, and where; None for no tensor of the file."""

    numbers: list[int]
    source: Tensor | None
    at: list[tuple[int, ...]]


@dataclass(frozen=True)
class _Step:
    """One time step of one unit of an LSTM.

    Attributes:
        unit: of the element.
        x, hidden: the input, and what the step before left as outputs.
        cell: the unit's cell state before.
    """

    unit: int
    x: _Row
    hidden: _Row
    cell: _Row


def _lstm(subject: Subject, recorder: Recorder) -> Outcome:
    p: lstm.Params = subject.params
    step = _step_of(subject, p)
    values = [
        _gate(subject, recorder, p, gate, name, step)
        for gate, name in zip(p.gates, _NAMES, strict=True)
    ]
    enter, forget, new, leave = values
    cell_scale = float(subject.node.input(_CELL).scale)
    with recorder.section("cell state"):
        source = step.cell.source or "cell state after the step before"
        real = step.cell.numbers[0] * cell_scale
        at = step.cell.at[0]
        before = recorder.read("cell state before", source, at, step.cell.numbers[0], real)
        product = recorder.do("multiply", "forget gate * cell", x=forget, y=before)
        kept = _scaled(recorder, product, p.keep)
        product = recorder.do("multiply", "input gate * cell gate", x=enter, y=new)
        added = _scaled(recorder, product, p.add)
        total = recorder.do("add", "kept + added", x=kept, y=added)
        low, high = p.cell_limits
        real = max(low, min(high, total)) * cell_scale
        cell = recorder.do("clamp", "the new cell state", real=real, x=total, low=low, high=high)
    with recorder.section("tanh of the cell state"):
        shown = tanh_int16(recorder, cell, p.tanh.keywords["p"])  # type: ignore[attr-defined]
    with recorder.section("output"):
        product = recorder.do("multiply", "tanh * output gate", x=shown, y=leave)
        value = _scaled(recorder, product, p.show, float(subject.node.input(_HIDDEN).scale))
    return Outcome(value, _lstm_real(subject, p, step))


def _step_of(subject: Subject, p: lstm.Params) -> _Step:
    """What the element's time step finds."""
    first, second, unit = subject.index
    sample, time = (second, first) if p.sequence.time_major else (first, second)
    x, out, node = subject.array(0), subject.after[0], subject.node
    row = _row(x[first, second], node.input(0), (first, second))
    hidden, cell = _states_before(subject, p, time)
    own = int(cell[sample, unit])
    if time > 0:
        left = (first - 1, second) if p.sequence.time_major else (first, second - 1)
        before = _row(out[left], node.output(), left)
        return _Step(unit, row, before, _Row([own], None, [(sample, time - 1, unit)]))
    states = p.sequence.states
    of_hidden, of_cell = (node.input(i) for i in (_HIDDEN, _CELL))
    places = [_place(of_hidden, sample * states + i) for i in range(states)]
    is_kept = subject.prepared.kernel.evaluate is not lstm.evaluate_stateless
    start = _Row([int(h) for h in hidden[sample]], of_hidden if is_kept else None, places)
    at = _place(of_cell, sample * states + unit)
    return _Step(unit, row, start, _Row([own], of_cell if is_kept else None, [at]))


def _row(numbers: Array, source: Tensor, at: tuple[int, ...]) -> _Row:
    """A row of a tensor."""
    return _Row([int(n) for n in numbers], source, [(*at, i) for i in range(len(numbers))])


def _place(tensor: Tensor, number: int) -> tuple[int, ...]:
    """Index of a tensor's element by its number."""
    return tuple(int(i) for i in np.unravel_index(number, tensor.shape))


def _states_before(subject: Subject, p: lstm.Params, time: int) -> tuple[Any, Any]:
    """Hidden state and cell state [batches, states] before a time step."""
    found = subject.before
    inputs = [None if x is None else np.array(x) for x in found.inputs]
    hidden, cell = (p.sequence.state(_given(inputs[i])) for i in (_HIDDEN, _CELL))
    if subject.prepared.kernel.evaluate is lstm.evaluate_stateless:
        hidden[...] = subject.node.input(_HIDDEN).zero_point  # the same as none
        cell[...] = 0
    if time > 0:
        short = replace(p, sequence=replace(p.sequence, steps=time))
        until = np.s_[:time] if p.sequence.time_major else np.s_[:, :time]
        inputs[0] = _given(inputs[0])[until]
        lstm.evaluate_int(short, Arrays(tuple(inputs), (np.array(subject.after[0][until]),)))
    return hidden, cell


def _given(array: Array | None) -> Array:
    assert array is not None
    return array


def _gate(
    subject: Subject, recorder: Recorder, p: lstm.Params, gate: Gate, name: str, step: _Step
) -> Any:
    """One gate's value in steps of 2^-15."""
    with recorder.section(f"{name}: input and bias"):
        bias = int(subject.array(gate.tensors[2])[step.unit])
        total = _product(subject, recorder, gate.of_input, (0, gate.tensors[0]), step, bias)
    with recorder.section(f"{name}: state"):
        numbers = (_HIDDEN, gate.tensors[1])
        more = _product(subject, recorder, gate.of_state, numbers, step)
    with recorder.section(f"{name}: activation"):
        total = recorder.do("add", "input + state", x=total, y=more)
        real = max(-32768, min(32767, total)) * GATE_SCALE
        total = recorder.do("clamp", "within int16", real=real, x=total, low=-32768, high=32767)
        if not isinstance(gate.activation, partial):
            return total
        is_sigmoid = gate.activation.func is logistic_int16
        curve = sigmoid_int16 if is_sigmoid else tanh_int16
        return curve(recorder, total, gate.activation.keywords["p"])


def _product(
    subject: Subject,
    recorder: Recorder,
    product: Product,
    numbers: tuple[int, int],
    step: _Step,
    bias: int | None = None,
) -> Any:
    """A row times a row of a filter, and the bias, in steps of 2^-12."""
    x, w = (subject.node.input(i) for i in numbers)
    row = step.x if numbers[0] == 0 else step.hidden
    weights = subject.array(numbers[1])[step.unit].tolist()
    taps: list[Tap] = [(at, (a, b)) for at, a, b in zip(row.at, row.numbers, weights, strict=True)]
    columns = ("input" if numbers[0] == 0 else "state", "weight")
    zeros = (product.zero_point, product.filter_zero_point)
    total = recorder.sum_of_products("sum of the products", columns, zeros, taps, source=row.source)
    bits = 32 if product.accumulator is np.int32 else 64
    total = recorder.wrap(total, bits)
    if bias is not None:
        total = recorder.wrap(recorder.do("add", f"add bias {step.unit}", x=total, y=bias), bits)
    note = ratio_text((float(x.scale), float(w.scale)), GATE_SCALE)
    return _scaled(recorder, total, product.scaling, GATE_SCALE, note)


def _scaled(
    recorder: Recorder, x: int, scaling: Scaling, scale: float | None = None, note: str = ""
) -> Any:
    """Requantised and clamped."""
    x = recorder.requantise(x, scaling.requantise, scaling.multiplier, scaling.shift, note)
    return recorder.output(x, scaling.output_zero_point, scaling.low, scaling.high, scale)


def _lstm_real(subject: Subject, p: lstm.Params, step: _Step) -> float:
    """The time step in real numbers, from the states as they are."""
    values = []
    for gate in p.gates:
        total = _real_dot(subject, 0, gate.tensors[0], step.x.numbers, step.unit)
        bias = int(subject.array(gate.tensors[2])[step.unit])
        total += bias * math.prod(float(subject.node.input(i).scale) for i in (0, gate.tensors[0]))
        total += _real_dot(subject, _HIDDEN, gate.tensors[1], step.hidden.numbers, step.unit)
        values.append(_activate(gate, total))
    enter, forget, new, leave = values
    cell_scale = float(subject.node.input(_CELL).scale)
    cell = forget * step.cell.numbers[0] * cell_scale + enter * new
    low, high = p.cell_limits
    return math.tanh(min(max(cell, low * cell_scale), high * cell_scale)) * leave


def _activate(gate: Gate, x: float) -> float:
    if not isinstance(gate.activation, partial):
        return x
    if gate.activation.func is logistic_int16:
        return 0.5 * (1 + math.tanh(x / 2))
    return math.tanh(x)


def _real_dot(subject: Subject, x: int, w: int, row: list[int], unit: int) -> float:
    a, b = subject.node.input(x), subject.node.input(w)
    pairs = zip(row, subject.array(w)[unit], strict=True)
    return sum((dequantised(a, i) or 0.0) * (dequantised(b, j) or 0.0) for i, j in pairs)


EXPLAINERS: Mapping[str, Explainer] = {
    "SVDF": _svdf,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
}

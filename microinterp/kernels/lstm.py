"""UNIDIRECTIONAL_SEQUENCE_LSTM without peephole, projection and layer normalisation.

For each time step, with the hidden state h and the cell state c of the step before:
    gate(k) = activation(x * Wx[k] + b[k] + h * Wh[k])     sigmoid; for the cell's gate tanh
    c = gate(forget) * c + gate(input) * gate(cell), clipped to +-cell_clip where that is positive
    h = tanh(c) * gate(output), which is the step's output as well
Integers: each of a gate's two products is requantised by itself to int16 in steps of 2^-12 (the
bias is in the first one's sum), their sum saturates, and the activations are those of int16
LOGISTIC and TANH. Each product of a state is requantised to the state's steps and saturates. The
output's own scale is never looked at. CMSIS-NN has its own rules (quant/rules.py). Float: sums run
in float32 one by one; each product of matrices and of gates is clamped to finite numbers.
Source: TFLM kernels/unidirectional_sequence_lstm.cc, lstm_eval.h, lstm_eval.cc,
lstm_eval_common.cc.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    MAX_LEFT_SHIFT,
    Evaluate,
    clamp_float,
    is_float,
    multiplier_of,
    multipliers_of,
    pick_by_type,
    refuse_by,
    require_quantized,
    require_rank,
    require_same_type,
    require_shape,
)
from microinterp.kernels.filters import FLOAT_SUMS, MAX_LEFT_SHIFT_INT64
from microinterp.kernels.logistic import (
    Int16Params,
    logistic_float,
    logistic_int16,
    tanh_int16,
)
from microinterp.kernels.lstm_gates import (
    GATE_SCALE,
    Array,
    Function,
    Gate,
    Product,
    int16_scaling,
    weights,
)
from microinterp.kernels.scaling import Scaling, requantised
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.libm import checked_log2, tanhf
from microinterp.quant.params import activation_range_float
from microinterp.quant.tables import sigmoid_table
from microinterp.registry import Op

_INPUTS = 24
_HIDDEN, _CELL = 18, 19
# Tensor numbers of Wx, Wh and b for each gate.
_INPUT_GATE, _FORGET_GATE, _CELL_GATE, _OUTPUT_GATE = _GATES = (
    (1, 5, 12),
    (2, 6, 13),
    (3, 7, 14),
    (4, 8, 15),
)
_ABSENT = {
    "peephole": range(9, 12),
    "projection": range(16, 18),
    "layer normalisation": range(20, 24),
}
"""Numbers of the inputs that TFLM wants left out."""
_INT16 = np.iinfo(np.int16)
_LOW, _HIGH = activation_range_float(0)


@dataclass(frozen=True)
class Sequence:
    """Shapes: the input is [batches, steps, inputs], or [steps, batches, inputs] if time_major."""

    time_major: bool
    batches: int
    steps: int
    inputs: int
    states: int

    def rows(self, x: Array) -> Iterator[Array]:
        """Views [batches, ...] of each time step, in order."""
        for step in range(self.steps):
            yield x[step] if self.time_major else x[:, step]

    def state(self, x: Array) -> Array:
        """A view of a state [batches, states]."""
        return x.reshape(self.batches, self.states)


@dataclass(frozen=True)
class Params:
    """Parameters of an integer LSTM.

    Attributes:
        gates: input, forget, cell, output.
        keep, add, show: take gate * cell, gate * gate and tanh * gate to their state's steps.
        cell_limits: in the cell's steps.
        tanh: of the cell state.
    """

    sequence: Sequence
    gates: tuple[Gate, Gate, Gate, Gate]
    keep: Scaling
    add: Scaling
    show: Scaling
    cell_limits: tuple[int, int]
    tanh: Function


@dataclass(frozen=True)
class FloatParams:
    """Parameters of a float32 LSTM: cell_clip 0 for no limit, the cell gate's activation."""

    sequence: Sequence
    cell_clip: np.float32
    cell_gate: Function


def evaluate_int(p: Params, arrays: Arrays) -> None:
    """int8 or int16 x -> out of the same type [..., states]; both states are overwritten."""
    _, hidden, cell, _ = _tensors(p.sequence, arrays)
    hidden[...] = _last_shown(p, arrays, hidden, cell)


def evaluate_stateless(p: Params, arrays: Arrays) -> None:
    """The same from a cell of zeros and no hidden state; both states stay as they are."""
    _, _, cell, _ = _tensors(p.sequence, arrays)
    _last_shown(p, arrays, None, np.zeros_like(cell))


def _last_shown(p: Params, arrays: Arrays, hidden: Array | None, cell: Array) -> Array | None:
    """Fill the output from these states; `cell` is overwritten. The last step's output."""
    x, _, _, out = _tensors(p.sequence, arrays)
    for row, shown in zip(p.sequence.rows(x), p.sequence.rows(out), strict=True):
        enter, forget, new, leave = (gate(arrays.inputs, row, hidden) for gate in p.gates)
        kept = requantised(forget * cell, p.keep, np.int32)
        total = kept + requantised(enter * new, p.add, np.int32)
        cell[...] = np.clip(total, *p.cell_limits)
        shown[...] = requantised(p.tanh(cell) * leave, p.show, out.dtype)
        hidden = shown
    return hidden


def evaluate_float(p: FloatParams, arrays: Arrays) -> None:
    """float32 x -> out [..., states]; both states are overwritten."""
    x, hidden, cell, out = _tensors(p.sequence, arrays)
    activations = (logistic_float, logistic_float, p.cell_gate, logistic_float)
    for row, shown in zip(p.sequence.rows(x), p.sequence.rows(out), strict=True):
        enter, forget, new, leave = (
            activation(_gate_sums(arrays.inputs, tensors, row, hidden))
            for tensors, activation in zip(_GATES, activations, strict=True)
        )
        cell[...] = _finite(forget * cell) + _finite(enter * new)
        if p.cell_clip > 0:
            below = np.where(cell < p.cell_clip, cell, p.cell_clip)  # as C has it for a NaN
            cell[...] = np.where(below < -p.cell_clip, -p.cell_clip, below)
        hidden[...] = _finite(tanhf(cell) * leave)
        shown[...] = hidden


def _tensors(sequence: Sequence, arrays: Arrays) -> tuple[Array, Array, Array, Array]:
    x, hidden, cell = (arrays.inputs[i] for i in (0, _HIDDEN, _CELL))
    assert x is not None
    assert hidden is not None
    assert cell is not None
    return x, sequence.state(hidden), sequence.state(cell), arrays.outputs[0]


def _gate_sums(
    inputs: tuple[Array | None, ...], tensors: tuple[int, int, int], x: Array, hidden: Array
) -> Array:
    wx, wh, bias = weights(inputs, tensors)
    # TFLM adds a bias of 0 to the second product: -0.0 becomes 0.0
    return _finite(_dots(x, wx) + bias) + _finite(_dots(hidden, wh) + np.float32(0))


def _dots(x: Array, w: Array) -> Array:
    """Rows of x times rows of w in float32, product after product, as C does without FMA."""
    sums = np.zeros((len(x), len(w)), np.float32)
    for i in range(w.shape[1]):
        sums += x[:, i, None] * w[:, i]
    return sums


def _finite(x: Array) -> Array:
    return clamp_float(x, _LOW, _HIGH)


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    node.require_counts((_INPUTS, _INPUTS))
    for what, numbers in _ABSENT.items():
        for tensor in (node.inputs[i] for i in numbers):
            node.require(tensor is None, f"{what} is not supported by TFLM", tensor)
    x, hidden, cell = node.input(0), node.input(_HIDDEN), node.input(_CELL)
    w, bias = node.input(_INPUT_GATE[0]), node.input(_INPUT_GATE[2])
    for gate in _GATES:
        require_same_type(node, w, *(node.input(i) for i in gate[:2]))
        require_same_type(node, bias, node.input(gate[2]))
    evaluate = pick_by_type(node, _EVALUATE, x, w, bias, hidden, cell, node.output())
    options = node.options(tflite.UnidirectionalSequenceLSTMOptions)
    sequence = _sequence(node, bool(options.TimeMajor()))
    scratch = (sequence.batches * sequence.states * cell.dtype.itemsize,) * 4
    is_tanh = options.FusedActivationFunction() == tflite.ActivationFunctionType.TANH
    clip = float(options.CellClip())
    if is_float(x):
        cell_gate = tanhf if is_tanh else _as_it_is
        return Kernel(evaluate, FloatParams(sequence, np.float32(clip), cell_gate), scratch)
    for tensors in _GATES:
        for tensor in map(node.input, tensors):
            refuse_by("lstm-constants", node, context, not tensor.is_constant, "computed", tensor)
    params = _params(node, context, sequence, is_tanh, clip)
    if context.profile.follows("lstm-stateless"):
        evaluate = evaluate_stateless
    return Kernel(evaluate, params, scratch)


def _as_it_is(x: Array) -> Array:
    """The cell gate's activation where the file says anything but TANH."""
    return x


def _sequence(node: Node, time_major: bool) -> Sequence:
    x, hidden, cell, out = (*(node.input(i) for i in (0, _HIDDEN, _CELL)), node.output())
    require_rank(node, x, 3)
    node.require(x.elements > 0, f"{x} has no elements", x)
    node.require(hidden.rank >= 2, f"rank {hidden.rank}, wanted 2 or more", hidden)
    first, second, inputs = x.shape
    batches, steps = (second, first) if time_major else (first, second)
    states = hidden.shape[1]
    for tensor in (hidden, cell):
        node.require(
            tensor.is_variable and not tensor.is_constant,
            "the state is no variable",
            tensor,
            "mark it is_variable",
        )
        node.require(
            tensor.elements == batches * states > 0,
            f"{tensor} has {tensor.elements} elements, wanted {batches} times {states}",
            tensor,
        )
    require_shape(node, out, (first, second, states))
    for of_input, of_state, bias in _GATES:
        require_shape(node, node.input(of_input), (states, inputs))
        require_shape(node, node.input(of_state), (states, states))
        require_shape(node, node.input(bias), (states,))
    return Sequence(time_major, batches, steps, inputs, states)


def _params(node: Node, context: Context, sequence: Sequence, is_tanh: bool, clip: float) -> Params:
    hidden, cell = node.input(_HIDDEN), node.input(_CELL)
    require_quantized(node, node.input(0), hidden, cell)
    sigmoid = sigmoid_table().astype(np.int64)
    by_three = Int16Params(3, 0, sigmoid)
    logistic: Function = partial(logistic_int16, p=by_three)
    activations = dict.fromkeys(_GATES, logistic)
    if is_tanh:
        activations[_CELL_GATE] = partial(tanh_int16, p=by_three)
    elif not context.profile.follows("lstm-sigmoid-cell-gate"):
        activations[_CELL_GATE] = _as_it_is
    enter, forget, new, leave = (
        _gate(node, context, tensors, activations[tensors]) for tensors in _GATES
    )
    cell_scale, hidden_scale = float(cell.scale), float(hidden.scale)
    info = np.iinfo(hidden.dtype)
    return Params(
        sequence=sequence,
        gates=(enter, forget, new, leave),
        keep=_scaling(node, context, 2.0**-15 * cell_scale / cell_scale),
        add=_scaling(node, context, 2.0**-30 / cell_scale),
        show=replace(
            _scaling(node, context, 2.0**-30 / hidden_scale),
            output_zero_point=hidden.zero_point,
            low=int(info.min),
            high=int(info.max),
        ),
        cell_limits=_cell_limits(context, clip / cell_scale),
        tanh=partial(tanh_int16, p=_cell_tanh(node, cell, sigmoid)),
    )


def _cell_limits(context: Context, clip: float) -> tuple[int, int]:
    """From the limit in steps of the cell."""
    limit = int(min(clip, float(_INT16.max))) if clip > 0 else 0
    if limit > 0 or (clip > 0 and not context.profile.follows("lstm-clip-of-no-step")):
        return -limit, limit
    return int(_INT16.min), int(_INT16.max)


def _scaling(node: Node, context: Context, real: float) -> Scaling:
    factor = multiplier_of(node, real)
    requantise = context.profile.requantise(node.name)
    return int16_scaling(requantise, factor.multiplier, factor.shift)


def _gate(
    node: Node, context: Context, tensors: tuple[int, int, int], activation: Function
) -> Gate:
    of_input, of_state = (
        _product(node, context, node.input(position), node.input(filters))
        for position, filters in zip((0, _HIDDEN), tensors[:2], strict=True)
    )
    if context.profile.follows("lstm-saturates-once"):
        info = np.iinfo(np.int32)
        scaling = replace(of_state.scaling, low=int(info.min), high=int(info.max))
        of_state = replace(of_state, scaling=scaling)
    return Gate(tensors, of_input, of_state, activation)


def _product(node: Node, context: Context, x: Tensor, w: Tensor) -> Product:
    require_quantized(node, w)
    assert w.quantization is not None
    scales = len(w.quantization.scale)
    node.require(scales == 1, f"has {scales} scales, wanted one", w)
    real = float(x.scale) * float(w.scale) / GATE_SCALE
    is_32_bit = x.dtype == np.int8
    limit = MAX_LEFT_SHIFT if is_32_bit else MAX_LEFT_SHIFT_INT64
    factor = multipliers_of(node, [real], limit, context.profile.split(node.name))
    profile = context.profile
    requantise = profile.requantise if is_32_bit else profile.requantise_int64
    return Product(
        x.zero_point,
        0 if profile.follows("lstm-filter-zero-points") else w.zero_point,
        np.int32 if is_32_bit else np.int64,
        int16_scaling(requantise(node.name), int(factor.multiplier[0]), int(factor.shift[0])),
    )


def _cell_tanh(node: Node, cell: Tensor, sigmoid: npt.NDArray[np.int64]) -> Int16Params:
    """The cell's scale counts as the nearest power of two. Raises where C cannot shift so far."""
    log2, _ = checked_log2(cell.scale)
    left = log2 + 12
    node.require(-30 <= left <= 14, f"scale {cell.scale:g} is out of the range of tanh", cell)
    return Int16Params(3 << max(left, 0), max(-left, 0), sigmoid)


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32",) * 6: evaluate_float,
    ("int8", "int8", "int32", "int8", "int16", "int8"): evaluate_int,
    ("int16", "int8", "int64", "int16", "int16", "int16"): evaluate_int,
}

OPS = (
    Op(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        prepare,
        ("float32", "int8 x int8, int16 cell", "int16 x int8, int16 cell"),
        float_exactness=f"{FLOAT_SUMS}; exp and tanh as in LOGISTIC and TANH",
        limits=(
            "24 inputs",
            "no peephole, projection or layer normalisation",
            "one scale for each filter",
        ),
    ),
)

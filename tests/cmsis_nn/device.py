"""One layer of a model as TFLM with CMSIS-NN computes it: what its wrapper hands to the library.

Multipliers come from the layer as the profile tflm prepares it, so that layers run here which the
profile cmsis-nn refuses. The order of fields is that of the structures in arm_nn_types.h.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from ctypes import byref
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from microinterp import Interpreter
from microinterp.graph import Node
from microinterp.prepare import Arrays
from tests.cmsis_nn.library import Bias, Buffer, Gate, Lstm, LstmBuffers, Scales, address, ints

Array = npt.NDArray[Any]
GUARD = 1 << 16
"""Bytes before and behind an output that nobody should write."""
FILL = 0x5A
_SIGMOID, _TANH = 0, 1


class WroteOutsideError(Exception):
    """The library wrote before or behind the output."""


class Device:
    """A model of one layer; call `invoke` again and again, its state lives on.

    Attributes:
        arrays: contents of each input of the op, constants and states among them.
    """

    def __init__(self, library: ctypes.CDLL, model: bytes) -> None:
        self.library = library
        interpreter = Interpreter.from_bytes(model)
        (prepared,) = interpreter.prepared.subgraphs[0]
        self.node: Node = prepared.node
        self.params: Any = prepared.kernel.params
        self.model_inputs = interpreter.graph.main.inputs
        self.arrays = [_start(tensor) for tensor in self.node.inputs]
        self.scratch = np.zeros(1 << 20, np.uint8)
        self.more_scratch = np.zeros(1 << 20, np.uint8)

    def invoke(self, sample: Sequence[Array]) -> Array:
        """The output for the model's inputs. Raises WroteOutsideError."""
        for tensor, array in zip(self.model_inputs, sample, strict=True):
            for i, taken in enumerate(self.node.inputs):
                if taken is not None and taken.index == tensor.index:
                    self.arrays[i] = np.ascontiguousarray(array)
        out = self.node.output()
        guarded = np.full(out.nbytes + 2 * GUARD, FILL, np.uint8)
        result = guarded[GUARD : GUARD + out.nbytes].view(out.dtype).reshape(out.shape)
        status = _RUN[self.node.name](self, result)
        assert status in (None, 0), f"the library says {status}"
        if (guarded[:GUARD] != FILL).any() or (guarded[GUARD + out.nbytes :] != FILL).any():
            raise WroteOutsideError
        return result.copy()

    def types(self) -> str:
        """Types of input and filter or second input: "int8 int4"."""
        return " ".join(t.type_name for t in self.node.inputs[:2] if t is not None)


def _start(tensor: Any) -> Array | None:
    if tensor is None:
        return None
    if tensor.is_constant:
        return np.ascontiguousarray(tensor.data)
    fill = tensor.zero_point if tensor.is_variable and tensor.dtype == np.int8 else 0
    return np.full(tensor.shape, fill, tensor.dtype)


def _dims(shape: Sequence[int]) -> Any:
    return ints(*shape)


def _convolution(d: Device, out: Array) -> int:
    x, w, bias = (*d.arrays, None)[:3]
    assert x is not None
    node, g, q = d.node, d.params.geometry, d.params.quant
    kind = f"{node.input(0).type_name} {node.input(1).type_name}"
    is_depthwise = node.name == "DEPTHWISE_CONV_2D"
    n, kh, kw, c = node.input(1).shape
    params = ints(
        -q.input_zero_point,
        q.output_zero_point,
        *([g.multiplier] if is_depthwise else []),
        *(g.width.stride, g.height.stride, g.width.before, g.height.before),
        *(g.width.dilation, g.height.dilation, q.low, q.high),
    )
    scales = Scales(q.multiplier, q.shift)
    name = {
        (False, "int8 int8"): "arm_convolve_wrapper_s8",
        (False, "int8 int4"): "arm_convolve_wrapper_s4",
        (False, "int16 int8"): "arm_convolve_wrapper_s16",
        (True, "int8 int8"): "arm_depthwise_conv_wrapper_s8",
        (True, "int8 int4"): "arm_depthwise_conv_wrapper_s4",
        (True, "int16 int8"): "arm_depthwise_conv_s16",
    }[is_depthwise, kind]
    given: Any = address(bias)
    if name == "arm_convolve_wrapper_s16":
        given = byref(Bias(given, q.accumulator is np.int32))
    return getattr(d.library, name)(
        byref(Buffer(d.scratch)),
        params,
        byref(scales),
        _dims(x.shape),
        address(x),
        ints(n if is_depthwise else 1, kh, kw, c),
        address(w),
        ints(1, 1, 1, out.shape[-1]),
        given,
        _dims(out.shape),
        address(out),
    )


def _fully_connected(d: Device, out: Array) -> int:
    x, w, bias = (*d.arrays, None)[:3]
    node, q = d.node, d.params.quant
    depth, channels = d.params.geometry.depth, out.shape[-1]
    rows = out.size // channels
    kind = f"{node.input(0).type_name} {node.input(1).type_name}"
    limits = (q.low, q.high)
    is_convolution = kind == "int8 int8" and out.ndim > 2 and depth % 4 == 0
    if is_convolution:
        name = "arm_convolve_1x1_s8_fast"
        params = ints(-q.input_zero_point, q.output_zero_point, 1, 1, 0, 0, 1, 1, *limits)
    else:
        name = {
            "int8 int8": "arm_fully_connected_wrapper_s8",
            "int8 int4": "arm_fully_connected_s4",
            "int16 int8": "arm_fully_connected_s16",
        }[kind]
        zero = -d.params.filter_zero_point if kind == "int8 int8" else 0
        params = ints(-q.input_zero_point, zero, q.output_zero_point, *limits)
    scales: Any = Scales(q.multiplier, q.shift)
    given: Any = byref(scales)
    if name in ("arm_fully_connected_s4", "arm_fully_connected_s16"):
        given = ints(q.multiplier[0], q.shift[0])
    elif not is_convolution:
        quantization = node.input(1).quantization
        assert quantization is not None
        scales.is_per_channel = len(quantization.scale) > 1
    return getattr(d.library, name)(
        byref(Buffer(d.scratch)),
        params,
        given,
        ints(rows, 1, 1, depth),
        address(x),
        ints(depth, 1, 1, channels),
        address(w),
        ints(1, 1, 1, channels),
        address(bias),
        ints(rows, 1, 1, channels),
        address(out),
    )


def _transpose_conv(d: Device, out: Array) -> int:
    _, w, x, bias = (*d.arrays, None)[:4]
    assert w is not None
    assert x is not None
    g, q = d.params.geometry, d.params.quant
    params = ints(
        *(-q.input_zero_point, q.output_zero_point, g.width.stride, g.height.stride),
        *(g.width.before, g.height.before, 0, 0, 1, 1),
        *(-128, 127),  # the fused activation is ignored
    )
    scales = Scales(q.multiplier, q.shift)
    return d.library.arm_transpose_conv_wrapper_s8(
        byref(Buffer(d.scratch)),
        byref(Buffer(d.more_scratch)),
        params,
        byref(scales),
        _dims(x.shape),
        address(x),
        _dims(w.shape),
        address(w),
        ints(1, 1, 1, out.shape[-1]),
        address(bias),
        _dims(out.shape),
        address(out),
    )


def _add(d: Device, out: Array) -> int:
    a, b = d.arrays
    p = d.params
    assert d.node.input(0).shape == d.node.input(1).shape
    left, right = (
        _numbers(-zero, s.multiplier, s.shift)
        for zero, s in zip(p.zero_points, p.scaling, strict=True)
    )
    tail = _numbers(p.output_zero_point, p.multiplier, p.shift, p.low, p.high, out.size)
    return d.library.arm_elementwise_add_s16(
        address(a), address(b), *left, *right, p.left_shift, address(out), *tail
    )


def _batch_matmul(d: Device, out: Array) -> int:
    p = d.params
    x, y = p.operands(Arrays(tuple(d.arrays), (out,)))
    x, y = (np.ascontiguousarray(a) for a in (x, np.swapaxes(y, -1, -2)))
    wide = out.dtype == np.int16
    call = d.library.arm_batch_matmul_s16 if wide else d.library.arm_batch_matmul_s8
    x_dims, y_dims, out_dims = (_dims((1,) * (4 - a.ndim) + a.shape) for a in (x, y, out))
    zeros = (-p.zero_points[0], -p.zero_points[1], p.output_zero_point)
    return call(
        byref(Buffer(d.scratch)),
        ints(0, *zeros, p.low, p.high),  # two bools, which are not looked at, fill the first word
        ints(p.multiplier[0], p.shift[0]),
        x_dims,
        address(x),
        y_dims,
        address(y),
        out_dims,
        address(out),
    )


def _numbers(*values: int) -> list[ctypes.c_int32]:
    return [ctypes.c_int32(int(value)) for value in values]


def _svdf(d: Device, out: Array) -> int:
    x, feature, time, bias, state = d.arrays
    assert x is not None
    assert feature is not None
    assert time is not None
    assert state is not None
    p = d.params
    limits = (-(1 << 15), (1 << 15) - 1, -128, 127)
    is_int8 = state.dtype == np.int8
    buffers = [byref(Buffer(d.scratch)), byref(Buffer(d.more_scratch))]
    sums = np.zeros(len(feature), np.int32)
    call = d.library.arm_svdf_s8 if is_int8 else d.library.arm_svdf_state_s16_s8
    return call(
        *([byref(Buffer(sums))] if is_int8 else []),
        *buffers,
        ints(p.geometry.rank, p.input_zero_point, p.output_zero_point, *limits),
        ints(p.feature.multiplier, p.feature.shift),
        ints(p.multiplier, p.shift),
        ints(*x.shape, 0, 0),
        address(x),
        ints(*state.shape, 0, 0),
        address(state),
        ints(*feature.shape, 0, 0),
        address(feature),
        ints(*time.shape, 0, 0),
        address(time),
        ints(out.shape[-1], 0, 0, 0),
        address(bias),
        ints(*out.shape, 0, 0),
        address(out),
    )


def _lstm(d: Device, out: Array) -> int:
    x = d.arrays[0]
    p, s, node = d.params, d.params.sequence, d.node
    options = node.options(tflite.UnidirectionalSequenceLSTMOptions)
    is_tanh = options.FusedActivationFunction() == tflite.ActivationFunctionType.TANH
    clip = float(options.CellClip()) / float(node.input(19).scale)
    numbers = (
        *(s.time_major, s.batches, s.steps, s.inputs, s.states, -node.input(0).zero_point),
        *(p.keep.multiplier, p.keep.shift, p.add.multiplier, p.add.shift),
        int(min(max(clip, -32768.0), 32767.0)),
        round(np.log2(float(node.input(19).scale))),
        *(p.show.multiplier, p.show.shift, p.show.output_zero_point),
    )
    kept: list[Array] = []
    enter, forget, new, leave = (
        _gate(d, gate, _TANH if gate is p.gates[2] and is_tanh else _SIGMOID, kept)
        for gate in p.gates
    )
    params = Lstm(*numbers, forget, enter, new, leave)
    temporary = [np.full(s.batches * s.states, 77, np.int16) for _ in range(3)]
    buffers = LstmBuffers(*map(address, temporary), None)
    wide = out.dtype == np.int16
    call = "arm_lstm_unidirectional_s16" if wide else "arm_lstm_unidirectional_s8"
    return getattr(d.library, call)(address(x), address(out), byref(params), byref(buffers))


def _gate(d: Device, gate: Any, activation: int, kept: list[Array]) -> Gate:
    wx, wh, bias = (d.arrays[i] for i in gate.tensors)
    assert wx is not None
    assert wh is not None
    assert bias is not None
    of_input, of_hidden = (
        np.ascontiguousarray(w.sum(axis=1, dtype=bias.dtype) * bias.dtype.type(-tensor.zero_point))
        for w, tensor in ((wx, d.node.input(0)), (wh, d.node.input(18)))
    )
    of_input += bias
    kept += [of_input, of_hidden]
    scalings = (gate.of_input.scaling, gate.of_state.scaling)
    (m0, s0), (m1, s1) = ((int(s.multiplier[0]), int(s.shift[0])) for s in scalings)
    return Gate(
        *(m0, s0, address(wx), address(of_input), m1, s1, address(wh), address(of_hidden)),
        *(address(bias), activation),
    )


_RUN: Mapping[str, Callable[[Device, Array], int | None]] = {
    "ADD": _add,
    "BATCH_MATMUL": _batch_matmul,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _fully_connected,
    "TRANSPOSE_CONV": _transpose_conv,
    "SVDF": _svdf,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
}

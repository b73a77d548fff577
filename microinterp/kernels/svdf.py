"""SVDF: a recurrent layer whose filters have rank one in input and time.

Each filter f keeps its last m responses as state. An invoke drops the oldest one, appends
dot(feature_weights[f], input), and adds dot(time_weights[f], state[f]) to its unit (`rank` filters
next to each other) along with the bias.
int8: responses are requantised with in_scale * feature_scale / state_scale, clamped to the state's
type, and moved by its zero point, which wraps; the sum over time runs in int32 and is requantised
with state_scale * time_scale / out_scale. Scales are multiplied in double, as the pinned wheel does
(TFLM up to August 2026: in float32). CMSIS-NN has its own rules (quant/rules.py). The fused
activation is ignored. Float: all sums run in float32 one by one, then comes the activation.
Source: TFLM kernels/svdf_common.cc, svdf.cc, activation_utils.h.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Evaluate,
    is_float,
    multiplier_of,
    pick_by_type,
    require_quantized,
    require_rank,
    require_shape,
)
from microinterp.kernels.filters import FLOAT_SUMS
from microinterp.kernels.scaling import requantised
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.fixedpoint import Requantise
from microinterp.quant.libm import Float32Array, tanhf
from microinterp.quant.params import Multiplier
from microinterp.registry import Op

MAX_BIAS_ERROR = 1e-5
"""How far the bias' scale may be from state_scale * time_scale."""
_INPUT, _FEATURE, _TIME, _BIAS, _STATE = range(5)


@dataclass(frozen=True)
class Geometry:
    """Sizes; filters = units * rank."""

    batches: int
    inputs: int
    filters: int
    rank: int
    memory: int

    @property
    def units(self) -> int:
        """Outputs of each batch."""
        return self.filters // self.rank

    def shifted(self, state: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A view of the state [batches, filters, memory], the oldest responses dropped."""
        view = state.reshape(self.batches, self.filters, self.memory)
        view[..., :-1] = view[..., 1:]
        return view

    def by_unit(self, responses: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Responses [batches, filters] as [batches, units, rank]."""
        return responses.reshape(self.batches, self.units, self.rank)


@dataclass(frozen=True)
class Params:
    """Parameters of an int8 layer.

    Attributes:
        input_zero_point, state_zero_point, output_zero_point: of those tensors.
        responses: limits of responses before the state's zero point is added.
        feature: takes responses to steps of the state.
        multiplier, shift: take sums to steps of the output.
        low, high: clamp limits of the output.
    """

    geometry: Geometry
    input_zero_point: int
    state_zero_point: int
    responses: tuple[int, int]
    requantise: Requantise
    feature: Multiplier
    multiplier: int
    shift: int
    output_zero_point: int
    low: int = -128
    high: int = 127


@dataclass(frozen=True)
class FloatParams:
    """Parameters of a float32 layer."""

    geometry: Geometry
    activation: Callable[[Float32Array], Float32Array]


def evaluate_int(p: Params, arrays: Arrays) -> None:
    """in [b, i], feature [f, i], time [f, m], bias [u], state [b, f * m] -> out [b, u].

    in, feature and out are int8, bias int32, time and state both int8 or both int16.
    """
    x, feature, time, bias, state = _operands(arrays)
    (out,) = arrays.outputs
    memory = p.geometry.shifted(state)
    dots = (x.astype(np.int32) - np.int32(p.input_zero_point)) @ feature.astype(np.int32).T
    responses = p.requantise(dots, p.feature.multiplier, p.feature.shift)
    responses = np.clip(responses, *p.responses) + p.state_zero_point
    memory[..., -1] = responses.astype(state.dtype)  # wraps
    centred = memory.astype(np.int32) - np.int32(p.state_zero_point)
    over_time = (centred * time.astype(np.int32)).sum(axis=-1, dtype=np.int32)
    sums = p.geometry.by_unit(over_time).sum(axis=-1, dtype=np.int32) + bias.reshape(-1)
    out[...] = requantised(sums, p, out.dtype)


def evaluate_float(p: FloatParams, arrays: Arrays) -> None:
    """The same, all in float32; every product is added by itself, as C does without FMA."""
    x, feature, time, bias, state = _operands(arrays)
    (out,) = arrays.outputs
    geometry = p.geometry
    memory = geometry.shifted(state)
    responses = np.zeros((geometry.batches, geometry.filters), np.float32)
    for i in range(geometry.inputs):
        responses += x[:, i, None] * feature[:, i]
    memory[..., -1] = responses
    over_time = np.zeros_like(responses)
    for j in range(geometry.memory):
        over_time += time[:, j] * memory[..., j]
    by_unit = geometry.by_unit(over_time)
    sums = np.broadcast_to(bias.reshape(-1), out.shape)
    for r in range(geometry.rank):
        sums = sums + by_unit[..., r]
    out[...] = p.activation(sums)


def _operands(arrays: Arrays) -> list[npt.NDArray[Any]]:
    assert all(array is not None for array in arrays.inputs)
    return [array for array in arrays.inputs if array is not None]


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    node.require_counts((5, 5))
    x, feature, time, bias, state = (node.input(i) for i in range(5))
    out = node.output()
    evaluate = pick_by_type(node, _EVALUATE, x, feature, time, bias, state, out)
    options = node.options(tflite.SVDFOptions)
    geometry = _geometry(node, options.Rank())
    node.require(
        state.is_variable and not state.is_constant,
        "the activation state is no variable",
        state,
        "mark it is_variable",
    )
    sums = geometry.batches * geometry.filters * 4
    if is_float(x):
        activation = _ACTIVATIONS.get(options.FusedActivationFunction(), _ACTIVATIONS[0])
        return Kernel(evaluate, FloatParams(geometry, activation), (sums,))
    require_quantized(node, x, feature, time, bias, state, out)
    params = _params(node, context, geometry)
    return Kernel(evaluate, params, (sums, geometry.batches * geometry.units * 4))


def _geometry(node: Node, rank: int) -> Geometry:
    x, feature, time = (node.input(i) for i in (_INPUT, _FEATURE, _TIME))
    for tensor in (x, feature, time):
        require_rank(node, tensor, 2)
        node.require(tensor.elements > 0, f"{tensor} has no elements", tensor)
    filters, memory = time.shape
    node.require(
        rank > 0 and filters % rank == 0, f"rank {rank} does not divide the {filters} filters"
    )
    batches, inputs = x.shape
    geometry = Geometry(batches, inputs, filters, rank, memory)
    require_shape(node, feature, (filters, geometry.inputs))
    bias = node.input(_BIAS)
    text = f"{bias} has {bias.elements} elements, wanted {geometry.units}"
    node.require(bias.elements == geometry.units, text, bias)
    require_shape(node, node.input(_STATE), (geometry.batches, memory * filters))
    require_shape(node, node.output(), (geometry.batches, geometry.units))
    return geometry


def _params(node: Node, context: Context, geometry: Geometry) -> Params:
    x, feature, time, bias, state = (node.input(i) for i in range(5))
    out = node.output()
    product = float(state.scale) * float(time.scale)
    _require_bias_scale(node, bias, product)
    to_state = multiplier_of(node, float(x.scale) * float(feature.scale) / float(state.scale))
    to_output = multiplier_of(node, product / float(out.scale))
    profile = context.profile
    info = np.iinfo(np.int16 if profile.follows("svdf-int8-state-wraps") else state.dtype)
    return Params(
        geometry=geometry,
        input_zero_point=x.zero_point,
        state_zero_point=0 if profile.follows("svdf-state-zero-point") else state.zero_point,
        responses=(int(info.min), int(info.max)),
        requantise=profile.requantise(node.name),
        feature=to_state,
        multiplier=to_output.multiplier,
        shift=to_output.shift,
        output_zero_point=out.zero_point,
    )


def _require_bias_scale(node: Node, bias: Tensor, product: float) -> None:
    node.require(
        abs(float(bias.scale) - product) < MAX_BIAS_ERROR,
        f"scale {bias.scale:g}, wanted state scale * time scale = {product:g}",
        bias,
    )


def _relu(low: float, high: float | None = None) -> Callable[[Float32Array], Float32Array]:
    """C's fmax and fmin, for which a NaN is nothing: it becomes a limit."""

    def clamp(x: Float32Array) -> Float32Array:
        below = x if high is None else np.fmin(x, np.float32(high))
        result: Float32Array = np.fmax(np.float32(low), below)
        return result

    return clamp


def _sign_bit(x: Float32Array) -> Float32Array:
    return np.signbit(x).astype(np.float32)


_ACTIVATIONS: Mapping[int, Callable[[Float32Array], Float32Array]] = {
    tflite.ActivationFunctionType.NONE: lambda x: x,
    tflite.ActivationFunctionType.RELU: _relu(0),
    tflite.ActivationFunctionType.RELU_N1_TO_1: _relu(-1, 1),
    tflite.ActivationFunctionType.RELU6: _relu(0, 6),
    tflite.ActivationFunctionType.TANH: tanhf,
    tflite.ActivationFunctionType.SIGN_BIT: _sign_bit,
}
_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32",) * 6: evaluate_float,
    ("int8", "int8", "int8", "int32", "int8", "int8"): evaluate_int,
    ("int8", "int8", "int16", "int32", "int16", "int8"): evaluate_int,
}

OPS = (
    Op(
        "SVDF",
        prepare,
        ("float32", "int8, int8 state", "int8, int16 state"),
        float_exactness=f"{FLOAT_SUMS}; tanh as in TANH",
        limits=("bias required", "int8 ignores the fused activation"),
    ),
)

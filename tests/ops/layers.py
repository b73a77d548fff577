"""What the tests of layers with a filter share: random layers, their models, their expectation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.movement import EVERY_TYPE, Input
from tests.ops.strategies import scales, zero_points
from tests.oracle import check_model, random_samples
from tests.spec_ops import scales as spec
from tests.spec_ops.conv import Axis, Number, Term

Array = npt.NDArray[Any]
VARIED_SHARE = 0.5
"""Of random layers, how many must give different outputs for different inputs: the others saturate
or have too few elements. 0.67 to 0.9 do, as the version of hypothesis draws them."""


@dataclass(frozen=True)
class Kind:
    """What an entry of Op.types means for a random layer: types of input, filter and bias."""

    dtype: str
    w_type: str
    bias_types: tuple[str, ...]
    bias_types_if_none: tuple[str, ...] = ("FLOAT32", "INT32", "INT64")


KINDS: Mapping[str, Kind] = {
    "float32 x float32": Kind("float32", "float32", ("float32",)),
    "int8 x int8": Kind("int8", "int8", ("int32",)),
    "int8 x int4": Kind("int8", "int4", ("int32",)),
    "int16 x int8": Kind("int16", "int8", ("int64",)),
    "int16 x int8, 32-bit sums": Kind("int16", "int8", ("int32",), ("INT32",)),
    "int16 x int8, 64-bit sums": Kind("int16", "int8", ("int64",), ("FLOAT32", "INT64")),
    "int16 x int8, 16-bit bias": Kind("int16", "int8", ("int16",)),
    "int16 x int8, 64-bit bias": Kind("int16", "int8", ("int64",)),
}


@dataclass(frozen=True)
class Layer:
    """One op with input, filter and perhaps a bias.

    Attributes:
        w_scales: one, or one per channel; none for float.
        axis: the filter's dimension of the channels.
        computed: filter and bias are inputs of the model.
        w_type: "int4" packs the filter.
    """

    op: str
    x: Input
    w: Array
    y: Input
    bias: Array | None = None
    w_scales: Sequence[float] = ()
    w_zero_point: int = 0
    axis: int = 0
    computed: bool = False
    w_type: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def data(self) -> bytes:
        """The model; tensors are x, w, bias if there is one, y, perhaps the shape of y."""
        b = ModelBuilder()
        g = b.subgraph("main")
        tensors = [g.input("x", self.x.shape, self.x.dtype, self.x.scale, self.x.zero_point)]
        w_zeros = [self.w_zero_point] * len(self.w_scales)
        w_quantization = (list(self.w_scales), w_zeros, self.axis) if self.w_scales else ()
        bias_quantization = (self.x.scale * self.w_scales[0], 0) if self.w_scales else ()
        for name, array, quantization in (
            ("w", self.w, w_quantization),
            ("bias", self.bias, bias_quantization),
        ):
            if array is None:
                continue
            if self.computed:
                tensors.append(g.input(name, array.shape, str(array.dtype), *quantization))
            else:
                dtype = self.w_type if name == "w" else None
                tensors.append(g.constant(name, array, dtype, *quantization))
        y = g.tensor("y", self.y.shape, self.y.dtype, self.y.scale, self.y.zero_point)
        if self.op == "TRANSPOSE_CONV":
            shape = g.constant("shape", np.array(self.y.shape, np.int32))
            tensors = [shape, tensors[1], tensors[0], *tensors[2:]]
        g.op(self.op, tensors, [y], **self.options)
        g.output(y)
        return b.finish()

    @property
    def channels(self) -> int:
        return self.y.shape[-1]

    def axes(self) -> tuple[Axis, Axis]:
        """The movement of a convolution's filter."""
        o = self.options
        rows, columns = (
            Axis(size, o[f"stride_{a}"], o.get(f"dilation_{a}_factor", 1), o["padding"])
            for size, a in zip(self.w.shape[1:3], "hw", strict=True)
        )
        return rows, columns

    def finish(self, sums: Sequence[Number], bias: Sequence[Number] | None) -> list[Number]:
        """Bias, requantisation and clamp of sums, by the specification."""
        activation = self.options.get("fused_activation_function", "NONE")
        if self.x.dtype == "float32":
            low, high = spec.float_limits(activation)
            biased = [
                spec.single(total + (bias[i % self.channels] if bias else 0.0))
                for i, total in enumerate(sums)
            ]
            return [total if total != total else min(max(total, low), high) for total in biased]
        assert self.y.scale is not None
        low, high = spec.limits(activation, self.y.dtype, self.y.scale, self.y.zero_point or 0)
        out = []
        for i, total in enumerate(sums):
            o = i % self.channels
            total += bias[o] if bias else 0
            out.append(self._requantised(int(total), o, int(low), int(high)))
        return out

    def _requantised(self, total: int, channel: int, low: int, high: int) -> int:
        assert self.x.scale is not None
        assert self.y.scale is not None
        is_fc, is_conv = self.op == "FULLY_CONNECTED", self.op == "CONV_2D"
        product = self.x.scale * self.w_scales[channel % len(self.w_scales)]
        bias_type = self.options.get("quantized_bias_type", "INT64")
        if self.bias is not None:
            bias_type = str(self.bias.dtype).upper()
        is_32 = self.x.dtype == "int8" or (bias_type == "INT32" and (is_fc or is_conv))
        zero = 0 if self.x.dtype == "int16" and not is_fc else self.y.zero_point or 0
        if is_32:
            total = spec.fixed.wrap32(total)
        return spec.requantised(total, 32 if is_32 else 64, product / self.y.scale, zero, low, high)

    def term(self) -> Term:
        """How a product joins a sum."""
        if self.x.dtype == "float32":
            return lambda total, pixel, weight: spec.single(total + spec.single(pixel * weight))
        is_fc = self.op == "FULLY_CONNECTED"
        zero = self.x.zero_point or 0 if is_fc or self.x.dtype == "int8" else 0
        w_zero = self.w_zero_point if is_fc and len(self.w_scales) == 1 else 0
        return lambda total, pixel, weight: total + (pixel - zero) * (weight - w_zero)


def check_layer(
    tflm: TflmRuntime,
    layer: Layer,
    sums: Callable[[Layer, list[Number], list[Number]], list[Number]],
    seed: int,
    seen: Counter[str],
) -> None:
    """Bit for bit against TFLM, in a batch, and against the specification.

    Args:
        sums: the layer's sums from flat lists of input and filter.
        seen: counts models, and those whose output takes more than one value.
    """
    data, rng = layer.data(), np.random.default_rng(seed)
    result = check_model(tflm, data, rng, dtypes=EVERY_TYPE)
    assert result.tensors == 1
    seen["models"] += 1
    seen["varied"] += bool(result.varied)
    interpreter = Interpreter.from_bytes(data)
    (sample,) = random_samples(rng, interpreter.graph, 1)
    assert sample is not None
    for i, array in enumerate(sample):
        interpreter.set_input(array, i)
    interpreter.invoke()
    x, w, bias = sample[0], layer.w, layer.bias
    if layer.computed:
        w, bias = sample[1], sample[2] if layer.bias is not None else None
    want = layer.finish(
        sums(layer, x.reshape(-1).tolist(), w.reshape(-1).tolist()),
        None if bias is None else bias.reshape(-1).tolist(),
    )
    have = interpreter.get_output(0)
    np.testing.assert_array_equal(have.reshape(-1), np.array(want, have.dtype))


def with_options(layer: Layer, **options: Any) -> Layer:
    return replace(layer, options={**layer.options, **options})


@st.composite
def axes(draw: st.DrawFn) -> tuple[Axis, Axis]:
    padding = draw(st.sampled_from(("SAME", "VALID")))
    sizes = st.integers(1, 4)
    strides, dilations = st.integers(1, 3), st.integers(1, 2)
    rows, columns = (Axis(draw(sizes), draw(strides), draw(dilations), padding) for _ in range(2))
    return rows, columns


def options_of(axes: tuple[Axis, Axis]) -> dict[str, int | str]:
    rows, columns = axes
    return {
        "padding": rows.padding,
        "stride_h": rows.stride,
        "stride_w": columns.stride,
        "dilation_h_factor": rows.dilation,
        "dilation_w_factor": columns.dilation,
    }


@st.composite
def output_scales(
    draw: st.DrawFn, sum_scale: float, terms: int, w_type: str | None = "int8"
) -> float:
    """A scale that spreads sums of `terms` products over the outputs, now and then one far off."""
    # half of the type's range is about one standard deviation of the sums, int8 or int16
    spread = sum_scale * 85 * np.sqrt(terms) / (16 if w_type == "int4" else 1)
    far = draw(st.integers(0, 9)) == 0
    scale = spread * 2 ** draw(st.floats(-13, 13) if far else st.floats(-1, 2))
    return float(np.float32(max(scale, 1e-8)))  # TFLM refuses 6 / scale beyond int32


BIAS_REACH = {"int16": 2**15, "int32": 2**31, "int64": 2**31 * 100}


@st.composite
def operands(
    draw: st.DrawFn,
    rng: np.random.Generator,
    kind: Kind,
    filter_shape: tuple[int, ...],
    axis: int,
    per_channel: bool = True,
) -> dict[str, Any]:
    """Filter, its scales and a bias."""
    channels = filter_shape[axis]
    has_bias = draw(st.booleans())
    computed = kind.w_type != "int4" and draw(st.integers(0, 7)) == 0
    bias_shape = draw(st.sampled_from(((channels,), (1, channels), (channels, 1))))
    if kind.dtype == "float32":
        w = rng.standard_normal(filter_shape).astype(np.float32)
        if draw(st.integers(0, 7)) == 0:
            w.reshape(-1)[rng.integers(0, w.size)] = draw(
                st.sampled_from((np.inf, -np.inf, 1e-45, -0.0, 3e38))
            )
        bias = rng.standard_normal(bias_shape).astype(np.float32) if has_bias else None
        return {"w": w, "bias": bias, "computed": computed}
    low = -8 if kind.w_type == "int4" else -128
    count = draw(st.sampled_from((1, channels))) if per_channel else 1
    bias_type = draw(st.sampled_from(kind.bias_types))
    base = draw(scales(1e-4, 0.1))
    spread = [base * 2 ** draw(st.floats(-2, 2)) for _ in range(count)]
    return {
        "w": rng.integers(low, -low, filter_shape).astype(np.int8),
        "bias": draw(random_bias(rng, bias_type, bias_shape)) if has_bias else None,
        "computed": computed,
        "w_type": kind.w_type,
        "w_scales": [float(np.float32(scale)) for scale in spread],
        # TFLM computes with a filter's zero point in one case and ignores it in the others
        "w_zero_point": draw(st.sampled_from((0, 0, 0, 0, 0, -low - 1, low))),
    }


@st.composite
def random_bias(
    draw: st.DrawFn, rng: np.random.Generator, dtype: str, shape: tuple[int, ...]
) -> Array:
    """Mostly of the order of the sums, now and then over the whole range of 32 bits."""
    reach = draw(st.sampled_from((10**4, 10**4, 10**4, 10**6, 2**31)))
    reach = min(reach * (100 if dtype == "int64" else 1), BIAS_REACH[dtype])
    return rng.integers(-reach, reach, shape).astype(dtype)


@st.composite
def activations(draw: st.DrawFn, dtype: str) -> tuple[float | None, int | None]:
    """Scale and zero point of an input; int16 with a zero point now and then.

    With larger scales the sums would leave the limits of RELU6 and RELU_N1_TO_1 nearly always.
    """
    if dtype == "float32":
        return None, None
    if dtype == "int16":
        return draw(scales(1e-4, 0.05)), draw(st.sampled_from((0, 0, 0, 5, -3000)))
    return draw(scales(1e-4, 0.05)), draw(zero_points(dtype))

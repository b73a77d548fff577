"""Causes in arithmetic: rounding of other builds and runtimes, and CMSIS-NN's rules by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import tflite
from tflite import TensorType

from microinterp.compare.cause import Bench, Changed, OpCause
from microinterp.compare.changes import with_fields
from microinterp.compare.xnnpack import changed_kernels
from microinterp.graph import Node, Tensor
from microinterp.kernels import filters
from microinterp.prepare import Arrays, PreparedNode
from microinterp.quant import fixedpoint
from microinterp.quant.fixedpoint import Int64Array, IntLike, Requantise
from microinterp.quant.params import activation_range_int
from microinterp.quant.profile import PROFILES, Profile
from microinterp.quant.rules import RULES, Rule

_RUY = ("CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_FILTERED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


@dataclass(frozen=True, slots=True)
class OtherRounding(Profile):
    """A profile whose ops all requantise by one function."""

    function: Requantise = fixedpoint.multiply_double

    def requantise(self, op_name: str) -> Requantise:
        """The function, whatever the op."""
        return self.function


def _in_profile(profile: Profile) -> Callable[[PreparedNode, Bench], Iterator[Changed]]:
    def change(item: PreparedNode, bench: Bench) -> Iterator[Changed]:
        if profile.name != bench.profile.name:
            yield Changed(item.node, bench.prepare(item.node, profile))

    return change


def _by_rule(rule: Rule) -> Callable[[PreparedNode, Bench], Iterator[Changed]]:
    def change(item: PreparedNode, bench: Bench) -> Iterator[Changed]:
        if item.node.name in rule.ops and not bench.profile.follows(rule.name):
            profile = replace(bench.profile, rules=bench.profile.rules | {rule.name})
            yield Changed(item.node, bench.prepare(item.node, profile))

    return change


def _activations(node: Node) -> Tensor:
    return node.input(2 if node.name == "TRANSPOSE_CONV" else 0)


def twice_halves_up(x: Int64Array, multiplier: IntLike, shift: IntLike) -> Int64Array:
    """x * multiplier * 2^(shift-31) rounded twice as TFLM does, but halves up both times."""
    shift = np.asarray(shift, np.int64)
    shifted = fixedpoint.wrap32(x.astype(np.int64) << np.maximum(shift, 0))
    high = fixedpoint.saturating_rounding_doubling_high_mul(shifted, multiplier)
    right: Int64Array = np.maximum(-shift, 0)
    result: Int64Array = (high + ((np.int64(1) << right) >> 1)) >> right
    return result


def _ruy(item: PreparedNode, bench: Bench) -> Iterator[Changed]:
    """ruy's kernels for x86 round twice, the plain and the Arm ones once."""
    if item.node.name not in _RUY or _activations(item.node).type_code != TensorType.INT8:
        return
    profile = OtherRounding("ruy", "", "double", function=twice_halves_up)
    yield Changed(item.node, bench.prepare(item.node, profile), "rounded twice (x86)")
    yield Changed(item.node, bench.prepare(item.node, PROFILES["single"]), "rounded once")


def truncate(x: Int64Array, multiplier: IntLike, shift: IntLike) -> Int64Array:
    """x * multiplier * 2^(shift-31), what is left behind the point cut off (towards -infinity)."""
    product = x.astype(np.int64) * np.asarray(multiplier, np.int64)
    return fixedpoint.wrap32(product >> (31 - np.asarray(shift, np.int64)))


def half_to_even(scale: np.ndarray, x: Int64Array, *_: IntLike) -> Int64Array:
    """x as float32 times a float32 scale, to nearest, halves to even."""
    rounded = np.rint(x.astype(np.float32) * scale)
    result: Int64Array = np.clip(rounded, -(2.0**31), 2.0**31 - 129).astype(np.int64)
    return result


def _truncating(item: PreparedNode, bench: Bench) -> Iterator[Changed]:
    profile = OtherRounding("truncating", "", "double", function=truncate)
    yield Changed(item.node, bench.prepare(item.node, profile))


def _xnnpack(item: PreparedNode, bench: Bench) -> Iterator[Changed]:
    node = item.node
    if any(t.type_code != TensorType.INT8 for t in (_activations(node), *node.outputs)):
        return
    if node.name in _FILTERED:
        yield from _xnnpack_filter(item)
    elif node.name == "MUL":
        yield from _xnnpack_mul(item)
    elif node.name in ("ADD", "SUB"):
        yield from _xnnpack_add(item)
    else:
        yield from changed_kernels(item)


def _xnnpack_filter(item: PreparedNode) -> Iterator[Changed]:
    """scale[c] = input_scale * filter_scale[c] / output_scale, each step in float32."""
    node = item.node
    x, w = (node.input(2), node.input(1)) if node.name == "TRANSPOSE_CONV" else node.inputs[:2]
    assert x is not None
    assert w is not None
    assert w.quantization is not None
    scale = np.float32(x.scale) * w.quantization.scale / np.float32(node.output().scale)
    params = with_fields(item.kernel.params, requantise=partial(half_to_even, scale))
    if params is not None:
        yield Changed(node, replace(item.kernel, params=params))


def _xnnpack_mul(item: PreparedNode) -> Iterator[Changed]:
    node = item.node
    a, b = (np.float32(node.input(i).scale) for i in (0, 1))
    scale = np.asarray(a * b / np.float32(node.output().scale))
    params = with_fields(item.kernel.params, requantise=partial(half_to_even, scale))
    if params is not None:
        yield Changed(node, replace(item.kernel, params=params))


@dataclass(frozen=True)
class _AddParams:
    """XNNPACK's sum: out = (bias + a * a_factor + b * b_factor) >> shift, plus the zero point."""

    ranks: tuple[int, int, int]  # of both operands and the output
    zero_points: tuple[int, int]
    factors: tuple[int, int]
    shift: int
    output_zero_point: int
    low: int
    high: int


def _xnnpack_add(item: PreparedNode) -> Iterator[Changed]:
    node = item.node
    a, b, out = node.input(0), node.input(1), node.output()
    real = [np.float32(t.scale) / np.float32(out.scale) for t in (a, b)]
    shift = 20 - (int(np.frexp(max(real))[1]) - 1)
    first, second = (int(np.rint(np.ldexp(each, shift))) for each in real)
    if node.name == "SUB":
        second = -second
    zero_points = (a.zero_point, b.zero_point)
    options = node.options(tflite.AddOptions if node.name == "ADD" else tflite.SubOptions)
    limits = activation_range_int(
        options.FusedActivationFunction(), np.float32(out.scale), out.zero_point, out.dtype
    )
    params = _AddParams(
        (a.rank, b.rank, out.rank), zero_points, (first, second), shift, out.zero_point, *limits
    )
    yield Changed(node, replace(item.kernel, evaluate=_add, params=params))


def _add(p: _AddParams, arrays: Arrays) -> None:
    (out,) = arrays.outputs
    sums: Int64Array | np.int64 = np.int64(1) << (p.shift - 1)
    for x, rank, zero, factor in zip(
        arrays.inputs, p.ranks[:2], p.zero_points, p.factors, strict=True
    ):
        assert x is not None
        samples = x.ndim - rank  # before the operand's own axes
        shape = (*x.shape[:samples], *[1] * (p.ranks[2] - rank), *x.shape[samples:])
        sums = sums + (x.reshape(shape).astype(np.int64) - zero) * factor
    out[...] = np.clip((sums >> p.shift) + p.output_zero_point, p.low, p.high)


def _int64_sums(item: PreparedNode, bench: Bench) -> Iterator[Changed]:
    """int16 layers with a filter: sums of the other width."""
    quant = getattr(item.kernel.params, "quant", None)
    if not isinstance(quant, filters.Quant):
        return
    if _activations(item.node).type_code != TensorType.INT16:
        return
    node, profile = item.node, bench.profile
    is_32_bit = quant.accumulator is np.int32
    wider = profile.requantise_int64(node.name) if is_32_bit else profile.requantise(node.name)
    changed = replace(quant, accumulator=np.int64 if is_32_bit else np.int32, requantise=wider)
    params = replace(item.kernel.params, quant=changed)
    detail = "64 bits, not 32" if is_32_bit else "32 bits, not 64"
    yield Changed(node, replace(item.kernel, params=params), detail)


def is_quantised(node: Node) -> bool:
    """True if the op computes with integers that have a scale."""
    return any(t.quantization is not None and t.dtype.kind in "iu" for t in node.outputs)


ROUNDINGS: Iterable[OpCause] = (
    OpCause(
        "litert-ref",
        "requantises in double precision with a single rounding, halves away from zero, as "
        "LiteRT's reference kernels do (profile litert-ref)",
        _in_profile(PROFILES["litert-ref"]),
        "LiteRT kernels/internal/reference/integer_ops/fully_connected.h",
    ),
    OpCause(
        "ruy",
        "requantises with halves rounded up, as ruy does in LiteRT's own kernels",
        _ruy,
        "ruy/apply_multiplier.cc, ruy/kernel_avx2_fma.cc",
    ),
    OpCause(
        "single-rounding",
        "requantises with a single rounding, as a build with TFLITE_SINGLE_ROUNDING or "
        "CMSIS_NN_USE_SINGLE_ROUNDING does (profile single)",
        _in_profile(PROFILES["single"]),
        "kernels/internal/common.cc, arm_nnsupportfunctions.h",
    ),
    OpCause(
        "xnnpack",
        "requantises in float32, rounded once to nearest, halves to even, as XNNPACK does (its "
        "ADD, SUB, QUANTIZE, LEAKY_RELU and RESIZE_BILINEAR in fixed point of few bits, halves up)",
        _xnnpack,
        "XNNPACK src/qs8-gemm (fp32), src/qs8-vadd, src/qs8-vcvt, src/microparams-init.c",
    ),
    OpCause(
        "double-rounding",
        "requantises with double rounding (profile tflm)",
        _in_profile(PROFILES["tflm"]),
        "kernels/internal/common.cc",
    ),
    *(
        OpCause(
            f"cmsis-nn:{rule.name}",
            f"follows CMSIS-NN's rule {rule.name}: {rule.description}",
            _by_rule(rule),
            rule.source,
        )
        for rule in RULES.values()
    ),
    OpCause(
        "cmsis-nn",
        "computes as TFLM with CMSIS-NN does (profile cmsis-nn)",
        _in_profile(PROFILES["cmsis-nn"]),
        "docs/profiles.md",
    ),
    OpCause(
        "truncating",
        "requantises without rounding: what is behind the point is cut off",
        _truncating,
    ),
    OpCause("accumulator-width", "adds up in sums of another width (bias type)", _int64_sums),
)
"""In the order in which they are tried."""

"""Other ways to requantise, planted as plain formulas: exactly those that give the bytes are named.

The other side is a layer in plain integers and fractions; each formula is written from its
runtime's source, and none is microinterp's. A name is right if its formula gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np
import pytest

from tests.compare.nets import random_of
from tests.compare.planting import (
    Array,
    Constant,
    Layer,
    Plant,
    Spec,
    crcs,
    details,
    names,
    outputs_only,
)
from tests.spec_ops.conv import Axis, convolve
from tests.spec_ops.scales import factor

X: Spec = ((16, 20), "int8", 0.5, 3)
OUT: Spec = ((16, 12), "int8", 0.5, -4)
Round = Callable[[int, float], int]
"""A sum and the real scale give the number before its zero point."""


def floor(number: Fraction) -> int:
    return math.floor(number)


def exact(total: int, real: float) -> Fraction:
    """total * real as 31-bit fixed point has it."""
    multiplier, exponent = factor(real)
    return Fraction(total * multiplier, 2**31) * Fraction(2) ** exponent


def once(total: int, real: float) -> int:
    """TFLITE_SINGLE_ROUNDING; ruy's kernels but those for x86: halves up."""
    return floor(exact(total, real) + Fraction(1, 2))


def twice(total: int, real: float) -> int:
    """ruy's kernels for AVX2 and AVX-512: the product's upper half, then a shift; halves up."""
    multiplier, exponent = factor(real)
    high = floor(Fraction(total * multiplier * 2 ** max(exponent, 0), 2**31) + Fraction(1, 2))
    return floor(Fraction(high, 2 ** max(-exponent, 0)) + Fraction(1, 2))


def cut(total: int, real: float) -> int:
    return floor(exact(total, real))


def in_double(total: int, real: float) -> int:
    """LiteRT's reference FULLY_CONNECTED: to nearest, halves away from zero."""
    number = total * real
    return int(math.copysign(math.floor(abs(number) + 0.5), number))


def in_float(total: int, real: float) -> int:
    """XNNPACK: one float32 product, to nearest, halves to even."""
    return round(float(np.float32(total) * np.float32(real)))


FORMULAS: Mapping[str, tuple[Round, ...]] = {
    "litert-ref": (in_double,),
    "ruy": (twice, once),
    "single-rounding": (once,),
    "xnnpack": (in_float,),
    "truncating": (cut,),
}
"""By cause; one of them must give the bytes."""
PLANTED = {
    "litert-ref": in_double,
    "ruy on x86": twice,
    "once": once,
    "xnnpack": in_float,
    "truncating": cut,
}
SCALES = {"odd": 0.013, "halves are common": 0.0625, "above one": 1.7, "tiny": 0.0007}


def dense_layer(scale: float, seed: int = 0) -> Layer:
    """The requantising factor is `scale`, sums reach the whole range of the output."""
    rng = np.random.default_rng(seed)
    reach = max(2, min(127, round(1.2 / scale)))
    w = rng.integers(-reach, reach + 1, (12, 20)).astype(np.int8)
    if scale > 1:
        w[:] = rng.integers(-1, 2, w.shape)
    bias = rng.integers(-round(60 / scale), round(60 / scale) + 1, 12).astype(np.int32)
    return Layer("FULLY_CONNECTED", X, OUT, (Constant(w, scale, 0), Constant(bias, 0.5 * scale, 0)))


def samples(scale: float) -> Array:
    """Small where weights are large."""
    x = random_of(X, 6)
    return x if scale < 1 else (x // 4).astype(np.int8)


def dense_by(layer: Layer, rounding: Round, x: Array) -> Array:
    """FULLY_CONNECTED in plain integers."""
    w, bias = (each.values.astype(np.int64) for each in layer.others)
    sums = (x.astype(np.int64) - X[3]) @ w.T + bias
    real = float(np.float32(X[2])) * float(np.float32(layer.others[0].scale)) / OUT[2]
    rounded = [rounding(total, real) + OUT[3] for total in sums.reshape(-1).tolist()]
    return np.clip(rounded, -128, 127).reshape(sums.shape).astype(np.int8)


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_all_formulas_that_give_the_bytes_are_named(planted: Round, scale: float) -> None:
    layer, x = dense_layer(scale), samples(scale)
    plant = Plant([layer], {0: lambda x: dense_by(layer, planted, x)}, x)
    account = plant.account()
    result = plant.compare(account)
    theirs = account.outputs[0].values
    right = {
        name
        for name, formulas in FORMULAS.items()
        if any(np.array_equal(dense_by(layer, each, x), theirs) for each in formulas)
    }
    assert right
    ours = Plant([layer], {}, x).account().outputs[0].values
    assert result.equal == np.array_equal(theirs, ours)
    if result.equal:
        assert planted is not cut
        return
    assert set(names(result)) == right
    assert {f.name for f in plant.compare(crcs(account)).findings} == right
    assert {f.name for f in plant.compare(outputs_only(account)).findings} == right


def test_enough_of_these_tell_roundings_apart() -> None:
    """Of all pairs each one differs from TFLM, and from each other one, at some scale."""
    told_apart = set()
    for scale in SCALES.values():
        layer, x = dense_layer(scale), samples(scale)
        found = {name: dense_by(layer, each, x).tobytes() for name, each in PLANTED.items()}
        ours = Plant([layer], {}, x).account().outputs[0].values.tobytes()
        told_apart |= {(name, "tflm") for name, each in found.items() if each != ours}
        told_apart |= {(a, b) for a in found for b in found if found[a] != found[b]}
    pairs = {(a, b) for a in PLANTED for b in PLANTED if a != b}
    assert told_apart >= {(name, "tflm") for name in PLANTED}
    assert told_apart >= pairs


def test_single_rounding_and_ruy_are_one_where_both_round_once() -> None:
    layer = dense_layer(SCALES["halves are common"])
    plant = Plant([layer], {0: lambda x: dense_by(layer, once, x)}, random_of(X, 6))
    result = plant.compare()
    assert {"single-rounding", "ruy"} <= set(names(result))
    assert str(result.cause).count("; or: ") == len(result.findings) - 1
    assert {"single rounding", "halves rounded up"} <= {
        words for words in ("single rounding", "halves rounded up") if words in str(result.cause)
    }


CONV_X: Spec = ((1, 5, 4, 3), "int8", 0.5, 3)
CONV_OUT: Spec = ((1, 5, 4, 4), "int8", 0.5, -4)


def conv_layer() -> Layer:
    """A scale for each channel, one of them with many halves."""
    rng = np.random.default_rng(8)
    w = rng.integers(-100, 101, (4, 3, 3, 3)).astype(np.int8)
    bias = rng.integers(-900, 900, 4).astype(np.int32)
    scales = [0.0104, 0.015625, 0.0031, 0.0073]
    moves = {"stride_h": 1, "stride_w": 1}
    return Layer(
        "CONV_2D",
        CONV_X,
        CONV_OUT,
        (Constant(w, scales, [0] * 4), Constant(bias, [s / 2 for s in scales], [0] * 4)),
        options={"padding": "SAME", **moves},
    )


def conv_by(layer: Layer, rounding: Round, x: Array) -> Array:
    """CONV_2D as loops."""
    w, bias = (each.values for each in layer.others)
    axes = (Axis(3, 1, 1, "SAME"), Axis(3, 1, 1, "SAME"))
    numbers = (x.astype(int) - CONV_X[3]).reshape(-1).tolist()
    shape = (len(x), *CONV_X[0][1:])
    sums = convolve(
        numbers, shape, w.reshape(-1).tolist(), w.shape, axes, lambda s, p, q: s + p * q
    )
    out = []
    for place, total in enumerate(sums):
        channel = place % len(bias)
        real = float(np.float32(layer.others[0].scale[channel]))
        out.append(rounding(int(total) + int(bias[channel]), real) + CONV_OUT[3])
    return np.clip(out, -128, 127).reshape(len(x), *CONV_OUT[0]).astype(np.int8)


@pytest.mark.parametrize("planted", ["ruy on x86", "once", "xnnpack", "truncating"])
def test_convolutions_with_a_scale_for_each_channel(planted: str) -> None:
    layer, x = conv_layer(), random_of(CONV_X, 12)
    formula = PLANTED[planted]
    plant = Plant([layer], {0: lambda x: conv_by(layer, formula, x)}, x)
    account = plant.account()
    result = plant.compare(account)
    right = {
        name
        for name, formulas in FORMULAS.items()
        if name != "litert-ref"  # its FULLY_CONNECTED alone
        and any(np.array_equal(conv_by(layer, f, x), account.outputs[0].values) for f in formulas)
    }
    assert 0 < len(right) < 4
    assert set(names(result)) == right
    assert result.findings[0].op == "CONV_2D"


def test_xnnpack_sums_in_21_bits() -> None:
    """ADD: (bias + a * fa + b * fb) >> shift, with factors of 21 bits."""
    a: Spec = ((1, 9, 50), "int8", 0.05, 12)
    out: Spec = ((1, 9, 50), "int8", 0.08, -30)
    other = random_of(a, 1, seed=9)[0]
    layer = Layer("ADD", a, out, (Constant(other, 0.031, -7),))
    factors = [float(np.float32(s) / np.float32(out[2])) for s in (a[2], 0.031)]
    shift = 20 - (math.frexp(max(factors))[1] - 1)
    fixed = [round(f * 2**shift) for f in factors]

    def add(x: Array) -> Array:
        sums = (x.astype(np.int64) - a[3]) * fixed[0] + (other.astype(np.int64) + 7) * fixed[1]
        shifted = (sums + (1 << (shift - 1))) >> shift
        return np.clip(shifted + out[3], -128, 127).astype(np.int8)

    result = Plant([layer], {0: add}, random_of(a, 20)).compare()
    assert names(result) == ["xnnpack"]


def test_the_way_that_explains_most_ops_is_named() -> None:
    """ruy has two ways: that of the first op must be the one that the others have, too."""
    first = dense_layer(SCALES["halves are common"])
    w = np.random.default_rng(3).integers(-20, 21, (30, 12)).astype(np.int8)
    bias = np.random.default_rng(4).integers(-900, 900, 30).astype(np.int32)
    others = (Constant(w, 0.0625, 0), Constant(bias, 0.03125, 0))
    second = Layer("FULLY_CONNECTED", OUT, ((16, 30), "int8", 0.5, -4), others)
    x = random_of(X, 6)

    def behind(rounding: Round) -> Callable[[Array], Array]:
        def run(x: Array) -> Array:
            sums = (x.astype(np.int64) + 4) @ w.T.astype(np.int64) + bias
            rounded = [rounding(t, 0.0625) - 4 for t in sums.reshape(-1).tolist()]
            return np.clip(rounded, -128, 127).reshape(sums.shape).astype(np.int8)

        return run

    faults = {0: lambda x: dense_by(first, twice, x), 1: behind(once)}
    mixed = Plant([first, second], faults, x).compare()
    both = {f.name: (f.reproduces, f.of, f.detail) for f in mixed.findings}
    assert both["ruy"][:2] == (1, 2)  # two ways are not one cause
    faults = {0: lambda x: dense_by(first, once, x), 1: behind(once)}
    same = Plant([first, second], faults, x).compare()
    assert details(same, "ruy") == ["rounded once"]
    assert (same.findings[0].reproduces, same.findings[0].of) == (2, 2)
    assert "2 of the 2 ops" in str(same.cause)

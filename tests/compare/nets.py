"""Chains in which every fault shows: zero points everywhere, clamps that bind, all ops varied."""

from __future__ import annotations

import numpy as np

from tests.compare.planting import Array, Constant, Layer, Spec

PICTURE: Spec = ((1, 6, 5, 3), "int8", 0.05, 7)
_CONV: Spec = ((1, 6, 5, 4), "int8", 0.055, -20)
_DEPTHWISE: Spec = ((1, 3, 3, 8), "int8", 0.06, 11)
_FLAT: Spec = ((1, 72), "int8", 0.06, 11)
_DENSE: Spec = ((1, 6), "int8", 0.09, -5)
CONV, DEPTHWISE, RESHAPE, DENSE, LOGISTIC = range(5)


def picture_net(seed: int = 1, activation: str = "RELU6") -> list[Layer]:
    """CONV_2D, DEPTHWISE_CONV_2D, RESHAPE, FULLY_CONNECTED, LOGISTIC; int8."""
    rng = np.random.default_rng(seed)
    return [
        Layer(
            "CONV_2D",
            PICTURE,
            _CONV,
            (
                _filter(rng, (4, 3, 3, 3), 0.01, 4),
                Constant(_ints(rng, 4, 3000).astype(np.int32), [0.0005] * 4, [0] * 4),
            ),
            options={"padding": "SAME", "stride_h": 1, "stride_w": 1}
            | {"fused_activation_function": activation},
        ),
        Layer(
            "DEPTHWISE_CONV_2D",
            _CONV,
            _DEPTHWISE,
            (
                _filter(rng, (1, 3, 3, 8), 0.02, 8, axis=3),
                Constant(_ints(rng, 8, 1500).astype(np.int32), [0.0006] * 8, [0] * 8),
            ),
            options={"padding": "SAME", "stride_h": 2, "stride_w": 2, "depth_multiplier": 2},
        ),
        Layer("RESHAPE", _DEPTHWISE, _FLAT, (Constant(np.array([1, 72], np.int32)),)),
        Layer(
            "FULLY_CONNECTED",
            _FLAT,
            _DENSE,
            (
                Constant(_ints(rng, (6, 72), 128).astype(np.int8), 0.008, 0),
                Constant(_ints(rng, 6, 900).astype(np.int32), 0.00048, 0),
            ),
        ),
        Layer("LOGISTIC", _DENSE, ((1, 6), "int8", 1 / 256, -128)),
    ]


def pictures(count: int = 6, seed: int = 5) -> Array:
    """Samples of PICTURE."""
    return random_of(PICTURE, count, seed)


def random_of(spec: Spec, count: int, seed: int = 5) -> Array:
    """Samples over the whole range of an integer tensor."""
    info = np.iinfo(spec[1])
    rng = np.random.default_rng(seed)
    return rng.integers(info.min, info.max + 1, (count, *spec[0])).astype(spec[1])


def _ints(rng: np.random.Generator, shape: int | tuple[int, ...], reach: int) -> Array:
    return rng.integers(1 - reach, reach, shape)


def _filter(
    rng: np.random.Generator, shape: tuple[int, ...], scale: float, channels: int, axis: int = 0
) -> Constant:
    scales = scale * rng.uniform(0.5, 1.5, channels)
    return Constant(_ints(rng, shape, 128).astype(np.int8), scales, [0] * channels, axis)

"""The modules of a Thumb set that are made here: their texts by file name."""

from __future__ import annotations

from collections.abc import Callable

from . import add, conv_v6, conv_v7, depthwise_v6, depthwise_v7, lut, mean, move, mul, pool, softmax

Make = Callable[[str], str]
_SHARED: dict[str, Make] = {
    "_add.py": add.module,
    "_lut.py": lut.module,
    "_mean.py": mean.module,
    "_move.py": move.module,
    "_mul.py": mul.module,
    "_pool.py": pool.module,
    "_softmax.py": softmax.module,
}
_FILTERS: dict[str, dict[str, Make]] = {
    "armv6m": {"_conv.py": conv_v6.module, "_depthwise.py": depthwise_v6.module},
    "armv7m": {"_conv.py": conv_v7.module, "_depthwise.py": depthwise_v7.module},
}
_FILTERS["armv7em"] = _FILTERS["armv7m"]


def texts(arch: str) -> dict[str, str]:
    """Sources of the kernels for one of armv6m, armv7m and armv7em."""
    return {name: make(arch) for name, make in (_SHARED | _FILTERS[arch]).items()}

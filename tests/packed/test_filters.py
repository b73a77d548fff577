"""Packed CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: random layers, host and board."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from tests.ops import test_conv_2d, test_depthwise_conv_2d, test_fully_connected
from tests.ops.layers import Layer
from tests.ops.strategies import seeds
from tests.packed.compare import Family

MODULES = {
    "CONV_2D": test_conv_2d,
    "DEPTHWISE_CONV_2D": test_depthwise_conv_2d,
    "FULLY_CONNECTED": test_fully_connected,
}
LAYERS = {
    f"{op} {types}": module.layers(types)
    for op, module in MODULES.items()
    for types in ("int8 x int8", "int8 x int4")
}


@pytest.mark.parametrize("op", LAYERS)
def test_packed_equals_the_interpreter(op: str, tmp_path: Path) -> None:
    family = Family()

    @given(layer=LAYERS[op].filter(lambda layer: not layer.computed), seed=seeds())
    def check(layer: Layer, seed: int) -> None:
        family.add(layer.data(), seed)

    check()
    family.finish(tmp_path, share=0.5)

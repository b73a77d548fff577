"""Random CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED and TRANSPOSE_CONV models."""

from __future__ import annotations

from microinterp.kernels import conv_2d, depthwise_conv_2d, fully_connected, transpose_conv
from tests.differential.case import Case
from tests.ops import (
    test_conv_2d,
    test_depthwise_conv_2d,
    test_fully_connected,
    test_transpose_conv,
)

_MODULES = (
    (conv_2d, test_conv_2d),
    (depthwise_conv_2d, test_depthwise_conv_2d),
    (fully_connected, test_fully_connected),
    (transpose_conv, test_transpose_conv),
)
CASES = tuple(
    Case(op.name, types, tests.layers(types).map(lambda layer: layer.data()))
    for kernels, tests in _MODULES
    for op in kernels.OPS
    for types in op.types
)

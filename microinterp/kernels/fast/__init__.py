"""Fast twins of the plain kernels, each taken only where it is proved to give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from microinterp.fast_path import Fast
from microinterp.graph import Node
from microinterp.kernels.fast.names import plain_name
from microinterp.kernels.filters import Int4Filter, SampleBySample
from microinterp.prepare import Chooser, Kernel

CHOOSERS: Mapping[str, str] = MappingProxyType(
    {
        "abs_rsqrt.evaluate_abs_int": "tables.choose",
        "abs_rsqrt.evaluate_abs_same_scale": "tables.choose",
        "abs_rsqrt.evaluate_rsqrt_int": "tables.choose",
        "add.evaluate_int": "pairs.choose",
        "broadcast_to.evaluate": "moves.choose",
        "cast.evaluate": "casts.choose_cast",
        "comparisons.evaluate": "pairs.choose_comparison",
        "concatenation.evaluate": "moves.choose",
        "conv_2d.evaluate_int": "convolution.choose",
        "depth_to_space.evaluate": "moves.choose",
        "depthwise_conv_2d.evaluate_int": "depthwise.choose",
        "div.evaluate_int8": "pairs.choose",
        "fully_connected.evaluate_int": "dense.choose",
        "leaky_relu.evaluate_int": "tables.choose",
        "logical.evaluate_binary": "ufuncs.choose_logical",
        "logistic.evaluate_logistic_int16": "tables.choose",
        "logistic.evaluate_tanh_int16": "tables.choose",
        "maximum_minimum.evaluate": "ufuncs.choose_extreme",
        "mirror_pad.evaluate": "moves.choose",
        "mul.evaluate_int": "pairs.choose",
        "pack.evaluate_pack": "moves.choose",
        "pack.evaluate_unpack": "moves.choose",
        "pad.evaluate_pad": "moves.choose",
        "pad.evaluate_pad_value": "moves.choose",
        "pool_2d.evaluate_average_int": "depthwise.choose_average",
        "pool_2d.evaluate_max": "max_pool.choose",
        "prelu.evaluate_int": "pairs.choose",
        "quantize.evaluate_dequantize": "casts.choose_dequantize",
        "quantize.evaluate_float": "casts.choose_quantize",
        "quantize.evaluate_int": "tables.choose",
        "reduce.evaluate_int": "sums.choose",
        "relu.evaluate_relu6_int": "tables.choose",
        "relu.evaluate_relu_int": "tables.choose",
        "reshape.evaluate": "moves.choose",
        "resize_nearest_neighbor.evaluate": "moves.choose_nearest",
        "slice.evaluate": "moves.choose",
        "softmax.evaluate_int8": "softmax.choose",
        "split.evaluate": "moves.choose",
        "squared_difference.evaluate_int": "pairs.choose",
        "strided_slice.evaluate": "moves.choose",
        "tabulated.evaluate_table": "tables.choose",
        "transpose.evaluate": "moves.choose",
        "variables.evaluate_assign": "variables.choose_assign",
        "variables.evaluate_handle": "variables.choose_handle",
        "variables.evaluate_read": "variables.choose_read",
    }
)
"""What chooses the twin, by the evaluate function of the plain kernel (see names.plain_name).

Names, so that a model imports what it needs; and functions, so that kernels that users register
stay as they are.
"""

INEXACT_CHOOSERS: Mapping[str, str] = MappingProxyType(
    {
        "conv_2d.evaluate_float": "inexact.choose_convolution",
        "depthwise_conv_2d.evaluate_float": "inexact.choose_depthwise",
        "fully_connected.evaluate_float": "inexact.choose_dense",
    }
)
"""Those that exact=False adds."""


def choose(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of a prepared node, or why the plain kernel runs."""
    return _choose(CHOOSERS, node, kernel)


def choose_inexact(node: Node, kernel: Kernel) -> Fast | str:
    """The same, where float layers need not have TFLM's bits."""
    return _choose({**CHOOSERS, **INEXACT_CHOOSERS}, node, kernel)


def _choose(choosers: Mapping[str, str], node: Node, kernel: Kernel) -> Fast | str:
    evaluate = kernel.evaluate
    if isinstance(evaluate, SampleBySample):
        return "its filter or bias is computed"
    if isinstance(evaluate, Int4Filter):
        evaluate = evaluate.evaluate
    name = choosers.get(plain_name(evaluate))
    twin = "no fast form" if name is None else _load(name)(node, kernel)
    constant = [t is None or t.is_constant for t in node.inputs]
    if isinstance(twin, Fast) and constant and all(constant):
        return "its inputs are constant"  # in a batch they lack the axis that its outputs have
    return twin


@cache
def _load(name: str) -> Chooser:
    module, function = name.split(".")
    chooser: Chooser = getattr(import_module(f"{__name__}.{module}"), function)
    return chooser

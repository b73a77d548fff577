"""The operators: one file per family, one line here for each."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from microinterp.errors import InputError
from microinterp.prepare import Chooser, only_plain
from microinterp.registry import Registry

FAMILIES = (
    "abs_rsqrt",
    "add",
    "add_n",
    "arg_min_max",
    "batch_matmul",
    "broadcast_to",
    "cast",
    "circular_buffer",
    "comparisons",
    "concatenation",
    "control_flow",
    "conv_2d",
    "cumsum",
    "decode",
    "depth_to_space",
    "depthwise_conv_2d",
    "detection_postprocess",
    "div",
    "dynamic_update_slice",
    "elementwise",
    "elu",
    "ethos_u",
    "fill",
    "floor_div",
    "fully_connected",
    "gather",
    "hard_swish",
    "l2_normalization",
    "leaky_relu",
    "log_softmax",
    "logical",
    "logistic",
    "lstm",
    "maximum_minimum",
    "mirror_pad",
    "mul",
    "pack",
    "pad",
    "pool_2d",
    "prelu",
    "quantize",
    "reduce",
    "reduce_min_max",
    "relu",
    "reshape",
    "resize_bilinear",
    "resize_nearest_neighbor",
    "reverse_v2",
    "select_v2",
    "signal_filter_bank",
    "signal_frames",
    "signal_spectrum",
    "slice",
    "softmax",
    "space_to_batch_nd",
    "split",
    "squared_difference",
    "strided_slice",
    "svdf",
    "transpose",
    "transpose_conv",
    "variables",
)
"""Modules of this folder that define operators; those it lacks are helpers."""


@cache
def default_registry() -> Registry:
    """Every operator of the package."""
    modules = (import_module(f"{__name__}.{family}") for family in FAMILIES)
    return Registry(op for module in modules for op in module.OPS)


def chooser_of(kernels: str, exact: bool = True) -> Chooser:
    """What chooses the kernels: "auto" proved fast twins where there are any, "plain" none.

    Args:
        exact: False lets float layers run in another order than TFLM's, where that is faster.

    Raises:
        InputError: it is neither.
    """
    if kernels == "plain":
        return only_plain
    if kernels != "auto":
        raise InputError(f"kernels is {kernels!r}, wanted 'auto' or 'plain'")
    fast = import_module(f"{__name__}.fast")
    choose: Chooser = fast.choose if exact else fast.choose_inexact
    return choose

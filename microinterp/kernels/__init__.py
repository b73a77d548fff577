"""The operators: one file per family, one line here for each."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from microinterp.registry import Registry

FAMILIES = (
    "add",
    "arg_min_max",
    "broadcast_to",
    "concatenation",
    "control_flow",
    "conv_2d",
    "cumsum",
    "decode",
    "depth_to_space",
    "depthwise_conv_2d",
    "dynamic_update_slice",
    "fill",
    "fully_connected",
    "gather",
    "logistic",
    "mirror_pad",
    "mul",
    "pack",
    "pad",
    "pool_2d",
    "quantize",
    "reduce",
    "reduce_min_max",
    "relu",
    "reshape",
    "resize_bilinear",
    "resize_nearest_neighbor",
    "reverse_v2",
    "slice",
    "softmax",
    "space_to_batch_nd",
    "split",
    "strided_slice",
    "transpose",
    "transpose_conv",
    "variables",
)
"""Modules of this folder that define operators; common.py and filters.py are helpers."""


@cache
def default_registry() -> Registry:
    """Every operator of the package."""
    modules = (import_module(f"{__name__}.{family}") for family in FAMILIES)
    return Registry(op for module in modules for op in module.OPS)

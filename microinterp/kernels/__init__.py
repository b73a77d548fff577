"""The operators: one file per family, one line here for each."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from microinterp.registry import Registry

FAMILIES = (
    "add",
    "concatenation",
    "control_flow",
    "conv_2d",
    "depthwise_conv_2d",
    "fully_connected",
    "logistic",
    "mul",
    "pad",
    "pool_2d",
    "quantize",
    "reduce",
    "relu",
    "reshape",
    "resize_nearest_neighbor",
    "slice",
    "softmax",
    "split",
    "strided_slice",
    "transpose",
    "variables",
)
"""Modules of this folder that define operators; common.py and filters.py are helpers."""


@cache
def default_registry() -> Registry:
    """Every operator of the package."""
    modules = (import_module(f"{__name__}.{family}") for family in FAMILIES)
    return Registry(op for module in modules for op in module.OPS)

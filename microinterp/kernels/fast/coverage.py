"""Which operators and types have a fast twin; the table of operators shows it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from microinterp.registry import Op

ALL = ("all",)
_TYPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ABS": (
            "int8",
            "int16",
        ),
        "ADD": ("int8",),
        "ASSIGN_VARIABLE": ALL,
        "AVERAGE_POOL_2D": ("int8",),
        "BROADCAST_TO": ALL,
        "CAST": (
            "float32 -> float32",
            "float32 -> bool",
            "int8 -> float32",
            "int8 -> int8",
            "int8 -> int16",
            "int8 -> int32",
            "int8 -> uint32",
            "int8 -> bool",
            "int16 -> float32",
            "int16 -> int8",
            "int16 -> int16",
            "int16 -> int32",
            "int16 -> uint32",
            "int16 -> bool",
            "int32 -> float32",
            "int32 -> int8",
            "int32 -> int16",
            "int32 -> int32",
            "int32 -> uint32",
            "int32 -> bool",
            "uint32 -> float32",
            "uint32 -> int8",
            "uint32 -> int16",
            "uint32 -> int32",
            "uint32 -> uint32",
            "uint32 -> bool",
            "bool -> float32",
            "bool -> int8",
            "bool -> int16",
            "bool -> int32",
            "bool -> uint32",
            "bool -> bool",
        ),
        "CONCATENATION": ALL,
        "CONV_2D": (
            "int8 x int8",
            "int8 x int4",
        ),
        "DEPTHWISE_CONV_2D": (
            "int8 x int8",
            "int8 x int4",
        ),
        "DEPTH_TO_SPACE": ALL,
        "DEQUANTIZE": ALL,
        "DIV": ("int8",),
        "ELU": ("int8",),
        "EQUAL": ALL,
        "EXPAND_DIMS": ALL,
        "FULLY_CONNECTED": (
            "int8 x int8",
            "int8 x int4",
        ),
        "GREATER": ALL,
        "GREATER_EQUAL": ALL,
        "HARD_SWISH": ("int8",),
        "LEAKY_RELU": (
            "int8",
            "int16",
        ),
        "LESS": ALL,
        "LESS_EQUAL": ALL,
        "LOGICAL_AND": ALL,
        "LOGICAL_OR": ALL,
        "LOGISTIC": (
            "int8",
            "int16",
        ),
        "MAXIMUM": (
            "int8",
            "int16",
            "int32",
            "int64",
        ),
        "MAX_POOL_2D": (
            "int8",
            "int16",
        ),
        "MINIMUM": (
            "int8",
            "int16",
            "int32",
            "int64",
        ),
        "MEAN": ("int8",),
        "MIRROR_PAD": ALL,
        "MUL": ("int8",),
        "NOT_EQUAL": ALL,
        "PACK": ALL,
        "PAD": ALL,
        "PADV2": ALL,
        "PRELU": ("int8",),
        "QUANTIZE": (
            "float32 -> int8",
            "float32 -> int16",
            "int16 -> int8",
            "int16 -> int16",
            "int16 -> int32",
            "int8 -> int8",
            "int8 -> uint8",
            "int8 -> int16",
            "int8 -> int32",
            "uint8 -> int8",
        ),
        "READ_VARIABLE": ALL,
        "RELU": ("int8",),
        "RELU6": (
            "int8",
            "int16",
        ),
        "RESHAPE": ALL,
        "RESIZE_NEAREST_NEIGHBOR": ALL,
        "SLICE": ALL,
        "SOFTMAX": (
            "int8",
            "int8 -> int16",
        ),
        "SPACE_TO_DEPTH": ALL,
        "SPLIT": ALL,
        "SPLIT_V": ALL,
        "SQUARED_DIFFERENCE": ("int8",),
        "SQUEEZE": ALL,
        "STRIDED_SLICE": ALL,
        "SUB": ("int8",),
        "SUM": ("int8",),
        "TANH": (
            "int8",
            "int16",
        ),
        "TRANSPOSE": ALL,
        "UNPACK": ALL,
        "VAR_HANDLE": ALL,
    }
)
"""Builtin operators; types as in Op.types. Not every layer has a twin: see `inspect --paths`."""


def fast_types(op: Op) -> tuple[str, ...]:
    """The types of `op` that some layers run in a fast twin."""
    types = () if op.is_custom else _TYPES.get(op.name, ())
    return op.types if types == ALL else types

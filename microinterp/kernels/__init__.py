"""The operators: one file per family, one line here for each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module
from types import MappingProxyType

from microinterp.errors import InputError
from microinterp.prepare import Chooser, only_plain
from microinterp.registry import Op, Registry

BUILTINS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "abs_rsqrt": ("ABS", "RSQRT"),
        "add": ("ADD", "SUB"),
        "add_n": ("ADD_N",),
        "arg_min_max": ("ARG_MAX", "ARG_MIN"),
        "batch_matmul": ("BATCH_MATMUL",),
        "broadcast_to": ("BROADCAST_TO", "BROADCAST_ARGS"),
        "cast": ("CAST",),
        "comparisons": ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"),
        "concatenation": ("CONCATENATION",),
        "control_flow": ("CALL_ONCE", "IF", "WHILE"),
        "conv_2d": ("CONV_2D",),
        "cumsum": ("CUMSUM",),
        "depth_to_space": ("DEPTH_TO_SPACE", "SPACE_TO_DEPTH"),
        "depthwise_conv_2d": ("DEPTHWISE_CONV_2D",),
        "div": ("DIV",),
        "dynamic_update_slice": ("DYNAMIC_UPDATE_SLICE",),
        "elementwise": (
            "SQRT",
            "SQUARE",
            "NEG",
            "FLOOR",
            "CEIL",
            "ROUND",
            "SIN",
            "COS",
            "LOG",
            "EXP",
        ),
        "elu": ("ELU",),
        "fill": ("FILL", "ZEROS_LIKE", "SHAPE"),
        "floor_div": ("FLOOR_DIV", "FLOOR_MOD"),
        "fully_connected": ("FULLY_CONNECTED",),
        "gather": ("GATHER", "GATHER_ND", "EMBEDDING_LOOKUP"),
        "hard_swish": ("HARD_SWISH",),
        "l2_normalization": ("L2_NORMALIZATION",),
        "leaky_relu": ("LEAKY_RELU",),
        "log_softmax": ("LOG_SOFTMAX",),
        "logical": ("LOGICAL_AND", "LOGICAL_OR", "LOGICAL_NOT"),
        "logistic": ("LOGISTIC", "TANH"),
        "lstm": ("UNIDIRECTIONAL_SEQUENCE_LSTM",),
        "maximum_minimum": ("MAXIMUM", "MINIMUM"),
        "mirror_pad": ("MIRROR_PAD",),
        "mul": ("MUL",),
        "pack": ("PACK", "UNPACK"),
        "pad": ("PAD", "PADV2"),
        "pool_2d": ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"),
        "prelu": ("PRELU",),
        "quantize": ("QUANTIZE", "DEQUANTIZE"),
        "reduce": ("MEAN", "SUM"),
        "reduce_min_max": ("REDUCE_MAX", "REDUCE_MIN", "REDUCE_ALL"),
        "relu": ("RELU", "RELU6"),
        "reshape": ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"),
        "resize_bilinear": ("RESIZE_BILINEAR",),
        "resize_nearest_neighbor": ("RESIZE_NEAREST_NEIGHBOR",),
        "reverse_v2": ("REVERSE_V2",),
        "select_v2": ("SELECT_V2",),
        "slice": ("SLICE",),
        "softmax": ("SOFTMAX",),
        "space_to_batch_nd": ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"),
        "split": ("SPLIT", "SPLIT_V"),
        "squared_difference": ("SQUARED_DIFFERENCE",),
        "strided_slice": ("STRIDED_SLICE",),
        "svdf": ("SVDF",),
        "transpose": ("TRANSPOSE",),
        "transpose_conv": ("TRANSPOSE_CONV",),
        "variables": ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"),
    }
)
"""Builtin operators of each family, which is a module of this folder; others are helpers."""

CUSTOM: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "circular_buffer": ("CIRCULAR_BUFFER",),
        "decode": ("TFLM_DECODE",),
        "detection_postprocess": ("TFLite_Detection_PostProcess",),
        "ethos_u": ("ethos-u",),
        "signal_filter_bank": (
            "SignalFilterBank",
            "SignalFilterBankLog",
            "SignalFilterBankSpectralSubtraction",
            "SignalFilterBankSquareRoot",
            "SignalPCAN",
        ),
        "signal_frames": ("SignalDelay", "SignalFramer", "SignalOverlapAdd", "SignalStacker"),
        "signal_spectrum": (
            "SignalEnergy",
            "SignalFftAutoScale",
            "SignalIrfft",
            "SignalRfft",
            "SignalWindow",
        ),
    }
)
"""The same for custom operators."""


@cache
def default_registry() -> Registry:
    """Every operator of the package. A family is imported when its first operator is needed."""
    return Registry(
        later={
            (kind is CUSTOM, name): partial(_load, family, name)
            for kind in (BUILTINS, CUSTOM)
            for family, names in kind.items()
            for name in names
        }
    )


def _load(family: str, name: str) -> Op:
    ops: tuple[Op, ...] = import_module(f"{__name__}.{family}").OPS
    return next(op for op in ops if op.name == name)


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

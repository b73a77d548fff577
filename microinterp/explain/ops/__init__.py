"""The explainers: one file per family, one line here for each.

A family's module has EXPLAINERS, a mapping from operator names to Explainer functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from microinterp.errors import UnsupportedError
from microinterp.explain.subject import Explainer
from microinterp.graph import Node

FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "filters": ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"),
        "pairs": (
            "ADD",
            "SUB",
            "MUL",
            "SQUARED_DIFFERENCE",
            "MAXIMUM",
            "MINIMUM",
            "LOGICAL_AND",
            "LOGICAL_OR",
            "LOGICAL_NOT",
        ),
        "pools": ("AVERAGE_POOL_2D", "MAX_POOL_2D"),
        "rescaling": (
            "RELU",
            "RELU6",
            "LEAKY_RELU",
            "PRELU",
            "QUANTIZE",
            "DEQUANTIZE",
            "CAST",
        ),
        "softmaxes": ("SOFTMAX", "LOG_SOFTMAX"),
        "curves": ("LOGISTIC", "TANH", "ELU", "HARD_SWISH"),
        "roots": ("ABS", "RSQRT", "L2_NORMALIZATION", "DIV"),
        "products": ("BATCH_MATMUL", "RESIZE_BILINEAR"),
        "recurrent": ("SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"),
        "reductions": (
            "MEAN",
            "SUM",
            "REDUCE_MAX",
            "REDUCE_MIN",
            "REDUCE_ALL",
            "ARG_MAX",
            "ARG_MIN",
            "CUMSUM",
            "ADD_N",
        ),
        "comparing": (
            "EQUAL",
            "NOT_EQUAL",
            "GREATER",
            "GREATER_EQUAL",
            "LESS",
            "LESS_EQUAL",
        ),
        "signals": (
            "SignalEnergy",
            "SignalFftAutoScale",
            "SignalFilterBank",
            "SignalFilterBankLog",
            "SignalFilterBankSpectralSubtraction",
            "SignalFilterBankSquareRoot",
            "SignalPCAN",
            "SignalWindow",
        ),
        "transforms": ("SignalRfft", "SignalIrfft"),
        "streams": ("SignalDelay", "SignalFramer", "SignalOverlapAdd", "SignalStacker"),
        "moves": (
            "BATCH_TO_SPACE_ND",
            "BROADCAST_ARGS",
            "BROADCAST_TO",
            "CIRCULAR_BUFFER",
            "CONCATENATION",
            "DEPTH_TO_SPACE",
            "DYNAMIC_UPDATE_SLICE",
            "EMBEDDING_LOOKUP",
            "EXPAND_DIMS",
            "FILL",
            "GATHER",
            "GATHER_ND",
            "MIRROR_PAD",
            "PACK",
            "PAD",
            "PADV2",
            "READ_VARIABLE",
            "RESHAPE",
            "RESIZE_NEAREST_NEIGHBOR",
            "REVERSE_V2",
            "SELECT_V2",
            "SHAPE",
            "SLICE",
            "SPACE_TO_BATCH_ND",
            "SPACE_TO_DEPTH",
            "SPLIT",
            "SPLIT_V",
            "SQUEEZE",
            "STRIDED_SLICE",
            "TFLM_DECODE",
            "TRANSPOSE",
            "UNPACK",
            "ZEROS_LIKE",
        ),
    }
)
"""Operators that can be explained, of each family, which is a module of this folder."""


_RUNS_SUBGRAPHS = "choose an op of a subgraph that this one runs (--subgraph)"
_OF_ANY_TYPE = ("moves",)
_FROM_FLOAT = ("rescaling",)


def explainer_of(node: Node, output: int = 0) -> Explainer:
    """What explains the elements of an op's output.

    Raises:
        UnsupportedError: nothing does; says what to do.
    """
    family = next((f for f, names in FAMILIES.items() if node.name in names), None)
    if family is None:
        raise UnsupportedError(
            "explain does not open up this operator",
            node.where(),
            _RUNS_SUBGRAPHS
            if node.name in ("CALL_ONCE", "IF", "WHILE")
            else "choose an op of integers that computes: `microinterp inspect` lists them",
        )
    found: Mapping[str, Explainer] = import_module(f"{__name__}.{family}").EXPLAINERS
    if family not in _OF_ANY_TYPE and _is_float(node, family in _FROM_FLOAT):
        raise UnsupportedError(
            "this op computes in float32, and explain opens up integer arithmetic",
            node.where(),
            "choose an op of integers, or convert the model to int8; "
            "`microinterp inspect` shows the types",
        )
    return found[node.name]


def _is_float(node: Node, may_begin: bool) -> bool:
    """True for an op that computes in floats: all activations are; or only the first one.

    Args:
        may_begin: the op takes floats and gives integers.
    """
    tensors = [t for t in (*node.inputs, *node.outputs) if t is not None]
    is_float = [t.dtype.kind == "f" for t in tensors]
    if not may_begin and is_float[:1] == [True]:
        return True
    plain = [f for t, f in zip(tensors, is_float, strict=True) if not t.is_constant]
    return all(plain) and any(is_float)

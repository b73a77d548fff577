"""Random layers for which CMSIS-NN has kernels, those among them that only a rule makes right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis.strategies import SearchStrategy

from microinterp import Interpreter
from tests.differential.case import Case
from tests.differential.cases import all_cases
from tests.ops.lstm_layers import WH, WX, Layer
from tests.ops.lstm_layers import layers as lstm_layers

OPS = (
    "ADD",
    "BATCH_MATMUL",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "SVDF",
    "TRANSPOSE_CONV",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
)
_INTEGER_LSTMS = ("int8 x int8, int16 cell", "int16 x int8, int16 cell")


def cases() -> Iterator[Case]:
    """Integer layers of every type; the int16 TRANSPOSE_CONV is not CMSIS-NN's."""
    for case in all_cases():
        is_theirs = (case.op, case.types.split()[0]) != ("TRANSPOSE_CONV", "int16")
        is_layer = case.op in OPS and case.op != "ADD"
        if is_layer and "float" not in case.types and is_theirs:
            yield case
        if (case.op, case.types) == ("ADD", "int16"):
            yield replace(case, models=case.models.filter(_does_not_broadcast))
    for types in _INTEGER_LSTMS:
        for change in (_small_clip, _large_scales, _computed):
            models: SearchStrategy[bytes] = (
                lstm_layers(types).map(change).map(lambda layer: layer.data())
            )
            yield Case("UNIDIRECTIONAL_SEQUENCE_LSTM", types, models)


def _does_not_broadcast(model: bytes) -> bool:
    """A sum that broadcasts is left to the reference kernel."""
    (node,) = Interpreter.from_bytes(model).graph.main.nodes
    return node.input(0).shape == node.input(1).shape


def _small_clip(layer: Layer) -> Layer:
    """A limit of the cell under one step."""
    return replace(layer, clip=1e-5)


def _large_scales(layer: Layer) -> Layer:
    """Both products of a gate leave int16, often on different sides."""
    scales = {n: (layer.quantization[n][0] * 50, 0) for n in (*WX, *WH)}
    return replace(layer, quantization={**layer.quantization, **scales})


def _computed(layer: Layer) -> Layer:
    """One filter is an input of the model."""
    w = layer.contents[WX[0]]
    return replace(layer, changes={WX[0]: {"values": None, "shape": w.shape, "dtype": "int8"}})

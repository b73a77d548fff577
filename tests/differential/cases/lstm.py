"""Random UNIDIRECTIONAL_SEQUENCE_LSTM models: states live on from invoke to invoke, and reset."""

from __future__ import annotations

from tests.differential.case import Case
from tests.ops.lstm_layers import KINDS, layers
from tests.ops.test_svdf import with_resets

_NAME = "UNIDIRECTIONAL_SEQUENCE_LSTM"
CASES = tuple(
    Case(_NAME, types, layers(types).map(lambda layer: layer.data()), samples=4, draw=with_resets)
    for types in KINDS
)

"""Multiply-accumulates of recurrent layers, products and transposed convolutions, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from microinterp.inspect_model import inspect_model
from microinterp.model_builder import ModelBuilder
from tests.ops import lstm_layers
from tests.ops.test_svdf import Layer as Svdf
from tests.ops.test_transpose_conv import BASE as TRANSPOSED
from tests.ops.test_transpose_conv import with_options


def macs(data: bytes) -> int:
    facts = inspect_model(data)
    assert facts.runs, facts.problems
    return facts.macs


@pytest.mark.parametrize("time_major", [False, True])
def test_lstm(time_major: bool) -> None:
    """2 rows, 3 steps, 4 inputs, 5 states: 4 gates of 5 * 4 + 5 * 5 products, 6 times."""
    ones = {i: np.ones((5, 4), np.float32) for i in lstm_layers.WX}
    ones |= {i: np.ones((5, 5), np.float32) for i in lstm_layers.WH}
    ones |= {i: np.ones(5, np.float32) for i in lstm_layers.BIAS}
    layer = lstm_layers.Layer("float32", (2, 3, 4, 5), ones, time_major=time_major)
    assert macs(layer.data()) == 6 * 4 * 45


def test_svdf() -> None:
    """2 rows; 4 filters (2 units of rank 2) of 3 inputs and 5 responses each."""
    feature, time, bias = (np.ones(shape, np.float32) for shape in ((4, 3), (4, 5), (2,)))
    assert macs(Svdf(2, 2, feature, time, bias).data()) == 2 * 4 * (3 + 5)


def test_transpose_conv() -> None:
    """2 pixels of 1 channel meet a filter of 3 taps each, whatever the stride."""
    assert macs(TRANSPOSED.data()) == 2 * 3
    assert macs(with_options(TRANSPOSED, stride_w=1).data()) == 2 * 3


@pytest.mark.parametrize("adjoint", [False, True])
def test_batch_matmul(adjoint: bool) -> None:
    """2 products of 3x4 by 4x5: 4 for each of 30 outputs, also where x lies transposed."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (2, 4, 3) if adjoint else (2, 3, 4), "float32")
    y = g.input("y", (4, 5), "float32")
    out = g.tensor("out", (2, 3, 5), "float32")
    g.op("BATCH_MATMUL", [x, y], [out], adj_x=adjoint)
    g.output(out)
    assert macs(b.finish()) == 2 * 3 * 5 * 4


@pytest.mark.parametrize("name", ["BATCH_MATMUL", "SVDF", "TRANSPOSE_CONV", "CONV_2D"])
def test_without_the_inputs_that_count_there_are_none(name: str) -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    out = g.tensor("out", (2, 3), "float32")
    g.op(name, [None], [out])
    g.output(out)
    assert inspect_model(b.finish()).macs == 0

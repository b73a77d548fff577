"""Are three scales folded into a multiplier in float32 or in double? Sums where the two differ.

The sweeps of test_scale_precision.py need 16-bit outputs. Here sums are chosen to lie between the
places at which two candidates for a multiplier step from one output to the next: a 32-bit sum shows
a difference of one unit in the last place of a float32 even in an 8-bit output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microinterp import Interpreter
from microinterp.quant import fixedpoint
from microinterp.quant.params import quantize_multiplier
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops import lstm_layers
from tests.ops import test_svdf as svdf
from tests.ops.layers import Layer
from tests.ops.movement import Input
from tests.ops.test_batch_matmul import Product

Ints = npt.NDArray[np.int64]
F32 = np.float32
CASES = 6


@dataclass(frozen=True)
class Scales:
    """Of two factors and of their product's quantised sum."""

    a: np.float32
    b: np.float32
    out: np.float32

    def candidates(self) -> tuple[float, float]:
        """The factor in double, and with the product rounded to float32."""
        out = float(self.out)
        return float(self.a) * float(self.b) / out, float(self.a * self.b) / out

    def sums(self, steps: npt.NDArray[Any]) -> Ints:
        """Sums that the candidates take to different sides of steps + 1/2."""
        halves = steps + 0.5
        return np.rint(halves / np.mean(self.candidates())).astype(np.int64)

    def told_apart(self, sums: Ints) -> int:
        """How many sums become different outputs."""
        outputs = []
        for real in self.candidates():
            m = quantize_multiplier(real)
            outputs.append(fixedpoint.multiply_double(sums, m.multiplier, m.shift))
        return int(np.count_nonzero(outputs[0] != outputs[1]))


@dataclass(frozen=True)
class Probe:
    """A model, its inputs, the tensor to compare, and the sums that are formed in it."""

    data: bytes
    arrays: Sequence[npt.NDArray[Any]]
    tensor: int
    scales: Scales
    sums: Ints


def draw(rng: np.random.Generator, largest_sum: float, largest_step: float) -> Scales:
    """Scales under which the largest sum becomes the largest step."""
    a, b = F32(rng.uniform(0.01, 0.5)), F32(rng.uniform(0.001, 0.1))
    return Scales(a, b, F32(float(a) * float(b) * largest_sum / largest_step))


def spelt(sums: Ints, terms: int) -> npt.NDArray[np.int8]:
    """int8 weights [sums, terms + 1] whose products with 127, 127, ..., 1 give the sums."""
    whole, rest = np.divmod(np.abs(sums), 127)
    rows = np.zeros((len(sums), terms + 1), np.int64)
    for i in range(terms):
        rows[:, i] = np.clip(whole - 127 * i, 0, 127)
    rows[:, -1] = rest
    assert (whole <= 127 * terms).all()
    return (rows * np.sign(sums)[:, None]).astype(np.int8)


STEPS = np.concatenate([np.arange(-120, -60), np.arange(60, 120)])


def transpose_conv(rng: np.random.Generator) -> Probe:
    scales = draw(rng, 2.0**31, 130)
    sums = scales.sums(STEPS)
    layer = Layer(
        "TRANSPOSE_CONV",
        Input((1, 1, 1, 1), "int8", float(scales.a), 0),
        np.zeros((len(sums), 1, 1, 1), np.int8),
        Input((1, 1, 1, len(sums)), "int8", float(scales.out), 0),
        bias=sums.astype(np.int32),
        w_scales=[float(scales.b)],
        options={"padding": "VALID", "stride_h": 1, "stride_w": 1},
    )
    return Probe(layer.data(), [np.zeros((1, 1, 1, 1), np.int8)], 3, scales, sums)


def batch_matmul(rng: np.random.Generator) -> Probe:
    terms = 8000
    scales = draw(rng, 127.0 * 127 * terms, 130)
    sums = scales.sums(STEPS)
    row = np.array([[127] * terms + [1]], np.int8)
    product = Product(
        Input(row.shape, "int8", float(scales.a), 0),
        Input((len(sums), terms + 1), "int8", float(scales.b), 0),
        Input((1, len(sums)), "int8", float(scales.out), 0),
        adjoint=(False, True),
        contents=(None, spelt(sums, terms)),
    )
    return Probe(product.data(), [row], 2, scales, sums)


def svdf_output(rng: np.random.Generator) -> Probe:
    scales = draw(rng, 2.0**31, 130)
    sums = scales.sums(STEPS)
    zeros = np.zeros((len(sums), 1), np.int8)
    layer = svdf.Layer(
        1,
        1,
        zeros,
        zeros,
        sums.astype(np.int32),
        (
            *((1.0, 0), (1.0, 0), (float(scales.b), 0)),
            *((float(scales.a * scales.b), 0), (float(scales.a), 0), (float(scales.out), 0)),
        ),
    )
    return Probe(layer.data(), [np.zeros((1, 1), np.int8)], svdf.OUT, scales, sums)


def svdf_state(rng: np.random.Generator) -> Probe:
    terms = 66_000
    scales = draw(rng, 127.0 * 127 * terms, 32500)
    sums = scales.sums(np.where(STEPS > 0, STEPS + 32000, STEPS - 32000)[::10])
    row = np.array([[127] * terms + [1]], np.int8)
    filters = len(sums)
    state = (float(scales.out), 0)
    layer = svdf.Layer(
        1,
        1,
        spelt(sums, terms),
        np.zeros((filters, 1), np.int16),
        np.zeros(filters, np.int32),
        ((float(scales.a), 0), (float(scales.b), 0), (1e-9, 0), (1e-9, 0), state, (1.0, 0)),
    )
    return Probe(layer.data(), [row], svdf.STATE, scales, sums)


def lstm_gates(rng: np.random.Generator) -> Probe:
    """All four gates have the same sums, and the cell state shows them in steps of 2^-15."""
    gate = F32(2.0**-12)
    a = F32(rng.uniform(0.01, 0.5))
    b = F32(float(gate) * 4000 / 2.0**31 / float(a) * rng.uniform(0.8, 1))
    scales = Scales(a, b, gate)
    sums = scales.sums(np.arange(3000, 3120))
    states = len(sums)
    contents = {
        **dict.fromkeys(lstm_layers.WX, np.zeros((states, 1), np.int8)),
        **dict.fromkeys(lstm_layers.WH, np.zeros((states, states), np.int8)),
        **dict.fromkeys(lstm_layers.BIAS, sums.astype(np.int32)),
    }
    quantization = {
        **dict.fromkeys((*lstm_layers.WX, *lstm_layers.WH), (float(b), 0)),
        lstm_layers.X: (float(a), 0),
        lstm_layers.HIDDEN: (2.0**-7, 0),
        lstm_layers.CELL: (2.0**-15, 0),
    }
    types = "int8 x int8, int16 cell"
    layer = lstm_layers.Layer(types, (1, 1, 1, states), contents, quantization)
    return Probe(layer.data(), [np.zeros((1, 1, 1), np.int8)], 14, scales, sums)


PROBES: dict[str, Callable[[np.random.Generator], Probe]] = {
    "TRANSPOSE_CONV": transpose_conv,
    "BATCH_MATMUL": batch_matmul,
    "SVDF output": svdf_output,
    "SVDF state": svdf_state,
    "LSTM gates": lstm_gates,
}


@pytest.mark.parametrize("name", PROBES)
def test_products_equal_tflm(tflm: TflmRuntime, name: str) -> None:
    rng = np.random.default_rng(len(name))
    told_apart = sums = 0
    for case in range(CASES):
        probe = PROBES[name](rng)
        ours = Interpreter.from_bytes(probe.data, preserve_all_tensors=True)
        for i, array in enumerate(probe.arrays):
            ours.set_input(array, i)
        ours.invoke()
        want = tflm.run(probe.data, [probe.arrays], [(0, probe.tensor)]).tensors[0]
        differing = np.count_nonzero(ours.get_tensor(probe.tensor) != want[0, probe.tensor])
        assert differing == 0, f"case {case}"
        told_apart += probe.scales.told_apart(probe.sums)
        sums += len(probe.sums)
    assert told_apart > sums / 4, "the sums do not tell float32 from double"

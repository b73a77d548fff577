"""Bytes that no op has written are nobody's answer: they are not recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flatbuffers import flexbuffers

from microinterp import golden
from microinterp.golden.leftovers import ops_with_leftovers
from microinterp.inputs import random_samples
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import TflmRuntime
from tests.conftest import shared_model


def energy_model(start: int, end: int) -> bytes:
    """int16 [8] -> ABS twice -> SignalEnergy of bins start to end of 4 -> CAST -> SLICE 1:3.

    Before them an op whose output lies where the energies come to lie.
    """
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (8,), "int16", scale=1.0, zero_point=0)
    y = g.tensor("y", (8,), "int16", scale=1.0, zero_point=0)
    z = g.tensor("z", (8,), "int16", scale=1.0, zero_point=0)
    energy = g.tensor("energy", (4,), "uint32")
    floats = g.tensor("floats", (4,), "float32")
    part = g.tensor("part", (2,), "float32")
    g.op("ABS", [x], [y])
    g.op("ABS", [y], [z])
    fields = {"end_index": end, "start_index": start}
    g.custom_op("SignalEnergy", [z], [energy], bytes(flexbuffers.Dumps(fields)))
    g.op("CAST", [energy], [floats])
    one, two = (g.constant(name, np.array([n], np.int32)) for name, n in (("1", 1), ("2", 2)))
    g.op("SLICE", [floats, one, two], [part])
    g.output(part)
    return b.finish()


def unsure(model: bytes) -> set[int]:
    prepared = prepare_model(model)
    return {op for _, op in ops_with_leftovers(model, prepared, "tflm", None)}


def test_leftovers_are_followed_as_far_as_they_go() -> None:
    assert unsure(energy_model(0, 4)) == set()
    assert unsure(energy_model(1, 3)) == {2, 3}  # SLICE takes just what was written
    assert unsure(energy_model(2, 3)) == {2, 3, 4}


def test_they_are_not_recorded(tmp_path: Path, tflm: TflmRuntime) -> None:
    model, path = energy_model(1, 3), tmp_path / "a"
    inputs = random_samples(golden.sound_graph(model).main.inputs, 20, 1)
    for runtime in ("host", "tflm"):
        made = golden.record(model, inputs, path, runtime=runtime, tensors="bytes")
        assert made.checks == 3
        for other in ("host", "tflm"):
            result = golden.check(model, path, other)
            assert (result.equal, result.compared_crcs) == (True, 60)
    assert len(np.unique(golden.load(path).outputs[0])) > 20


@pytest.mark.parametrize("runtime", ["host", "tflm"])
def test_a_real_model(tmp_path: Path, tflm: TflmRuntime, runtime: str) -> None:
    model = shared_model("audio_preprocessor_int8.tflite")
    assert unsure(model) == {4, 5}
    inputs = random_samples(golden.sound_graph(model).main.inputs, 10, 1)
    golden.record(model, inputs, tmp_path / "a", runtime=runtime)
    for other in ("host", "tflm"):
        assert golden.check(model, tmp_path / "a", other).equal

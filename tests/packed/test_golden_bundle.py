"""Packed models are held to golden bundles, CRC32 by CRC32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.golden_bundle import BundleWriter, describe, read_bundle
from microinterp.packed import PackedInterpreter, pack
from microinterp.trace import Checksums
from tests.bundle_files import checks_of, crc_row
from tests.conftest import shared_model
from tests.oracle import random_samples
from tests.packed.zoo import every_step
from tests.test_wakewords import wakeword


def record(data: bytes, path: Path, count: int) -> list[Any]:
    """Record random samples; returns them."""
    interpreter = Interpreter.from_bytes(data)
    checks, trace = checks_of(interpreter.prepared), Checksums()
    header = describe(interpreter.graph, "tflm", "host", "0.1.0", checks, seed=1)
    given = random_samples(np.random.default_rng(1), interpreter.graph, count)
    with BundleWriter(path, header) as bundle:
        for sample in given:
            for i, array in enumerate(sample or ()):
                interpreter.set_input(array, i)
            interpreter.invoke(trace)
            outputs = [interpreter.get_output(i)[None] for i in range(len(header.outputs))]
            row = crc_row(checks, trace.crcs)[None]
            bundle.add([array[None] for array in sample or ()], outputs, row)
    return given


def check(path: Path, data: bytes) -> list[tuple[int, int]]:
    """(sample, check) of each CRC that a packed model gives otherwise."""
    bundle = read_bundle(path)
    interpreter, crcs, found = PackedInterpreter(data), {}, []
    for i in range(bundle.samples):
        for k, array in enumerate(bundle.inputs):
            interpreter.set_input(array[i], k)
        crcs |= interpreter.op_crcs()
        row = crc_row(bundle.header.checks, crcs)
        found += [(i, int(k)) for k in np.flatnonzero(row != bundle.crcs[i])]
        for k, array in enumerate(bundle.outputs):
            assert interpreter.get_output(k).tobytes() == array[i].tobytes()
    return found


@pytest.mark.parametrize("name", ["zoo", "kws_int8", "okay_nabu"])
def test_a_packed_model_is_held_to_a_bundle(tmp_path: Path, name: str) -> None:
    data = {
        "zoo": every_step,
        "kws_int8": lambda: shared_model("kws_int8.tflite"),
        "okay_nabu": lambda: wakeword("okay_nabu"),
    }[name]()
    record(data, tmp_path / "a", 5)
    interpreter = Interpreter.from_bytes(data)
    packed = pack(interpreter.prepared, interpreter.arena.plan)
    assert check(tmp_path / "a", packed) == []
    assert len(set(map(bytes, read_bundle(tmp_path / "a").crcs))) == 5

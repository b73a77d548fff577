"""Packed real models: host and board equal the interpreter, op for op."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.packed import pack_with_report
from tests.conftest import shared_model
from tests.marks import slow_but
from tests.oracle import Sample, random_samples
from tests.packed.compare import Packed, check_on_board, compare
from tests.test_wakewords import MODELS as WAKEWORDS
from tests.test_wakewords import wakeword

SHARED = (
    "hello_world_int8",
    "kws_int8",
    "ic_resnet8_int8",
    "ad01_int8",
    "micro_speech_int8",
    "person_detect",
    "vww_96_int8",
)
ROOT = Path(__file__).resolve().parents[2]
SAMPLES = 20
FEW = 2
"""Samples for the bytecode tier, which takes a second for some models."""


def shared(name: str) -> bytes:
    return shared_model(f"{name}.tflite")


def own(name: str) -> bytes:
    return (ROOT / "examples" / "digits" / f"{name}.tflite").read_bytes()


MODELS: dict[str, Callable[[str], bytes]] = {
    "digits_int8": own,
    **dict.fromkeys(SHARED, shared),
    **dict.fromkeys(WAKEWORDS, wakeword),
}
_QUICK = ("digits_int8", "micro_speech_int8", "okay_nabu")
"""A chain, a graph with a large layer, a graph with state; the others are for the slow suite."""
BYTECODE = (
    "digits_int8",
    "hello_world_int8",
    "kws_int8",
    "ad01_int8",
    "micro_speech_int8",
    "okay_nabu",
)


def packed(name: str, count: int) -> Packed:
    """`count` samples, and after a reset as many again for a model with state."""
    data = MODELS[name](name)
    interpreter = Interpreter.from_bytes(data)
    samples: list[Sample] = random_samples(np.random.default_rng(5), interpreter.graph, 2 * count)
    again = samples[count:] if interpreter.prepared.is_stateful else []
    return compare(data, [*samples[:count], None, *again] if again else samples[:count])


@pytest.mark.parametrize("name", slow_but(MODELS, *_QUICK))
def test_host_and_viper_equal_the_interpreter(name: str, tmp_path: Path) -> None:
    model = packed(name, SAMPLES)
    print(f"\n{name}: {sum(len(crcs) for _, crcs in model.answers)} tensors compared")
    assert len({crcs for _, crcs in model.answers}) >= SAMPLES
    assert not check_on_board([model], "viper", tmp_path)


@pytest.mark.parametrize("name", slow_but(BYTECODE, *_QUICK))
def test_bytecode_equals_the_interpreter(name: str, tmp_path: Path) -> None:
    assert not check_on_board([packed(name, FEW)], "bytecode", tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_report_adds_up(name: str) -> None:
    interpreter = Interpreter.from_bytes(MODELS[name](name))
    data, report = pack_with_report(interpreter.prepared, interpreter.arena.plan)
    parts = (report.weights_bytes, report.steps_bytes, report.text_bytes, report.structure_bytes)
    assert report.file_bytes == len(data) == sum(parts)
    assert report.weights_bytes == sum(op.weights for op in report.ops)
    assert report.arena_bytes == report.head_bytes + report.state_bytes + report.scratch_bytes
    assert report.head_bytes == interpreter.arena.head_bytes
    assert len(report.ops) == sum(len(nodes) for nodes in interpreter.prepared.subgraphs)

"""Real models against real runtimes, by the command: what differs, where first, why, how fast."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp.compare import compare
from microinterp.inputs import random_samples
from microinterp.sides import open_side
from microinterp.sides.host import HostSide
from tests import processes
from tests.conftest import require_or_skip, shared_model
from tests.test_wakewords import MODELS, wakeword

LIMIT = 30.0
"""Seconds for one comparison, process start and all."""
EVERY = (
    "ad01_int8", "dtln", "hello_world_int8", "ic_resnet8_int8", "keyword_scrambled_8bit",
    "kws_int8", "micro_speech_int8", "person_detect", "vww_96_int8",
)  # fmt: skip


def needs(side: str) -> None:
    module = "tflite_micro" if side == "tflm" else "ai_edge_litert"
    try:
        __import__(module)
    except ImportError:
        require_or_skip(module, "pip install 'microinterp[oracle]'")


def command(folder: Path, name: str, side: str, *options: object) -> Any:
    """The command's JSON; it must take less than LIMIT."""
    needs(side)
    model = folder / f"{name}.tflite"
    model.write_bytes(shared_model(f"{name}.tflite"))
    start = time.monotonic()
    words = ("compare", model, "--with", side, "--json", *options)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = processes.command(*words, timeout=4 * LIMIT, cwd=folder, env=env)
    seconds = time.monotonic() - start
    assert run.stdout, run.stderr
    found = json.loads(run.stdout)
    assert run.returncode == (0 if found["equal"] else 1), run.stderr
    assert seconds < LIMIT
    return found


def test_ad01_against_litert_reference_kernels(tmp_path: Path) -> None:
    found = command(tmp_path, "ad01_int8", "litert-ref")
    assert found["equal"] is False
    assert found["first_op"]["name"] == "FULLY_CONNECTED"
    assert found["cause"].startswith("FULLY_CONNECTED (op ")
    assert "single rounding" in found["cause"].split("; or: ")[0]
    assert found["findings"][0]["name"] == "litert-ref"
    assert found["findings"][0]["reproduces"] == found["findings"][0]["of"] >= 5


def test_ic_resnet8_against_xnnpack(tmp_path: Path) -> None:
    found = command(tmp_path, "ic_resnet8_int8", "litert")
    assert found["first_op"] == {"subgraph": 0, "index": 0, "name": "CONV_2D"}
    first = found["cause"].split("; or: ")[0]
    assert first.startswith("CONV_2D (op 0) ")
    assert "float32, rounded once to nearest, halves to even, as XNNPACK does" in first
    assert found["findings"][0]["reproduces"] == found["findings"][0]["of"] >= 9
    by_itself = [row for row in found["ops"] if row["isolated_differing"]]
    assert all("xnnpack" in row["causes"] for row in by_itself)


@pytest.mark.parametrize("name", ["ad01_int8", "ic_resnet8_int8"])
def test_the_wheel_says_equal(tmp_path: Path, name: str) -> None:
    found = command(tmp_path, name, "tflm")
    assert (found["equal"], found["differing_elements"], found["cause"]) == (True, 0, None)
    assert all(row["told"] == "values" for row in found["ops"])


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_every_model_equals_the_wheel(tmp_path: Path, name: str) -> None:
    assert command(tmp_path, name, "tflm")["equal"]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_wake_words_equal_the_wheel(name: str) -> None:
    """State goes on over 20 invokes."""
    needs("tflm")
    model = wakeword(name)
    x = random_samples(HostSide(model).interpreter.graph.main.inputs, 20, 3)
    with open_side("tflm", model) as side:
        result = compare(model, side, x)
    assert result.equal, result.first_op
    assert result.compared_elements > 10_000


UNKNOWN = {("dtln", "UNIDIRECTIONAL_SEQUENCE_LSTM")}
"""Ops that differ from a cause that is not known."""
EQUAL = {
    "litert-ref": {"hello_world_int8", "kws_int8", "micro_speech_int8",
                   "vww_96_int8"},
    "litert-noxnn": {"hello_world_int8"},
    "litert": {"hello_world_int8"},
}  # fmt: skip
_REFUSED = {"keyword_scrambled_8bit", "person_detect"}


@pytest.mark.slow
@pytest.mark.parametrize("side", EQUAL)
@pytest.mark.parametrize("name", sorted(set(EVERY) - _REFUSED))
def test_every_differing_op_is_explained(tmp_path: Path, name: str, side: str) -> None:
    found = command(tmp_path, name, side, "--samples", 6)
    if name in EQUAL[side]:
        assert found["equal"]
    for row in found["ops"]:
        if row["isolated_differing"] and (name, row["name"]) not in UNKNOWN:
            assert row["causes"], (name, side, row["index"], row["name"])


def test_stale_state_of_a_wake_word(tmp_path: Path) -> None:
    """The wheel has heard the first frame before: a firmware that forgets its reset."""
    needs("tflm")
    model = wakeword("okay_nabu")
    x = random_samples(HostSide(model).interpreter.graph.main.inputs, 4, 3)
    with open_side("tflm", model) as side:
        side.run([array[:1] for array in x], places(model))
        result = compare(model, side, x)
    assert not result.equal
    assert "stale-state" in [finding.name for finding in result.findings]


def places(model: bytes) -> tuple[tuple[int, int, int], ...]:
    from microinterp.sides import places_of

    return places_of(HostSide(model).interpreter.prepared)


def test_norms_of_a_classifier(tmp_path: Path) -> None:
    """ACC is the share of samples with the same class, by hand."""
    found = command(tmp_path, "kws_int8", "litert")
    model = shared_model("kws_int8.tflite")
    x = random_samples(HostSide(model).interpreter.graph.main.inputs, 10, 0)
    ours = HostSide(model).run(x).outputs[0]
    with open_side("litert", model) as side:
        theirs = side.run(x).outputs[0]
    acc = float(np.mean(ours[:, 0].argmax(1) == theirs[:, 0].argmax(1)))
    assert found["outputs"][0]["norms"]["acc"] == pytest.approx(acc)

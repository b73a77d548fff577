"""Sides that crash, hang, refuse, or are not there: a message and exit status 2, and no process."""

from __future__ import annotations

import builtins
import importlib.util
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp.compare import compare
from microinterp.errors import InputError, RuntimeUnavailableError
from microinterp.model_builder import ModelBuilder
from microinterp.sides import NAMES, Side, open_side
from microinterp.sides.litert import LiteRtSide
from tests.cli import call, refused, stored
from tests.compare.nets import picture_net, pictures
from tests.compare.planting import chain
from tests.conftest import shared_model
from tests.ops.movement import Constant, Input, op_model
from tests.processes import python

MODEL = chain(picture_net())
RUNTIMES = ("tflm", "litert", "litert-ref", "litert-noxnn")


def opened(name: str, model: bytes = MODEL) -> Side:
    pytest.importorskip("tflite_micro" if name == "tflm" else "ai_edge_litert")
    return open_side(name, model)


def process_of(side: Any) -> subprocess.Popen[bytes]:
    """The child that runs the wheel."""
    child = side._runtime if hasattr(side, "_runtime") else side._child
    found = child._process
    assert found is not None
    return found


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_side_that_is_killed(name: str) -> None:
    with opened(name) as side:
        assert compare(MODEL, side, [pictures(1)], diagnosis=False).samples == 1
        os.kill(process_of(side).pid, signal.SIGKILL)
        process_of(side).wait()
        with pytest.raises(RuntimeUnavailableError):
            side.run([pictures(1)], ((0, 0, 3),))


@pytest.mark.parametrize("name", ["tflm", "litert"])
def test_a_side_that_dies_while_it_runs(name: str) -> None:
    """The request is under way: the death is told, not waited for."""
    with opened(name) as side:
        side.run([pictures(1)], ((0, 0, 3),))
        process = process_of(side)
        process.send_signal(signal.SIGSTOP)
        threading.Timer(0.3, process.kill).start()
        with pytest.raises(RuntimeUnavailableError, match="SIGKILL"):
            side.run([pictures(1)], ((0, 0, 3),))


@pytest.mark.parametrize("name", ["tflm", "litert"])
def test_a_side_that_hangs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "microinterp.sides.tflm" if name == "tflm" else "microinterp.sides.litert"
    with opened(name) as side:
        side.run([pictures(1)], ((0, 0, 3),))
        monkeypatch.setattr(f"{module}._SECONDS", 0.5)
        monkeypatch.setattr(f"{module}._SECONDS_PER_SAMPLE", 0.0)
        process = process_of(side)
        process.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(RuntimeUnavailableError, match=r"no answer within 0\.5 s"):
            side.run([pictures(1)], ((0, 0, 3),))
        assert time.monotonic() - start < 8
        assert process.poll() is not None


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_process_ends_with_the_side(name: str) -> None:
    with opened(name) as side:
        side.run([pictures(1)])
        process = process_of(side)
        assert process.poll() is None
    assert process.poll() is not None


def test_a_crash_of_litert_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert")
    run = LiteRtSide.run

    def killed(self: LiteRtSide, *arguments: Any) -> Any:
        run(self, *arguments)
        process = process_of(self)
        process.send_signal(signal.SIGSTOP)
        threading.Timer(0.3, process.kill).start()
        return run(self, *arguments)

    monkeypatch.setattr(LiteRtSide, "run", killed)
    message = refused("compare", stored(tmp_path, MODEL), "--with", "litert", "--samples", 1)
    assert "LiteRT crashed with SIGKILL" in message


def test_a_model_that_litert_reads_garbage_for(tmp_path: Path) -> None:
    """LiteRT reads memory there that it never wrote: it aborts, or gives other numbers."""
    pytest.importorskip("ai_edge_litert")
    model = stored(tmp_path, shared_model("keyword_scrambled_8bit.tflite"))
    result = call("compare", model, "--with", "litert", "--samples", 1)
    assert result.exit_code in (1, 2)
    assert ("LiteRT crashed" if result.exit_code == 2 else "different: ") in result.output


def test_a_model_that_litert_refuses(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    model = stored(tmp_path, shared_model("person_detect.tflite"))
    message = refused("compare", model, "--with", "litert-ref", "--samples", 1)
    assert "quantized_dimension" in message
    assert "Traceback" not in message


def test_a_model_that_tflm_refuses(tmp_path: Path) -> None:
    """An operator that the wheel lacks."""
    pytest.importorskip("tflite_micro")
    b = ModelBuilder()
    g = b.subgraph("main")
    x, y = g.input("x", (1, 4), "int8", 0.5, 0), g.tensor("y", (1, 4), "int8", 0.5, 0)
    g.custom_op("Flying", [x], [y], b"")
    g.output(y)
    refused("compare", stored(tmp_path, b.finish()), "--with", "tflm")


def test_litert_works_out_another_shape() -> None:
    """The file says [1, 3], LiteRT makes [1, 6] of it: that is told, not an error of NumPy's."""
    pytest.importorskip("ai_edge_litert")
    x, axis = Input((2, 6), "int8", 0.5, 0), Constant(np.array([0], np.int32))
    data = op_model("MEAN", [x, axis], [Input((1, 3), "int8", 0.5, 0)], keep_dims=True)
    with open_side("litert-ref", data) as side, pytest.raises(RuntimeUnavailableError) as caught:
        side.run([np.zeros((1, 2, 6), np.int8)])
    assert "[1, 6]" in str(caught.value)


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_missing_wheel(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named with how to get it."""
    real, import_it = importlib.util.find_spec, builtins.__import__

    def find(module: str, package: str | None = None) -> Any:
        return None if module in ("tflite_micro", "ai_edge_litert") else real(module, package)

    def version(module: str) -> str:
        raise importlib.metadata.PackageNotFoundError(module)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    monkeypatch.setattr(importlib.metadata, "version", version)
    assert import_it is builtins.__import__
    message = refused("compare", stored(tmp_path, MODEL), "--with", name)
    assert "pip install" in message


def test_no_board_there(tmp_path: Path) -> None:
    model = stored(tmp_path, MODEL)
    message = refused("compare", model, "--with", "board:/dev/nowhere")
    assert "nowhere" in message or "microinterp_boards" in message


def test_names_that_are_none(tmp_path: Path) -> None:
    model = stored(tmp_path, MODEL)
    for name in ("LITERT", "tflite", "nowhere.npz", "[red]x", ""):
        message = refused("compare", model, "--with", name)
        assert "runtimes: host, tflm, litert" in message
    with pytest.raises(InputError, match="there are: host"):
        open_side("nobody", MODEL)
    assert NAMES[0] == "host"


@pytest.mark.slow
def test_many_samples_of_a_large_model_stay_small() -> None:
    """vww_96, 50 samples: what is kept is every tensor of both sides, and little beside it."""
    shared_model("vww_96_int8.tflite")
    program = """
import resource, sys
from microinterp.compare import compare
from microinterp.inputs import random_samples
from microinterp.sides.host import HostSide
model = open(sys.argv[1], "rb").read()
other = HostSide(model, "single")
x = random_samples(other.interpreter.graph.main.inputs, 50, 0)
result = compare(model, other, x)
assert not result.equal and result.findings, result.cause
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    from tests.conftest import SHARED_MODELS

    megabytes = int(python(program, SHARED_MODELS / "vww_96_int8.tflite")) / 1024
    print(f"\nvww_96, 50 samples, compared and diagnosed: {megabytes:.0f} MB at most")
    assert megabytes < 400

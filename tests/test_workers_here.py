"""What the processes of runtimes and of `eval` answer, asked in the process of the test."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.errors import InputError, RuntimeUnavailableError, WorkerError
from microinterp.evaluation import worker_process
from microinterp.evaluation.data import Pieces
from microinterp.evaluation.engine import Engine
from microinterp.evaluation.job import Job
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes import child, tflm_worker
from microinterp.runtimes.tflm import version
from microinterp.sides import litert_worker
from tests.cli import copying_model
from tests.conftest import require_or_skip
from tests.eval_data import adding_model, npz, opened
from tests.models import chain_model
from tests.served_here import answers, requests, served

ROWS = np.arange(-4, 4, dtype=np.int8).reshape(2, 1, 2, 2, 1)
SAMPLES = [[row] for row in ROWS]
ODD = chain_model(3)  # the output is the input, negated


@pytest.fixture
def wheel() -> None:
    if version() is None:
        require_or_skip("the TFLM wheel", "pip install 'microinterp[oracle]' (Linux x86-64)")


@pytest.mark.usefixtures("wheel")
def test_tflm_runs_samples_and_shows_tensors() -> None:
    told = served(tflm_worker.main, ("run", (ODD, SAMPLES, [(0, 0), (0, 3)], None)))
    ((status, run),) = told
    assert status == "ok"
    for row, (output,), tensors in zip(ROWS, run.outputs, run.tensors, strict=True):
        assert np.array_equal(output, -row)
        assert np.array_equal(tensors[0, 0], row)
        assert np.array_equal(tensors[0, 3], row)  # twice negated


@pytest.mark.usefixtures("wheel")
def test_tflm_keeps_state_until_it_is_reset() -> None:
    one = [np.array([[1, 2]], np.int8)]
    told = served(
        tflm_worker.main,
        ("start", (adding_model(), False)),
        ("go_on", ([one, one], [])),
        ("go_on", ([one, None, one], [])),
        ("no such thing", ()),
        ("go_on", ([one], [])),
    )
    assert [status for status, _ in told] == ["ok", "ok", "ok", "error", "ok"]
    assert told[3][1] == "KeyError: 'no such thing'"
    sums = [[int(output[0, 0]) for (output,) in told[i][1].outputs] for i in (1, 2, 4)]
    assert sums == [[1, 2], [3, 1], [2]]


@pytest.mark.usefixtures("wheel")
def test_tflm_gives_up_what_it_has_shown() -> None:
    """The wheel holds a reference to each array for ever; ours is the only one left."""
    interpreter = tflm_worker._interpreter(ODD, True, None)
    tflm_worker._invoke(interpreter, SAMPLES[0])
    held = [tflm_worker._tensor(interpreter, tensor, 0) for tensor in (2, 3)]
    assert np.array_equal(held[0], -ROWS[0])
    gone = [weakref.ref(array) for array in held]
    del held
    assert [ref() for ref in gone] == [None, None]


class Shown(dict[str, Any]):
    """What GetTensor returns, as one that can be seen to be freed."""


class ForgetfulWheel:
    """Keeps a reference to all that it shows, as other builds of the wheel do."""

    def GetTensor(self, tensor: int, subgraph: int) -> Shown:  # noqa: N802
        made = Shown(shape=np.array([2]), tensor_data=np.array([tensor, subgraph]))
        self.shown = [weakref.ref(each) for each in (made, *made.values())]
        for each in (made, *made.values()):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))
        return made


@pytest.mark.usefixtures("wheel")  # counts are those of the Pythons that it is made for
def test_tflm_s_dictionaries_are_given_up_too() -> None:
    forgetful = ForgetfulWheel()
    array = tflm_worker._tensor(forgetful, 5, 1)
    assert array.tolist() == [5, 1]
    shown, shape, data = forgetful.shown
    assert (shown(), shape()) == (None, None)
    assert data() is array
    del array
    assert data() is None


@pytest.mark.usefixtures("wheel")
def test_tflm_s_arena_is_found_in_memory() -> None:
    facts = tflm_worker._arena(ODD, SAMPLES)
    ours = Interpreter.from_bytes(ODD)
    ours.set_input(ROWS[1], 0)
    ours.invoke()
    assert facts.head_bytes == ours.arena.head_bytes
    assert facts.tail_bytes > 0
    assert facts.head is not None
    (last,) = (ours.arena.offsets[key] for key in list(ours.arena.offsets)[-1:])
    assert facts.head[last : last + 4] == ours.arena.memory[last : last + 4]


def test_no_arena_where_none_has_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where two have: which one is meant cannot be told."""
    page = os.sysconf("SC_PAGESIZE")
    monkeypatch.setattr(tflm_worker, "_FINDABLE_ARENA", page - 16)
    memory = np.zeros(4 * page // 8, np.uint64)
    low = -(-memory.ctypes.data // page) * page
    monkeypatch.setattr(tflm_worker, "_writable_mappings", lambda: [(low, low + 2 * page)])
    words = memory[(low - memory.ctypes.data) // 8 :]
    assert tflm_worker._arena_address() is None
    words[page // 8 + 1] = page | 2
    assert tflm_worker._arena_address() == low + page + 16
    words[1] = page | 2
    assert tflm_worker._arena_address() is None


def test_mappings_that_can_be_written_hold_what_was_written() -> None:
    memory = np.zeros(1 << 20, np.uint8)
    found = tflm_worker._writable_mappings()
    assert any(low <= memory.ctypes.data < high for low, high in found)
    code = ctypes.cast(ctypes.pythonapi.Py_IncRef, ctypes.c_void_p).value
    assert code is not None
    assert not any(low <= code < high for low, high in found)


def test_what_c_prints_is_caught() -> None:
    before = os.fstat(2)
    assert tflm_worker._captured_stderr(lambda: os.write(2, b"head \xff")) == "head \ufffd"
    after = os.fstat(2)
    assert (before.st_dev, before.st_ino) == (after.st_dev, after.st_ino)


@pytest.mark.usefixtures("wheel")
def test_tflm_is_timed_once_for_each_repeat() -> None:
    ((status, seconds),) = served(tflm_worker.main, ("seconds", (ODD, SAMPLES[0], 3)))
    assert status == "ok"
    assert len(seconds) == 3
    assert all(each > 0 for each in seconds)


def test_litert_answers_all_samples_at_once() -> None:
    pytest.importorskip("ai_edge_litert")
    b = ModelBuilder()
    g = b.subgraph("main")
    x, y, z = g.input("x", (2,), "float32"), *(g.tensor(n, (2,), "float32") for n in "yz")
    g.op("NEG", [x], [y])
    g.op("ABS", [y], [z])
    g.output(z)
    model, given = b.finish(), np.array([[1, -2], [-3, 4]], np.float32)
    told = served(
        litert_worker.main,
        ("start", (model, "BUILTIN_REF")),
        ("run", ([given], 2, [1])),
        ("run", ([given], 1, [])),
        ("start", (model, "no resolver")),
    )
    assert [status for status, _ in told] == ["ok", "ok", "ok", "error"]
    ((outputs,), (tensor,)), (first, none) = told[1][1], told[2][1]
    assert np.array_equal(outputs, abs(given))
    assert np.array_equal(tensor, -given)
    assert np.array_equal(first, [abs(given[:1])])
    assert none == []
    assert told[3][1] == "KeyError: 'no resolver'"


class HidingLiteRt:
    """An interpreter of one input and one output whose delegate keeps tensor 7 to itself."""

    def get_input_details(self) -> list[dict[str, int]]:
        return [{"index": 5}]

    def get_output_details(self) -> list[dict[str, int]]:
        return [{"index": 6}]

    def set_tensor(self, index: int, array: Any) -> None:
        assert index == 5
        self.given = array

    def invoke(self) -> None:
        self.answer = self.given + 1

    def get_tensor(self, index: int) -> Any:
        if index == 7:
            raise ValueError("Tensor data is null. Run allocate_tensors() first")
        return {5: self.given, 6: self.answer}[index]


def test_a_tensor_that_litert_cannot_show_is_none() -> None:
    worker = litert_worker._Worker()
    worker.interpreter = HidingLiteRt()
    outputs, tensors = worker.run([np.array([[1], [4]])], 2, [7, 5])
    assert outputs[0].tolist() == [[2], [5]]
    assert tensors[0] is None
    assert tensors[1].tolist() == [[1], [4]]


@pytest.fixture
def pieces(tmp_path: Path) -> Pieces:
    data = opened(
        copying_model((1, 2)), npz(tmp_path / "d.npz", x=np.array([[1, 2], [4, 3]], np.int8))
    )
    return Pieces(data, None, None, 1)


def test_an_eval_worker_answers_pieces(pieces: Pieces) -> None:
    job = Job(copying_model((1, 2)), task="classes")
    told = io.BytesIO()
    worker_process._serve(requests(job, pieces[1], "no piece", pieces[0]), told)
    started, second, broken, first = answers(told)
    assert started == (None, None)
    for (error, result), piece in ((second, pieces[1]), (first, pieces[0])):
        wanted = Engine(job).run(piece)
        assert error is None
        assert result.columns.keys() == wanted.columns.keys()
        for name, column in wanted.columns.items():
            assert np.array_equal(result.columns[name], column), name
    assert broken[1] is None
    assert "AttributeError" in broken[0]
    assert "worker_process.py" in broken[0]


def test_an_eval_worker_tells_our_errors_as_they_are(pieces: Pieces) -> None:
    model = copying_model((1, 3))
    stale = Job(model, version="0.0.1")
    refusal, started, (error, result) = served(worker_process.main, stale, Job(model), pieces[0])
    assert isinstance(refusal[0], WorkerError)
    assert "the job comes from microinterp 0.0.1" in str(refusal[0])
    assert started == (None, None)  # it goes on after a job that it refused
    assert isinstance(error, InputError)
    assert result is None


def test_an_eval_worker_leaves_ctrl_c_to_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        worker_process, "_serve", lambda *_: seen.append(signal.getsignal(signal.SIGINT))
    )
    assert served(worker_process.main) == []
    assert seen == [signal.SIG_IGN]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(child, "_LAST_SECONDS", 0.2)
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "stays.py").write_text("import os, time\nos.close(1)\ntime.sleep(60)\n")
    return tmp_path


@pytest.mark.parametrize(
    ("module", "words"),
    [("leaves", "it's process ended with status 3"), ("stays", "it crashed with SIGKILL")],
)
def test_a_process_that_does_not_answer(programs: Path, module: str, words: str) -> None:
    with (
        child.Child("it", module, timeout=30, folder=programs) as made,
        pytest.raises(RuntimeUnavailableError, match=words),
    ):
        made.ask("anything")
    assert made._process is None

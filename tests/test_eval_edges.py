"""What `eval` makes of odd labels, sequences, files and settings, asked of its parts directly."""

from __future__ import annotations

import io
import pickle
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.errors import InputError, RuntimeUnavailableError, WorkerError
from microinterp.evaluation import Data, Settings, evaluate, measures, workers
from microinterp.evaluation.arrays import numbered, read_array
from microinterp.evaluation.data import Pieces
from microinterp.evaluation.engine import Engine
from microinterp.evaluation.figures import Anomalies, ValueFigures, Values
from microinterp.evaluation.job import Job
from microinterp.evaluation.ranking import Scores
from microinterp.evaluation.runners import other
from microinterp.evaluation.truth import understand
from microinterp.model_builder import ModelBuilder
from tests.cli import copying_model
from tests.conftest import require_or_skip
from tests.eval_data import adding_model, npz, opened
from tests.ops.streaming import streaming_model

THREE = Interpreter(copying_model((1, 3))).graph.main.outputs[0]
NO_INPUT = (np.zeros((3, 1), np.int8),)


def labelled(*labels: Any) -> Data:
    """Three samples: labels are one array, or three names."""
    return Data("set", NO_INPUT, labels=labels if len(labels) == 3 else np.array(labels[0]))


@pytest.mark.parametrize(
    ("data", "task", "words"),
    [
        (labelled([1j, 0, 0]), "auto", "set: labels are complex128, wanted numbers"),
        (labelled(["a", "b", "c"]), "auto", "set: labels are <U1, wanted numbers"),
        (labelled([[0, 1], [1, 0], [0, 1]]), "classes", r"labels have shape \[3, 2\], wanted one"),
        (labelled([[1, 1, 0]] * 3), "classes", r"labels have shape \[3, 3\], wanted one"),
        (labelled("1", "2.5", "x\x1b"), "values", r"set: 'x\\x1b' is no number"),
        (labelled("1", "inf", "nan"), "values", "set: '1' is no number"),
        (labelled("normal", "odd\n", "x"), "anomaly", r"set\[1\] has the label 'odd\\n', wanted n"),
        (labelled([0, 1, 2]), "anomaly", r"set\[2\] has the label 2: 0 normal, 1 anomalous"),
        (labelled("cat", "dog", "cta"), "auto", r"set\[2\] .* 'cta', .*\n.*do you mean 'cat'\?"),
    ],
)
def test_labels_that_are_refused(data: Data, task: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        understand(data, THREE, ("cat", "dog", "emu"), task)


def test_names_that_say_normal_or_not() -> None:
    for odd in ("anomaly", "Anomalous", "ABNORMAL", "anomalies"):
        found = understand(labelled("normal", odd, "Normal"), THREE, task="anomaly")
        assert (found.task, found.labels.tolist()) == ("anomaly", [0, 1, 0])
        assert found.names == ("normal", "anomalous")


def test_many_classes_are_named_in_part() -> None:
    output = Interpreter(copying_model((1, 13))).graph.main.outputs[0]
    names = tuple(f"n{i:02}" for i in range(13))
    found = understand(Data("set", None, names, labels=names), output)
    assert found.labels.tolist() == list(range(13))
    assert found.notes[0].endswith("10 n10, 11 n11, ...")


@pytest.mark.parametrize("keys", [[[0], [1]], 5.0])
def test_sequences_are_a_row_of_keys(keys: Any) -> None:
    with pytest.raises(InputError, match="set: sequences are one key per sample, got "):
        numbered(np.array(keys), "set")


def test_sequences_that_begin_anew_or_are_no_numbers() -> None:
    found = numbered(np.array([7.5, 7.5, -1, -1, 3]), "set")
    assert found is not None
    assert found.tolist() == [0, 0, 1, 1, 2]
    with pytest.raises(InputError, match=r"sequence 2 begins anew at sample 3"):
        numbered(np.array([1, 2, 3, 2, 1]), "set")
    with pytest.raises(InputError, match=r"set: the sequence of sample 1 is no number"):
        numbered(np.array([1, np.nan, np.nan]), "set")
    empty = numbered(np.zeros(0), "set")
    assert empty is not None
    assert empty.shape == (0,)


def test_an_array_of_any_file(tmp_path: Path) -> None:
    one = npz(tmp_path / "one.npz", only=[1, 2])
    assert read_array(str(one)).tolist() == [1, 2]
    two = npz(tmp_path / "two.npz", a=[1], b=[3])
    assert read_array(f"{two}:b").tolist() == [3]
    with pytest.raises(InputError, match=r"say which array: FILE\.npz:NAME\n.*'a', 'b'"):
        read_array(str(two))
    (tmp_path / "column.csv").write_text("1\n2\n")
    assert read_array(str(tmp_path / "column.csv")).tolist() == [1, 2]
    with pytest.raises(InputError, match="is no data set"):
        read_array(str(tmp_path / "x.txt"))


def test_csv_takes_labels_and_sequences_from_other_files(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    (tmp_path / "y.csv").write_text("1\n0\n")
    model = copying_model((1, 2))
    data = opened(
        model,
        tmp_path / "x.csv",
        truth=str(tmp_path / "y.csv"),
        sequences=str(npz(tmp_path / "s.npz", s=[4, 4])),
    )
    assert data.arrays is not None
    assert data.arrays[0].tolist() == [[[1, 2]], [[3, 4]]]
    assert np.asarray(data.labels).tolist() == [1, 0]
    assert data.sequences is not None
    assert data.sequences.tolist() == [0, 0]


def test_data_sets_without_samples_inputs_or_paths(tmp_path: Path) -> None:
    model = copying_model((1, 3))
    with pytest.raises(InputError, match=r"wanted shape \[1, 3\], .*; got \[0, 1, 3\]"):
        opened(model, npz(tmp_path / "d.npz", x=np.zeros((0, 1, 3), np.int8)))
    with pytest.raises(InputError, match="got no data"):
        opened(model)
    b = ModelBuilder()
    b.subgraph("main")
    with pytest.raises(InputError, match="the model has no inputs to be given data"):
        opened(b.finish(), tmp_path / "d.npz")


def test_folders_are_sequences_when_asked(tmp_path: Path) -> None:
    for place in ("a/one", "a/two", "b"):
        (tmp_path / place).mkdir(parents=True)
        for name in ("x.npy", "y.npy", ".hidden.npy"):
            np.save(tmp_path / place / name, np.zeros((1, 3), np.int8))
    found = opened(copying_model((1, 3)), tmp_path, sequences="folder")
    assert found.labels == ("a",) * 4 + ("b",) * 2
    assert found.sequences is not None
    assert found.sequences.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_folder_that_cannot_be_listed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listdir(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("os.listdir", listdir)
    with pytest.raises(InputError, match=r"cannot read '.*': Permission denied"):
        opened(copying_model((1, 3)), tmp_path)


def test_figures_of_no_answers_are_none() -> None:
    values = Values(2)
    values.add({name: np.zeros(0) for name in ("absolute", "squared", "largest")})
    assert values.figures() == ValueFigures(None, None, None)
    assert Scores(3, np.float32).area(1) is None


def test_sums_beyond_a_double_are_no_numbers() -> None:
    anomalies = Anomalies()
    huge = np.array([1e308, 1e308, 2.0])
    anomalies.add(0, {"error": huge}, np.array([0, 0, 1]), None)
    figures = anomalies.figures()
    assert figures.normal_error is not None
    assert np.isnan(figures.normal_error)
    assert (figures.anomalous_error, figures.auc) == (2.0, 0.0)


@pytest.mark.parametrize(
    ("row", "wanted"),
    [([1e308, 1e308], np.inf), ([np.inf, 1.0], np.inf), ([np.nan, 1e308, 1e308], np.nan)],
)
def test_errors_beyond_a_double(row: list[float], wanted: float) -> None:
    output = np.array([row])
    tensor = Interpreter(copying_model((1, len(row)), "float32", None, None)).graph.main.outputs[0]
    found = measures.errors(output, tensor, np.zeros(output.shape))
    np.testing.assert_equal(found["absolute"], np.array([wanted]))


def test_an_output_without_elements_answers_nothing(tmp_path: Path) -> None:
    model = copying_model((1, 0))
    data = Data("set", (np.zeros((2, 1, 0), np.int8),), labels=np.array([0, 1]))
    with pytest.raises(InputError, match=r"output 'y0' is int8\[0\]\S*, which holds no answer"):
        evaluate(model, data)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(workers=0), "workers are 0, wanted 1 or more"),
        (Settings(piece=0), "workers are 1, entries of a piece are 0, wanted 1 or more"),
        (Settings(workers=2, cluster="tcp://x"), "drop one of the two"),
        (Settings(frontend=b"x"), "a front end takes sound"),
        (Settings(stride=1), "a stride is of no use without"),
    ],
)
def test_settings_that_cannot_work(settings: Settings, words: str) -> None:
    data = Data("set", (np.zeros((3, 1, 3), np.int8),), labels=np.arange(3))
    with pytest.raises(InputError, match=words):
        evaluate(copying_model((1, 3)), data, settings)


def test_a_sequence_is_normal_or_not_as_a_whole() -> None:
    data = Data(
        "set",
        (np.zeros((4, 1, 3), np.int8),),
        labels=np.array([0, 1, 1, 0]),
        sequences=np.array([0, 1, 1, 1]),
    )
    with pytest.raises(InputError, match=r"set\[3\] has another label than its sequence so far"):
        evaluate(copying_model((1, 3)), data, Settings(task="anomaly"))


def front_end() -> bytes:
    """int16 [4] -> the same numbers: features of a frame."""
    return copying_model((4,), "int16", 1.0, 0)


def test_an_engine_reads_sound_through_its_front_end(tmp_path: Path) -> None:
    """Two frames of 4 samples, 3 apart, fill the input."""
    np.save(tmp_path / "x.npy", np.arange(10, dtype=np.int16))
    model = copying_model((1, 8), "int16", 1.0, 0)
    data = Data("set", None, (str(tmp_path / "x.npy"),))
    job = Job(model, task="classes", frontend=front_end(), stride=3)
    result = Engine(job).run(Pieces(data, None, None, 1)[0])
    assert result.columns["scores"].tolist() == [[0, 1, 2, 3, 3, 4, 5, 6]]
    assert result.notes == (f"{tmp_path}/x.npy: only its first 7 samples were used",)


def test_litert_runs_samples_in_this_process() -> None:
    if find_spec("ai_edge_litert") is None:
        require_or_skip("LiteRT", "pip install ai-edge-litert")
    rows = np.array([[[1, 2]], [[3, -1]], [[5, 5]]], np.int8)
    starts = np.array([True, False, True])
    model = adding_model(once=True)
    for in_order, wanted in ((True, [[1, 2], [4, 1], [5, 5]]), (False, [[1, 2], [4, 1], [9, 6]])):
        runner = other("litert-ref", model, ("tflm", "single"), in_order, None)
        (outputs,), answered = runner.run([rows], starts)
        assert outputs[:, 0].tolist() == wanted
        assert answered.all()
    with pytest.raises(RuntimeUnavailableError, match=r"LiteRT says: .*Cannot set tensor"):
        runner.run([rows.astype(np.float32)], starts)


def test_every_input_has_as_many_samples(tmp_path: Path) -> None:
    counts = {"x0": 2, "x1": 3, "x2": 2}
    arrays = {name: np.zeros((count, 1, 3), np.int8) for name, count in counts.items()}
    with pytest.raises(InputError, match="2 samples, but 3 inputs"):
        opened(copying_model((1, 3), count=3), npz(tmp_path / "d.npz", **arrays))


def test_what_breaks_in_a_worker_is_called_a_bug() -> None:
    child = object.__new__(workers._Child)
    told = io.BytesIO(pickle.dumps(("Traceback ... odd", None)) + pickle.dumps((None, 5)))
    child._process = SimpleNamespace(stdin=io.BytesIO(), stdout=told)  # type: ignore[assignment]
    with pytest.raises(WorkerError, match=r"a worker failed: Traceback \.\.\. odd\n.*report it"):
        child.ask("a piece")
    assert child.ask("another piece") == 5


def test_an_op_that_waits_answers_no_sample() -> None:
    """CIRCULAR_BUFFER of two rows: every second sample is answered."""
    model = streaming_model(2, 1, 1, 2)
    given = Interpreter(model).graph.main.inputs[0]
    rows = np.zeros((4, *given.shape), given.dtype)
    pieces = Pieces(Data("set", (rows,)), None, np.zeros(4, np.int64), 4)
    result = Engine(Job(model, in_order=True)).run(pieces[0])
    assert (result.invokes, result.answers.tolist()) == (4, [0, 1, 0, 1])

"""Stimuli in the form of the public runner's data sets, and what is made of the results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from microinterp.errors import InputError
from microinterp_boards.mlperf.accuracy import check, score
from microinterp_boards.mlperf.client import Inference
from microinterp_boards.mlperf.stimuli import read_labels


def labels(folder: Path, text: str, **files: bytes) -> Path:
    for name, data in files.items():
        (folder / f"{name}.bin").write_bytes(data)
    (folder / "y_labels.csv").write_text(text)
    return folder


class Echo:
    """A board whose results are the first bytes of what was loaded last."""

    def __init__(self, results: int) -> None:
        self.results = results
        self.loaded: list[bytes] = []

    def load(self, data: bytes) -> None:
        self.loaded.append(data)

    def infer(self, count: int, warmups: int) -> Inference:
        assert (count, warmups) == (1, 0)
        return Inference(tuple(float(b) for b in self.loaded[-1][: self.results]), 1, 5, 0.1)


def test_files_are_sent_whole(tmp_path: Path) -> None:
    text = "a.bin,3,0\nb.bin,3,2\n\nc.bin,3,1\nd.bin,3,1\n"
    files = {"a": b"\5\1\1", "b": b"\1\3\1", "c": b"\1\4\4", "d": b"\0\0\0"}
    stimuli = read_labels(labels(tmp_path, text, **files), 3)
    board, told = Echo(3), []
    done = check(board, stimuli, lambda n, of: told.append((n, of)))  # type: ignore[arg-type]
    assert board.loaded == list(files.values())
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    # a is right, b wrong, c right as the first of equals, d has no sum and takes class 0
    assert (done.files, done.inferences, done.correct, done.top1) == (4, 4, 2, 0.5)


def test_windows_of_a_file_are_averaged(tmp_path: Path) -> None:
    text = "a.bin,2,0,4,2\nb.bin,2,1,4,2\n"
    stimuli = read_labels(labels(tmp_path, text, a=bytes(range(9)), b=bytes(range(50, 54))), 4)
    board = Echo(1)
    done = check(board, stimuli, lambda n, of: None)  # type: ignore[arg-type]
    assert board.loaded == [b"\0\1\2\3", b"\2\3\4\5", b"\4\5\6\7", bytes(range(50, 54))]
    assert (done.files, done.inferences, done.correct, done.top1, done.auc) == (2, 4, None, None, 1)


@pytest.mark.parametrize("columns", [1, 2, 5])
def test_the_area_is_scikit_learns(columns: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(columns)
    means = rng.integers(1, 20, (60, columns)) / 4
    if columns > 1:
        means /= means.sum(axis=1, keepdims=True)
    truth = np.arange(60) % max(columns, 2)
    wanted = metrics.roc_auc_score(truth, means[:, -1] if columns < 3 else means, multi_class="ovr")
    assert score(means, truth, 60).auc == pytest.approx(wanted, abs=1e-12)


def test_a_class_without_a_file_leaves_no_area() -> None:
    means = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]])
    done = score(means, np.array([0, 1]), 2)
    assert (done.top1, done.auc) == (1, None)
    assert score(means[:, :2], np.array([1, 1]), 2).auc is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names no files"),
        ("a.bin,3\n", "line 1: wanted FILE,CLASSES,CLASS or"),
        ("a.bin,3,0\na.bin,3,3\n", "line 2: class 3 of 3 is none"),
        ("a.bin,1,0\n", "line 1: class 0 of 1 is none"),
        ("a.bin,3,-1\n", "line 1: '-1' is no number"),
        ("a.bin,3,x\n", "line 1: 'x' is no number"),
        ("a.bin,2,0,3,0\n", "line 1: a window and its stride have 1 byte or more"),
        ("a.bin,2,0,2,1\n", "line 1: windows of 2 bytes from 3, the model takes 3"),
        ("short.bin,2,0,3,1\n", "line 1: windows of 3 bytes from 2, the model takes 3"),
        ("short.bin,3,0\n", "line 1: 'short.bin' has 2 bytes, the model takes 3"),
        ("none.bin,3,0\n", "line 1: .*No such file"),
        ("\0,3,0\n", "line 1: "),
    ],
)
def test_lists_that_are_wrong(text: str, told: str, tmp_path: Path) -> None:
    labels(tmp_path, text, a=b"123", short=b"12")
    with pytest.raises(InputError, match=told):
        read_labels(tmp_path, 3)


def test_a_folder_without_a_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read") as caught:
        read_labels(tmp_path / "nowhere", 3)
    assert "FILE,CLASSES,CLASS" in str(caught.value)

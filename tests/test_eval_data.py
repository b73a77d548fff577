"""Data sets for `eval`: which arrays, columns and files are inputs and labels; what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from microinterp.errors import InputError
from microinterp.evaluation import Data, Settings, evaluate
from microinterp.evaluation.truth import understand
from microinterp.images import parse_range
from microinterp.inputs import Reading
from microinterp.interpreter import Interpreter
from tests.cli import copying_model
from tests.eval_data import DIGITS_MODEL, npz, opened

THREE = copying_model((1, 3))
ROWS = np.array([[9, 1, 0], [2, 8, 5], [1, 2, 7]], np.int8)


def confusion(model: bytes, data: Data, **settings: Any) -> list[list[int]]:
    figures = evaluate(model, data, Settings(**settings)).classes
    assert figures is not None
    return list(figures.confusion.tolist())


RIGHT = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("given", ["x", "x0", "input_0", "arr_0", "anything"])
@pytest.mark.parametrize("labels", ["y", "labels", "label", "targets", "target"])
def test_npz_by_the_usual_names(tmp_path: Path, given: str, labels: str) -> None:
    path = npz(tmp_path / "d.npz", **{given: ROWS, labels: np.arange(3)})
    assert confusion(THREE, opened(THREE, path)) == RIGHT


def test_npz_by_names_that_are_said(tmp_path: Path) -> None:
    extra = {"other": np.zeros(7), "y": np.array([2, 2, 2])}
    path = npz(tmp_path / "d.npz", a=ROWS, b=np.arange(3), **extra)
    assert confusion(THREE, opened(THREE, f"{path}:a", truth="b")) == RIGHT
    assert confusion(THREE, opened(THREE, f"{path}:a"))[2] == [1, 1, 1]
    np.save(tmp_path / "truth.npy", np.arange(3))
    assert confusion(THREE, opened(THREE, f"{path}:a", truth=f"{tmp_path}/truth.npy")) == RIGHT
    assert confusion(THREE, opened(THREE, f"{path}:a", truth=f"{path}:b")) == RIGHT
    for wrong, words in (
        ((f"{path}",), "wanted an array named x or 'x0'; it has 'a', 'b'"),
        ((f"{path}:c",), "has no array 'c'"),
    ):
        with pytest.raises(InputError, match=words):
            opened(THREE, *wrong, truth="b")
    with pytest.raises(InputError, match="has no array 'nope'"):
        opened(THREE, f"{path}:a", truth="nope")


def test_npy_and_csv(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", ROWS)
    (tmp_path / "y.csv").write_text("0\n1\n2\n")
    data = opened(THREE, tmp_path / "x.npy", truth=str(tmp_path / "y.csv"))
    assert confusion(THREE, data) == RIGHT
    (tmp_path / "d.csv").write_text("0,9,1,0\n1,2,8,5\n2,1,2,7\n")
    for truth in ("0", "-4"):
        data = opened(THREE, tmp_path / "d.csv", truth=truth)
        assert confusion(THREE, data) == RIGHT
    assert data.name_of(1) == f"{tmp_path}/d.csv[1]"


def test_csv_with_several_true_values_and_sequences(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("1,4,0.5,2,7\n2,6,1.5,3,7\n3,8,1.5,4,9\n")
    model = copying_model((1, 2))
    data = opened(model, tmp_path / "d.csv", truth="2,3", sequences="-1")
    assert data.arrays is not None
    assert data.arrays[0].tolist() == [[[1, 4]], [[2, 6]], [[3, 8]]]
    assert np.asarray(data.labels).tolist() == [[0.5, 2], [1.5, 3], [1.5, 4]]
    assert data.sequences is not None
    assert data.sequences.tolist() == [0, 0, 1]
    for truth in ("5", "-6", "a", "0,9"):
        with pytest.raises(InputError, match="has 5 columns, --truth is"):
            opened(model, tmp_path / "d.csv", truth=truth)
    with pytest.raises(InputError, match=r"d\.csv.*wanted shape \[1, 2\].*\[3, 4\]"):
        opened(model, tmp_path / "d.csv", truth="0")


def test_several_inputs(tmp_path: Path) -> None:
    model = copying_model((1, 2), count=2)
    x0, x1 = np.array([[1, 2], [4, 3]], np.int8), np.array([[9, 8], [5, 6]], np.int8)
    both = npz(tmp_path / "d.npz", x0=x0, input_1=x1, y=np.array([1, 0]))
    assert confusion(model, opened(model, both)) == [[1, 0], [0, 1]]
    assert confusion(model, opened(model, both), output=1) == [[0, 1], [1, 0]]
    for name, array in (("a", x0), ("b", x1)):
        np.save(tmp_path / f"{name}.npy", array)
    np.save(tmp_path / "y.npy", np.array([1, 0]))
    files = (tmp_path / "a.npy", tmp_path / "b.npy")
    data = opened(model, *files, truth=str(tmp_path / "y.npy"))
    assert confusion(model, data) == [[1, 0], [0, 1]]
    with pytest.raises(InputError, match="has 2 inputs, got 1 arrays"):
        opened(model, files[0])
    with pytest.raises(InputError, match="'x0' or input_0"):
        opened(model, npz(tmp_path / "e.npz", x1=x1))
    with pytest.raises(InputError, match="no output 2: the model has 2"):
        evaluate(model, data, Settings(output=2))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": ROWS, "y": [0, 1]}, "3 samples, but 2 labels"),
        ({"x": ROWS, "y": 1}, "3 samples, but one number labels"),
        ({"x": ROWS[:0], "y": np.zeros(0)}, "shape|no samples"),
        ({"x": ROWS[:, :2], "y": [0, 1, 2]}, r"wanted shape \[1, 3\]"),
        ({"x": ROWS, "y": [0, 1, 3]}, r"\[2\] has the label 3: classes are 0 to 2"),
        ({"x": ROWS, "y": [0, -1, 3]}, r"\[1\] has the label -1: classes are 0 to 2"),
        ({"x": ROWS, "y": ["a", "b", "c"]}, "wanted numbers"),
        ({"x": ROWS, "y": np.zeros((3, 0))}, r"labels have shape \[3, 0\]"),
        ({"x": ROWS, "y": [1e300, 0, 0]}, r"\[0\] has the label 1e\+300"),
        ({"x": ROWS, "y": np.array([2**63, 0, 0], np.uint64)}, "has the label 9.22337e"),
        ({"x": ROWS, "y": [0, np.nan, 1]}, r"the label of .*\[1\] is no finite number"),
        ({"x": ROWS, "y": [0.5, 1, 2]}, "1 true values for each sample, the output has 3"),
        ({"x": ROWS, "y": [[1, 2], [3, 4], [5, 6]]}, "2 true values for each sample"),
        ({"x": ROWS.astype(np.int32), "y": [0, 1, 2]}, "wanted int8, or real values as floats"),
        ({"x": np.full((3, 3), np.nan), "y": [0, 1, 2]}, "wanted finite numbers"),
        ({"x": ROWS}, "has no labels, and there is nothing to compare with"),
        ({}, "wanted an array named x"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    path = npz(tmp_path / "d.npz", **{name: np.array(a) for name, a in arrays.items()})
    with pytest.raises(InputError, match=words):
        evaluate(THREE, opened(THREE, path))


def test_one_hot_labels_are_classes(tmp_path: Path) -> None:
    path = npz(tmp_path / "d.npz", x=ROWS, y=np.eye(3, dtype=np.float32))
    assert confusion(THREE, opened(THREE, path)) == RIGHT


@pytest.mark.parametrize(
    ("labels", "elements", "task"),
    [
        ([0, 1, 2], 3, "classes"),
        ([0.0, 1.0, 2.0], 3, "classes"),
        ([[0], [1], [2]], 3, "classes"),
        ([0, 1, 1], 1, "classes"),
        ([0, 1, 2], 1, "values"),
        ([0.0, 0.5, 1.0], 1, "values"),
        ([[0.5, 1], [2, 3], [4, 5]], 2, "values"),
        ([True, False, True], 1, "classes"),
    ],
)
def test_the_task_follows_from_the_labels(labels: Any, elements: int, task: str) -> None:
    output = Interpreter(copying_model((1, elements))).graph.main.outputs[0]
    data = Data("d", (np.zeros((3, 1), np.int8),), labels=np.array(labels))
    assert understand(data, output).task == task


def test_a_task_that_is_said_is_kept_to(tmp_path: Path) -> None:
    one = copying_model((1, 1))
    data = opened(one, npz(tmp_path / "d.npz", x=np.zeros((3, 1), np.int8), y=[0, 1, 1]))
    assert evaluate(one, data, Settings(task="values")).values is not None
    bare = opened(one, npz(tmp_path / "b.npz", x=np.zeros((3, 1), np.int8)))
    with pytest.raises(InputError, match="no task 'clases'"):
        evaluate(one, data, Settings(task="clases"))
    with pytest.raises(InputError, match="has no labels"):
        evaluate(one, bare, Settings(task="classes"))
    digits = DIGITS_MODEL.read_bytes()
    images = opened(digits, npz(tmp_path / "i.npz", x=np.zeros((1, 8, 8, 1), np.int8), y=[0]))
    with pytest.raises(InputError, match="repeats the input"):
        evaluate(digits, images, Settings(task="anomaly"))


def folder_of_classes(folder: Path, names: str = "ab") -> Path:
    """Grey pictures of 2 x 2: in the n-th class pixel n is the brightest."""
    for number, name in enumerate(names):
        for extra in range(2):
            pixels = np.full((2, 2), 10 * extra, np.uint8)
            pixels.flat[number] = 200
            path = folder / name / f"deep{extra}" / f"{extra}.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(pixels).save(path)
    return folder


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    model = copying_model((1, 2, 2, 1))
    data = opened(model, folder_of_classes(tmp_path / "set", "dabc"))
    found = evaluate(model, data)
    assert found.names == ("a", "b", "c", "d")
    assert "numbered by their sorted names: 0 a, 1 b, 2 c, 3 d" in found.notes[0]
    assert confusion(model, data)[3] == [2, 0, 0, 0]
    ordered = {"names": ("d", "a", "b", "c")}
    assert confusion(model, data, **ordered) == [[2 * (i == j) for j in range(4)] for i in range(4)]
    with pytest.raises(InputError, match=r"0\.png has the label 'c', which is no class"):
        evaluate(model, data, Settings(names=("d", "a", "b", "cc")))
    (tmp_path / "set" / "a" / "x.txt").write_text("?")
    (tmp_path / "set" / ".git").mkdir()
    data = opened(model, tmp_path / "set")
    assert len(data) == 8
    assert data.notes == (f"{tmp_path}/set: 1 files of other kinds were left out",)


def test_folders_that_are_numbers_are_classes_by_number(tmp_path: Path) -> None:
    model = copying_model((1, 3, 4, 1))
    for number in (0, 2, 10):
        pixels = np.zeros(12, np.uint8)
        pixels[number] = 9
        (tmp_path / str(number)).mkdir()
        Image.fromarray(pixels.reshape(3, 4)).save(tmp_path / str(number) / "x.bmp")
    figures = evaluate(model, opened(model, tmp_path)).classes
    assert figures is not None
    assert np.array_equal(figures.confusion.nonzero(), [[0, 2, 10]] * 2)


def test_a_list_of_labels(tmp_path: Path) -> None:
    model = copying_model((1, 2, 2, 1))
    folder_of_classes(tmp_path)
    rows = ["a/deep0/0.png,0,one", "b/deep0/0.png,1,one", "a/deep1/1.png,0,two"]
    for header in ("", "\ufefffile,label,sequence\n"):
        (tmp_path / "labels.csv").write_text(header + "\n".join(rows) + "\n\n", "utf-8")
        data = opened(model, tmp_path)
        assert [Path(path).name for path in data.paths] == ["0.png", "0.png", "1.png"]
        assert data.labels == ("0", "1", "0")
        assert data.sequences is not None
        assert data.sequences.tolist() == [0, 0, 1]
        assert confusion(model, data)[:2] == [[2, 0, 0, 0], [0, 1, 0, 0]]
    by_file = opened(model, tmp_path, sequences="file").sequences
    assert by_file is not None
    assert by_file.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.png\n", "line 1: wanted file,label"),
        ("a.png,1\nb.png,1,2\n", "line 2"),
        ("a.png,1\n,1\n", "line 2"),
        ("a\0.png,1\n", "line 1|no sound text"),
        ('"a.png,1\n', "no sound text"),
        ("\xff\xfe", "no sound text"),
        ("", "has no files to read"),
        ("file,label\n", "has no files to read"),
        ("none.png,1\n", r"cannot read '.*none\.png': No such file"),
        ("a.txt,1\n", "of no kind that can be read"),
        ("a.png,x\na.png,y\n", "has 2 classes, the output has 4"),
        ("s.npy,0,1\ns.npy,0,2\ns.npy,0,1\n", "sequence 0 begins anew at sample 2"),
    ],
)
def test_a_bad_list_is_refused(tmp_path: Path, text: str, words: str) -> None:
    model = copying_model((1, 2, 2, 1))
    (tmp_path / "labels.csv").write_bytes(text.encode("latin-1"))
    (tmp_path / "a.txt").write_text("?")
    np.save(tmp_path / "s.npy", np.zeros((1, 2, 2, 1), np.int8))
    with pytest.raises(InputError, match=words):
        evaluate(model, opened(model, tmp_path))


def test_bad_folders_are_refused(tmp_path: Path) -> None:
    model = copying_model((1, 2, 2, 1))
    with pytest.raises(InputError, match="has no files to read"):
        opened(model, tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="has no files to read"):
        opened(model, tmp_path)
    (tmp_path / "a" / "broken.png").write_bytes(b"\x89PNG\r\n")
    np.save(tmp_path / "loose.npy", np.zeros((1, 2, 2, 1), np.int8))
    with pytest.raises(InputError, match=r"files beside them such as 'loose\.npy'"):
        opened(model, tmp_path)
    (tmp_path / "loose.npy").unlink()
    with pytest.raises(InputError, match=r"broken\.png': no sound picture \(neither"):
        evaluate(model, opened(model, tmp_path), Settings(names=("a", "b", "c", "d")))
    with pytest.raises(InputError, match="is a folder"):
        opened(model, tmp_path, tmp_path)
    with pytest.raises(InputError, match="no sequences 'clip' in a folder"):
        opened(model, tmp_path, sequences="clip")
    with pytest.raises(InputError, match="is no data set"):
        opened(model, tmp_path / "a" / "broken.png")
    with pytest.raises(InputError, match="No such file"):
        opened(model, tmp_path / "none.npz")


def test_a_folder_that_cannot_be_opened_is_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of_classes(tmp_path, "abcd")
    listed = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("deep1"):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match=r"cannot read '.*deep1': Permission denied"):
        opened(copying_model((1, 2, 2, 1)), tmp_path)


def test_a_flat_folder_takes_its_labels_from_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for number, name in enumerate(("b", "a", "c")):
        np.save(folder / f"{name}.npy", ROWS[number])
    np.save(tmp_path / "y.npy", np.array([1, 0, 2]))
    data = opened(THREE, folder, truth=str(tmp_path / "y.npy"))
    assert confusion(THREE, data) == RIGHT
    np.save(tmp_path / "y.npy", np.array([1, 0]))
    with pytest.raises(InputError, match="3 files, but 2 labels"):
        opened(THREE, folder, truth=str(tmp_path / "y.npy"))


def test_a_file_may_hold_several_samples(tmp_path: Path) -> None:
    for name, rows in (("anomalous", [[2, 1, 1], [1, 1, 4]]), ("normal", [[1, 1, 1]])):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "clip.npy", np.array(rows, np.int8))
    found = evaluate(THREE, opened(THREE, tmp_path), Settings(names=("normal", "anomalous", "?")))
    assert (found.samples, found.answers) == (3, 3)
    assert found.classes is not None
    assert found.classes.confusion.tolist() == [[1, 0, 0], [1, 0, 1], [0, 0, 0]]
    kept = evaluate(THREE, opened(THREE, tmp_path, sequences="file"), Settings(task="anomaly"))
    assert kept.anomaly is not None
    assert (kept.anomaly.normal, kept.anomaly.anomalous, kept.sequences) == (1, 1, 2)


def test_pixels_in_arrays_follow_the_image_range(tmp_path: Path) -> None:
    model = copying_model((1, 3), scale=0.5)
    x = np.array([[0, 100, 255], [255, 0, 100]], np.uint8)
    data = opened(model, npz(tmp_path / "d.npz", x=x, y=[2, 0]))
    with pytest.raises(InputError, match="--raw"):
        evaluate(model, data)
    for text in ("0:10", "full"):
        assert confusion(model, data, reading=Reading(image_range=parse_range(text))) == [
            [1, 0, 0],
            [0, 0, 0],
            [0, 0, 1],
        ]

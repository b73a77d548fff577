"""Data sets in .npz, .npy and .csv files: which array is an input, which the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError, printable, printable_path
from microinterp.evaluation.data import Data
from microinterp.graph import Tensor
from microinterp.input_files import read_csv, read_npy, read_npz, suffix_of
from microinterp.inputs import fit

Array = npt.NDArray[Any]

SUFFIXES = (".npz", ".npy", ".csv")
_LABEL_NAMES = ("y", "labels", "label", "targets", "target")
_INPUT_NAMES = ("x", "input_0", "arr_0", "0")


def open_arrays(
    paths: Sequence[str], inputs: Sequence[Tensor], truth: str | None, sequences: str | None
) -> Data:
    """Open a data set of numbers.

    Args:
        paths: one .npz with all inputs (`file.npz:name` names the array of the only one), or a
            .npy or .csv file for each input.
        inputs: the model's.
        truth: where the labels are: the name of an array in the .npz, columns of the .csv by
            number ("4", "-1", "4,5"), or a .npy, .csv or `file.npz:name`. None: the array of an
            .npz that is called y or labels, if it has one.
        sequences: the name of an array or the number of a column that says which sequence each
            sample belongs to; "sample": each one stands alone; None: nothing is said.

    Raises:
        InputError: a file cannot be read or does not fit the model; says what was wanted.
    """
    name = printable_path(paths[0])
    own = sequences if sequences != "sample" else None
    if len(paths) == 1 and suffix_of(_archive(paths[0])) == ".npz":
        arrays, labels, order = _from_npz(paths[0], inputs, truth, own)
    elif len(paths) == 1 and suffix_of(paths[0]) == ".csv":
        arrays, labels, order = _from_csv(paths[0], truth, own)
    else:
        arrays = [read_array(path) for path in paths]
        labels = None if truth is None else read_array(truth)
        order = None if own is None else read_array(own)
    if len(arrays) != len(inputs):
        raise InputError(f"the model has {len(inputs)} inputs, got {len(arrays)} arrays")
    names = paths if len(paths) == len(inputs) else [name] * len(inputs)
    arrays = [
        fit(_as_rows(a, t), t, where) for a, t, where in zip(arrays, inputs, names, strict=True)
    ]
    count = len(arrays[0])
    others = [("inputs", array) for array in arrays[1:]]
    for what, array in (*others, ("labels", labels), ("sequences", order)):
        if array is not None and (not array.ndim or len(array) != count):
            got = len(array) if array.ndim else "one number"
            raise InputError(f"{name}: {count} samples, but {got} {what}")
    alone = np.arange(count) if sequences == "sample" else order
    return Data(name, tuple(arrays), labels=labels, sequences=numbered(alone, name))


def numbered(keys: Array | None, name: str) -> npt.NDArray[np.int64] | None:
    """Sequence numbers 0, 1, ... from one key per entry.

    Raises:
        InputError: entries of one sequence do not lie side by side, or keys are no numbers.
    """
    if keys is None:
        return None
    flat = np.asarray(keys)
    if flat.ndim != 1:
        raise InputError(f"{name}: sequences are one key per sample, got {list(flat.shape)}")
    if flat.dtype.kind == "f" and (odd := np.isnan(flat)).any():
        raise InputError(f"{name}: the sequence of sample {odd.argmax()} is no number")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    begins = np.concatenate([[0], changes]) if len(flat) else changes
    _, firsts = np.unique(flat, return_index=True)
    again = np.setdiff1d(begins, firsts)
    if again.size:
        raise InputError(
            f"{name}: sequence {printable(str(flat[again[0]]))} begins anew at sample {again[0]}",
            hint="the samples of a sequence must lie side by side, in their order",
        )
    which: npt.NDArray[np.int64] = np.zeros(len(flat), np.int64)
    which[changes] = 1
    return np.cumsum(which, dtype=np.int64)


def _archive(path: str) -> str:
    plain, named, _ = path.rpartition(".npz:")
    return f"{plain}.npz" if named else path


def read_array(path: str) -> Array:
    """The array of a .npy file, of `file.npz:name`, or the numbers of a .csv file.

    Raises:
        InputError: the file cannot be read, or does not say which array.
    """
    archive = _archive(path)
    suffix = suffix_of(archive)
    if suffix == ".npy":
        return read_npy(path)
    if suffix == ".csv":
        rows = read_csv(path)
        return rows[:, 0] if rows.shape[1] == 1 else rows
    if suffix == ".npz":
        arrays = read_npz(archive)
        if archive != path:
            return _named(arrays, path[len(archive) + 1 :], archive)
        if len(arrays) == 1:
            return next(iter(arrays.values()))
        raise InputError(
            f"'{printable_path(path)}': say which array: FILE.npz:NAME", hint=_keys(arrays)
        )
    raise InputError(
        f"'{printable_path(path)}' is no data set",
        hint=f"data are {', '.join(SUFFIXES)} files, or a folder of pictures or sounds",
    )


def _from_npz(
    path: str, inputs: Sequence[Tensor], truth: str | None, sequences: str | None
) -> tuple[list[Array], Array | None, Array | None]:
    archive = _archive(path)
    arrays = read_npz(archive)
    labels: Array | None
    order = None if sequences is None else _either(arrays, sequences, archive)
    if truth is not None:
        labels = _either(arrays, truth, archive)
        taken = truth
    else:
        taken = next((name for name in _LABEL_NAMES if name in arrays), "")
        labels = arrays.get(taken)
    if archive != path:
        return [_named(arrays, path[len(archive) + 1 :], archive)], labels, order
    rest = {k: v for k, v in arrays.items() if k not in (taken, sequences)}
    if len(inputs) == 1:
        known = next((n for n in (inputs[0].name, *_INPUT_NAMES) if n in rest), None)
        if known is None and len(rest) == 1:
            known = next(iter(rest))
        if known is None:
            raise InputError(
                f"'{printable_path(archive)}': wanted an array named x or "
                f"'{printable(inputs[0].name)}'; {_keys(arrays)}",
                hint=f"say which: {printable_path(archive)}:NAME",
            )
        return [rest[known]], labels, order
    return [_input(rest, i, t, archive) for i, t in enumerate(inputs)], labels, order


def _input(arrays: Mapping[str, Array], number: int, tensor: Tensor, path: str) -> Array:
    for name in (tensor.name, f"input_{number}", f"arr_{number}", str(number)):
        if name in arrays:
            return arrays[name]
    raise InputError(
        f"'{printable_path(path)}': wanted an array named '{printable(tensor.name)}' or "
        f"input_{number}; {_keys(arrays)}"
    )


def _from_csv(
    path: str, truth: str | None, sequences: str | None
) -> tuple[list[Array], Array | None, Array | None]:
    rows = read_csv(path)
    taken: list[int] = []

    def part(text: str | None, what: str) -> Array | None:
        if text is None:
            return None
        if suffix_of(_archive(text)) in SUFFIXES:
            return read_array(text)
        columns = _columns(text, rows.shape[1], path, what)
        taken.extend(columns)
        return rows[:, columns[0]] if len(columns) == 1 else rows[:, columns]

    labels, order = part(truth, "--truth"), part(sequences, "--sequences")
    return [np.delete(rows, taken, axis=1)], labels, order


def _columns(text: str, count: int, path: str, option: str) -> list[int]:
    try:
        columns = [int(field) for field in text.split(",")]
    except ValueError:
        columns = [count]
    if not all(-count <= column < count for column in columns):
        raise InputError(
            f"'{printable_path(path)}' has {count} columns, {option} is '{printable(text)}'",
            hint="columns are numbered from 0; -1 is the last one; 4,5 are two",
        )
    return [column % count for column in columns]


def _as_rows(array: Array, tensor: Tensor) -> Array:
    """Rows of a .csv have no shape of their own."""
    rows = array.ndim == 2 and array.dtype == np.float64 and array.shape[1] == tensor.elements
    return array.reshape(-1, *tensor.shape) if rows else array


def _either(arrays: Mapping[str, Array], text: str, path: str) -> Array:
    """An array of the archive by its name, or another file."""
    if text in arrays:
        return arrays[text]
    if suffix_of(_archive(text)) in SUFFIXES:
        return read_array(text)
    return _named(arrays, text, path)


def _named(arrays: Mapping[str, Array], name: str, path: str) -> Array:
    if name not in arrays:
        raise InputError(
            f"'{printable_path(path)}' has no array '{printable(name)}'", hint=_keys(arrays)
        )
    return arrays[name]


def _keys(arrays: Mapping[str, Array]) -> str:
    shown = ", ".join(f"'{printable(name, 30)}'" for name in list(arrays)[:8])
    return f"it has {shown}{', ...' if len(arrays) > 8 else ''}" if arrays else "it has no arrays"

"""What the labels of a data set mean for a model: classes, real values, or normal and anomalous."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError, printable
from microinterp.evaluation.data import Data
from microinterp.graph import Tensor

Array = npt.NDArray[Any]

TASKS = ("auto", "classes", "values", "anomaly")
_NORMAL, _ANOMALOUS = ("normal",), ("anomaly", "anomalous", "abnormal", "anomalies")


@dataclass(frozen=True)
class Truth:
    """What the outputs are held to.

    Attributes:
        task: "classes", "values", "anomaly", or "none" where there are no labels.
        labels: class of each entry, int64 [entries] (0 normal, 1 anomalous), or true values,
            float64 [entries, elements]; empty for "none".
        names: of the classes; empty where they have none.
        notes: what a user should know of how labels were understood.
    """

    task: str
    labels: Array
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def understand(data: Data, output: Tensor, names: Sequence[str] = (), task: str = "auto") -> Truth:
    """Labels as the task needs them.

    "auto" takes values where the labels are as many numbers as the output has elements, or where
    they are no whole numbers, else classes.

    Args:
        data: with its labels.
        output: the tensor that answers.
        names: of the classes, in the order of the output's elements; () where none are known.
        task: one of TASKS.

    Raises:
        InputError: no such task, or labels that do not fit it; says which sample.
    """
    if task not in TASKS:
        raise InputError(f"no task '{printable(task)}'", hint=f"tasks are {', '.join(TASKS)}")
    if data.labels is None:
        if task != "auto":
            raise InputError(f"{data.name} has no labels", hint="say where they are: --truth")
        return Truth("none", np.zeros(0))
    labels = data.labels
    if isinstance(labels, tuple):
        numbers = _numbers(labels)
        if numbers is None or set(labels) <= set(names):
            return _named(data, labels, output, names, task)
        labels = numbers
    labels = _flat(labels, data)
    chosen = _choose(labels, output) if task == "auto" else task
    if chosen == "values":
        return Truth("values", _values(labels, data, output))
    classes = _classes(labels, data, output, chosen)
    return Truth(chosen, classes, _shown(names, chosen, output))


def class_count(output: Tensor, task: str = "classes") -> int:
    """Classes that a label can name: one element answers yes or no."""
    return 2 if task == "anomaly" else max(2, output.elements)


def _shown(names: Sequence[str], task: str, output: Tensor) -> tuple[str, ...]:
    if task == "anomaly":
        return ("normal", "anomalous")
    return tuple(names) if len(names) == class_count(output) else ()


def _numbers(labels: tuple[str, ...]) -> Array | None:
    """Labels that are written as numbers; None if they are names."""
    try:
        numbers = np.array([float(label) for label in labels])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _flat(labels: Array, data: Data) -> Array:
    """[entries] or [entries, elements] of finite numbers."""
    if labels.dtype.kind not in "biuf":
        raise InputError(f"{data.name}: labels are {labels.dtype}, wanted numbers")
    if not labels.size:
        raise InputError(f"{data.name}: labels have shape {list(labels.shape)}: there are none")
    flat = labels.reshape(len(labels), -1)
    bad = ~np.isfinite(flat).all(axis=1)
    if bad.any():
        raise InputError(f"the label of {data.name_of(int(bad.argmax()))} is no finite number")
    return flat[:, 0] if flat.shape[1] == 1 else flat


def _choose(labels: Array, output: Tensor) -> str:
    whole = labels.dtype.kind in "biu" or bool((labels == np.floor(labels)).all())
    if labels.ndim == 2:
        return "classes" if whole and _is_one_hot(labels) else "values"
    if output.elements == 1:
        return "classes" if whole and bool(((labels == 0) | (labels == 1)).all()) else "values"
    return "classes" if whole else "values"


def _is_one_hot(labels: Array) -> bool:
    return bool((((labels == 0) | (labels == 1)).all(axis=1) & (labels.sum(axis=1) == 1)).all())


def _values(labels: Array, data: Data, output: Tensor) -> Array:
    values = labels.reshape(len(labels), -1).astype(np.float64)
    if values.shape[1] != output.elements:
        raise InputError(
            f"{data.name}: {values.shape[1]} true values for each sample, the output has "
            f"{output.elements}",
            hint="--task classes, if they are numbers of classes",
        )
    return values


def _classes(labels: Array, data: Data, output: Tensor, task: str) -> Array:
    if labels.ndim == 2:
        if not _is_one_hot(labels) or labels.shape[1] != class_count(output, task):
            raise InputError(
                f"{data.name}: labels have shape {list(labels.shape)}, wanted one number for each "
                "sample: its class"
            )
        labels = labels.argmax(axis=1)
    count = class_count(output, task)
    bad = (labels != np.floor(labels)) | (labels < 0) | (labels >= count)
    if bad.any():
        entry = int(bad.argmax())
        what = "0 normal, 1 anomalous" if task == "anomaly" else f"classes are 0 to {count - 1}"
        raise InputError(
            f"{data.name_of(entry)} has the label {labels[entry]:g}: {what}",
            hint="--task values, if labels are real values" if task == "classes" else "",
        )
    return labels.astype(np.int64)


def _named(
    data: Data, labels: tuple[str, ...], output: Tensor, names: Sequence[str], task: str
) -> Truth:
    """Labels that are names: of folders, or from labels.csv."""
    if task == "values":
        raise InputError(f"{data.name}: '{printable(_first_name(labels))}' is no number")
    if task == "anomaly":
        return Truth("anomaly", _normal_or_not(data, labels), _shown((), task, output))
    notes: tuple[str, ...] = ()
    known = tuple(names)
    if not known:
        known = tuple(sorted(set(labels)))
        shown = ", ".join(f"{i} {printable(name, 30)}" for i, name in enumerate(known[:12]))
        more = ", ..." if len(known) > 12 else ""
        notes = (f"{data.name}: classes are numbered by their sorted names: {shown}{more}",)
    if len(known) != class_count(output):
        raise InputError(
            f"{data.name} has {len(known)} classes, the output has {class_count(output)}",
            hint="name all classes in the output's order: --labels FILE",
        )
    numbers = {name: number for number, name in enumerate(known)}
    for entry, label in enumerate(labels):
        if label not in numbers:
            near = difflib.get_close_matches(label, known, 1)
            hint = f"do you mean '{printable(near[0])}'?" if near else "see --labels"
            raise InputError(
                f"{data.name_of(entry)} has the label '{printable(label)}', which is no class of "
                "the model",
                hint=hint,
            )
    classes = np.array([numbers[label] for label in labels], np.int64)
    return Truth("classes", classes, known, notes)


def _normal_or_not(data: Data, labels: tuple[str, ...]) -> Array:
    numbers = dict.fromkeys(_NORMAL, 0) | dict.fromkeys(_ANOMALOUS, 1)
    for entry, label in enumerate(labels):
        if label.lower() not in numbers:
            raise InputError(
                f"{data.name_of(entry)} has the label '{printable(label)}', wanted "
                f"{', '.join(numbers)}, or 0 and 1"
            )
    return np.array([numbers[label.lower()] for label in labels], np.int64)


def _first_name(labels: tuple[str, ...]) -> str:
    for label in labels:
        try:
            float(label)
        except ValueError:
            return label
    return labels[0]

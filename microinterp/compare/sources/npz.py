"""The account in an .npz file: arrays named after inputs, outputs, tensors or ops."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from microinterp.compare.sources.exported import read_exported
from microinterp.compare.told import Account, Array, Told
from microinterp.errors import InputError, printable, printable_path
from microinterp.graph import Graph, Tensor
from microinterp.input_files import read_npz
from microinterp.inputs import dequantise, quantise
from microinterp.prepare import Prepared
from microinterp.sides import Place, places_of

_HINT = (
    "arrays are called input_0, output_0, tensor_12 (by number), op_3 (its first output), op_3_1 "
    "(its second one), or by the tensor's name"
)


def read_npz_account(path: str, prepared: Prepared) -> Account:
    """What an .npz file tells.

    Arrays are [n, *shape], or one sample. Floats for a quantised tensor are real values. One that
    `golden export` has written is read as the bundle that it was.

    Raises:
        InputError: it cannot be read, names what the model has not, or does not fit it.
    """
    arrays = read_npz(path)
    if "header" in arrays:
        return read_exported(path, arrays, prepared.graph)
    graph, places = prepared.graph, places_of(prepared)
    inputs: list[Array | None] = [None] * len(graph.main.inputs)
    outputs: list[Told | None] = [None] * len(graph.main.outputs)
    tensors: dict[Place, Told] = {}
    notes: list[str] = []
    for key, array in arrays.items():
        role, number, tensor = _target(path, key, graph, places)
        told = told_of(f"{path}:{key}", array, tensor, notes)
        if role == "input":
            inputs[number] = told.values
        elif role == "output":
            outputs[number] = told
        else:
            tensors[places[number]] = told
    _tell_ends(graph, outputs, tensors)
    counts = {len(a) for a in inputs if a is not None}
    counts |= {len(t.values) for t in (*outputs, *tensors.values()) if t and t.values is not None}
    if len(counts) != 1 or 0 in counts:
        what = f"arrays of {sorted(counts)} samples" if any(counts) else "no samples"
        raise InputError(f"'{printable_path(path)}' has {what}", hint=_HINT)
    return Account("npz", f"the file {path}", counts.pop(), inputs, outputs, tensors, notes)


def _target(path: str, key: str, graph: Graph, places: Sequence[Place]) -> tuple[str, int, Tensor]:
    """Return (role, number, tensor) of an array; for a tensor the number is that of its place."""
    found = re.fullmatch(r"(input|output|tensor|op)_(\d+)(?:_(\d+))?", key)
    if found and found[1] in ("input", "output") and found[3] is None:
        ends = graph.main.inputs if found[1] == "input" else graph.main.outputs
        if int(found[2]) < len(ends):
            return found[1], int(found[2]), ends[int(found[2])]
    for number, place in reversed(list(enumerate(places))):  # the op that writes it last
        tensor = graph.subgraphs[place[0]].tensors[place[2]]
        if _is_meant(key, found, graph, place, tensor):
            return "tensor", number, tensor
    for number, tensor in enumerate(graph.main.inputs):
        if tensor.name == key:
            return "input", number, tensor
    raise InputError(
        f"'{printable_path(path)}': the model has nothing called '{printable(key)}'", hint=_HINT
    )


def _is_meant(
    key: str, found: re.Match[str] | None, graph: Graph, place: Place, tensor: Tensor
) -> bool:
    if found is None or found[1] in ("input", "output"):
        return tensor.name == key
    if place[0] != 0:
        return False
    if found[1] == "tensor":
        return found[3] is None and int(found[2]) == tensor.index
    outputs = graph.main.nodes[place[1]].outputs
    number = int(found[3] or 0)
    is_op = int(found[2]) == place[1]
    return is_op and number < len(outputs) and outputs[number].index == tensor.index


def told_of(name: str, array: Array, tensor: Tensor, notes: list[str]) -> Told:
    """An array as the tensor's own numbers; what was made of it goes into `notes`.

    Raises:
        InputError: shape or type do not fit; `name` is what it calls the array.
    """
    shaped = _samples(name, array, tensor)
    if shaped.dtype == tensor.dtype:
        return Told(shaped)
    if shaped.dtype.kind in "iu" and tensor.dtype.kind in "iu":
        return _other_integers(name, shaped, tensor)
    if shaped.dtype.kind == "f" and tensor.quantization is not None and tensor.dtype.kind in "iu":
        if not np.isfinite(shaped).all():
            raise InputError(f"'{printable(name)}' has values that are infinite or no numbers")
        numbers, _ = quantise(shaped, tensor)
        apart = float(np.abs(dequantise(numbers, tensor) - shaped).max(initial=0.0))
        notes.append(
            f"{name} holds real values; they were quantised ({apart / float(tensor.scale):.2g} "
            "steps lost at most)"
        )
        return Told(numbers, type_name=shaped.dtype.name)
    if shaped.dtype.kind == "f" and tensor.dtype.kind == "f":
        return Told(shaped.astype(tensor.dtype), type_name=shaped.dtype.name)
    raise InputError(f"'{printable(name)}' has {shaped.dtype}, wanted {tensor.type_name}")


def _other_integers(name: str, array: Array, tensor: Tensor) -> Told:
    """Bytes of the other sign as they are, wider numbers if they fit."""
    if array.dtype.itemsize == tensor.dtype.itemsize:
        return Told(array.view(tensor.dtype), type_name=array.dtype.name)
    info = np.iinfo(tensor.dtype)
    if array.size and (array.min() < info.min or array.max() > info.max):
        raise InputError(
            f"'{printable(name)}' has numbers from {array.min()} to {array.max()}, which "
            f"{tensor.type_name} does not hold"
        )
    return Told(array.astype(tensor.dtype), type_name=array.dtype.name)


def _samples(name: str, array: Array, tensor: Tensor) -> Array:
    if array.shape == tensor.shape:
        return np.ascontiguousarray(array)[np.newaxis]
    if array.shape[1:] == tensor.shape and array.ndim == tensor.rank + 1:
        return np.ascontiguousarray(array)
    if array.ndim and array.size == len(array) * tensor.elements:  # ones may be left out
        return np.ascontiguousarray(array).reshape(len(array), *tensor.shape)
    raise InputError(
        f"'{printable(name)}' has shape {list(array.shape)}, wanted {list(tensor.shape)}, or "
        "[n, ...] for n samples"
    )


def _tell_ends(graph: Graph, outputs: list[Told | None], tensors: Mapping[Place, Told]) -> None:
    """A tensor told as an op's is also the model's output, where it is one."""
    for (subgraph, _, tensor), told in tensors.items():
        for i, output in enumerate(graph.main.outputs):
            if subgraph == 0 and output.index == tensor and outputs[i] is None:
                outputs[i] = told

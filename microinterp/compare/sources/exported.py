"""The account in an .npz file that `golden export` has written from a bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from microinterp.compare.sources.bundle import account_of, require_ends
from microinterp.compare.told import Account, Array
from microinterp.files import unreadable
from microinterp.golden_bundle import BundleHeader, BundleTensor, Check
from microinterp.graph import Graph

_HINT = "export the bundle again, or leave `header` out of a file of your own"
RecordT = TypeVar("RecordT")


def read_exported(path: str, arrays: Mapping[str, Array], graph: Graph) -> Account:
    """What the arrays of an exported bundle tell.

    Raises:
        InputError: the header or an array is damaged, or the bundle is of another model.
    """
    try:
        header = _header(json.loads(arrays["header"].tobytes()))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise unreadable(path, "its header is damaged", _HINT) from None
    require_ends(path, header, graph)
    inputs = _all(path, arrays, "input", header.inputs)
    outputs = _all(path, arrays, "output", header.outputs)
    kept = _all(path, arrays, "tensor", header.kept)
    counts = {len(array) for array in (*inputs, *outputs, *kept)}
    if len(counts) != 1 or 0 in counts:
        raise unreadable(path, f"it has arrays of {sorted(counts)} samples", _HINT)
    count = counts.pop()
    crcs = arrays.get("crcs", np.zeros((count, 0), np.uint32))
    if crcs.shape != (count, len(header.checks)) or crcs.dtype != np.uint32:
        raise unreadable(path, f"crcs is {crcs.dtype}{list(crcs.shape)}", _HINT)
    return account_of(header, graph, inputs, outputs, crcs, kept)


def _header(values: dict[str, Any]) -> BundleHeader:
    plain = {key: value for key, value in values.items() if key not in ("first", "samples")}
    plain["inputs"] = tuple(_record(BundleTensor, each) for each in values["inputs"])
    plain["outputs"] = tuple(_record(BundleTensor, each) for each in values["outputs"])
    plain["checks"] = tuple(_record(Check, each) for each in values["checks"])
    return _record(BundleHeader, plain)


def _record(kind: type[RecordT], values: dict[str, Any]) -> RecordT:
    if values.keys() != {field.name for field in fields(kind)}:  # type: ignore[arg-type]
        raise ValueError("other fields")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _all(
    path: str, arrays: Mapping[str, Array], role: str, tensors: Sequence[BundleTensor | Check]
) -> list[Array]:
    found = []
    for number, tensor in enumerate(tensors):
        array = arrays.get(f"{role}_{number}")
        wanted = tensor.dtype.newbyteorder("=")
        if array is None or array.dtype != wanted or array.shape[1:] != tensor.shape:
            have = "is missing" if array is None else f"is {array.dtype}{list(array.shape)}"
            raise unreadable(path, f"{role}_{number} {have}", _HINT)
        found.append(array)
    return found

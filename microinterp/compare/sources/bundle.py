"""The account in a golden bundle: outputs, and CRC32s or bytes of what ops have written."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Sequence

import numpy as np

from microinterp.compare.told import Account, Array, Told
from microinterp.errors import InputError, printable_path
from microinterp.golden_bundle import BundleHeader, BundleReader, BundleTensor
from microinterp.graph import Graph, Tensor


def read_account(path: str | os.PathLike[str], graph: Graph, limit: int) -> Account:
    """The first `limit` samples of a bundle.

    Raises:
        InputError: the bundle cannot be read, or its inputs and outputs are not the model's.
    """
    name = os.fspath(path)
    chunks, count = [], 0
    with BundleReader(name) as reader:
        header = reader.header
        require_ends(name, header, graph)
        for chunk in reader:
            chunks.append(chunk)
            count += chunk.samples
            if count >= limit:
                break
    if not count:
        raise InputError(f"'{printable_path(name)}' holds no samples")
    count = min(count, limit)
    return account_of(
        header,
        graph,
        [_joined([c.inputs[i] for c in chunks], count) for i in range(len(header.inputs))],
        [_joined([c.outputs[i] for c in chunks], count) for i in range(len(header.outputs))],
        _joined([c.crcs for c in chunks], count),
        [_joined([c.tensors[i] for c in chunks], count) for i in range(len(header.kept))],
    )


def account_of(
    header: BundleHeader,
    graph: Graph,
    inputs: Sequence[Array],
    outputs: Sequence[Array],
    crcs: Array,
    kept: Sequence[Array],
) -> Account:
    """The account of a bundle's arrays, each with an axis of samples in front.

    Args:
        crcs: [samples, checks].
        kept: a tensor for each check, if the bundle has their bytes.
    """
    count, tensors = len(crcs), {}
    for i, check in enumerate(header.checks):
        place = check.subgraph, check.op, check.tensor
        if not _is_there(graph, place, check.nbytes):
            continue
        if header.has_tensors:
            tensors[place] = Told(kept[i].reshape(count, *_tensor(graph, place).shape))
        else:
            tensors[place] = Told(crcs=_crcs(crcs[:, i], check.nbytes))
    return Account(
        "bundle",
        f"{header.computed_by} (golden bundle)",
        count,
        inputs,
        [Told(array) for array in outputs],
        tensors,
        _notes(header, graph),
    )


def _joined(parts: list[Array], count: int) -> Array:
    return np.concatenate(parts)[:count].astype(parts[0].dtype.newbyteorder("="), copy=False)


def _crcs(crcs: Array, nbytes: int) -> Array:
    """An op that has not run yet has a CRC32 of 0; our tensors hold zeros then."""
    return np.where(crcs == 0, np.uint32(zlib.crc32(bytes(nbytes))), crcs)


def _tensor(graph: Graph, place: tuple[int, int, int]) -> Tensor:
    return graph.subgraphs[place[0]].tensors[place[2]]


def _is_there(graph: Graph, place: tuple[int, int, int], nbytes: int) -> bool:
    """True if that op of this model writes that tensor, with so many bytes."""
    subgraph, op, tensor = place
    if subgraph >= len(graph.subgraphs) or op >= len(graph.subgraphs[subgraph].nodes):
        return False
    written = graph.subgraphs[subgraph].nodes[op].outputs
    return any(each.index == tensor and each.nbytes == nbytes for each in written)


def require_ends(path: str, header: BundleHeader, graph: Graph) -> None:
    """Raise InputError unless a bundle's inputs and outputs are the model's."""
    for role, theirs, ours in (
        ("input", header.inputs, graph.main.inputs),
        ("output", header.outputs, graph.main.outputs),
    ):
        if [_kind(each) for each in theirs] != [(t.type_code, t.shape) for t in ours]:
            raise InputError(
                f"'{printable_path(path)}' is of another model: its {role}s are "
                f"{_words(theirs)}, the model's {', '.join(map(str, ours))}",
                hint="record it again from this model",
            )


def _kind(tensor: BundleTensor) -> tuple[int, tuple[int, ...]]:
    return tensor.type, tensor.shape


def _words(tensors: tuple[BundleTensor, ...]) -> str:
    return ", ".join(f"{each.dtype.name}{list(each.shape)}" for each in tensors) or "none"


def _notes(header: BundleHeader, graph: Graph) -> list[str]:
    notes = []
    if header.model_sha256 != hashlib.sha256(graph.model.data).hexdigest():
        notes.append("the bundle was recorded from another file than this model")
    if header.checks and not header.has_tensors:
        notes.append("the bundle has CRC32s of tensors, not their bytes")
    return notes

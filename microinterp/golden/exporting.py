"""A bundle for those who check elsewhere: as a C header, .npz or JSON, written in a stream."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError, MicrointerpError, printable_path
from microinterp.files import replaced_by, unwritable
from microinterp.golden.c_header import MAX_C_BYTES, write_header
from microinterp.golden.numbers import plain
from microinterp.golden.selecting import Selection
from microinterp.golden_bundle import BundleReader
from microinterp.input_files import suffix_of

Array = npt.NDArray[Any]

KINDS = (".h", ".npz", ".json")
"""What the name of the file to write ends with."""
__all__ = ["KINDS", "MAX_C_BYTES", "export"]


def export(
    bundle: str | os.PathLike[str],
    path: str | os.PathLike[str],
    first: int = 0,
    stop: int | None = None,
    name: str | None = None,
) -> int:
    """Write samples `first` to `stop` of a bundle in another format; returns how many.

    Args:
        bundle: path of the bundle.
        path: of the file to write, one of KINDS. The .npz has header (JSON as uint8), input_0, ...,
            output_0, ..., crcs, tensor_0, ...; the others are told in docs/golden.md.
        first, stop: samples; None goes to the end.
        name: what C names begin with; None takes the file's.

    Raises:
        InputError: the bundle is damaged or has no such samples, the format is none of KINDS, a C
            header would hold more than MAX_C_BYTES, or the file cannot be written.
    """
    target = os.fspath(path)
    writers = {".npz": _npz, ".json": _json}
    kind = suffix_of(target)
    if kind not in KINDS:
        raise InputError(
            f"'{printable_path(target)}' is of no kind that can be written",
            hint=f"golden bundles are exported to {', '.join(KINDS)}",
        )
    with BundleReader(bundle) as reader:
        chosen = Selection(reader, first, stop)
        with _replacing(*replaced_by(target)) as part:
            if kind == ".h":
                stem = os.path.splitext(os.path.basename(target))[0] if name is None else name
                write_header(chosen, part, stem)
            else:
                writers[kind](chosen, part)
        return chosen.samples


@contextmanager
def _replacing(target: str, part: str) -> Iterator[str]:
    """A file to write, which takes the target's place when all is well, and goes when not."""
    try:
        yield part
        os.replace(part, target)
    except BaseException as error:
        with suppress(OSError, ValueError):
            os.remove(part)
        if isinstance(error, MicrointerpError) or not isinstance(error, (OSError, ValueError)):
            raise
        raise unwritable(target, error) from None


def _npz(chosen: Selection, path: str) -> None:
    """One pass over the bundle for each array, since a .npz holds one after the other."""
    header = json.dumps(_header(chosen), sort_keys=True).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        _member(archive, "header", np.dtype(np.uint8), (len(header),), iter([header]))
        for array in chosen.arrays():
            pieces = (piece.tobytes() for piece in array.pieces())
            _member(archive, array.name, array.dtype, (chosen.samples, *array.shape), pieces)


def _member(
    archive: zipfile.ZipFile,
    name: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    pieces: Iterator[bytes],
) -> None:
    entry = zipfile.ZipInfo(f"{name}.npy")  # dated 1980: equal bundles are equal files
    entry.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(entry, "w", force_zip64=True) as file:
        described = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, described)
        for piece in pieces:
            file.write(piece)


def _header(chosen: Selection) -> dict[str, Any]:
    """The header as JSON, with the samples chosen."""
    return {**asdict(chosen.header), "first": chosen.first, "samples": chosen.samples}


def _json(chosen: Selection, path: str) -> None:
    """{"header": ..., "samples": [{"inputs", "outputs", "crcs", "tensors"}, ...]}."""
    with open(path, "w", encoding="ascii") as file:
        file.write('{"header": ')
        json.dump(_header(chosen), file)
        file.write(',\n"samples": [')
        _each_sample(chosen, file, lambda value: json.dumps(value, allow_nan=False))
        file.write("\n]}\n")


def _each_sample(chosen: Selection, file: TextIO, text: Callable[[Any], str]) -> None:
    separator = "\n"
    for chunk in chosen.chunks():
        for at in range(chunk.samples):
            sample = {
                "inputs": [plain(array[at]) for array in chunk.inputs],
                "outputs": [plain(array[at]) for array in chunk.outputs],
                "crcs": chunk.crcs[at].tolist(),
                "tensors": [plain(array[at]) for array in chunk.tensors],
            }
            file.write(separator + text(sample))
            separator = ",\n"

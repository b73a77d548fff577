"""For `compare`: which side is meant, and with which samples both run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.cli import output
from microinterp.compare import Account, Comparison, Told, compare
from microinterp.compare.float_original import compare_with_original
from microinterp.compare.sources import (
    read_bundle_account,
    read_dump,
    read_npz_account,
    write_dump,
)
from microinterp.errors import InputError, printable
from microinterp.files import unwritable
from microinterp.golden_bundle import MAGIC
from microinterp.input_files import suffix_of
from microinterp.inputs import Reading, random_samples, read_samples
from microinterp.interpreter import prepare_model
from microinterp.model import contents_of
from microinterp.prepare import Prepared
from microinterp.registry import Registry
from microinterp.sides import NAMES, Side, open_side, places_of
from microinterp.sides.host import HostSide

Array = npt.NDArray[Any]
SAMPLES = 10
"""Random samples where nothing is said; also most samples of a bundle."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; attributes as its options, `registry` as --operators."""

    other: str
    paths: tuple[str, ...]
    reading: Reading
    samples: int | None
    seed: int
    profile: str
    other_profile: str
    dump: str | None = None
    registry: Registry | None = None


def compared(model: bytes, wanted: Wanted) -> Comparison:
    """Run both sides. Raises what compare raises, and InputError for a side that is none."""
    prepared = prepare_model(model, wanted.profile, wanted.registry, kernels="plain")
    name = wanted.other
    if name == "host":
        host = HostSide(model, wanted.other_profile, wanted.registry)
        result, inputs = _with_runtime(model, prepared, host, wanted)
    elif name in NAMES or name.startswith("board:"):
        side = open_side(name, model)
        result, inputs = _with_runtime(model, prepared, side, wanted)
    elif not os.path.isfile(name):
        raise InputError(
            f"'{printable(name)}' is neither a file nor a runtime",
            hint=f"runtimes: {', '.join(NAMES)}; files: a golden bundle, .npz, a dump, a .tflite",
        )
    elif suffix_of(name) == ".tflite":
        inputs = _inputs(prepared, wanted)
        original = contents_of(name)
        result = compare_with_original(model, original, inputs, wanted.profile, wanted.registry)
    else:
        account = _account(name, prepared, wanted)
        inputs = _inputs_for(account, prepared, wanted)
        result = compare(model, account, inputs, wanted.profile, wanted.registry)
    if wanted.dump is not None:
        _write(wanted.dump, model, prepared, inputs, wanted)
    return result


def _with_runtime(
    model: bytes, prepared: Prepared, side: Side, wanted: Wanted
) -> tuple[Comparison, Sequence[Array]]:
    inputs = _inputs(prepared, wanted)
    with side:
        return compare(model, side, inputs, wanted.profile, wanted.registry), inputs


def _account(path: str, prepared: Prepared, wanted: Wanted) -> Account:
    with open(path, "rb") as file:
        start = file.read(len(MAGIC))
    if start == MAGIC:
        return read_bundle_account(path, prepared.graph, wanted.samples or SAMPLES)
    if suffix_of(path) == ".npz":
        return read_npz_account(path, prepared)
    return read_dump(path, prepared)


def _inputs(prepared: Prepared, wanted: Wanted) -> tuple[Array, ...]:
    """Samples from files, or random ones."""
    tensors = prepared.graph.main.inputs
    if not wanted.paths:
        return random_samples(tensors, wanted.samples or SAMPLES, wanted.seed)
    read = read_samples(wanted.paths, tensors, wanted.reading)
    for text in read.notes:
        output.note(text)
    return tuple(array[: wanted.samples] for array in read.arrays)


def _inputs_for(account: Account, prepared: Prepared, wanted: Wanted) -> list[Array]:
    """The samples that an account is of: given files first, else what it tells itself."""
    if wanted.paths:
        given = _inputs(prepared, wanted)
        counts = {len(array) for array in given} or {1}
        if counts != {account.samples}:
            raise InputError(
                f"the files hold {max(counts)} samples, {account.version} {account.samples}",
                hint="give the very inputs that the other side ran",
            )
        return list(given)
    told = list(account.inputs)
    if any(array is None for array in told):
        raise InputError(
            f"{account.version} does not tell its inputs", hint="give them as INPUT files"
        )
    return [array for array in told if array is not None]


def _write(
    path: str, model: bytes, prepared: Prepared, inputs: Sequence[Array], wanted: Wanted
) -> None:
    """Our side as a dump."""
    side = HostSide(model, wanted.profile, wanted.registry)
    seen = side.run(inputs, places_of(prepared))
    account = Account(
        "host",
        side.version,
        len(inputs[0]) if inputs else 1,
        inputs,
        [Told(array) for array in seen.outputs],
        {place: Told(np.asarray(array)) for place, array in seen.tensors.items()},
    )
    try:
        with open(path, "w", encoding="utf-8") as file:
            write_dump(file, prepared, account, inputs)
    except OSError as error:
        raise unwritable(path, error) from None

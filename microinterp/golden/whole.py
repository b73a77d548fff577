"""A whole bundle in memory, for programs that want its arrays and know that they are few."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from microinterp.golden_bundle import read_bundle

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Header:
    """Where a bundle comes from.

    Attributes:
        model_sha256: of the .tflite file.
        profile: numeric profile of the host runtime.
        runtime, version: what computed the outputs.
        samples: how many.
        seed: of random inputs, None for given ones.
    """

    model_sha256: str
    profile: str
    runtime: str
    version: str
    samples: int
    seed: int | None = None


@dataclass(frozen=True)
class Golden:
    """A bundle: one array per input and per output, each [samples, *shape]."""

    header: Header
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]


def load(path: str | os.PathLike[str]) -> Golden:
    """Read all of a bundle. Raises InputError if it is none, or damaged."""
    bundle = read_bundle(path)
    header = bundle.header
    return Golden(
        Header(
            model_sha256=header.model_sha256,
            profile=header.profile,
            runtime=header.runtime,
            version=header.runtime_version,
            samples=bundle.samples,
            seed=header.seed,
        ),
        bundle.inputs,
        bundle.outputs,
    )

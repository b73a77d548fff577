"""The benchmarks: their names, and which models they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from microinterp.errors import InputError, printable
from microinterp.graph import build
from microinterp.model import Model, load, load_file
from microinterp_boards.packing import BoardModel, ModelSource


@dataclass(frozen=True, slots=True)
class Kind:
    """A benchmark.

    Attributes:
        name: as users and boards call it.
        model: as the runner calls it.
        value_bytes: of one number of an input, as it is sent.
    """

    name: str
    model: str
    value_bytes: int


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        each.name: each
        for each in (
            Kind("kws", "kws01", 1),
            Kind("vww", "vww01", 1),
            Kind("ic", "ic01", 1),
            Kind("ad", "ad01", 4),
        )
    }
)


def kind_of(name: str) -> Kind:
    """The benchmark of that name. Raises InputError if there is none."""
    if name not in KINDS:
        raise InputError(
            f"there is no benchmark '{printable(name)}'", hint=f"one of {', '.join(KINDS)}"
        )
    return KINDS[name]


def stimulus_bytes(kind: Kind, source: ModelSource) -> int:
    """How many bytes a stimulus of this model has.

    Raises InputError if the benchmark does not take such a model.
    """
    main = build(_loaded(source)).main
    tensors = (*main.inputs, *main.outputs)
    types = ", ".join(str(t.dtype) for t in tensors)
    if len(main.inputs) != 1 or len(main.outputs) != 1 or any(t.dtype != np.int8 for t in tensors):
        raise InputError(
            f"{kind.name} takes a model with one int8 input and one int8 output, this one has"
            f" {len(main.inputs)} and {len(main.outputs)} ({types})"
        )
    given, told = main.inputs[0].elements, main.outputs[0].elements
    if kind.name == "ad" and given != told:
        raise InputError(f"ad takes a model with as many outputs as inputs, got {given} and {told}")
    return given * kind.value_bytes


def _loaded(source: ModelSource) -> Model:
    if isinstance(source, BoardModel):
        return load(source.tflite)
    return load(source) if isinstance(source, bytes) else load_file(source)

"""Causes in how a side tells its numbers: right numbers in another form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from microinterp.compare.told import Array, Told
from microinterp.graph import Tensor


@dataclass(frozen=True, slots=True)
class TellCause:
    """A form: name and text as in OpCause."""

    name: str
    text: str


UNSIGNED = TellCause(
    "int8-as-uint8", "tells int8 numbers as uint8, or the other way round: 128 apart"
)
NCHW = TellCause("nhwc-nchw", "tells the tensor in NCHW order, not NHWC")


def forms(tensor: Tensor, ours: Array) -> Iterator[tuple[TellCause, Array]]:
    """Our numbers [n, *shape] in each other form."""
    if ours.dtype in (np.int8, np.uint8):
        yield UNSIGNED, (ours.view(np.uint8) ^ np.uint8(0x80)).view(ours.dtype)
    if tensor.rank == 4 and tensor.shape[3] > 1 and tensor.shape[1] * tensor.shape[2] > 1:
        first = np.ascontiguousarray(ours.transpose(0, 1, 4, 2, 3))
        yield NCHW, first.reshape(ours.shape)


def explained_form(tensor: Tensor, ours: Array, told: Told) -> TellCause | None:
    """The form in which `told` is what we have computed, None if it is in no such form."""
    return next((cause for cause, form in forms(tensor, ours) if told.equals(form)), None)

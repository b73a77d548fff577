"""What can be said of a difference that no known cause explains."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from microinterp.compare.told import Array, Mask
from microinterp.errors import printable
from microinterp.graph import Tensor

_SHOWN = 5  # differing elements that are listed
_SUMS = 64  # units in the last place that another order of summation makes
_FEW = 4  # channels or samples that are named


def evidence_of(tensor: Tensor, ours: Array, theirs: Array, differs: Mask) -> list[str]:
    """Sentences on where and how far two arrays [n, *shape] differ.

    Args:
        ours: what our op makes of the other side's inputs, where these are told.
        differs: where they do, [n, *shape]; somewhere at least.
    """
    return [
        *_extent(tensor, ours, theirs, differs),
        *_places(tensor, differs),
        *_first(ours, theirs, differs),
    ]


def _extent(tensor: Tensor, ours: Array, theirs: Array, differs: Mask) -> Iterator[str]:
    share = differs.mean()
    yield (
        f"{int(differs.sum()):,} of {differs.size:,} elements of {tensor} "
        f"'{printable(tensor.name)}' differ ({share:.2%})"
    )
    if ours.dtype.kind == "f":
        yield from _rounding(ours[differs], theirs[differs])
    if ours.dtype.kind not in "iu":
        return
    apart = theirs[differs].astype(object) - ours[differs].astype(object)
    low, high = int(apart.min()), int(apart.max())
    if low == high:
        yield f"each of them by {low:+d}"
    else:
        ones = float(np.isin(apart, (-1, 1)).mean())
        yield f"theirs - ours is {low:+d} to {high:+d}; {ones:.1%} of the differences are one step"
    ends = np.iinfo(ours.dtype)
    for words, mine in (("ours", ours), ("theirs", theirs)):
        at_end = float(np.isin(mine[differs], (ends.min, ends.max)).mean())
        if at_end > 0.5:
            yield f"{at_end:.0%} of them lie at the end of the range in {words}: a clamp?"


def _rounding(ours: Array, theirs: Array) -> Iterator[str]:
    """Floats: are they apart by no more than another order of summation makes?"""
    with np.errstate(all="ignore"):
        apart = np.abs(theirs.astype(np.float64) - ours.astype(np.float64))
        steps = apart / np.spacing(np.abs(ours)).astype(np.float64)
        largest = float(apart.max())
    if not np.isfinite(apart).all():
        yield "some of them are infinite or no numbers on one side"
        return
    yield (
        f"at most {largest:.3g} apart; half of them by {float(np.median(steps)):.3g} units in the "
        "last place or less"
    )
    if np.median(steps) <= _SUMS:
        yield "floats that are added in another order, or with fused multiply-add, differ like this"


def _places(tensor: Tensor, differs: Mask) -> Iterator[str]:
    samples = np.flatnonzero(differs.reshape(len(differs), -1).any(axis=1))
    if len(samples) < len(differs):
        shown = ", ".join(map(str, samples[:_FEW])) + (", ..." if len(samples) > _FEW else "")
        yield f"in {len(samples)} of {len(differs)} samples: {shown}"
        if len(differs) > 1 and samples[0] > 0 and len(samples) == len(differs) - samples[0]:
            yield f"from sample {samples[0]} on: something is kept from sample to sample?"
    if tensor.rank < 2:
        return
    channels = np.flatnonzero(differs.any(axis=tuple(range(differs.ndim - 1))))
    if len(channels) <= max(1, tensor.shape[-1] // 4) and len(channels) < tensor.shape[-1]:
        shown = ", ".join(map(str, channels[:_FEW])) + (", ..." if len(channels) > _FEW else "")
        yield f"only in {len(channels)} of {tensor.shape[-1]} channels: {shown}"
    if tensor.rank == 4 and min(tensor.shape[1:3]) > 2 and not differs[:, :, 1:-1, 1:-1].any():
        yield "only at the picture's border: padding?"


def _first(ours: Array, theirs: Array, differs: Mask) -> Iterator[str]:
    for sample, *element in np.argwhere(differs)[:_SHOWN].tolist():
        place = (sample, *element)
        yield (
            f"sample {sample}, element {element}: ours {ours[place].item()}, "
            f"theirs {theirs[place].item()}"
        )

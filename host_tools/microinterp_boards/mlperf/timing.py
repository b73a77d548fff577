"""How long an inference takes, and how many the runner is to ask for."""

from __future__ import annotations

import math
from typing import NamedTuple

from microinterp_boards.mlperf.client import Client

_AIM = 17.0  # in the middle: the next measurement may differ
_AT_LEAST = 10.5
_LOOPS = 5
_AT_MOST = 28.0  # seconds by the host's clock; the runner gives up after 30
_WARMUPS = 10
_ENOUGH = 0.5  # seconds of a measurement
_SLOWEST = 600.0
_MOST = 100_000_000


class Timing(NamedTuple):
    """Of one inference: by the board's clock in microseconds, and by the host's in seconds."""

    microseconds: float
    seconds: float


class Iterations(NamedTuple):
    """What the runner's `infer` is to be given."""

    inferences: int
    warmups: int


def measure(client: Client) -> Timing:
    """Time inferences of the stimulus that is loaded: one, or as many as last half a second."""
    found = client.infer(1, 0, _SLOWEST)
    while found.seconds < _ENOUGH and found.count < _MOST:
        more = math.ceil(1.5 * _ENOUGH / max(found.seconds, 1e-3))
        found = client.infer(found.count * max(2, min(more, 50)), 0, _SLOWEST)
    return Timing(found.microseconds / found.count, found.seconds / found.count)


def iterations(timing: Timing) -> Iterations | None:
    """Counts with which the runner's laps are more than 10 s and less than 30 s apart.

    None if there are none. Its 10 s are by the board's clock, its 30 s by the host's; by that, five
    times as many must take 10 s too. The two clocks agree, but for those of emulated boards.
    """
    board, host = max(timing.microseconds, 0.001) / 1e6, max(timing.seconds, 1e-9)
    for aim in (_AIM, _AT_LEAST):
        count = math.ceil(max(aim / board, _AT_LEAST / _LOOPS / host))
        if count * host <= _AT_MOST and count <= _MOST:
            return Iterations(count, min(_WARMUPS, int(_AT_MOST / host)))
    return None

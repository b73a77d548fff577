"""SignalDelay, SignalFramer, SignalStacker, SignalOverlapAdd: which sample of a stream it is.

What an op keeps from invokes before stands in its state.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from microinterp.explain.ops.signals import held_before
from microinterp.explain.recorder import Recorder
from microinterp.explain.subject import Explainer, Outcome, Subject
from microinterp.kernels.signal_frames import FramerParams, StackerParams

_STATE = "the op's state"


def _sample(subject: Subject, r: Recorder, row: int, number: int, kept: int) -> Outcome:
    """Sample `number` of a row: the first `kept` stand in the state, the others in the input."""
    x = subject.array(0)
    length = x.shape[-1]
    if number < kept:
        state = subject.before.state[0].view(np.int16).reshape(-1, kept)
        label = "a sample of an invoke before"
        return Outcome(r.read(label, _STATE, (row, number), int(state[row, number])))
    flat = row * length + number - kept
    at = tuple(int(i) for i in np.unravel_index(flat, x.shape))
    return Outcome(subject.read(r, 0, at, "a copy of a sample"))


def _delay(subject: Subject, r: Recorder) -> Outcome:
    rows: int = subject.params
    kept = subject.before.state[0].nbytes // (2 * rows)
    row = int(np.ravel_multi_index(subject.index[:-1], subject.out.shape[:-1]))
    return _sample(subject, r, row, subject.index[-1], kept)


def _framer(subject: Subject, r: Recorder) -> Outcome:
    """Output 0: the frames; output 1: whether all are there."""
    p: FramerParams = subject.params
    steps = int(subject.before.state[1].view(np.int32)[0])
    if subject.output == 1:
        so_far = r.read("steps so far", _STATE, (0,), steps)
        label = "enough for a frame? 1 for true"
        return Outcome(r.do("greater_equal", label, x=so_far, y=p.missing))
    *lead, frame, place = subject.index
    if frame < p.missing - steps:
        return held_before(subject, r)
    row = int(np.ravel_multi_index(lead, subject.out.shape[:-2])) if lead else 0
    return _sample(subject, r, row, frame * p.step + place, p.window - p.step)


def _stacker(subject: Subject, r: Recorder) -> Outcome:
    """Output 0: the stack; output 1: whether it is whole."""
    p: StackerParams = subject.params
    counts = subject.before.state[1].view(np.int32)
    new = 1 if counts[1] else p.left + 1
    total = int(counts[0]) + new
    if subject.output == 1:
        so_far = r.read("vectors that wait", _STATE, (0,), int(counts[0]))
        total = r.do("add", "and new ones", x=so_far, y=new)
        return Outcome(r.do("greater_equal", "a whole stack? 1 for true", x=total, y=p.size))
    if total < p.size:
        return held_before(subject, r)
    channels = subject.array(0).shape[0]
    vector, channel = divmod(subject.index[0], channels)
    if vector >= p.size - new:
        return Outcome(subject.read(r, 0, (channel,), "a copy of the newest vector"))
    kept = subject.before.state[0].view(np.int16).reshape(p.size, -1)
    at = (vector + new, channel)
    return Outcome(r.read("a vector of an invoke before", _STATE, at, int(kept[at])))


def _overlap_add(subject: Subject, r: Recorder) -> Outcome:
    """int16: the frames that reach the sample, each sum saturating."""
    x = subject.array(0)
    *lead, count, size = x.shape
    step = subject.out.shape[-1] // count
    frame, place = divmod(subject.index[-1], step)
    row = int(np.ravel_multi_index(subject.index[:-1], tuple(lead))) if lead else 0
    parts = []
    if place + frame * step < size:
        sums = subject.before.state[0].view(x.dtype).reshape(-1, size)
        at = (row, place + frame * step)
        parts.append(r.read("frames of invokes before", _STATE, at, int(sums[at])))
    for number in range(frame + 1):
        inside = place + (frame - number) * step
        if inside < size:
            where = (*subject.index[:-1], number, inside)
            parts.append(subject.read(r, 0, where, f"frame {number}"))
    total = parts[0]
    for part in parts[1:]:
        total = r.do("add", "added", x=total, y=part)
        total = r.do("clamp", "within int16", x=total, low=-32768, high=32767)
    return Outcome(total)


EXPLAINERS: Mapping[str, Explainer] = {
    "SignalDelay": _delay,
    "SignalFramer": _framer,
    "SignalOverlapAdd": _overlap_add,
    "SignalStacker": _stacker,
}

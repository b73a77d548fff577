"""SignalFramer, SignalStacker, SignalDelay, SignalOverlapAdd: streams cut, joined and put together.

Each keeps what it needs of the samples before in state, which reset() empties.
Framer: a frame of `size` samples every `step` samples; with prefill the stream starts with zeros,
without it frames are not valid until enough samples are there (their outputs stay as they were).
Stacker: the last left + 1 + right feature vectors at every `step`-th vector; the first vector is
repeated to the left.
Delay: each row of the input follows what the row of the invoke before left over.
OverlapAdd: frames are added where they overlap, saturating in int16, and leave `step` samples each.
Source: TFLM signal/micro/kernels/{framer,stacker,delay,overlap_add}.cc,
signal/src/{circular_buffer,overlap_add}.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tflite import TensorType

from microinterp.custom_options import Options
from microinterp.graph import Node
from microinterp.kernels.common import require_same_type, require_shape, require_type
from microinterp.prepare import Arrays, Context, Kernel, State
from microinterp.registry import Op

_INT16 = np.iinfo(np.int16)
_SUM_TYPES = {TensorType.INT16: "int16", TensorType.FLOAT32: "float32"}
"""Of OverlapAdd."""


@dataclass(frozen=True)
class FramerParams:
    """Rows of samples, each cut into frames.

    Attributes:
        rows: independent streams.
        size, step: samples of a frame, and from one to the next.
        window: samples from the oldest one that a frame needs to the newest one.
        missing: steps that must pass before the first frame is valid.
    """

    rows: int
    size: int
    step: int
    window: int
    missing: int


@dataclass(frozen=True)
class StackerParams:
    """All in feature vectors: those before, all of a stack, and from one stack to the next."""

    left: int
    size: int
    step: int


def evaluate_framer(p: FramerParams, arrays: Arrays) -> None:
    """x int16 [..., n * step] -> frames int16 [..., n, size], valid bool [].

    State: the samples before, int16 [rows, window - step], and steps so far, int32 [1].
    """
    (x,) = arrays.inputs
    out, valid = arrays.outputs
    assert x is not None
    before = arrays.state[0].view(np.int16).reshape(p.rows, -1)
    (steps,) = (state.view(np.int32) for state in arrays.state[1:])
    samples = np.concatenate([before, x.reshape(p.rows, -1)], axis=1)
    frames = np.lib.stride_tricks.sliding_window_view(samples, p.window, axis=1)
    first = max(p.missing - int(steps[0]), 0)
    out.reshape(p.rows, -1, p.size)[:, first:] = frames[:, :: p.step, : p.size][:, first:]
    valid[...] = first == 0
    before[...] = samples[:, samples.shape[1] - before.shape[1] :]
    steps[0] = min(int(steps[0]) + x.shape[-1] // p.step, p.missing)


def evaluate_stacker(p: StackerParams, arrays: Arrays) -> None:
    """x int16 [channels] -> stack int16 [size * channels], valid bool [].

    State: the last vectors, int16 [size, channels]; how many of them are not yet passed, and
    whether there were any, int32 [2].
    """
    (x,) = arrays.inputs
    out, valid = arrays.outputs
    assert x is not None
    vectors = arrays.state[0].view(np.int16).reshape(p.size, -1)
    counts = arrays.state[1].view(np.int32)
    new = 1 if counts[1] else p.left + 1
    vectors[: p.size - new] = vectors[new:].copy()
    vectors[p.size - new :] = x
    counts[0] += new
    counts[1] = 1
    valid[...] = counts[0] >= p.size
    if counts[0] >= p.size:
        out[...] = vectors.reshape(-1)
        counts[0] -= p.step


def evaluate_delay(rows: int, arrays: Arrays) -> None:
    """x int16 [..., n] -> out int16 [..., n].

    State: the samples on their way, int16 [rows, delay].
    """
    (x,) = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    waiting = arrays.state[0].view(np.int16).reshape(rows, -1)
    samples = np.concatenate([waiting, x.reshape(rows, -1)], axis=1)
    length = x.shape[-1]
    out[...] = samples[:, :length].reshape(x.shape)
    waiting[...] = samples[:, length:]


def evaluate_overlap_add(p: None, arrays: Arrays) -> None:
    """frames [..., n, size], int16 or float32 -> out [..., n * step] of the same type.

    State: the sums so far, [rows, size] of that type.
    """
    (x,) = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    count, size = x.shape[-2:]
    frames = x.reshape(-1, count, size)
    sums = arrays.state[0].view(x.dtype).reshape(-1, size)
    parts = out.reshape(len(frames), count, -1)
    step = parts.shape[-1]
    for number in range(count):
        sums[...] = _added(sums, frames[:, number])
        parts[:, number] = sums[:, :step]
        sums[:, : size - step] = sums[:, step:].copy()
        sums[:, size - step :] = 0


def _added(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if a.dtype == np.float32:
        total: npt.NDArray[Any] = a + b
    else:
        total = np.clip(a.astype(np.int32) + b, _INT16.min, _INT16.max)
    return total


def prepare_framer(node: Node, context: Context) -> Kernel:
    """Each row of the input is a whole number of steps."""
    node.require_counts((1, 1), outputs=2)
    x, out, valid = node.input(0), node.output(), node.output(1)
    require_type(node, "int16", x, out)
    require_type(node, "bool", valid)
    options = Options(node, ("frame_size", "frame_step", "prefill"))
    size, step = options.integer("frame_size"), options.integer("frame_step")
    prefill = options.boolean("prefill")
    node.require(x.rank > 0 and x.elements > 0, f"{x} has no samples", x)
    node.require(
        size > 0 and step > 0, f"frame_size is {size}, frame_step {step}, wanted 1 or more"
    )
    node.require(x.shape[-1] % step == 0, f"rows of {x} are no multiple of {step} samples", x)
    node.require(
        size >= step or not prefill,
        f"frame_step is {step}, wanted {size} (frame_size) at most where prefill is true",
    )
    require_shape(node, out, (*x.shape[:-1], x.shape[-1] // step, size))
    require_shape(node, valid, ())
    rows, steps = x.elements // x.shape[-1], -(-size // step)
    # without prefill TFLM's buffer fills up to whole steps, and the frame is its oldest samples
    window, missing = (size, 0) if prefill else (steps * step, steps - 1)
    params = FramerParams(rows, size, step, window, missing)
    state = State(2 * rows * (window - step)), State(4)
    return Kernel(evaluate_framer, params, state=state, keeps_outputs=missing > 0)


def prepare_stacker(node: Node, context: Context) -> Kernel:
    """One vector comes in, a stack of vectors goes out."""
    node.require_counts((1, 1), outputs=2)
    x, out, valid = node.input(0), node.output(), node.output(1)
    require_type(node, "int16", x, out)
    require_type(node, "bool", valid)
    names = ("num_channels", "stacker_left_context", "stacker_right_context", "stacker_step")
    options = Options(node, names)
    channels, left, right, step = (options.integer(name) for name in names)
    node.require(channels > 0, f"num_channels is {channels}, wanted 1 or more")
    node.require(
        left >= 0 and right >= 0, f"contexts of {left} and {right} vectors, wanted 0 or more"
    )
    size = left + right + 1
    node.require(0 < step <= size, f"stacker_step is {step}, wanted 1 to {size}")
    require_shape(node, x, (channels,))
    require_shape(node, out, (size * channels,))
    require_shape(node, valid, ())
    state = State(out.nbytes), State(8)
    keeps = right > 0 or step > 1  # until a stack is whole again
    params = StackerParams(left, size, step)
    return Kernel(evaluate_stacker, params, state=state, keeps_outputs=keeps)


def prepare_delay(node: Node, context: Context) -> Kernel:
    """The delay may be longer than the input."""
    node.require_counts((1, 1))
    x, out = node.input(0), node.output()
    require_type(node, "int16", x, out)
    delay = Options(node, ("delay_length",)).integer("delay_length")
    node.require(delay >= 0, f"delay_length is {delay}, wanted 0 or more")
    node.require(x.rank > 0 and x.elements > 0, f"{x} has no samples", x)
    require_shape(node, out, x.shape)
    rows = x.elements // x.shape[-1]
    return Kernel(evaluate_delay, rows, state=(State(2 * rows * delay),))


def prepare_overlap_add(node: Node, context: Context) -> Kernel:
    """Frames of `size` samples leave `step` of them."""
    node.require_counts((1, 1))
    x, out = node.input(0), node.output()
    options = Options(node, ("T", "frame_step"))
    type_name, step = options.element_type("T", _SUM_TYPES), options.integer("frame_step")
    require_type(node, type_name, x)
    require_same_type(node, x, out)
    node.require(x.rank >= 2 and x.elements > 0, f"{x} holds no frames", x)
    count, size = x.shape[-2:]
    node.require(0 < step <= size, f"frame_step is {step}, wanted 1 to {size}")
    require_shape(node, out, (*x.shape[:-2], count * step))
    return Kernel(evaluate_overlap_add, state=(State(x.nbytes // count),))


OPS = (
    Op("SignalDelay", prepare_delay, ("int16",), is_custom=True),
    Op("SignalFramer", prepare_framer, ("int16",), is_custom=True),
    Op("SignalOverlapAdd", prepare_overlap_add, ("float32", "int16"), is_custom=True),
    Op("SignalStacker", prepare_stacker, ("int16",), is_custom=True, limits=("rank 1",)),
)

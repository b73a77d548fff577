"""in-place-depthwise: a depthwise convolution writes over its input, channel by channel.

One channel is copied into scratch, convolved from there, and written where it came from; the bytes
of the other channels lie between. So memory is the input and one channel of it. With strides the
output is smaller than the input: element p of channel c goes to byte p * channels + c, where only
that channel had bytes. Source: TinyEngine (MCUNet, arXiv 2007.10319, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from microinterp.kernels import depthwise_conv_2d
from microinterp.kernels.common import Evaluate
from microinterp.kernels.filters import FloatParams, Int4Filter, Params, SampleBySample
from microinterp.passes.draft import Draft, Uses, activations
from microinterp.passes.in_place import begins_buffer
from microinterp.prepare import Arrays, Kernel, Prepared, PreparedNode


@dataclass(frozen=True)
class ChannelByChannel:
    """Evaluates a depthwise convolution whose output lies over its input.

    Attributes:
        evaluate: the convolution.
        channels: its parameters for each channel by itself.
    """

    evaluate: Evaluate
    channels: tuple[Any, ...]

    def __call__(self, params: Any, arrays: Arrays) -> None:
        """in [1, h, w, c] -> out [1, oh, ow, c] in the same memory; scratch holds a channel."""
        x, w, *rest = arrays.inputs
        (out,) = arrays.outputs
        assert x is not None
        assert w is not None
        column = arrays.scratch[-1].view(x.dtype).reshape(*x.shape[:-1], 1)
        for c, own in enumerate(self.channels):
            column[...] = x[..., c : c + 1]
            bias = [None if b is None else b.reshape(-1)[c : c + 1] for b in rest]
            inputs = (column, w[..., c : c + 1], *bias)
            self.evaluate(own, Arrays(inputs, (out[..., c : c + 1],)))


def in_place_depthwise(prepared: Prepared) -> Prepared:
    """Let each depthwise convolution that can write over its input."""
    draft = Draft(prepared)
    uses = draft.uses()
    is_changed = False
    for position, item in enumerate(draft.items):
        if _is_suited(item) and _dies_here(draft, position, uses):
            draft.place_over(item.node.output(), item.node.input(0), uses)
            draft.items[position] = replace(
                item,
                kernel=_by_channel(item),
                in_place=0,
                fast=None,
                why="it runs in place, channel by channel",
            )
            is_changed = True
    return draft.finish() if is_changed else prepared


def _is_suited(item: PreparedNode) -> bool:
    p, kernel = item.kernel.params, item.kernel
    if not isinstance(p, (Params, FloatParams)) or item.is_piece:
        return False
    if not isinstance(p.geometry, depthwise_conv_2d.Geometry) or p.geometry.multiplier != 1:
        return False
    if isinstance(kernel.evaluate, (SampleBySample, Int4Filter)):
        return False
    x, out = item.node.input(0), item.node.output()
    return x.shape[0] == 1 and x.dtype == out.dtype and out.nbytes <= x.nbytes


def _dies_here(draft: Draft, position: int, uses: dict[int, Uses]) -> bool:
    """True if the op is the last to read its image, whose buffer begins with it."""
    node = draft.items[position].node
    x, out = draft.now(node.input(0)), draft.now(node.output())
    if out.part is not None or not draft.has_place(x) or not draft.has_place(out):
        return False
    used = uses[draft.root(x).index]
    if used.reads[-1] != position or used.writes[-1] >= position:
        return False
    return begins_buffer(draft, x) and len(list(activations(draft, draft.items[position]))) == 1


def _by_channel(item: PreparedNode) -> Kernel:
    kernel, x = item.kernel, item.node.input(0)
    count = kernel.params.geometry.channels
    channels = tuple(_channel(kernel.params, c) for c in range(count))
    return replace(
        kernel,
        evaluate=ChannelByChannel(kernel.evaluate, channels),
        scratch=(*kernel.scratch, x.nbytes // count),
    )


def _channel(params: Any, c: int) -> Any:
    geometry = replace(params.geometry, channels=1)
    if isinstance(params, FloatParams):
        return replace(params, geometry=geometry)
    quant = params.quant
    own = replace(quant, multiplier=quant.multiplier[c : c + 1], shift=quant.shift[c : c + 1])
    return replace(params, geometry=geometry, quant=own)

"""fold-quantize and fold-transpose: ops at the model's input that the next ops can do without.

Exporters put QUANTIZE (uint8 to int8) and TRANSPOSE (NCHW to NHWC) before the first layer. A
convolution that reads uint8 with a zero point 128 higher makes the same sums, and one that reads
the image with its axes in another order needs no copy of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tflite import TensorType

from microinterp.graph import Part, Tensor
from microinterp.kernels import transpose
from microinterp.kernels.filters import Params
from microinterp.passes.crop import windows_of
from microinterp.passes.draft import Draft, Uses, activations
from microinterp.prepare import Arrays, Prepared, PreparedNode

_FLIP = 128
"""uint8 less int8 of the same real value, where both have the same scale."""


def fold_transpose(prepared: Prepared) -> Prepared:
    """Let convolutions of a transposed model input read the input itself, in another order.

    The input may have gone through a QUANTIZE before.
    """
    draft = Draft(prepared)
    leading = {t.root.index for t in prepared.graph.main.inputs}
    uses = draft.uses()
    kept = []
    for item in draft.items:
        node = item.node
        if node.name == "QUANTIZE" and draft.root(node.input(0)).index in leading:
            leading.add(node.output().index)
        if node.name == "TRANSPOSE" and _is_folded(draft, item, leading, uses):
            x, out = draft.now(node.input(0)), node.output()
            everything = (slice(None),) * x.rank
            draft.place(out, Part(x, everything, item.kernel.params.permutation))
        else:
            kept.append(item)
    if len(kept) == len(draft.items):
        return prepared
    draft.items = kept
    return draft.finish()


def fold_quantize(prepared: Prepared) -> Prepared:
    """Let convolutions of a uint8 model input, requantised to int8, read the input itself."""
    draft = Draft(prepared)
    uses = draft.uses()
    leading = {t.root.index for t in prepared.graph.main.inputs}
    folded = []
    for position, item in enumerate(draft.items):
        node = item.node
        if node.name != "QUANTIZE" or not _is_flip(item):
            continue
        readers = _convolutions(draft, node.output(), uses)
        if readers and draft.root(node.input(0)).index in leading:
            _read_uint8(draft, item, readers)
            folded.append(position)
    if not folded:
        return prepared
    draft.items = [item for i, item in enumerate(draft.items) if i not in folded]
    return draft.finish()


def _is_folded(draft: Draft, item: PreparedNode, leading: set[int], uses: dict[int, Uses]) -> bool:
    x, out = item.node.input(0), item.node.output()
    is_leading = draft.root(x).index in leading and isinstance(item.kernel.params, transpose.Params)
    return is_leading and bool(_convolutions(draft, out, uses))


def _convolutions(draft: Draft, image: Tensor, uses: dict[int, Uses]) -> list[int]:
    """Positions of an image's readers; none if others than convolutions read it."""
    found = uses[image.index].reads if image.index in uses else []
    if not found or found[-1] == len(draft.items) or draft.now(image).part is not None:
        return []
    for position in found:
        item = draft.items[position]
        others = [number for number, _ in activations(draft, item) if number]
        if windows_of(item.kernel) is None or not isinstance(item.kernel.params, Params) or others:
            return []
    return found


def _is_flip(item: PreparedNode) -> bool:
    """True if the QUANTIZE takes 128 from each uint8 and does nothing else."""
    x, out = item.node.input(0), item.node.output()
    if (x.type_code, out.type_code) != (TensorType.UINT8, TensorType.INT8):
        return False
    every = np.arange(256, dtype=np.uint8)
    found = np.zeros(256, np.int8)
    item.kernel.evaluate(item.kernel.params, Arrays((every,), (found,)))
    return np.array_equal(found, (every ^ _FLIP).view(np.int8))


def _read_uint8(draft: Draft, quantize: PreparedNode, readers: list[int]) -> None:
    """Let the readers, and the parts that they read, see the bytes of the model's input."""
    x, out = draft.now(quantize.node.input(0)), quantize.node.output()
    draft.recast(out, x)
    draft.place(out, Part(x, (slice(None),) * x.rank))
    for position in readers:
        item = draft.items[position]
        draft.recast(item.node.input(0), x)
        p = item.kernel.params
        quant = replace(p.quant, input_zero_point=p.quant.input_zero_point + _FLIP)
        draft.items[position] = replace(
            item,
            kernel=replace(item.kernel, params=replace(p, quant=quant)),
            fast=None,
            why="its input was requantised by an op that a pass has folded",
        )

"""fold-pad: PAD goes into the windows of the convolutions behind it.

PyTorch's exporters write PAD and a VALID convolution, and the padded image is where such models
need the most memory. A convolution whose image is padded with its own zero point meets padding
anyway: one with wider padding gives the same sums.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from microinterp.graph import Tensor
from microinterp.kernels import pad
from microinterp.kernels.common import Window
from microinterp.kernels.filters import FloatParams, Params
from microinterp.passes.crop import windows_of, with_windows
from microinterp.passes.draft import Draft, Uses
from microinterp.prepare import Prepared, PreparedNode


def fold_pad(prepared: Prepared) -> Prepared:
    """Take away each PAD that all its readers can do without."""
    draft = Draft(prepared)
    uses = draft.uses()
    folded = [
        position
        for position, item in enumerate(draft.items)
        if item.node.name in ("PAD", "PADV2") and _fold(draft, item, uses)
    ]
    if not folded:
        return prepared
    draft.items = [item for i, item in enumerate(draft.items) if i not in folded]
    return draft.finish()


def _fold(draft: Draft, padding: PreparedNode, uses: dict[int, Uses]) -> bool:
    """Widen the windows of all readers, unless one of them cannot take it."""
    inside, out = _inside(padding), padding.node.output()
    found = uses.get(out.index)
    if inside is None or found is None or not found.reads:
        return False
    if found.reads[-1] == len(draft.items):
        return False
    readers = {position: draft.items[position] for position in found.reads}
    if not all(_takes(item, out, padding) for item in readers.values()):
        return False
    x = padding.node.input(0)
    for position, item in readers.items():
        windows = windows_of(item.kernel)
        assert windows is not None
        wider = (_wider(w, place) for w, place in zip(windows, inside, strict=True))
        inputs = (x, *item.node.inputs[1:])
        draft.items[position] = replace(
            item,
            node=replace(item.node, inputs=inputs),
            kernel=with_windows(item.kernel, *wider),
            fast=None,
            why="its padding was an op of its own, which a pass has folded",
        )
    return True


def _inside(padding: PreparedNode) -> tuple[slice, slice] | None:
    """Rows and columns of the image inside the padding; None where more is padded than these.

    None for a variable, too: it may change before the convolution would read it.
    """
    p, x = padding.kernel.params, padding.node.input(0)
    if not isinstance(p, pad.Params) or x.rank != 4 or x.is_constant or x.is_variable:
        return None
    out = padding.node.output()
    if (out.shape[0], out.shape[3]) != (x.shape[0], x.shape[3]):
        return None
    _, rows, columns, _ = (place for place in p.inside if isinstance(place, slice))
    return rows, columns


def _takes(item: PreparedNode, image: Tensor, padding: PreparedNode) -> bool:
    """True for a convolution of the image whose own padding is the value that PAD writes."""
    node, p = item.node, item.kernel.params
    if windows_of(item.kernel) is None or not isinstance(p, (Params, FloatParams)):
        return False
    if node.inputs[0] is not image or any(t is image for t in node.inputs[1:]):
        return False
    if isinstance(p, FloatParams):
        # Zeros that are multiplied add nothing, but for infinite weights.
        w = node.input(1)
        return _value(padding) == 0 and w.data is not None and bool(np.isfinite(w.data).all())
    return _value(padding) == p.quant.input_zero_point


def _value(padding: PreparedNode) -> float | None:
    """What PAD writes around the image, None where it is computed."""
    if len(padding.node.inputs) < 3:
        return float(padding.kernel.params.value)
    tensor = padding.node.inputs[2]
    if tensor is None or tensor.data is None:
        return None
    return float(tensor.data.reshape(-1)[0])


def _wider(window: Window, place: slice) -> Window:
    """The window over the image inside: padding before it grows, and behind it by itself."""
    return replace(window, before=window.before + place.start, length=place.stop - place.start)

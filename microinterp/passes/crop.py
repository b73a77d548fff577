"""Cuts an op down to a rectangle of its output: which pixels of its inputs that takes, and how.

The sums of a convolution do not depend on where its image was cut, as long as the border of the
real image stays the border: where a window leaves it, padding is met; where it leaves only the
piece, the piece must be larger. Padding is that of the whole layer (MCUNetV2, arXiv 2110.15352).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from microinterp.kernels import conv_2d, depthwise_conv_2d, pool_2d
from microinterp.kernels.broadcast import Broadcast
from microinterp.kernels.common import Window
from microinterp.kernels.filters import FloatParams, Params, SampleBySample
from microinterp.prepare import Kernel, PreparedNode


@dataclass(frozen=True, slots=True)
class Span:
    """Pixels start to stop - 1 of one axis."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """Number of pixels."""
        return self.stop - self.start

    def around(self, other: Span) -> Span:
        """The least span that holds both."""
        return Span(min(self.start, other.start), max(self.stop, other.stop))

    def as_slice(self) -> slice:
        """For NumPy."""
        return slice(self.start, self.stop)


@dataclass(frozen=True, slots=True)
class Box:
    """Rows and columns of an image [batches, rows, columns, channels]."""

    rows: Span
    columns: Span

    def around(self, other: Box) -> Box:
        """The least box that holds both."""
        return Box(self.rows.around(other.rows), self.columns.around(other.columns))

    def shape(self, whole: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of this box of an image of shape `whole`."""
        return whole[0], self.rows.length, self.columns.length, whole[3]

    def index(self) -> tuple[slice, ...]:
        """For NumPy, on [batches, rows, columns, channels]."""
        return slice(None), self.rows.as_slice(), self.columns.as_slice(), slice(None)


def whole_box(shape: tuple[int, ...]) -> Box:
    """All of an image."""
    return Box(Span(0, shape[1]), Span(0, shape[2]))


def met(window: Window, span: Span) -> Span:
    """The input pixels that output pixels `span` meet; empty where they meet padding alone.

    All outputs count as meeting all inputs, also those that no window reaches: whole rows stay
    whole rows, whose bytes lie side by side.
    """
    if (span.start, span.stop) == (0, window.outputs):
        return Span(0, window.length)
    start = span.start * window.stride - window.before
    reach = (window.size - 1) * window.dilation + 1
    stop = (span.stop - 1) * window.stride - window.before + reach
    start = min(max(0, start), window.length)
    return Span(start, max(start, min(stop, window.length)))


def cut(window: Window, span: Span) -> Window:
    """The window of output pixels `span` alone, over the input pixels that they meet."""
    seen = met(window, span)
    before = seen.start - (span.start * window.stride - window.before)
    return replace(window, before=before, length=seen.length, outputs=span.length)


def windows_of(kernel: Kernel) -> tuple[Window, Window] | None:
    """Height and width windows of a convolution or pool, None for other kernels."""
    p = kernel.params
    if isinstance(p, pool_2d.Params):
        return p.height, p.width
    if isinstance(p, (Params, FloatParams)) and isinstance(
        p.geometry, (conv_2d.Geometry, depthwise_conv_2d.Geometry)
    ):
        return p.geometry.height, p.geometry.width
    return None


def with_windows(kernel: Kernel, height: Window, width: Window) -> Kernel:
    """The same kernel with other windows."""
    p = kernel.params
    if isinstance(p, pool_2d.Params):
        return replace(kernel, params=replace(p, height=height, width=width))
    geometry = replace(p.geometry, height=height, width=width)
    return replace(kernel, params=replace(p, geometry=geometry))


ELEMENTWISE = frozenset(
    {
        "ABS",
        "ADD",
        "DEQUANTIZE",
        "ELU",
        "HARD_SWISH",
        "LEAKY_RELU",
        "LOGISTIC",
        "MAXIMUM",
        "MINIMUM",
        "MUL",
        "NEG",
        "QUANTIZE",
        "RELU",
        "RELU6",
        "SQUARED_DIFFERENCE",
        "SUB",
        "TANH",
    }
)
"""Operators that make each element of the output of the same one of the inputs, or a constant."""


def box_needed(item: PreparedNode, position: int, box: Box) -> Box:
    """The pixels of input `position` that pixels `box` of the output are made of."""
    windows = windows_of(item.kernel)
    if windows is None:
        return box
    height, width = windows
    return Box(met(height, box.rows), met(width, box.columns))


def is_croppable(item: PreparedNode) -> bool:
    """True if pieces of the output can be computed by themselves, from pieces of the inputs.

    Not of a variable: others see it change as a whole.
    """
    node, kernel = item.node, item.kernel
    if len(node.outputs) != 1 or kernel.state or kernel.subgraphs or node.output().rank != 4:
        return False
    if node.output().is_variable:
        return False
    computed = [t for t in node.inputs if t is not None and not t.is_constant]
    if windows_of(kernel) is not None:
        return computed == [node.inputs[0]] and not isinstance(kernel.evaluate, SampleBySample)
    return node.name in ELEMENTWISE and not kernel.scratch and _is_pixelwise(item)


def _is_pixelwise(item: PreparedNode) -> bool:
    """Computed inputs have the output's shape, constants say nothing of rows and columns."""
    out = item.node.output()
    for tensor in item.node.inputs:
        if tensor is None:
            return False
        if not tensor.is_constant and tensor.shape != out.shape:
            return False
        if tensor.is_constant and any(size != 1 for size in tensor.shape[:-1]):
            return False
    return True


def cropped(item: PreparedNode, box: Box) -> Kernel:
    """The kernel that computes `box` of the output from the boxes that it needs of the inputs."""
    windows = windows_of(item.kernel)
    if windows is not None:
        height, width = windows
        return with_windows(item.kernel, cut(height, box.rows), cut(width, box.columns))
    out = item.node.output()
    return replace(
        item.kernel, params=_reshaped(item.kernel.params, out.shape, box.shape(out.shape))
    )


def _reshaped(params: Any, before: tuple[int, ...], after: tuple[int, ...]) -> Any:
    """Operands that broadcast keep the shape of a piece in mind instead of the whole one's."""
    if isinstance(params, Broadcast):
        first, second = (after if shape == before else shape for shape in params.shapes)
        return replace(params, shapes=(first, second))
    operands = getattr(params, "operands", None)
    if operands is None:
        return params
    return replace(params, operands=_reshaped(operands, before, after))

"""The steps of a packed model as tuples: their codes, and their arguments in the file's order.

What each one means is told in schemas/steps.md, with the names that are used here. A `ref` is a
byte of the arena, or, where it is negative, byte ~ref of the weights. Multipliers take three
arguments: hi, lo, shift. Those with a default, which are 0 where the file leaves them out: the
`order` of pixels, 0 from the first on, 1 from the last on; `wide` and `patch` are of Thumb tiers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias


class Copy(NamedTuple):
    """dst[:nbytes] = x[:nbytes]."""

    x: int
    dst: int
    nbytes: int


class Move(NamedTuple):
    """Copies elements of `esize` bytes along five dimensions, each with a stride per side."""

    x: int
    dst: int
    esize: int
    n0: int
    n1: int
    n2: int
    n3: int
    n4: int
    ss0: int
    ss1: int
    ss2: int
    ss3: int
    ss4: int
    ds0: int
    ds1: int
    ds2: int
    ds3: int
    ds4: int

    @property
    def counts(self) -> tuple[int, ...]:
        """Elements along each dimension."""
        return self[3:8]

    @property
    def source_strides(self) -> tuple[int, ...]:
        """Bytes from one element of x to the next."""
        return self[8:13]

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes from one element of dst to the next."""
        return self[13:18]


class Fill(NamedTuple):
    """`elements` times `esize` bytes become `value`."""

    dst: int
    elements: int
    esize: int
    value: int


class Lut(NamedTuple):
    """dst[i] = table[x[i] & 255] for n bytes."""

    x: int
    dst: int
    n: int
    table: int


class Conv(NamedTuple):
    """CONV_2D, grouped or not, and FULLY_CONNECTED."""

    x: int
    w: int
    channels: int
    dst: int
    batches: int
    ih: int
    iw: int
    ic: int
    oh: int
    ow: int
    oc: int
    kh: int
    kw: int
    sh: int
    sw: int
    dh: int
    dw: int
    pt: int
    pl: int
    groups: int
    zx: int
    zo: int
    lo: int
    hi: int
    patch: int
    order: int = 0
    wide: int = 0

    @property
    def taps(self) -> int:
        """Taps of one filter."""
        return self.kh * self.kw * (self.ic // self.groups)


class Depthwise(NamedTuple):
    """DEPTHWISE_CONV_2D."""

    x: int
    w: int
    channels: int
    dst: int
    batches: int
    ih: int
    iw: int
    ic: int
    oh: int
    ow: int
    oc: int
    kh: int
    kw: int
    sh: int
    sw: int
    dh: int
    dw: int
    pt: int
    pl: int
    multiplier: int
    zx: int
    zo: int
    lo: int
    hi: int
    order: int = 0
    wide: int = 0
    patch: int = 0


class AveragePool(NamedTuple):
    """AVERAGE_POOL_2D."""

    x: int
    dst: int
    batches: int
    ih: int
    iw: int
    c: int
    oh: int
    ow: int
    kh: int
    kw: int
    sh: int
    sw: int
    pt: int
    pl: int
    lo: int
    hi: int
    order: int = 0


class MaxPool(NamedTuple):
    """MAX_POOL_2D."""

    x: int
    dst: int
    batches: int
    ih: int
    iw: int
    c: int
    oh: int
    ow: int
    kh: int
    kw: int
    sh: int
    sw: int
    pt: int
    pl: int
    lo: int
    hi: int
    order: int = 0


class Mean(NamedTuple):
    """MEAN and SUM over the middle one of three dimensions."""

    x: int
    dst: int
    outer: int
    reduce: int
    inner: int
    zn: int
    m_hi: int
    m_lo: int
    shift: int
    zo: int


class Add(NamedTuple):
    """ADD; operands shorter than dst are repeated."""

    a: int
    na: int
    b: int
    nb: int
    dst: int
    n: int
    left_shift: int
    za: int
    zb: int
    a_hi: int
    a_lo: int
    a_shift: int
    b_hi: int
    b_lo: int
    b_shift: int
    o_hi: int
    o_lo: int
    o_shift: int
    zo: int
    lo: int
    hi: int


class Mul(NamedTuple):
    """MUL; operands shorter than dst are repeated."""

    a: int
    na: int
    b: int
    nb: int
    dst: int
    n: int
    za: int
    zb: int
    m_hi: int
    m_lo: int
    shift: int
    zo: int
    lo: int
    hi: int


class Softmax(NamedTuple):
    """SOFTMAX of int8."""

    x: int
    dst: int
    rows: int
    depth: int
    exp: int


class Dequantize(NamedTuple):
    """DEQUANTIZE to float32."""

    x: int
    dst: int
    n: int
    esize: int
    unsigned: int
    zero_point: int
    scale: int


class CallOnce(NamedTuple):
    """CALL_ONCE."""

    subgraph: int
    flag: int


class DepthwiseInPlace(NamedTuple):
    """DEPTHWISE_CONV_2D of one channel after the other, over its input."""

    x: int
    w: int
    channels: int
    scratch: int
    batches: int
    ih: int
    iw: int
    ic: int
    oh: int
    ow: int
    oc: int
    kh: int
    kw: int
    sh: int
    sw: int
    dh: int
    dw: int
    pt: int
    pl: int
    multiplier: int
    zx: int
    zo: int
    lo: int
    hi: int
    wide: int = 0
    patch: int = 0


Step: TypeAlias = (
    Copy
    | Move
    | Fill
    | Lut
    | Conv
    | Depthwise
    | AveragePool
    | MaxPool
    | Mean
    | Add
    | Mul
    | Softmax
    | Dequantize
    | CallOnce
    | DepthwiseInPlace
)

STEP_TYPES: Mapping[int, type[Step]] = MappingProxyType(
    dict(
        enumerate(
            (
                Copy,
                Move,
                Fill,
                Lut,
                Conv,
                Depthwise,
                AveragePool,
                MaxPool,
                Mean,
                Add,
                Mul,
                Softmax,
                Dequantize,
                CallOnce,
                DepthwiseInPlace,
            ),
            start=1,
        )
    )
)
"""Code in the file -> what its arguments are."""
OrderedStep: TypeAlias = Conv | Depthwise | AveragePool | MaxPool
"""Steps that go over pixels in either order."""
CODES: Mapping[type[Step], int] = MappingProxyType({kind: n for n, kind in STEP_TYPES.items()})

MAX_MEAN_SUM = 1 << 29
MAX_MUL_SHIFT = 13
MAX_SOFTMAX_DEPTH = 2047
MAX_NUMBER = 1 << 29
"""Arguments, sizes and positions that windows reach stay below."""
MAX_WORK = 1 << 28
"""Units of work of one invoke."""


def arguments(step: Step) -> tuple[int, ...]:
    """What a file has of a step: the last arguments are left out where they are 0 and may be."""
    values, least = tuple(step), len(step) - len(step._field_defaults)
    while len(values) > least and not values[-1]:
        values = values[:-1]
    return values


def step_of(kind: type[Step], values: Sequence[int]) -> Step | None:
    """The step with these arguments, None where there are too few or too many."""
    most = len(kind._fields)
    if not most - len(kind._field_defaults) <= len(values) <= most:
        return None
    return kind(*values)


def split(multiplier: int) -> tuple[int, int]:
    """hi and lo of a multiplier of 31 bits: multiplier = hi << 15 | lo."""
    return multiplier >> 15, multiplier & 0x7FFF

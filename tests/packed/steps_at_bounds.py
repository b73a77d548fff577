"""What the tests of step checks share: a step's outcome in a memory, refusals, sound steps."""

from __future__ import annotations

from microinterp.packed import steps as s
from microinterp.packed.check import Memory, StepError, check_step
from microinterp.packed.steps import MAX_NUMBER, Step

MOST = 536870911
"""The greatest argument: 2^29 - 1."""
LARGE = Memory(MAX_NUMBER, bytes(8192))
"""An arena that no step of these tests leaves."""


def outcome(step: Step, memory: Memory = LARGE) -> int | str:
    """Its units of work, or why it is refused."""
    try:
        return check_step(step, memory)
    except StepError as error:
        return str(error)


def wanted(name: str, value: int, low: int, high: int) -> str:
    """The refusal of a number that is out of its range."""
    return f"{name} is {value}, wanted {low} to {high}"


def outside(what: str, start: int, nbytes: int, size: int, place: str = "the arena") -> str:
    """The refusal of a place."""
    return f"{what} at {start} to {start + nbytes} is outside of {place}, {size} bytes"


CONV = s.Conv(
    x=0,
    w=~0,
    channels=~4096,
    dst=1000,
    batches=2,
    ih=5,
    iw=7,
    ic=6,
    oh=3,
    ow=4,
    oc=10,
    kh=3,
    kw=2,
    sh=2,
    sw=2,
    dh=1,
    dw=3,
    pt=1,
    pl=0,
    groups=2,
    zx=-7,
    zo=9,
    lo=-100,
    hi=110,
    patch=2000,
)
"""18 taps of 3 channels, 2 groups of 5 output channels; x has 420 bytes, dst 240."""
DEPTHWISE = s.Depthwise(*CONV[:19], 1, *CONV[20:24])._replace(oc=6)
"""6 taps; x has 420 bytes, dst 144."""
IN_PLACE = s.DepthwiseInPlace(0, ~0, ~4096, 3000, *DEPTHWISE[4:24])._replace(batches=1)
"""x has 210 bytes, dst 72 of them."""
POOL = s.MaxPool(
    x=0,
    dst=500,
    batches=2,
    ih=5,
    iw=7,
    c=6,
    oh=3,
    ow=4,
    kh=3,
    kw=2,
    sh=2,
    sw=2,
    pt=1,
    pl=0,
    lo=-100,
    hi=110,
)
"""x has 420 bytes, dst 144."""
MEAN = s.Mean(x=0, dst=500, outer=3, reduce=5, inner=7, zn=11, m_hi=1, m_lo=2, shift=-3, zo=4)
ADD = s.Add(
    a=0,
    na=30,
    b=40,
    nb=50,
    dst=100,
    n=60,
    left_shift=20,
    za=1,
    zb=2,
    a_hi=3,
    a_lo=4,
    a_shift=-5,
    b_hi=6,
    b_lo=7,
    b_shift=-8,
    o_hi=9,
    o_lo=10,
    o_shift=-11,
    zo=12,
    lo=-13,
    hi=14,
)
MUL = s.Mul(0, 30, 40, 50, 100, 60, 1, 2, 3, 4, 5, 6, -13, 14)

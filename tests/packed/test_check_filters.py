"""The checks of CONV and both DEPTHWISE in each tier: places to the byte, tables, and the work."""

from __future__ import annotations

from typing import Any

import pytest

from microinterp.packed.check import Memory
from microinterp.packed.steps import MAX_NUMBER
from microinterp.packed.tiers import TIERS
from tests.packed.steps_at_bounds import (
    CONV,
    DEPTHWISE,
    IN_PLACE,
    LARGE,
    MOST,
    outcome,
    outside,
    wanted,
)

THUMB = TIERS[1:]
SHORT, LONG = TIERS[:2], TIERS[2:]
"""Tiers whose channel tables have 12 bytes to an entry, and 16."""
MEMORIES: dict[str, Memory] = {tier: Memory(MAX_NUMBER, bytes(8192), tier) for tier in TIERS}
ENTRY = {"portable": 12, "armv6m": 12, "armv7m": 16, "armv7em": 16}
W_BYTES = {"portable": 10 * 24, "armv6m": 16 * 24, "armv7m": 12 * 20, "armv7em": 12 * 20}
"""Of CONV: twice 5 channels padded to 1, 4, 2 and 2; 18 taps padded to 8, 8, 4 and 4."""
TABLE_BYTES = {"portable": 10 * 12, "armv6m": 16 * 12, "armv7m": 12 * 16, "armv7em": 12 * 16}
PATCH = {"portable": 24, "armv6m": 4 * 24, "armv7m": 2 * 20, "armv7em": 4 * 20}
CONV_WORK = {"portable": 24 * 24 * 12, "armv6m": 24 * 24 * 12, "armv7m": 24 * 20 * 12}
CONV_WORK["armv7em"] = CONV_WORK["armv7m"]
DEPTHWISE_WORK = 2 * 3 * 4 * 6 * 7
IN_PLACE_WORK = 3 * 4 * 6 * 7 + 5 * 7 * 6


@pytest.mark.parametrize("step", [CONV, DEPTHWISE, IN_PLACE], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        *((name, 1, MOST) for name in ("ic", "oc", "dh", "dw", "batches", "ih", "iw", "oh", "ow")),
        *((name, 1, MOST) for name in ("kh", "kw", "sh", "sw")),
        *((name, 0, MOST) for name in ("pt", "pl")),
        *((name, -128, 127) for name in ("zx", "zo", "lo", "hi")),
    ],
)
def test_ranges(step: Any, name: str, low: int, high: int) -> None:
    """Both ends are taken: what else they break, if anything, is told in other words."""
    for value in (low - 1, high + 1):
        changes = {name: value}
        if name in ("ic", "oc"):
            changes = {"ic": value, "oc": value}  # one is the other's multiple
            told = outcome(step._replace(**changes, **({"groups": 1} if step is CONV else {})))
            assert told == wanted("ic", value, low, high)
        else:
            assert outcome(step._replace(**changes)) == wanted(name, value, low, high)
    for value in (low, high):
        told = outcome(step._replace(**{name: value}))
        assert isinstance(told, int) or not told.startswith(f"{name} is {value}, wanted {low} ")


def test_lo_up_to_hi() -> None:
    for step in (CONV, DEPTHWISE, IN_PLACE):
        assert isinstance(outcome(step._replace(lo=7, hi=7)), int)
        assert outcome(step._replace(lo=8, hi=7)) == "lo is 8, hi 7, wanted lo up to hi"


@pytest.mark.parametrize("step", [CONV, DEPTHWISE], ids=lambda s: type(s).__name__)
def test_order(step: Any) -> None:
    assert isinstance(outcome(step._replace(batches=1, order=1)), int)
    assert outcome(step._replace(order=1)) == "order is 1 for 2 batches, wanted one"
    for value in (-1, 2):
        told = outcome(step._replace(batches=1, order=value))
        assert told == wanted("order", value, 0, 1)


def test_groups() -> None:
    """They divide the channels of input and output, 6 and 10."""
    assert isinstance(outcome(CONV._replace(groups=1)), int)
    for groups in (3, 4, 5, 6, 10):
        told = outcome(CONV._replace(groups=groups))
        assert told == f"{groups} groups do not divide 6 input and 10 output channels"
    assert outcome(CONV._replace(groups=0)) == wanted("groups", 0, 1, MOST)


@pytest.mark.parametrize("tier", TIERS)
def test_conv_touches_its_places(tier: str) -> None:
    memory = MEMORIES[tier]
    assert outcome(CONV, memory) == CONV_WORK[tier]
    at_ends(CONV, tier, {"x": 420, "dst": 240, "patch": PATCH[tier]}, CONV_WORK[tier])
    constants_at_ends(CONV, tier, {"w": W_BYTES[tier], "channels": TABLE_BYTES[tier]})


@pytest.mark.parametrize("tier", TIERS)
def test_depthwise_touches_its_places(tier: str) -> None:
    step = DEPTHWISE._replace(patch=0 if tier == "portable" else 2000)
    places = {"x": 420, "dst": 144}
    if tier != "portable":
        places["patch"] = 6 * 4 + 8  # an address per tap, 6 channels rounded up to 4
    at_ends(step, tier, places, DEPTHWISE_WORK)
    constants_at_ends(step, tier, {"w": 36, "channels": 6 * ENTRY[tier]})


@pytest.mark.parametrize("tier", TIERS)
def test_depthwise_in_place_touches_its_places(tier: str) -> None:
    step = IN_PLACE._replace(patch=0 if tier == "portable" else 2000)
    places = {"x": 210, "scratch": 35}
    if tier != "portable":
        places["patch"] = 6 * 4 + 4  # one channel at once
    at_ends(step, tier, places, IN_PLACE_WORK)
    constants_at_ends(step, tier, {"w": 36, "channels": 6 * ENTRY[tier]})


def at_ends(step: Any, tier: str, places: dict[str, int], work: int) -> None:
    """Each may end where the arena ends, and not behind it."""
    size = 4000
    memory = Memory(size, bytes(8192), tier)
    assert outcome(step, memory) == work
    for name, nbytes in places.items():
        last = size - nbytes
        assert outcome(step._replace(**{name: last}), memory) == work
        told = outcome(step._replace(**{name: last + 1}), memory)
        assert told == outside(name, last + 1, nbytes, size)


def constants_at_ends(step: Any, tier: str, places: dict[str, int]) -> None:
    """Each may end where the weights end, and not behind them; it is aligned, and none in RAM."""
    for name, nbytes in places.items():
        memory = Memory(4000, bytes(4096 + nbytes), tier)
        changes = {"w": ~0, "channels": ~0, name: ~4096}
        assert isinstance(outcome(step._replace(**changes), memory), int)
        for size in (4096 + nbytes - 1, 4096):
            told = outcome(step._replace(**changes), Memory(4000, bytes(size), tier))
            assert told == outside(name, 4096, nbytes, size, "weights")
        told = outcome(step._replace(**{name: ~4094}), memory)
        assert told == f"{name} at 4094 is not aligned to 4"
        assert outcome(step._replace(**{name: 8}), memory) == f"{name} is not in the weights"


SHIFTS = "a shift in the channel table is out of range: wanted up to 30 left or 31 right, not both"
MULTIPLIERS = "a multiplier in the channel table is out of range: wanted below 2^31"


@pytest.mark.parametrize("step", [CONV, DEPTHWISE, IN_PLACE], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("tier", TIERS)
def test_channel_tables(step: Any, tier: str) -> None:
    """left, right and the multiplier's highest byte, in the second entry."""
    places = (8, 9) if tier in SHORT else (13, 12)
    step = step._replace(patch=0 if tier == "portable" and step is not CONV else 2000)
    for left, right, top, text in (
        (0, 0, 127, ""),
        (30, 0, 0, ""),
        (0, 31, 0, ""),
        (31, 0, 0, SHIFTS),
        (0, 32, 0, SHIFTS),
        (1, 1, 0, SHIFTS),
        (30, 1, 0, SHIFTS),
        (1, 31, 0, SHIFTS),
        (255, 0, 0, SHIFTS),
        (0, 255, 0, SHIFTS),
        (0, 0, 128, MULTIPLIERS),
        (0, 5, 255, MULTIPLIERS),
    ):
        weights = bytearray(8192)
        second = 4096 + ENTRY[tier]
        weights[second + places[0]], weights[second + places[1]] = left, right
        weights[second + 7] = top
        told = outcome(step, Memory(4000, weights, tier))
        assert told == text if text else isinstance(told, int), (left, right, top)


@pytest.mark.parametrize("step", [CONV, DEPTHWISE, IN_PLACE], ids=lambda s: type(s).__name__)
def test_wide(step: Any) -> None:
    """Only tiers with long entries have a shorter way to requantise."""
    step = step._replace(patch=2000)
    for tier in LONG:
        assert isinstance(outcome(step._replace(wide=1), MEMORIES[tier]), int)
        assert outcome(step._replace(wide=2), MEMORIES[tier]) == wanted("wide", 2, 0, 1)
        assert outcome(step._replace(wide=-1), MEMORIES[tier]) == wanted("wide", -1, 0, 1)
    step = step._replace(patch=0 if step is not CONV else 2000)
    assert outcome(step._replace(wide=1)) == wanted("wide", 1, 0, 0)


def test_wide_and_patch_of_a_step_in_place_are_not_its_order() -> None:
    step = IN_PLACE._replace(wide=1, patch=2004)
    assert outcome(step, MEMORIES["armv7m"]) == IN_PLACE_WORK
    assert outcome(step, MEMORIES["armv6m"]) == wanted("wide", 1, 0, 0)


@pytest.mark.parametrize("step", [CONV, DEPTHWISE, IN_PLACE], ids=lambda s: type(s).__name__)
def test_patches_of_thumb_tiers_are_aligned(step: Any) -> None:
    for tier in THUMB:
        for place in range(2000, 2009):
            told = outcome(step._replace(patch=place), MEMORIES[tier])
            if place % 4:
                assert told == f"patch at {place} is not aligned to 4"
            else:
                assert isinstance(told, int)
    if step is CONV:
        assert isinstance(outcome(step._replace(patch=2001)), int)
    else:
        told = outcome(step._replace(patch=2000))
        assert told == "patch is 2000, wanted 0: only Thumb tiers have one"
        told = outcome(step._replace(patch=-4))
        assert told == "patch is -4, wanted 0: only Thumb tiers have one"


@pytest.mark.parametrize("tier", THUMB)
def test_addresses_are_not_under_dst(tier: str) -> None:
    """144 bytes of dst, 24 of addresses."""
    for patch, dst, is_good in (
        (1144, 1000, True),
        (1140, 1000, False),
        (976, 1000, True),
        (980, 1000, False),
        (1000, 1000, False),
        (1000, 1024, True),
        (1000, 1023, False),
        (1000, 856, True),
        (1000, 857, False),
    ):
        told = outcome(DEPTHWISE._replace(patch=patch, dst=dst), MEMORIES[tier])
        text = f"patch at {patch} to {patch + 24} is under dst at {dst} to {dst + 144}"
        assert told == (DEPTHWISE_WORK if is_good else text)


def test_addresses_are_not_under_what_is_computed_in_place() -> None:
    """The output has 72 bytes of x's 210; those behind it may be written over."""
    memory = MEMORIES["armv7em"]
    for patch, is_good in ((672, True), (668, False), (576, True), (580, False)):
        told = outcome(IN_PLACE._replace(x=600, patch=patch), memory)
        text = f"patch at {patch} to {patch + 24} is under dst at 600 to 672"
        assert told == (IN_PLACE_WORK if is_good else text)


@pytest.mark.parametrize(("ic", "multiplier", "oc"), [(6, 1, 6), (6, 3, 18), (2, 3, 6)])
def test_outputs_per_channel(ic: int, multiplier: int, oc: int) -> None:
    step = DEPTHWISE._replace(ic=ic, multiplier=multiplier, oc=oc)
    assert outcome(step) == 24 * oc * 7
    for changes in ({"oc": oc + 1}, {"oc": oc - 1}, {"ic": ic + 1}, {"multiplier": 4}):
        assert outcome(step._replace(**changes)) == "oc is not ic * multiplier"
    assert outcome(step._replace(multiplier=0)) == wanted("multiplier", 0, 1, MOST)


def test_in_place_is_one_image_with_one_output_per_channel() -> None:
    text = "batches and multiplier are not 1"
    assert outcome(IN_PLACE) == IN_PLACE_WORK
    assert outcome(IN_PLACE._replace(batches=2)) == text
    assert outcome(IN_PLACE._replace(ic=3, multiplier=2)) == text


def test_in_place_gives_no_more_pixels_than_it_takes() -> None:
    """3 * 4 = 12 of them."""
    larger = "the output is larger than the input"
    for ih, iw, text in ((3, 4, ""), (2, 6, ""), (12, 1, ""), (11, 1, larger), (5, 2, larger)):
        told = outcome(IN_PLACE._replace(ih=ih, iw=iw))
        assert told == (text or 72 * 7 + 12 * 6)


REACH = "windows reach pixel {}, wanted below 536870912"


@pytest.mark.parametrize("step", [CONV, DEPTHWISE], ids=lambda s: type(s).__name__)
def test_windows_reach_below_2_29(step: Any) -> None:
    """Down (oh - 1) sh + (kh - 1) dh + pt + ih; across the same with other letters."""
    down = step._replace(oh=3, sh=70_000_000, kh=3, dh=180_000_000, pt=36_870_000, ih=911)
    down = down._replace(ow=1, iw=1)
    assert isinstance(outcome(down), int)  # reaches the last one, 536870911
    assert outcome(down._replace(pt=down.pt + 1)) == REACH.format(536870912)
    assert outcome(down._replace(ih=912)) == REACH.format(536870912)
    assert outcome(down._replace(sh=70_000_001)) == REACH.format(536870913)
    assert outcome(down._replace(dh=180_000_003)) == REACH.format(536870917)
    across = step._replace(ow=5, sw=70_000_000, kw=2, dw=210_000_000, pl=46_870_000, iw=911)
    across = across._replace(oh=1, ih=1)
    assert isinstance(outcome(across), int)
    assert outcome(across._replace(pl=across.pl + 1)) == REACH.format(536870912)
    assert outcome(across._replace(iw=912)) == REACH.format(536870912)
    assert outcome(across._replace(sw=70_000_001)) == REACH.format(536870915)
    assert outcome(across._replace(dw=210_000_003)) == REACH.format(536870914)
    both = across._replace(iw=912, pt=MOST)
    assert outcome(both) == REACH.format(MOST + 1 + (both.kh - 1) * both.dh)


def test_what_is_read_may_be_a_constant() -> None:
    step: Any
    for step in (CONV, DEPTHWISE):
        assert isinstance(outcome(step._replace(x=~7772)), int)
        told = outcome(step._replace(x=~7773))
        assert told == outside("x", 7773, 420, 8192, "weights")
    assert outcome(IN_PLACE._replace(x=~0)) == outside("dst", -1, 72, LARGE.arena_bytes)

"""Layouts of filters byte by byte as schemas/steps.md tells, sizes, and filters at their limits."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from microinterp.packed.tiers import ADDRESS_BYTES, TIERS, Filters, layout_of, up

SHORT, LONG = TIERS[:2], TIERS[2:]
"""Tiers with 12 bytes to a channel, and with 16."""
CHANNELS = {"portable": 1, "armv6m": 4, "armv7m": 2, "armv7em": 2}
TAPS = {"portable": 8, "armv6m": 8, "armv7m": 4, "armv7em": 4}
PATCH = {"portable": 1, "armv6m": 4, "armv7m": 2, "armv7em": 4}
Rows = Sequence[Sequence[int]]


def made(
    w: Rows,
    bias: Sequence[int],
    multiplier: Sequence[int],
    shift: Sequence[int],
    zx: int = 0,
    zo: int = 0,
) -> Filters:
    arrays = [np.array(each, np.int64) for each in (w, bias, multiplier, shift)]
    return Filters(arrays[0], arrays[1], arrays[2], arrays[3], zx, zo)


def random_filters(oc: int, taps: int, seed: str) -> Filters:
    rng = random.Random(seed)
    return made(
        [[rng.randint(-128, 127) for _ in range(taps)] for _ in range(oc)],
        [rng.randint(-(1 << 20), 1 << 20) for _ in range(oc)],
        [rng.randint(1 << 30, (1 << 31) - 1) for _ in range(oc)],
        [rng.choice((-31, -22, -9, -1, 0, 1, 30)) for _ in range(oc)],
        rng.randint(-128, 127),
        rng.choice((-128, -1, 0, 77, 127)),
    )


def as_bytes(values: Iterable[int]) -> bytes:
    return bytes(value % 256 for value in values)


def conv_w(tier: str, w: Rows, groups: int) -> bytes:
    """w of a CONV, one byte after the other."""
    unit, length = CHANNELS[tier], -(-len(w[0]) // TAPS[tier]) * TAPS[tier]
    offset, per_group, found = 128 if tier in SHORT else 0, len(w) // groups, []
    for group in range(groups):
        rows = [[value + offset for value in row] for row in w[group * per_group :][:per_group]]
        rows = [[*row, *[0] * (length - len(row))] for row in rows]
        rows += [[0] * length] * (-per_group % unit)
        for start in range(0, len(rows), unit):
            block = rows[start : start + unit]
            if tier == "armv7em":
                for tap in range(0, length, 4):
                    found += [row[tap + k] for row in block for k in (0, 2, 1, 3)]
            else:
                found += [row[tap] for tap in range(length) for row in block]
    return as_bytes(found)


def entry(tier: str, filters: Filters, channel: int, bias: int) -> bytes:
    """A channel's numbers in the table."""
    m, shift = int(filters.multiplier[channel]), int(filters.shift[channel])
    left, right = max(shift, 0), max(-shift, 0)
    if tier in SHORT:
        return struct.pack("<iHHBBH", bias, m >> 15, m % 32768, left, right, 0)
    half = 0 if right == 0 else 1 << (right - 1)
    rounding = (filters.zo * (1 << right) + half + (1 << 31)) % (1 << 32) - (1 << 31)
    return struct.pack("<iiiBBH", bias, m, rounding, right, left, 0)


def folded(filters: Filters, channel: int) -> int:
    """The bias with the zero point of x, whatever else is offset."""
    total: int = filters.zx * sum(filters.w[channel].tolist())
    return int(filters.bias[channel]) - total


def conv_table(tier: str, filters: Filters, groups: int) -> bytes:
    oc, taps = filters.w.shape
    per_group, found = oc // groups, b""
    for channel in range(oc):
        bias = folded(filters, channel)
        if tier in SHORT:  # the schema's sum, of offset weights
            offset = sum(value + 128 for value in filters.w[channel].tolist())
            reach = 128 + filters.zx
            bias = int(filters.bias[channel]) - reach * offset + 128 * reach * taps
        found += entry(tier, filters, channel, bias)
        if (channel + 1) % per_group == 0:
            found += bytes((-per_group % CHANNELS[tier]) * (12 if tier in SHORT else 16))
    return found


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("oc", "groups", "taps"),
    [(1, 1, 1), (3, 1, 5), (8, 1, 8), (9, 3, 9), (10, 2, 17), (4, 4, 4), (6, 2, 24)],
)
def test_conv(tier: str, oc: int, groups: int, taps: int) -> None:
    layout, filters = layout_of(tier), random_filters(oc, taps, f"{oc} {taps}")
    w, table = layout.conv(filters, groups)
    assert w.tobytes() == conv_w(tier, filters.w.tolist(), groups)
    assert table.tobytes() == conv_table(tier, filters, groups)
    assert len(w.tobytes()) == layout.conv_bytes(oc, groups, taps)
    read = layout.read_conv(w.reshape(-1), table.reshape(-1), groups, oc, taps, filters.zx)
    check_read(read, filters)


def check_read(read: Filters, filters: Filters) -> None:
    """All is back but the zero point of the output."""
    for name in ("w", "bias", "multiplier", "shift"):
        assert getattr(read, name).tolist() == getattr(filters, name).tolist()
    assert (read.zx, read.zo) == (filters.zx, 0)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize(("oc", "taps"), [(2, 1), (4, 6), (8, 3), (10, 9), (6, 4)])
def test_depthwise(tier: str, multiplier: int, oc: int, taps: int) -> None:
    layout, filters = layout_of(tier), random_filters(oc, taps, f"{oc} {taps}")
    rows = filters.w.tolist()
    whole = oc // 4 * 4 if multiplier == 1 else 0
    if tier in SHORT:
        offset = 128 if tier == "portable" else 0
        values = [row[tap] + offset for tap in range(taps) for row in rows]
    else:
        values = []
        for start in range(0, whole, 4):
            values += [row[tap] for tap in range(taps) for row in rows[start : start + 4]]
        values += [value for row in rows[whole:] for value in row]
    w, table = layout.depthwise(filters, multiplier)
    assert w.tobytes() == as_bytes(values)
    check_table(tier, filters, table)
    flat = w.reshape(-1), table.reshape(-1)
    check_read(layout.read_depthwise(*flat, multiplier, filters.zx), filters)
    w, table = layout.depthwise_in_place(filters)
    offset = 128 if tier == "portable" else 0
    assert w.tobytes() == as_bytes(value + offset for row in rows for value in row)
    check_table(tier, filters, table)
    flat = w.reshape(-1), table.reshape(-1)
    check_read(layout.read_depthwise_in_place(*flat, filters.zx), filters)


def check_table(tier: str, filters: Filters, table: Any) -> None:
    """Of a DEPTHWISE: the bias is the op's own in the portable tier."""
    own = tier == "portable"
    entries = b"".join(
        entry(tier, filters, c, int(filters.bias[c]) if own else folded(filters, c))
        for c in range(len(filters.w))
    )
    assert table.tobytes() == entries


@pytest.mark.parametrize(
    ("count", "unit", "wanted"),
    [(0, 4, 0), (1, 4, 4), (4, 4, 4), (5, 4, 8), (9, 8, 16), (7, 1, 7), (300, 7, 301)],
)
def test_up(count: int, unit: int, wanted: int) -> None:
    assert up(count, unit) == wanted


@pytest.mark.parametrize("tier", TIERS)
def test_sizes(tier: str) -> None:
    layout, unit, channels = layout_of(tier), TAPS[tier], CHANNELS[tier]
    assert (layout.tier, layout.is_thumb, layout.has_wide) == (
        *(tier, tier != "portable"),
        tier in LONG,
    )
    assert layout.entry_bytes == (12 if tier in SHORT else 16)
    for taps in (1, unit - 1, unit, unit + 1, 5 * unit):
        row = unit if taps <= unit else 2 * unit if taps < 3 * unit else 5 * unit
        assert layout.row(taps) == row
        assert layout.conv_patch(taps) == row * PATCH[tier]
        for groups in (1, 3):
            for each in (1, channels, channels + 1):
                padded = groups * (channels if each <= channels else 2 * channels)
                assert layout.conv_channels(groups * each, groups) == padded
                assert layout.conv_bytes(groups * each, groups, taps) == padded * row


def test_scratch_of_depthwise() -> None:
    """A word for each tap, and the channels rounded up to 4."""
    assert ADDRESS_BYTES == 4
    for ic, channels in ((1, 4), (4, 4), (5, 8), (30, 32)):
        for tier in TIERS[1:]:
            assert layout_of(tier).depthwise_patch(9, ic) == 36 + channels
            assert layout_of(tier).depthwise_patch(1, ic) == 4 + channels
        assert layout_of("portable").depthwise_patch(9, ic) == 0


def test_one_channel() -> None:
    filters = random_filters(3, 4, "only")
    for channel in range(3):
        one = filters.only(channel)
        assert one.w.tolist() == [filters.w[channel].tolist()]
        for name in ("bias", "multiplier", "shift"):
            assert getattr(one, name).tolist() == [getattr(filters, name)[channel]]
        assert (one.zx, one.zo) == (filters.zx, filters.zo)


END = 1 << 31


@pytest.mark.parametrize(
    ("bias", "multiplier", "shift", "overflows"),
    [
        (END - 511, END - 511, 0, True),
        (END - 512, END - 511, 0, False),
        (END - 511, END - 512, 0, False),
        (END - 1, END - 1, 0, True),
        (511 - END, END - 511, 0, True),
        (512 - END, END - 511, 0, False),
        (END - 1, END - 1, -1, False),
        (END // 2 - 255, END - 1, 1, True),
        (END // 2 - 256, END - 1, 1, False),
        (255 - END // 2, END - 1, 1, True),
        (2, END - 1, 30, True),
        (1, END - 1, 30, False),
        (END - 1, 0x7FFFFE00, 0, False),
        (END - 1, 0x7FFFFE01, 0, True),
        (0, END - 1, 0, False),
    ],
)
def test_outputs_next_to_the_end_of_int32(
    bias: int, multiplier: int, shift: int, overflows: bool
) -> None:
    """Within 512 of it; the other channel is far from there."""
    for first in (0, 1):
        numbers = [(bias, multiplier, shift), (5, 1 << 30, 0)]
        biases, multipliers, shifts = zip(*(numbers if first else numbers[::-1]), strict=True)
        assert made([[0, 0], [0, 0]], biases, multipliers, shifts).may_overflow is overflows


def test_sums_reach_as_far_as_inputs_lead_them() -> None:
    """zx is 5: weight 3 leads 3 * 122 up and 3 * 133 down, weight -2 2 * 133 up and 244 down."""
    up_by, down_by = 366 + 266, 399 + 244
    for bias, overflows in (
        (END - 511 - up_by, True),
        (END - 512 - up_by, False),
        (511 - END + down_by, True),
        (512 - END + down_by, False),
    ):
        assert made([[3, -2]], [bias], [END - 1], [0], zx=5).may_overflow is overflows
    narrow = 1 << 30
    for bias, is_wide in (
        (narrow - 1 - up_by, False),
        (narrow - up_by, True),
        (1 - narrow + down_by, False),
        (down_by - narrow, True),
    ):
        assert made([[3, -2]], [bias], [END - 1], [-3], zx=5).wide_channels.tolist() == [is_wide]


def test_shifts_of_narrow_channels() -> None:
    shifts = [-31, -23, -22, -10, -1, 0, 1, 30]
    filters = made([[0]] * 8, [0] * 8, [1 << 30] * 8, shifts)
    assert filters.wide_channels.tolist() == [True, True, *[False] * 3, True, True, True]


HUGE = 1 << 30


@pytest.mark.parametrize(
    ("w", "bias", "shift", "wanted"),
    [
        ([0, 0], HUGE, -2, (4 * (90 - 7), -1)),  # above the limit
        ([0, 0], -HUGE, -2, (4 * (-80 - 7), -1)),  # below it
        ([0, 0], HUGE, 0, (4 * (90 - 7), -1)),
        ([0, 0], 4 << 20, -23, (0, -1)),  # 2^21 / 2^23: a quarter is 0, the zero point
        ([0, 0], 8 << 21, -23, (4, -1)),  # 2^23 / 2^23
        ([0, 0], -40 << 21, -23, (-20, -1)),
        ([1, -1], HUGE, -2, (4 * (90 - 7), -1)),  # whatever the input
        ([1, -1], 100, -23, (0, -1)),
        ([1, -1], 100, 0, None),  # it changes
        ([0, 0], HUGE, 1, None),  # shifted to the left, it may wrap around
        ([0, 0], HUGE - 1, -2, None),  # it is narrow
        ([0, 0], 100, -1, None),
    ],
)
def test_channels_that_never_change(
    w: list[int], bias: int, shift: int, wanted: tuple[int, int] | None
) -> None:
    """A factor of a half; limits are -80 and 90, the zero point 7."""
    other = ([50, 60], 1000, 0x5A5A5A5A, -5)
    filters = made([w, other[0]], [bias, other[1]], [HUGE, other[2]], [shift, other[3]], 3, 7)
    for tier in SHORT:
        assert layout_of(tier).fitted(filters, -80, 90) is filters
        assert layout_of(tier).is_wide(filters) == 0
    for short in (filters.simplified(-80, 90), layout_of("armv7m").fitted(filters, -80, 90)):
        first = (w, bias, shift) if wanted is None else ([0, 0], *wanted)
        assert short.w.tolist() == [first[0], other[0]]
        assert short.bias.tolist() == [first[1], other[1]]
        assert short.multiplier.tolist() == [HUGE, other[2]]
        assert short.shift.tolist() == [first[2], other[3]]
        assert (short.zx, short.zo) == (3, 7)
        wide = int(bool(short.wide_channels[0]))
        assert [layout_of(tier).is_wide(short) for tier in TIERS] == [0, 0, wide, wide]


def test_a_rewritten_channel_has_a_factor_of_a_half() -> None:
    filters = made([[0]], [HUGE], [0x7FFFFFFF], [-2])
    assert filters.simplified(-80, 90).multiplier.tolist() == [HUGE]

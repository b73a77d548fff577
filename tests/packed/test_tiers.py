"""Layouts of filters for each tier: byte by byte by hand, and back again at random."""

from __future__ import annotations

import random

import numpy as np
import pytest

from microinterp.errors import InputError
from microinterp.packed.tiers import TIERS, Filters, layout_of
from microinterp.quant.fixedpoint import multiply_double

W = np.array([[1, 2, 3, 4, 5], [-1, -2, -3, -4, -5], [10, 20, 30, 40, 50]])
"""Three channels of five taps."""


def filters(w: np.ndarray = W, zx: int = 2, zo: int = -3, shift: int = -4) -> Filters:
    oc = len(w)
    bias, m = np.arange(100, 100 + oc), np.full(oc, 0x40000001)
    return Filters(w.astype(np.int64), bias, m, np.full(oc, shift), zx, zo)


def int8(values: np.ndarray) -> list[int]:
    return values.reshape(-1).view(np.int8).tolist()


def test_conv_of_armv7em_by_hand() -> None:
    w, table = layout_of("armv7em").conv(filters(), 1)
    assert int8(w) == [
        *(1, 3, 2, 4, -1, -3, -2, -4),
        *(5, 0, 0, 0, -5, 0, 0, 0),
        *(10, 30, 20, 40, 0, 0, 0, 0),
        *(50, 0, 0, 0, 0, 0, 0, 0),
    ]
    # Biases 100 - 2 * 15, 101 + 2 * 15, 102 - 2 * 150; round is (-3 << 4) + 8.
    rows = table.reshape(-1).view("<i4").reshape(4, 4).tolist()
    assert [row[0] for row in rows] == [70, 131, -198, 0]
    assert rows[0][1:] == [0x40000001, -40, 4]
    assert rows[3] == [0, 0, 0, 0]


def test_conv_of_armv7m_by_hand() -> None:
    w, _ = layout_of("armv7m").conv(filters(), 1)
    pair = [1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 0, 0, 0, 0, 0, 0]
    assert int8(w) == [*pair, 10, 0, 20, 0, 30, 0, 40, 0, 50, 0, 0, 0, 0, 0, 0, 0]


def test_conv_of_armv6m_by_hand() -> None:
    w, table = layout_of("armv6m").conv(filters(), 1)
    taps = [129, 127, 138, 0, 130, 126, 148, 0, 131, 125, 158, 0]
    assert w.reshape(-1).tolist() == [*taps, 132, 124, 168, 0, 133, 123, 178, 0, *[0] * 12]
    # The bias of offset binary: 100 - 130 * 15.
    first = table.reshape(-1)[:12].tobytes()
    assert first == (100 - 130 * 15).to_bytes(4, "little", signed=True) + bytes(
        [0, 128, 1, 0, 0, 4, 0, 0]
    )


def test_groups_are_padded_each() -> None:
    layout = layout_of("armv7m")
    w, table = layout.conv(filters(W[:, :1]), 3)
    assert int8(w) == [1, 0, *[0] * 6, -1, 0, *[0] * 6, 10, 0, *[0] * 6]
    biases = table.reshape(-1, 16)[:, 0].tolist()
    assert biases == [98, 0, 103, 0, 82, 0]


def test_depthwise_by_hand() -> None:
    five = np.concatenate([W, -W[:2]])[:, :2]
    w, table = layout_of("armv7em").depthwise(filters(five), 1)
    assert int8(w) == [1, -1, 10, -1, 2, -2, 20, -2, 1, 2]
    assert table.reshape(-1, 16)[:, 0].tolist() == [94, 107, 42, 109, 98]
    w, _ = layout_of("armv7em").depthwise(filters(five[:4]), 2)
    assert int8(w) == [1, 2, -1, -2, 10, 20, -1, -2]
    w, _ = layout_of("armv6m").depthwise(filters(five), 1)
    assert int8(w) == [1, -1, 10, -1, 1, 2, -2, 20, -2, 2]
    w, _ = layout_of("armv6m").depthwise_in_place(filters(five))
    assert int8(w) == five.reshape(-1).tolist()


def is_wide(made: Filters) -> bool:
    return bool(made.wide_channels.any())


def test_wide() -> None:
    assert not is_wide(filters())
    assert not is_wide(filters(shift=-1))
    assert not is_wide(filters(shift=-22))
    for shift in (-23, 0, 1):
        assert is_wide(filters(shift=shift))
    reach = 125 * 15  # of the first channel: zx is 2
    edge = filters(W[:1])
    edge.bias[0] = (1 << 30) - 1 - reach
    assert not is_wide(edge)
    edge.bias[0] += 1
    assert is_wide(edge)
    edge.bias[0] = -(1 << 30) + 1 + 130 * 15
    assert not is_wide(edge)
    edge.bias[0] -= 1
    assert is_wide(edge)
    assert [layout_of(tier).is_wide(edge) for tier in TIERS] == [0, 0, 1, 1]


def outputs(made: Filters, x: np.ndarray, lo: int, hi: int) -> np.ndarray:
    sums = made.w @ (x - made.zx) + made.bias
    return np.clip(multiply_double(sums, made.multiplier, made.shift) + made.zo, lo, hi)


def test_channels_that_never_change_are_made_short() -> None:
    """A pruned one with a huge bias, two that are always over the limit, and one that changes."""
    w = np.array([[0, 0], [0, 0], [1, -1], [1, 1]])
    bias = np.array([-1073741824, 1073741760, 1 << 30, 30])
    shift = np.array([-25, 0, -2, 0])
    made = Filters(w, bias, np.full(4, 0x5A5A5A5A), shift, -7, 12)
    assert made.wide_channels.tolist() == [True] * 4
    short = made.simplified(-100, 120)
    assert short.wide_channels.tolist() == [False, False, False, True]
    rng = random.Random(0)
    for _ in range(200):
        x = np.array([rng.randint(-128, 127) for _ in range(2)])
        assert np.array_equal(outputs(short, x, -100, 120), outputs(made, x, -100, 120))
    assert outputs(short, x, -100, 120)[:3].tolist() == [-11, 120, 120]
    assert same(short.only(3), made.only(3))


def test_a_constant_by_hand() -> None:
    """floor((4 d 2^30 + 2^30) / 2^31) = 2 d; halved, it is d."""
    d = np.arange(-255, 256)
    assert np.array_equal(multiply_double(4 * d, 1 << 30, -1), d)


def same(a: Filters, b: Filters) -> bool:
    names = ("w", "bias", "multiplier", "shift")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


@pytest.mark.parametrize("tier", TIERS)
def test_there_and_back(tier: str) -> None:
    layout, rng = layout_of(tier), random.Random(tier)
    for _ in range(200):
        groups, outputs, taps = rng.randint(1, 3), rng.randint(1, 9), rng.randint(1, 20)
        oc, zx = groups * outputs, rng.randint(-128, 127)
        seeded = np.random.default_rng(rng.getrandbits(32))
        made = Filters(
            seeded.integers(-128, 128, (oc, taps)),
            seeded.integers(-(1 << 20), 1 << 20, oc),
            seeded.integers(0, 1 << 31, oc),
            seeded.integers(-31, 31, oc),
            zx,
            rng.randint(-128, 127),
        )
        w, table = layout.conv(made, groups)
        assert w.nbytes == layout.conv_bytes(oc, groups, taps)
        assert table.nbytes == layout.conv_channels(oc, groups) * layout.entry_bytes
        flat = w.reshape(-1), table.reshape(-1)
        assert same(layout.read_conv(*flat, groups, oc, taps, zx), made)
        w, table = layout.depthwise(made, groups)
        assert same(layout.read_depthwise(w.reshape(-1), table.reshape(-1), groups, zx), made)
        w, table = layout.depthwise_in_place(made)
        assert same(layout.read_depthwise_in_place(w.reshape(-1), table.reshape(-1), zx), made)


def test_no_such_tier() -> None:
    with pytest.raises(InputError, match="there is no tier 'm4'") as caught:
        layout_of("m4")
    assert "portable, armv6m, armv7m, armv7em" in str(caught.value)

"""How each tier lays out filters: their weights, channel tables, and scratch; and how to read them.

The layouts are told in schemas/steps.md. A tier is a kind of kernels: what one packs, another reads
as noise, so that the model names its tier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError, printable
from microinterp.quant.fixedpoint import multiply_double

Ints: TypeAlias = npt.NDArray[np.int64]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Tier = Literal["portable", "armv6m", "armv7m", "armv7em"]
TIERS: tuple[Tier, ...] = ("portable", "armv6m", "armv7m", "armv7em")
"""portable serves the bytecode and the viper kernels, the others are of Thumb kernels."""

_INT8_LOW, _INT8_HIGH = -128, 127
_NARROW_SUM = 1 << 30
_NARROW_RIGHT = 22
_NEAR_END = (1 << 31) - 512
_BLOCK = 4  # channels of a DEPTHWISE that are computed together
ADDRESS_BYTES = 4
"""Of a tap's address in the scratch of a DEPTHWISE."""
_SHORT = np.dtype(
    [("bias", "<i4"), ("hi", "<u2"), ("lo", "<u2"), ("left", "u1"), ("right", "u1"), ("", "u2")]
)
_LONG = np.dtype(
    [("bias", "<i4"), ("m", "<i4"), ("round", "<i4"), ("right", "u1"), ("left", "u1"), ("", "u2")]
)


@dataclass(frozen=True, eq=False)
class Filters:
    """The filters of a layer, whatever their layout.

    Attributes:
        w: int8 values [oc, taps]; taps are in the order [kh, kw, channels of a group].
        bias, multiplier, shift: the op's own [oc].
        zx, zo: zero points of input and output.
    """

    w: Ints
    bias: Ints
    multiplier: Ints
    shift: Ints
    zx: int
    zo: int

    def only(self, channel: int) -> Filters:
        """The filter of one channel."""
        one = slice(channel, channel + 1)
        return replace(
            self,
            w=self.w[one],
            bias=self.bias[one],
            multiplier=self.multiplier[one],
            shift=self.shift[one],
        )

    @property
    def wide_channels(self) -> npt.NDArray[np.bool_]:
        """Whether a sum may have 31 bits or more, or the shift is not one of 1 to 22 to the right.

        Kernels requantise all others in a way that is shorter, and as exact.
        """
        low, high = self._reach()
        fits = (high < _NARROW_SUM) & (low > -_NARROW_SUM)
        return ~(fits & (self.shift <= -1) & (self.shift >= -_NARROW_RIGHT))

    @property
    def may_overflow(self) -> bool:
        """True if a requantised sum may be so near the end of int32 that adding zo leaves it.

        TFLM's sum is undefined then (it wraps around), boards clamp it.
        """
        low, high = self._reach()
        shifted = np.maximum(-low, high).astype(float) * 2.0 ** np.maximum(self.shift, 0)
        near = (self.shift >= 0) & (self.multiplier > _NEAR_END) & (shifted > _NEAR_END)
        return bool(near.any())

    def simplified(self, lo: int, hi: int) -> Filters:
        """The same outputs with fewer wide channels: those that never change are rewritten.

        Pruned layers are full of them: all weights 0, and a scale near 0 that makes a huge bias.
        A bias of 4 d, a multiplier of a half and one shift to the right give d.
        """
        first, last = (
            np.clip(multiply_double(sums, self.multiplier, self.shift) + self.zo, lo, hi)
            for sums in self._reach()
        )
        chosen = self.wide_channels & (self.shift <= 0) & (first == last)
        return replace(
            self,
            w=np.where(chosen[:, None], 0, self.w),
            bias=np.where(chosen, 4 * (first - self.zo), self.bias),
            multiplier=np.where(chosen, 1 << 30, self.multiplier),
            shift=np.where(chosen, -1, self.shift),
        )

    def _reach(self) -> tuple[Ints, Ints]:
        """The least and the greatest sum of each channel, whatever the input."""
        below, above = self.w * (_INT8_LOW - self.zx), self.w * (_INT8_HIGH - self.zx)
        low, high = np.minimum(below, above).sum(axis=1), np.maximum(below, above).sum(axis=1)
        return self.bias + low, self.bias + high


def up(count: int, unit: int) -> int:
    """The least multiple of `unit` that is not below `count`."""
    return -(-count // unit) * unit


@dataclass(frozen=True)
class Layout:
    """The layout of one tier.

    Attributes:
        tier: its name.
        channels, taps: a CONV's channels of a group, and its taps, are padded to multiples.
        entry_bytes: of a channel table.
        patch_bytes: of a CONV's patch, per tap of a padded row.
        shifts: places of left and right in an entry.
    """

    tier: Tier
    channels: int
    taps: int
    entry_bytes: int
    patch_bytes: int
    shifts: tuple[int, int]
    _weave: Callable[[Any], Any]
    _unweave: Callable[[Any, int], Any]

    @property
    def is_thumb(self) -> bool:
        """True for the tiers of Thumb kernels."""
        return self.tier != "portable"

    @property
    def has_wide(self) -> bool:
        """True for the tiers that have a shorter way to requantise, which not all steps allow."""
        return self._is_long

    @property
    def _is_long(self) -> bool:
        return self.entry_bytes == _LONG.itemsize

    def row(self, taps: int) -> int:
        """Taps of one filter in a CONV's w, with padding."""
        return up(taps, self.taps)

    def conv_channels(self, oc: int, groups: int) -> int:
        """Channels of a CONV's w and table, with padding."""
        return groups * up(oc // groups, self.channels)

    def conv_bytes(self, oc: int, groups: int, taps: int) -> int:
        """Size of a CONV's w."""
        return self.conv_channels(oc, groups) * self.row(taps)

    def conv_patch(self, taps: int) -> int:
        """Size of a CONV's patch."""
        return self.row(taps) * self.patch_bytes

    def depthwise_patch(self, taps: int, ic: int) -> int:
        """Size of a DEPTHWISE's scratch."""
        return taps * ADDRESS_BYTES + up(ic, 4) if self.is_thumb else 0

    def fitted(self, filters: Filters, lo: int, hi: int) -> Filters:
        """Filters that give the same outputs, limits included, the way that kernels like best."""
        return filters.simplified(lo, hi) if self._is_long else filters

    def is_wide(self, filters: Filters) -> int:
        """The step's argument `wide`."""
        return int(self._is_long and bool(filters.wide_channels.any()))

    def conv(self, filters: Filters, groups: int) -> tuple[Bytes, Bytes]:
        """w and the channel table of a CONV."""
        offset = 0 if self._is_long else 128
        oc, taps = filters.w.shape
        padded = np.zeros((groups, self.conv_channels(oc, groups) // groups, self.row(taps)))
        padded[:, : oc // groups, :taps] = (filters.w + offset).reshape(groups, -1, taps)
        w = self._weave(padded.astype(np.int64).reshape(-1, self.channels, self.row(taps)))
        folded = filters.bias - (offset + filters.zx) * filters.w.sum(axis=1)
        entries = self._table(filters, folded).reshape(groups, -1)
        table = np.zeros((groups, padded.shape[1]), entries.dtype)
        table[:, : oc // groups] = entries
        return w.astype(np.uint8), table.view(np.uint8)

    def depthwise(self, filters: Filters, multiplier: int) -> tuple[Bytes, Bytes]:
        """w and the channel table of a DEPTHWISE with `multiplier` outputs per input channel."""
        if not self.is_thumb:
            return (filters.w.T + 128).astype(np.uint8), self._bytes(filters, filters.bias)
        folded = filters.bias - filters.zx * filters.w.sum(axis=1)
        w = filters.w.T
        if self._is_long:
            whole = self._blocked(len(filters.w), multiplier)
            blocks = filters.w[:whole].reshape(-1, _BLOCK, w.shape[0]).swapaxes(1, 2)
            w = np.concatenate([blocks.reshape(-1), filters.w[whole:].reshape(-1)])
        return w.astype(np.uint8), self._bytes(filters, folded)

    def depthwise_in_place(self, filters: Filters) -> tuple[Bytes, Bytes]:
        """w and the channel table of a DEPTHWISE_IN_PLACE: each channel like a layer of its own."""
        offset = 0 if self.is_thumb else 128
        folded = filters.bias - (filters.zx * filters.w.sum(axis=1) if self.is_thumb else 0)
        return (filters.w + offset).astype(np.uint8), self._bytes(filters, folded)

    def read_conv(
        self, w: Bytes, table: Bytes, groups: int, oc: int, taps: int, zx: int
    ) -> Filters:
        """The filters of a CONV; `zo` is left 0."""
        offset = 0 if self._is_long else 128
        padded = self._unweave(w, self.row(taps)).reshape(groups, -1, self.row(taps))
        values = padded[:, : oc // groups, :taps].reshape(oc, taps)
        values = values.view(np.int8) if self._is_long else values
        signed = values.astype(np.int64) - offset
        entries = table.reshape(groups, -1, self.entry_bytes)[:, : oc // groups]
        bias, multiplier, shift = self._entries(entries.reshape(-1))
        return Filters(signed, bias + (offset + zx) * signed.sum(axis=1), multiplier, shift, zx, 0)

    def read_depthwise(self, w: Bytes, table: Bytes, multiplier: int, zx: int) -> Filters:
        """The filters of a DEPTHWISE; `zo` is left 0."""
        oc = len(table) // self.entry_bytes
        if self._is_long:
            whole = self._blocked(oc, multiplier)
            taps = len(w) // oc
            blocks = w[: whole * taps].reshape(-1, taps, _BLOCK).swapaxes(1, 2)
            rows = np.concatenate(
                [blocks.reshape(whole, taps), w[whole * taps :].reshape(-1, taps)]
            )
        else:
            rows = w.reshape(-1, oc).T
        return self._read(rows, table, zx)

    def read_depthwise_in_place(self, w: Bytes, table: Bytes, zx: int) -> Filters:
        """The filters of a DEPTHWISE_IN_PLACE; `zo` is left 0."""
        return self._read(w.reshape(len(table) // self.entry_bytes, -1), table, zx)

    def _read(self, rows: Bytes, table: Bytes, zx: int) -> Filters:
        """Filters of a DEPTHWISE from their bytes [oc, taps]."""
        bias, multiplier, shift = self._entries(table)
        if not self.is_thumb:
            return Filters(rows.astype(np.int64) - 128, bias, multiplier, shift, zx, 0)
        w = np.ascontiguousarray(rows).view(np.int8).astype(np.int64)
        return Filters(w, bias + zx * w.sum(axis=1), multiplier, shift, zx, 0)

    def _blocked(self, oc: int, multiplier: int) -> int:
        """Channels of a DEPTHWISE that lie in blocks."""
        return oc // _BLOCK * _BLOCK if multiplier == 1 else 0

    def _bytes(self, filters: Filters, bias: Ints) -> Bytes:
        return self._table(filters, bias).view(np.uint8)

    def _table(self, filters: Filters, bias: Ints) -> npt.NDArray[Any]:
        table = np.zeros(len(bias), _LONG if self._is_long else _SHORT)
        left, right = np.maximum(filters.shift, 0), np.maximum(-filters.shift, 0)
        table["bias"], table["left"], table["right"] = bias, left, right
        if self._is_long:
            table["m"] = filters.multiplier
            table["round"] = ((filters.zo << right) + (1 << right >> 1)).astype(np.int32)
        else:
            table["hi"], table["lo"] = filters.multiplier >> 15, filters.multiplier & 0x7FFF
        return table

    def _entries(self, table: Bytes) -> tuple[Ints, Ints, Ints]:
        """bias, multiplier and shift of each entry."""
        raw = np.ascontiguousarray(table).view(_LONG if self._is_long else _SHORT)
        wide = {name: raw[name].astype(np.int64) for name in raw.dtype.names or () if name}
        multiplier = wide["m"] if self._is_long else wide["hi"] << 15 | wide["lo"]
        return wide["bias"], multiplier, wide["left"] - wide["right"]


def _plain(w: Any) -> Any:
    """w [blocks, channels, row] as it is."""
    return w


def _plain_back(w: Any, row: int) -> Any:
    return w.reshape(-1, row)


def _by_tap(w: Any) -> Any:
    """The channels of a block side by side, tap by tap."""
    return w.swapaxes(1, 2)


def _by_tap_back(channels: int) -> Callable[[Any, int], Any]:
    return lambda w, row: w.reshape(-1, row, channels).swapaxes(1, 2)


_FOUR = [0, 2, 1, 3]  # SXTB16 takes bytes 0 and 2, which are taps 0 and 1 so; it is its own inverse


def _by_four(w: Any) -> Any:
    """Four taps of a channel side by side, then the same taps of the block's next channel."""
    blocks, channels, row = w.shape
    return w.reshape(blocks, channels, row // 4, 4)[..., _FOUR].swapaxes(1, 2)


def _by_four_back(w: Any, row: int) -> Any:
    return w.reshape(-1, row // 4, 2, 4)[..., _FOUR].swapaxes(1, 2)


_LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        layout.tier: layout
        for layout in (
            Layout("portable", 1, 8, _SHORT.itemsize, 1, (8, 9), _plain, _plain_back),
            Layout("armv6m", 4, 8, _SHORT.itemsize, 4, (8, 9), _by_tap, _by_tap_back(4)),
            Layout("armv7m", 2, 4, _LONG.itemsize, 2, (13, 12), _by_tap, _by_tap_back(2)),
            Layout("armv7em", 2, 4, _LONG.itemsize, 4, (13, 12), _by_four, _by_four_back),
        )
    }
)


def layout_of(tier: str) -> Layout:
    """The layout of a tier. Raises InputError where there is none of that name."""
    if tier not in _LAYOUTS:
        raise InputError(f"there is no tier '{printable(tier)}'", hint=f"tiers: {', '.join(TIERS)}")
    return _LAYOUTS[tier]

"""UF2 files: every block checked, and the chips that each family of blocks is for.

The format is https://github.com/microsoft/uf2 (README.md, utils/uf2families.json). A file may hold
several families one after the other; a bootloader takes its own and ignores the others.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise

from microinterp.errors import DeviceError

BLOCK = 512
MAGIC = b"UF2\n"
_MAGIC2, _MAGIC_END = 0x9E5D5157, 0x0AB16F30
_HEADER = struct.Struct("<8I")
_DATA = 476
_NOT_FLASH, _CONTAINER, _HAS_FAMILY, _HAS_MD5, _HAS_TAGS = 1, 0x1000, 0x2000, 0x4000, 0x8000
_FLAGS = _NOT_FLASH | _CONTAINER | _HAS_FAMILY | _HAS_MD5 | _HAS_TAGS
_MD5_SIZE = 24
_ABSOLUTE = 0xE48BFF57
_IGNORED = b"\xef" * 256  # what the block against erratum RP2350-E10 holds
FAMILIES: dict[int, tuple[str, str]] = {
    0xE48BFF56: ("RP2040", "RP2040"),
    0xE48BFF57: ("RP2XXX_ABSOLUTE", "RP2350"),  # an RP2040 takes no family but its own
    0xE48BFF58: ("RP2XXX_DATA", "RP2350"),
    0xE48BFF59: ("RP2350_ARM_S", "RP2350"),
    0xE48BFF5A: ("RP2350_RISCV", "RP2350"),
    0xE48BFF5B: ("RP2350_ARM_NS", "RP2350"),
    0x68ED2B88: ("SAMD21", "SAMD21"),
    0x55114460: ("SAMD51", "SAMD51"),
    0xADA52840: ("NRF52840", "nRF52840"),
    0x621E937A: ("NRF52833", "nRF52833"),
    0x4FB2D5BD: ("MIMXRT10XX", "MIMXRT10XX"),
    0x1C5F21B0: ("ESP32", "ESP32"),
    0xBFDD4EEE: ("ESP32S2", "ESP32-S2"),
    0xC47E5767: ("ESP32S3", "ESP32-S3"),
    0xD42BA06C: ("ESP32C3", "ESP32-C3"),
    0x540DDF62: ("ESP32C6", "ESP32-C6"),
    0x3D308E94: ("ESP32P4", "ESP32-P4"),
}
"""Family id to its name in Microsoft's list, and the chip."""


@dataclass(frozen=True, slots=True)
class Family:
    """The blocks of one family: its id, name ("unknown 0x..." if not listed), chip if known.

    `image` is what goes to flash, in the order of addresses, without the gaps between.
    """

    id: int
    name: str
    chip: str | None
    blocks: int
    start: int
    image: bytes


@dataclass(frozen=True, slots=True)
class _Block:
    flags: int
    address: int
    number: int
    total: int
    family: int
    data: bytes

    @property
    def is_ignored(self) -> bool:
        """Whether this is the block that RP2350's boot ROM needs before others (RP2350-E10)."""
        place = (self.number, self.total, self.family)
        return place == (0, 2, _ABSOLUTE) and self.data == _IGNORED


def parse(data: bytes) -> tuple[Family, ...]:
    """The families of a UF2 file. Raises DeviceError that names the block that is wrong."""
    if not data or len(data) % BLOCK:
        raise _wrong(f"it has {len(data)} bytes, which are not whole blocks of {BLOCK}: cut short?")
    groups: dict[int, list[_Block]] = {}
    for index in range(len(data) // BLOCK):
        block = _block(index, data[index * BLOCK : (index + 1) * BLOCK])
        if not block.is_ignored:
            group = groups.setdefault(block.family, [])
            _check_number(index, block, group)
            group.append(block)
    if not groups:
        raise _wrong("no block in it goes to flash")
    return tuple(_family(*each) for each in groups.items())


def _block(index: int, raw: bytes) -> _Block:
    magic, magic2, flags, address, size, number, total, family = _HEADER.unpack_from(raw)
    end = int.from_bytes(raw[-4:], "little")
    if (magic, magic2, end) != (int.from_bytes(MAGIC, "little"), _MAGIC2, _MAGIC_END):
        raise _wrong(f"block {index} has not the magic numbers of a UF2 block")
    if flags & ~_FLAGS:
        raise _wrong(f"block {index} has unknown flags {flags & ~_FLAGS:#x}")
    if flags & _CONTAINER:
        raise _wrong(f"block {index} is a piece of a file (container), not of flash")
    if not flags & _HAS_FAMILY:
        raise DeviceError(
            f"the UF2 file does not say which chips it is for (block {index} has no family)",
            hint="make it again with a family: uf2conv.py --family",
        )
    room = _DATA - _MD5_SIZE if flags & _HAS_MD5 else _DATA
    if not 0 < size <= room or size % 4:
        raise _wrong(f"block {index} has a payload of {size} bytes, not 4 to {room} in fours")
    if address % 4 or address + size > 1 << 32:
        raise _wrong(f"block {index} goes to address {address:#x}")
    if flags & _HAS_TAGS:
        _check_tags(index, raw[_HEADER.size + size : _HEADER.size + room])
    payload = raw[_HEADER.size : _HEADER.size + size]
    return _Block(flags, address, number, total, family, payload)


def _check_tags(index: int, data: bytes) -> None:
    """Walk extension tags: size with its own 4 bytes, type, value; each on 4 bytes; then zeros."""
    at = 0
    while at + 4 <= len(data) and data[at]:
        size = data[at]
        if size < 4 or at + size > len(data):
            raise _wrong(f"block {index} has an extension tag of {size} bytes")
        at += -(-size // 4) * 4


def _check_number(index: int, block: _Block, before: list[_Block]) -> None:
    name = _name(block.family)
    if before and block.total != before[0].total:
        raise _wrong(f"block {index} says {block.total} blocks of {name}, not {before[0].total}")
    if block.number != len(before) or block.number >= block.total:
        raise _wrong(
            f"block {index} is number {block.number} of {block.total} of {name}, where number"
            f" {len(before)} should be"
        )


def _family(family: int, blocks: list[_Block]) -> Family:
    name = _name(family)
    if len(blocks) != blocks[0].total:
        raise _wrong(f"{len(blocks)} of {blocks[0].total} blocks of {name} are there: cut short?")
    written = sorted(
        (block for block in blocks if not block.flags & _NOT_FLASH), key=lambda each: each.address
    )
    if not written:
        raise _wrong(f"no block of {name} goes to flash")
    for block, following in pairwise(written):
        if block.address + len(block.data) > following.address:
            raise _wrong(f"two blocks of {name} go to address {following.address:#x}")
    image = b"".join(block.data for block in written)
    chip = FAMILIES[family][1] if family in FAMILIES else None
    return Family(family, name, chip, len(blocks), written[0].address, image)


def _name(family: int) -> str:
    return FAMILIES[family][0] if family in FAMILIES else f"unknown family {family:#010x}"


def _wrong(what: str) -> DeviceError:
    return DeviceError(
        f"the UF2 file is damaged: {what}", hint="download or build it again; nothing was written"
    )

"""DfuSe files (.dfu), which STM32 bootloaders take: prefix, targets, elements, suffix with CRC32.

The format is ST's UM0391. The suffix says for which USB ids the file is; FFFF is any.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from microinterp.errors import DeviceError
from microinterp_boards.flash.chips import chips_named_in

MAGIC = b"DfuSe"
ANY = 0xFFFF
"""A vendor or product id of a suffix that fits all."""
_PREFIX = struct.Struct("<5sBIB")
_TARGET = struct.Struct("<6sBI255sII")
_ELEMENT = struct.Struct("<II")
_SUFFIX = struct.Struct("<4H3sBI")
_VERSION = 0x011A


@dataclass(frozen=True, slots=True)
class Element:
    """Bytes, the address in flash that they go to, and the alternate setting that takes them."""

    alternate: int
    address: int
    data: bytes


@dataclass(frozen=True, slots=True)
class DfuFile:
    """What a .dfu file holds; `chips` are those that MicroPython in it names."""

    vendor: int
    product: int
    elements: tuple[Element, ...]
    chips: tuple[str, ...]

    @property
    def usb_id(self) -> str:
        """Vendor and product as dfu-util writes them, * for any."""
        ids = ("*" if each == ANY else f"{each:04x}" for each in (self.vendor, self.product))
        return ":".join(ids)

    def fits(self, vendor: int, product: int) -> bool:
        """Whether a device with these USB ids is one that the file is for."""
        return self.vendor in (ANY, vendor) and self.product in (ANY, product)


def parse(data: bytes) -> DfuFile:
    """Read a file. Raises DeviceError that says what is wrong with it."""
    if len(data) < _PREFIX.size + _SUFFIX.size:
        raise _wrong(f"it has only {len(data)} bytes")
    _, product, vendor, version, signature, size, crc = _SUFFIX.unpack(data[-_SUFFIX.size :])
    if (signature, size) != (b"UFD", _SUFFIX.size):
        raise _wrong("it has no DFU suffix at its end: cut short?")
    if crc != ~zlib.crc32(data[:-4]) & 0xFFFFFFFF:
        raise _wrong("its CRC32 is wrong")
    magic, revision, whole, targets = _PREFIX.unpack_from(data)
    if magic != MAGIC or revision != 1 or version != _VERSION:
        raise _wrong(f"it is of revision {revision} and DFU {version:#06x}, not 1 and 0x011a")
    end = len(data) - _SUFFIX.size
    if whole not in (end, len(data)):  # MicroPython's tool leaves the suffix out, dfuse-pack not
        raise _wrong(f"it says {whole} bytes and has {end}, and the suffix")
    elements: list[Element] = []
    at = _PREFIX.size
    for _ in range(targets):
        at = _take_target(data[:end], at, elements)
    if at != end or not elements:
        raise _wrong(f"{end - at} bytes in it belong to no target")
    image = b"".join(element.data for element in elements)
    return DfuFile(vendor, product, tuple(elements), chips_named_in(image))


def _take_target(data: bytes, at: int, elements: list[Element]) -> int:
    """Append a target's elements; returns where the next target begins."""
    if at + _TARGET.size > len(data):
        raise _wrong(f"it ends in the header of a target at byte {at:#x}")
    signature, alternate, _, _, size, count = _TARGET.unpack_from(data, at)
    if signature != b"Target":
        raise _wrong(f"no target begins at byte {at:#x}")
    at += _TARGET.size
    end = at + size
    if end > len(data):
        raise _wrong(f"a target says {size} bytes and {len(data) - at} are left")
    for _ in range(count):
        if at + _ELEMENT.size > end:
            raise _wrong(f"a target ends in the header of an element at byte {at:#x}")
        address, length = _ELEMENT.unpack_from(data, at)
        at += _ELEMENT.size
        if not 0 < length <= end - at or address + length > 1 << 32:
            raise _wrong(f"an element of {length} bytes for {address:#x} does not fit its target")
        elements.append(Element(alternate, address, data[at : at + length]))
        at += length
    if at != end:
        raise _wrong(f"a target has {end - at} bytes that belong to no element")
    return at


def _wrong(what: str) -> DeviceError:
    return DeviceError(
        f"the .dfu file is damaged: {what}", hint="download or build it again; nothing was written"
    )

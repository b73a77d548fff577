"""Images for ESP chips (.bin): boot loader, partition table and program, each checked.

An image begins with what the ROM loads, at the chip's own offset in flash, as all MicroPython
images do; the format is told in Espressif's esptool documentation, "Firmware Image Format".
"""

from __future__ import annotations

import hashlib
import struct
from functools import reduce

from microinterp.errors import DeviceError

MAGIC = b"\xe9"
CHIPS = {
    0: "ESP32",
    2: "ESP32-S2",
    5: "ESP32-C3",
    9: "ESP32-S3",
    12: "ESP32-C2",
    13: "ESP32-C6",
    16: "ESP32-H2",
    18: "ESP32-P4",
    20: "ESP32-C61",
    23: "ESP32-C5",
}
"""Chip ids of images."""
_OFFSETS = {"ESP32": 0x1000, "ESP32-S2": 0x1000, "ESP32-C5": 0x2000, "ESP32-P4": 0x2000}
_TABLE = 0x8000  # where the partition table lies in flash
_ROW = struct.Struct("<HBBII16sI")
_ROW_MAGIC, _SUM_MAGIC = 0x50AA, 0xEBEB
_ROWS = 95
_APP = 0
_HEADER, _LONG_HEADER = 8, 24
_SEGMENTS = 16
_SEED = 0xEF  # of the checksum


def offset(chip: str) -> int:
    """Where in a chip's flash an image begins."""
    return _OFFSETS.get(chip, 0)


def parse(data: bytes) -> tuple[str, ...]:
    """The chip that an image is for.

    Raises DeviceError that says what is wrong with the image.
    """
    if len(data) < _LONG_HEADER:
        raise _wrong(f"it has only {len(data)} bytes")
    chip = CHIPS.get(int.from_bytes(data[12:14], "little"))
    if chip is None or not _is_sound(data, _LONG_HEADER):
        return _esp8266(data, chip)
    _check_part(data, 0, "its first part")
    table = _TABLE - offset(chip)
    if data[table : table + 2] != _ROW_MAGIC.to_bytes(2, "little"):
        raise DeviceError(
            f"the image for {chip} has no partition table: it is cut short, or a program alone",
            hint="take the firmware's full image; one for updates in the field is not enough",
        )
    for begin in _apps(data, table):
        _check_part(data, begin - offset(chip), f"the program at {begin:#x}")
    return (chip,)


def _is_sound(data: bytes, header: int) -> bool:
    try:
        _check_segments(data, 0, header, "")
    except DeviceError:
        return False
    return True


def _esp8266(data: bytes, chip: str | None) -> tuple[str, ...]:
    """Check an image that is no sound one of the newer chips as MicroPython's for ESP8266.

    After its first part, which the ROM loads, comes the rest, and the MD5 of all but four bytes.
    """
    if not _is_sound(data, _HEADER):
        kind = chip or "ESP8266"
        raise _wrong(f"segments of it, as one for {kind}, end after it or have a wrong checksum")
    if hashlib.md5(data[4:-16], usedforsecurity=False).digest() != data[-16:]:
        raise _wrong("it has another MD5 at its end than its own: cut short?")
    return ("ESP8266",)


def _apps(data: bytes, table: int) -> list[int]:
    """Where in flash programs begin that lie in the image; the table's MD5 is checked."""
    apps = []
    for index in range(_ROWS):
        at = table + index * _ROW.size
        if at + _ROW.size > len(data):
            raise _wrong("it ends in the partition table: cut short?")
        magic, kind, _, begin, _, _, _ = _ROW.unpack_from(data, at)
        if magic == _SUM_MAGIC:
            if (
                hashlib.md5(data[table:at], usedforsecurity=False).digest()
                != data[at + 16 : at + 32]
            ):
                raise _wrong("its partition table has another MD5 than it says")
            break
        if magic != _ROW_MAGIC:
            break  # a table without a sum ends with 0xFF
        if kind == _APP:
            apps.append(begin)
    if not apps:
        raise _wrong("no partition of its table is for a program")
    return apps[:1]  # others, for updates in the field, are empty


def _check_part(data: bytes, at: int, name: str) -> None:
    """Check an image of the newer chips: segments, checksum, and the SHA-256 if it has one."""
    end = _check_segments(data, at, _LONG_HEADER, name)
    if data[at + 23] == 1 and hashlib.sha256(data[at:end]).digest() != data[end : end + 32]:
        raise _wrong(f"{name} has another SHA-256 than it says")


def _check_segments(data: bytes, at: int, header: int, name: str) -> int:
    """Walk the segments and compare the checksum; returns where the image ends."""
    if data[at : at + 1] != MAGIC or at + header > len(data):
        raise _wrong(f"{name} does not begin with 0xe9")
    count = data[at + 1]
    if not 0 < count <= _SEGMENTS:
        raise _wrong(f"{name} has {count} segments")
    place, total = at + header, _SEED
    for segment in range(count):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        if place + 8 + size > len(data):
            raise _wrong(f"segment {segment} of {name} ends after the file: cut short?")
        total ^= reduce(int.__xor__, data[place + 8 : place + 8 + size], 0)
        place += 8 + size
    end = place + 16 - (place - at) % 16  # padded so that the checksum is the last byte of 16
    if end > len(data) or data[end - 1] != total:
        raise _wrong(f"{name} has a wrong checksum")
    return end


def _wrong(what: str) -> DeviceError:
    return DeviceError(
        f"the image is damaged: {what}", hint="download or build it again; nothing was written"
    )

"""Firmware files made byte by byte for tests, each with a few bytes of firmware in it."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Sequence
from functools import reduce

RP2040, RP2350_ARM_S, ABSOLUTE, SAMD51 = 0xE48BFF56, 0xE48BFF59, 0xE48BFF57, 0x55114460
HAS_FAMILY = 0x2000


def words(machine: str, version: str = "1.29.0", size: int = 1024) -> bytes:
    """What MicroPython's binaries hold of their names, among other bytes."""
    names = f"3.4.0; MicroPython v{version} on 2026-11-01\0{machine}\0".encode()
    return (b"\x00\x20\x04\x20" + names).ljust(size, b"\xa5")


def uf2_block(
    number: int = 0,
    total: int = 1,
    data: bytes = bytes(256),
    *,
    family: int = RP2040,
    address: int = 0x10000000,
    flags: int = HAS_FAMILY,
    size: int | None = None,
    tail: bytes = b"",
    magics: tuple[int, int, int] = (0x0A324655, 0x9E5D5157, 0x0AB16F30),
) -> bytes:
    size = len(data) if size is None else size
    head = struct.pack("<8I", magics[0], magics[1], flags, address, size, number, total, family)
    return head + (data + tail).ljust(476, b"\0") + struct.pack("<I", magics[2])


def uf2(image: bytes, family: int = RP2040, start: int = 0x10000000) -> bytes:
    """As uf2conv and picotool make it: blocks of 256 bytes."""
    pieces = [image[at : at + 256].ljust(256, b"\0") for at in range(0, len(image), 256)]
    return b"".join(
        uf2_block(number, len(pieces), piece, family=family, address=start + 256 * number)
        for number, piece in enumerate(pieces)
    )


def e10_block() -> bytes:
    """The block that picotool puts before those of an RP2350 (erratum RP2350-E10)."""
    return uf2_block(
        0,
        2,
        b"\xef" * 256,
        family=ABSOLUTE,
        address=0x10FFFF00,
        flags=HAS_FAMILY | 0x8000,
        tail=struct.pack("<I", 0x9957E304),
    )


def record(kind: int, address: int, data: bytes) -> str:
    body = bytes([len(data), address >> 8, address & 255, kind]) + data
    return f":{(body + bytes([-sum(body) & 255])).hex().upper()}\n"


END = record(1, 0, b"")


def hex_data(image: bytes, kind: int = 0, base: int = 0) -> str:
    text = []
    for at in range(0, len(image), 16):
        if at % 0x10000 == 0:
            text.append(record(4, 0, struct.pack(">H", (base + at) >> 16)))
        text.append(record(kind, (base + at) & 0xFFFF, image[at : at + 16]))
    return "".join(text)


def universal_hex(parts: Iterable[tuple[int, bytes]]) -> bytes:
    """Sections for boards of these ids, padded to 512 bytes as the specification has it."""
    text = ""
    for board, image in parts:
        text += record(4, 0, b"\0\0") + record(0x0A, 0, struct.pack(">H", board) + b"\xc0\xde")
        text += hex_data(image, 0 if board in (0x9900, 0x9901) else 0x0D)
        while len(text) % 512 > 512 - 60 or len(text) % 512 < 1:
            text += record(0x0C, 0, b"\xff" * 16)
        room = 512 - len(text) % 512 - len(record(0x0B, 0, b""))
        text += record(0x0B, 0, b"\xff" * (room // 2)) + "\n" * (room % 2)
    return (text + END).encode()


def dfu(
    elements: Sequence[tuple[int, bytes]],
    vendor: int = 0x0483,
    product: int = 0xDF11,
    alternate: int = 0,
) -> bytes:
    body = b"".join(struct.pack("<II", at, len(data)) + data for at, data in elements)
    target = struct.pack("<6sBI255sII", b"Target", alternate, 1, b"ST...", len(body), len(elements))
    whole = struct.pack("<5sBIB", b"DfuSe", 1, 11 + len(target) + len(body), 1) + target + body
    return resealed(whole + struct.pack("<4H3sBI", 0, product, vendor, 0x011A, b"UFD", 16, 0))


def resealed(data: bytes) -> bytes:
    """A .dfu file with the CRC32 that it should have."""
    return data[:-4] + struct.pack("<I", ~zlib.crc32(data[:-4]) & 0xFFFFFFFF)


def esp_part(chip: int | None, segments: Sequence[bytes]) -> bytes:
    """An image of an ESP chip: segments, checksum, SHA-256; None is an ESP8266."""
    data = struct.pack("<4BI", 0xE9, len(segments), 2, 0x20, 0x40080400)
    if chip is not None:
        data += struct.pack("<B3xH3x6xB", 0xEE, chip, 1)[:16].ljust(16, b"\0")
    for number, segment in enumerate(segments):
        data += struct.pack("<II", 0x3FFF0000 + 0x1000 * number, len(segment)) + segment
    data += bytes(15 - len(data) % 16)
    data += bytes([reduce(int.__xor__, b"".join(segments), 0xEF)])
    return data if chip is None else data + hashlib.sha256(data).digest()


def partition_row(kind: int, subkind: int, offset: int, size: int, name: bytes) -> bytes:
    return struct.pack("<HBBII16sI", 0x50AA, kind, subkind, offset, size, name, 0)


def esp_image(chip: int, begin: int, program: bytes) -> bytes:
    """Boot loader, partition table and program, as in MicroPython's images."""
    table = partition_row(1, 2, 0x9000, 0x6000, b"nvs")
    table += partition_row(0, 0, 0x10000, 0x1F0000, b"factory")
    table += struct.pack("<H14s16s", 0xEBEB, b"\xff" * 14, hashlib.md5(table).digest())
    flash = bytearray(b"\xff" * 0x10000)
    boot = esp_part(chip, [b"boot" * 16, b"loader!!"])
    flash[begin : begin + len(boot)] = boot
    flash[0x8000 : 0x8000 + len(table)] = table
    return bytes(flash[begin:]) + esp_part(chip, [program, b"\x01\x02\x03\x04"])


def esp8266_image(program: bytes) -> bytes:
    """As MicroPython's makeimg.py joins it: the first part, the rest from 0x9000, an MD5."""
    data = esp_part(None, [b"text" * 8, b"data"]).ljust(0x9000 - 4, b"\xff")
    data += struct.pack("<I", 0x9000 + len(program)) + program
    return data + hashlib.md5(data[4:]).digest()

"""Images for ESP chips and .dfu files for STM32: what they are for, and their damage."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.flash import dfuse, esp_image
from microinterp_boards.flash.chips import chip_of, chip_of_machine, machines_named_in, part_of
from microinterp_boards.flash.firmware import parse
from tests.boards.firmware_files import (
    dfu,
    esp8266_image,
    esp_part,
    partition_row,
    resealed,
    words,
)
from tests.boards.firmware_files import (
    esp_image as make_esp,
)

PROGRAM = words("Generic ESP32 module with ESP32")
ESP32 = make_esp(0, 0x1000, PROGRAM)


@pytest.mark.parametrize(
    ("number", "chip", "begin"),
    [
        (0, "ESP32", 0x1000),
        (2, "ESP32-S2", 0x1000),
        (5, "ESP32-C3", 0),
        (9, "ESP32-S3", 0),
        (13, "ESP32-C6", 0),
        (18, "ESP32-P4", 0x2000),
        (23, "ESP32-C5", 0x2000),
    ],
)
def test_images_of_esp32s(number: int, chip: str, begin: int) -> None:
    """Numbers and offsets are those of esptool 5.6's targets."""
    assert esp_image.parse(make_esp(number, begin, PROGRAM)) == (chip,)
    assert esp_image.offset(chip) == begin


def test_images_of_esp8266() -> None:
    data = esp8266_image(b"more" * 40)
    assert esp_image.parse(data) == ("ESP8266",)
    assert esp_image.parse(data[:2] + b"\x01\x30" + data[4:]) == ("ESP8266",)  # another flash mode
    assert esp_image.offset("ESP8266") == 0


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


ESP_DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "tiny": (lambda data: data[:20], "it has only 20 bytes"),
    "boot loader": (flipped(40), "segments of it, as one for ESP32, end after it"),
    "its entry": (flipped(5), "its first part has another SHA-256"),
    "partition table": (flipped(0x7000 + 20), "partition table has another MD5"),
    "program": (flipped(0xF000 + 100), "the program at 0x10000 has a wrong checksum"),
    "its hash": (flipped(-1), "the program at 0x10000 has another SHA-256"),
    "cut in the program": (lambda data: data[:-400], "the program at 0x10000 ends after the file"),
    "no program": (lambda data: data[:0xF000], "the program at 0x10000 does not begin with 0xe9"),
    "cut in the table": (lambda data: data[: 0x7000 + 40], "it ends in the partition table"),
    "no table": (lambda data: data[:0x6000], "has no partition table"),
    "program alone": (lambda data: data[0xF000:], "has no partition table"),
    "other chip": (
        lambda data: data[:12] + b"\x63" + data[13:],
        "segments of it, as one for ESP8266, end after it",
    ),
}


@pytest.mark.parametrize("kind", ESP_DAMAGE)
def test_damaged_images_are_named(kind: str) -> None:
    damage, message = ESP_DAMAGE[kind]
    with pytest.raises(DeviceError) as caught:
        esp_image.parse(damage(ESP32))
    assert message in caught.value.message
    assert caught.value.hint


def test_a_table_without_a_program() -> None:
    row = 0x7000 + 32
    data = bytearray(ESP32)
    assert data[row + 2] == 0
    data[row + 2] = 1  # the program's row is of data; the sum is left away
    data[row + 32 : row + 64] = b"\xff" * 32
    with pytest.raises(DeviceError, match="no partition of its table is for a program"):
        esp_image.parse(bytes(data))


@pytest.mark.parametrize(("before", "is_read"), [(0, True), (94, True), (95, False)])
def test_a_table_has_95_rows(before: int, is_read: bool) -> None:
    """Without a sum: what lies behind the last of them is no row."""
    data = bytearray(ESP32)
    rows = before * partition_row(1, 2, 0x9000, 0x1000, b"nvs")
    rows += partition_row(0, 0, 0x10000, 0x1F0000, b"factory")
    rows += (95 - before) * partition_row(1, 2, 0x9000, 0x1000, b"nvs")
    data[0x7000 : 0x7000 + len(rows)] = rows
    if is_read:
        assert esp_image.parse(bytes(data)) == ("ESP32",)
        return
    with pytest.raises(DeviceError, match="no partition of its table is for a program"):
        esp_image.parse(bytes(data))


def test_damaged_images_of_esp8266() -> None:
    data = esp8266_image(b"more" * 40)
    for damage in (flipped(0x9000), flipped(-1), flipped(0x8000)):
        with pytest.raises(DeviceError, match="another MD5"):
            esp_image.parse(damage(data))
    with pytest.raises(DeviceError, match="another MD5"):
        esp_image.parse(data[:-1])
    with pytest.raises(DeviceError, match="segments of it"):
        esp_image.parse(flipped(20)(data))


def test_segments_by_hand() -> None:
    """esptool's `image-info` calls the checksums of these valid."""
    assert esp_part(None, [b"text" * 8, b"data"])[-1] == 0xEF ^ ord("d") ^ ord("t")
    none = b"\xe9\x00" + esp_part(None, [b"data"])[2:]
    for count, data in ((0, none), (17, b"\xe9\x11" + none[2:])):
        with pytest.raises(DeviceError, match="segments of it"):
            esp_image.parse(data)
        assert data[1] == count


ELEMENTS = [(0x08000000, words("PYBv1.1 with STM32F405RG")), (0x08020000, bytes(range(256)))]
DFU = dfu(ELEMENTS)


def test_dfu_files() -> None:
    found = dfuse.parse(DFU)
    assert [(each.address, each.data) for each in found.elements] == ELEMENTS
    assert {each.alternate for each in found.elements} == {0}
    assert (found.usb_id, found.chips) == ("0483:df11", ("STM32F405RG",))
    assert found.fits(0x0483, 0xDF11)
    assert not found.fits(0x0483, 0xDF10)
    assert not found.fits(0x0484, 0xDF11)
    anything = dfuse.parse(dfu(ELEMENTS, 0xFFFF, 0xFFFF, alternate=3))
    assert anything.fits(1, 2)
    assert anything.usb_id == "*:*"
    assert anything.elements[0].alternate == 3
    about = parse(Path("x.dfu"), DFU)
    assert (about.kind, about.chips) == ("dfu", ("STM32F405RG",))


def test_dfu_files_of_dfuse_pack() -> None:
    """That of dfu-util 0.11 counts the suffix too, where MicroPython's tools/dfu.py does not."""
    assert dfuse.parse(patched(6, "<I", len(DFU))) == dfuse.parse(DFU)
    for size in (len(DFU) - 15, len(DFU) + 1):
        with pytest.raises(DeviceError, match="and the suffix"):
            dfuse.parse(patched(6, "<I", size))


def patched(at: int, layout: str, value: int) -> bytes:
    data = bytearray(DFU)
    struct.pack_into(layout, data, at, value)
    return resealed(bytes(data))


DFU_DAMAGE: dict[str, tuple[Callable[[], bytes], str]] = {
    "tiny": (lambda: DFU[:20], "it has only 20 bytes"),
    "cut": (lambda: DFU[:-1], "it has no DFU suffix at its end"),
    "a bit": (lambda: flipped(400)(DFU), "its CRC32 is wrong"),
    "CRC": (lambda: flipped(-1)(DFU), "its CRC32 is wrong"),
    "magic": (lambda: patched(0, "<B", 0x45), "it is of revision 1"),
    "revision": (lambda: patched(5, "<B", 2), "it is of revision 2"),
    "plain DFU": (lambda: patched(len(DFU) - 10, "<H", 0x0100), "DFU 0x0100, not 1 and 0x011a"),
    "whole": (lambda: patched(6, "<I", 7), "it says 7 bytes and has 1581, and the suffix"),
    "no target": (lambda: patched(10, "<B", 0), "belong to no target"),
    "a target more": (lambda: patched(10, "<B", 2), "it ends in the header of a target"),
    "target's name": (lambda: patched(11, "<B", 0x74), "no target begins at byte 0xb"),
    "target too long": (lambda: patched(11 + 266, "<I", 1 << 20), "a target says 1048576 bytes"),
    "target too short": (lambda: patched(11 + 266, "<I", 100), "does not fit its target"),
    "an element less": (lambda: patched(11 + 270, "<I", 1), "264 bytes that belong to no element"),
    "an element more": (lambda: patched(11 + 270, "<I", 3), "ends in the header of an element"),
    "element too long": (lambda: patched(289, "<I", 1 << 30), "an element of 1073741824 bytes"),
    "element of nothing": (lambda: patched(289, "<I", 0), "an element of 0 bytes"),
    "address": (lambda: patched(285, "<I", 0xFFFFFFF0), "for 0xfffffff0 does not fit"),
}


@pytest.mark.parametrize("kind", DFU_DAMAGE)
def test_damaged_dfu_files_are_named(kind: str) -> None:
    damage, message = DFU_DAMAGE[kind]
    with pytest.raises(DeviceError) as caught:
        dfuse.parse(damage())
    assert message in caught.value.message
    assert caught.value.hint


def test_other_files_are_no_firmware() -> None:
    for data in (b"", b"TFL3", b"\x7fELF" + bytes(100), b"PK\x03\x04", b"UF"):
        with pytest.raises(DeviceError, match="no firmware that this command knows"):
            parse(Path("x"), data)


def test_names_of_chips() -> None:
    for text, chip in (
        ("RPI-RP2", "RP2040"),
        ("RP2350", "RP2350"),
        ("SAMD51J19A-Metro-AirLift-v0", "SAMD51"),
        ("SAME51J20A-Feather-v0", "SAMD51"),
        ("SAMD21G18A-Zero-v0", "SAMD21"),
        ("nRF52840-SeeedXiaoSense-v1", "nRF52840"),
        ("ESP32S3-FeatherTFT-revA", "ESP32-S3"),
        ("ESP32-S31", "ESP32-S31"),
        ("ESP32-S3 (QFN56)", "ESP32-S3"),
        ("ESP32-D0WD-V3", "ESP32"),
        ("ESP32-PICO-D4", "ESP32"),
        ("ESP32-U4WDH", "ESP32"),
        ("ESP32-C61", "ESP32-C61"),
        ("ESP32-C9", None),  # not made yet
        ("ESP8266EX", "ESP8266"),
        ("MIMXRT1062DVJ6A", "MIMXRT10XX"),
        ("STM32F405RG", "STM32F405RG"),
        ("HT-n5262G", None),
        ("", None),
    ):
        assert chip_of(text) == chip, text
    assert chip_of_machine("Raspberry Pi Pico with RP2040") == "RP2040"
    assert chip_of_machine("linux [GCC 12] version") is None
    for text, part in (
        ("SAMD51J19A-Metro-v0", "SAMD51J19A"),
        ("Adafruit Feather M4 Express with SAMD51J19A", "SAMD51J19A"),
        ("SAMD21G18A-Zero-v0", "SAMD21G18A"),
        ("Metro M7 with MIMXRT1011DAE5A", "MIMXRT1011"),
        ("iMXRT1011-MetroM7", "MIMXRT1011"),
        ("MIMXRT10XX-Board", None),
        ("RPI-RP2", None),
        ("nRF52840-Feather-Sense", None),
        ("Raspberry Pi Pico with RP2040", None),
    ):
        assert part_of(text) == part


def test_machines_that_an_image_names() -> None:
    image = words("Raspberry Pi Pico with RP2040") + b"MicroPython v1 on x; other with RP2350\0"
    image += b"works with care\0" + b"x" * 100 + b" with STM32F405RG\0"
    assert machines_named_in(image) == (
        "Raspberry Pi Pico with RP2040",
        "other with RP2350",
        "x" * 80 + " with STM32F405RG",
    )

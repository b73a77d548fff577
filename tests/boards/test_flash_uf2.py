"""UF2 files: families that are read, and every kind of damage that is refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.boards_table import find
from microinterp_boards.flash import uf2
from microinterp_boards.flash.firmware import parse
from microinterp_boards.flash.targets import Wanted, check_board, same_chip
from tests.boards.firmware_files import (
    ABSOLUTE,
    HAS_FAMILY,
    RP2040,
    RP2350_ARM_S,
    SAMD51,
    e10_block,
    uf2_block,
    words,
)
from tests.boards.firmware_files import uf2 as make

IMAGE = bytes(range(256)) * 3


def test_families_are_those_of_the_list() -> None:
    """Ids from uf2families.json of microsoft/uf2, by hand."""
    for name, family, chip in (
        ("RP2040", 0xE48BFF56, "RP2040"),
        ("RP2350_ARM_S", 0xE48BFF59, "RP2350"),
        ("RP2350_RISCV", 0xE48BFF5A, "RP2350"),
        ("SAMD21", 0x68ED2B88, "SAMD21"),
        ("SAMD51", 0x55114460, "SAMD51"),
        ("NRF52840", 0xADA52840, "nRF52840"),
        ("MIMXRT10XX", 0x4FB2D5BD, "MIMXRT10XX"),
        ("ESP32S3", 0xC47E5767, "ESP32-S3"),
    ):
        (found,) = uf2.parse(make(IMAGE, family))
        assert (found.id, found.name, found.chip) == (family, name, chip)
        assert (found.blocks, found.start, found.image) == (3, 0x10000000, IMAGE)


def test_several_families_one_after_the_other() -> None:
    pico, samd = uf2.parse(make(IMAGE, RP2040) + make(IMAGE[:256], SAMD51, 0x4000))
    assert (pico.chip, pico.blocks, samd.chip, samd.blocks) == ("RP2040", 3, "SAMD51", 1)
    assert samd.start == 0x4000


def test_the_block_against_rp2350_e10_is_no_firmware() -> None:
    (found,) = uf2.parse(e10_block() + make(IMAGE, RP2350_ARM_S))
    assert (found.name, found.image) == ("RP2350_ARM_S", IMAGE)
    with pytest.raises(DeviceError, match="no block in it goes to flash"):
        uf2.parse(e10_block())
    other = uf2_block(0, 2, b"\xee" * 256, family=ABSOLUTE)  # a first block of two, and cut short
    with pytest.raises(DeviceError, match="1 of 2 blocks of RP2XXX_ABSOLUTE are there"):
        uf2.parse(other + make(IMAGE, RP2350_ARM_S))


def test_blocks_that_are_not_for_flash_count_and_write_nothing() -> None:
    data = uf2_block(0, 2, IMAGE[:256]) + uf2_block(1, 2, b"note", flags=HAS_FAMILY | 1)
    (found,) = uf2.parse(data)
    assert (found.blocks, found.image) == (2, IMAGE[:256])


def test_payloads_of_other_sizes_md5_and_tags() -> None:
    version = bytes([9]) + b"\xbc\xc7\x9f" + b"0.1.2" + bytes(3)
    data = uf2_block(0, 2, bytes(452), flags=HAS_FAMILY | 0x4000)
    data += uf2_block(
        1, 2, b"\1\2\3\4", address=0x10000200, flags=HAS_FAMILY | 0x8000, tail=version
    )
    (found,) = uf2.parse(data)
    assert found.image == bytes(452) + b"\1\2\3\4"


def changed(at: int, value: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + struct.pack("<I", value) + data[at + 4 :]


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda data: b"", "it has 0 bytes"),
    "cut in a block": (lambda data: data[:-1], "it has 1535 bytes, which are not whole blocks"),
    "cut between blocks": (lambda data: data[:-512], "2 of 3 blocks of RP2040 are there"),
    "first magic": (changed(512, 0x0A324656), "block 1 has not the magic numbers"),
    "second magic": (changed(516, 0x9E5D5158), "block 1 has not the magic numbers"),
    "last magic": (changed(1020, 0), "block 1 has not the magic numbers"),
    "unknown flag": (changed(520, 0x2010), "block 1 has unknown flags 0x10"),
    "container": (changed(520, 0x3000), "block 1 is a piece of a file"),
    "no family": (changed(520, 0), "does not say which chips it is for (block 1"),
    "odd address": (changed(524, 0x10000102), "block 1 goes to address 0x10000102"),
    "address too high": (changed(524, 0xFFFFFF80), "block 1 goes to address 0xffffff80"),
    "same address": (changed(524, 0x10000000), "two blocks of RP2040 go to address 0x10000000"),
    "overlap": (changed(524, 0x100000FC), "two blocks of RP2040 go to address 0x100000fc"),
    "no payload": (changed(528, 0), "block 1 has a payload of 0 bytes"),
    "payload in threes": (changed(528, 254), "block 1 has a payload of 254 bytes"),
    "payload too large": (changed(528, 480), "block 1 has a payload of 480 bytes"),
    "number again": (changed(532, 0), "block 1 is number 0 of 3 of RP2040, where number 1"),
    "number skipped": (changed(532, 2), "block 1 is number 2 of 3 of RP2040, where number 1"),
    "number over": (changed(532, 7), "block 1 is number 7 of 3"),
    "other total": (changed(536, 4), "block 1 says 4 blocks of RP2040, not 3"),
    "total of none": (changed(24, 0), "block 0 is number 0 of 0"),
    "other family inside": (changed(540, SAMD51), "block 1 is number 1 of 3 of SAMD51"),
    "twice": (lambda data: data + data, "block 3 is number 0 of 3 of RP2040, where number 3"),
    "order": (
        lambda data: data[:512] + data[1024:] + data[512:1024],
        "block 1 is number 2 of 3 of RP2040, where number 1",
    ),
    "nothing for flash": (
        lambda data: uf2_block(flags=HAS_FAMILY | 1),
        "no block of RP2040 goes to flash",
    ),
    "tag": (
        lambda data: uf2_block(flags=HAS_FAMILY | 0x8000, tail=b"\x03abc"),
        "block 0 has an extension tag of 3 bytes",
    ),
    "long tag": (
        lambda data: uf2_block(flags=HAS_FAMILY | 0x8000, tail=b"\xffabc"),
        "block 0 has an extension tag of 255 bytes",
    ),
    "payload over the MD5": (
        lambda data: uf2_block(data=bytes(456), flags=HAS_FAMILY | 0x4000),
        "block 0 has a payload of 456 bytes, not 4 to 452",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named(kind: str) -> None:
    damage, message = DAMAGE[kind]
    with pytest.raises(DeviceError) as caught:
        uf2.parse(damage(make(IMAGE)))
    assert message in caught.value.message
    assert caught.value.hint


def test_no_changed_header_byte_is_taken_for_the_same_file() -> None:
    """Each bit of a block's header and end is checked, but those of the address."""
    data = make(IMAGE)
    for at in [*range(512, 524), *range(528, 544), *range(1020, 1024)]:
        for bit in range(8):
            bad = bytearray(data)
            bad[at] ^= 1 << bit
            if at in (520, 521) and bad[521] == 0x60:
                continue  # announces an MD5, for which the block has room
            if at in (520, 521) and (bad[521] == 0xA0 or bad[520] == 1):
                continue  # announces tags, of which there are none; or is not for flash
            if at in (528, 529) and 0 < int.from_bytes(bad[528:532], "little") <= 476:
                continue  # a payload of another size, which ends before the next
            with pytest.raises(DeviceError):
                uf2.parse(bytes(bad))


def test_a_file_for_unknown_chips_only_is_refused() -> None:
    with pytest.raises(DeviceError, match=r"for unknown family 0x12345678 .* no chip"):
        parse(Path("x.uf2"), make(IMAGE, 0x12345678))
    both = parse(Path("x.uf2"), make(IMAGE, 0x12345678) + make(IMAGE))
    assert both.chips == ("RP2040",)


def test_what_a_file_is() -> None:
    image = words("Raspberry Pi Pico with RP2040")
    found = parse(Path("x.uf2"), make(image))
    assert (found.kind, found.chips, found.image) == ("uf2", ("RP2040",), image)
    assert found.about == "UF2 for RP2040 (4 blocks), Raspberry Pi Pico with RP2040"


def test_a_board_takes_files_for_its_chip_only() -> None:
    """One whose chip is of none that is known takes no file that names one."""
    file = parse(Path("x.uf2"), make(IMAGE))
    pico = find("pico")
    check_board(Wanted(file))
    check_board(Wanted(file, pico))
    for mcu in ("RP2350", "GD32VF103"):
        with pytest.raises(DeviceError, match=rf"'x\.uf2' is for RP2040 \(.*\), and .* has {mcu}"):
            check_board(Wanted(file, replace(pico, mcu=mcu)))
    for one, other, same in (
        ("STM32F405", "STM32F405RG", True),
        ("STM32F405RG", "STM32F411", False),
        ("nRF52833", "nRF52833", True),
        ("nRF52", "nRF52833", False),
        (None, "RP2040", False),
        ("RP2040", None, False),
        (None, None, False),
    ):
        assert same_chip(one, other) == same

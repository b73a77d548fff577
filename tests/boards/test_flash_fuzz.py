"""Damaged firmware files: an error of ours, or a file that is sound; never anything else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.flash.firmware import parse
from tests.boards.firmware_files import (
    END,
    RP2350_ARM_S,
    dfu,
    e10_block,
    esp8266_image,
    esp_image,
    hex_data,
    uf2,
    universal_hex,
    words,
)

IMAGE = words("micro:bit with nRF51822", size=640)
FILES = {
    "uf2": e10_block() + uf2(IMAGE, RP2350_ARM_S) + uf2(IMAGE),
    "hex": (hex_data(IMAGE) + END).encode(),
    "universal hex": universal_hex([(0x9900, IMAGE), (0x9903, IMAGE)]),
    "dfu": dfu([(0x08000000, IMAGE), (0x08020000, IMAGE)]),
    "esp32": esp_image(0, 0x1000, IMAGE),
    "esp8266": esp8266_image(IMAGE),
}
MUTANTS = 300
WORDS = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\n", b":00", b"\x80")


def mutant(data: bytes, random_: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(random_.randint(1, 3)):
        at = random_.randrange(len(made) or 1)
        kind = random_.randrange(5)
        if kind == 0 and made:
            made[at] ^= 1 << random_.randrange(8)
        elif kind == 1:
            made[at : at + 4] = random_.choice(WORDS)
        elif kind == 2:
            del made[at:]
        elif kind == 3:
            made[at:at] = made[: random_.randrange(600)]
        else:
            del made[at : at + random_.choice((1, 2, 32, 512))]
    return bytes(made)


@pytest.mark.parametrize("kind", FILES)
def test_mutants(kind: str) -> None:
    random_ = random.Random(7)
    data = FILES[kind]
    assert parse(Path("x"), data).chips
    hints = []
    for _ in range(MUTANTS):
        try:
            found = parse(Path("x"), mutant(data, random_))
        except DeviceError as error:
            hints.append(error.hint)
        else:
            assert len(found.image) <= len(data) + 4096
    assert len(hints) > MUTANTS // 2
    assert all(hints)


@pytest.mark.parametrize("kind", FILES)
def test_every_cut_is_refused(kind: str) -> None:
    """What a broken download leaves; the line end after a HEX file's last record is no loss."""
    data = FILES[kind]
    step = max(1, len(data) // 150)
    for size in range(0, len(data.rstrip(b"\n")), step):
        if kind == "uf2" and size == 512 * (1 + 3):
            continue  # where one family ends, the file is whole for that family
        with pytest.raises(DeviceError):
            parse(Path("x"), data[:size])

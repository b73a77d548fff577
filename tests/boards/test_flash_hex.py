"""HEX files for micro:bits, plain and universal, and their damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.flash.firmware import parse as parse_file
from microinterp_boards.flash.intel_hex import parse
from microinterp_boards.virtual.qemu import MICROBIT
from tests.boards.firmware_files import END, hex_data, record, universal_hex, words
from tests.conftest import require_or_skip

V1, V2 = words("micro:bit with nRF51822"), words("micro:bit with nRF52833")


def test_a_plain_file_that_names_its_chip() -> None:
    for image, chip in ((V1, "nRF51822"), (V2, "nRF52833")):
        found = parse((hex_data(image) + END).encode())
        assert (found.chips, found.image, found.is_universal) == ((chip,), image, False)


def test_a_plain_file_that_does_not_tell() -> None:
    assert parse((hex_data(bytes(64)) + END).encode()).chips == ()
    above = hex_data(bytes(64)) + hex_data(bytes(16), base=0x40000) + END
    assert parse(above.encode()).chips == ("nRF52833",)  # a V1 has 256 kB
    just_below = hex_data(bytes(64)) + hex_data(bytes(16), base=0x3FFF0) + END
    assert parse(just_below.encode()).chips == ()
    for segment, chips in ((b"\x40\x00", ("nRF52833",)), (b"\x3f\xff", ())):  # in 16 bytes
        text = record(2, 0, segment) + record(0, 0, bytes(16)) + END
        assert parse(text.encode()).chips == chips
    registers = hex_data(bytes(64)) + hex_data(bytes(16), base=0x10001000) + END
    assert parse(registers.encode()).chips == ()


def test_a_universal_file() -> None:
    found = parse(universal_hex([(0x9900, V1), (0x9903, V2)]))
    assert found.chips == ("nRF51822", "nRF52833")
    assert found.image == V1 + V2
    assert found.is_universal
    assert parse(universal_hex([(0x9903, V2)])).chips == ("nRF52833",)
    assert parse_file(Path("x.hex"), universal_hex([(0x9903, V2)])).kind == "hex"


def test_the_example_of_the_specification() -> None:
    """Lines of microbit-foundation/spec-universal-hex, spec/index.md: both sections' beginnings."""
    text = """\
:020000040000FA
:0400000A9900C0DEBB
:2000000000400020218E01005D8E01005F8E010000000000000000000000000000000000F6
:2000000CFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF4
:0000000BF5
:020000040000FA
:0400000A9903C0DEB8
:2000000D00040020810A000015070000610A00001F0700002907000033070000000000000D
:1600000BFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5
:00000001FF

"""
    found = parse(text.encode())
    assert found.chips == ("nRF51822", "nRF52833")
    assert found.image[:8] == bytes.fromhex("00400020218E0100")
    assert found.image[32:40] == bytes.fromhex("00040020810A0000")
    assert parse(text.replace("\n", "\r\n").encode()) == found


def test_the_firmware_that_debian_ships() -> None:
    if not MICROBIT.is_file():
        package = "firmware-microbit-micropython"
        require_or_skip(package, f"apt install {package}")
    found = parse(MICROBIT.read_bytes())
    assert (found.chips, found.is_universal) == (("nRF51822",), False)
    assert b"MicroPython v1.9.2" in found.image


PLAIN = hex_data(bytes(range(48))) + END
BOTH = universal_hex([(0x9900, V1[:64]), (0x9903, V2[:64])]).decode()

DAMAGE: dict[str, tuple[Callable[[], str], str]] = {
    "cut": (lambda: PLAIN[:-12], "the record that ends it is missing"),
    "cut in a line": (lambda: PLAIN[:99], "line 3 has not the length that it says"),
    "checksum": (lambda: PLAIN.replace("0304", "0404", 1), "line 2 has a wrong checksum"),
    "length": (lambda: PLAIN.replace(":10", ":11", 1), "line 2 has not the length"),
    "no colon": (lambda: PLAIN.replace("\n:", "\n;", 1), "line 2 is no record"),
    "digits": (lambda: PLAIN.replace("0304", "03G4", 1), "line 2 is no record"),
    "space": (lambda: PLAIN.replace("0304", "03 04", 1), "line 2 is no record"),
    "short": (lambda: ":00\n", "line 1 has not the length"),
    "after the end": (lambda: PLAIN + hex_data(b"x"), "line 6 comes after the end"),
    "no data": (lambda: END, "holds no data"),
    "type": (lambda: record(6, 0, b"x") + END, "line 1 is of an unknown type 0x06"),
    "size of a base": (lambda: record(4, 0, b"x") + END, "line 1 has 1 bytes, of type 0x04"),
    "other board": (
        lambda: record(0x0A, 0, b"\x12\x34") + END,
        "line 1 begins a section for a board 0x1234, which is no micro:bit",
    ),
    "board cut": (lambda: record(0x0A, 0, b"\x99") + END, "line 1 begins a section for a board"),
    "section not begun": (lambda: record(0x0B, 0, b"") + END, "ends a section that was not begun"),
    "section in a section": (
        lambda: record(0x0A, 0, b"\x99\x00") + record(0x0A, 0, b"\x99\x03") + END,
        "line 2 begins a section inside of another",
    ),
    "end in a section": (
        lambda: record(0x0A, 0, b"\x99\x00") + END,
        "line 2 ends the file inside of a section",
    ),
    "V2 data as V1's": (
        lambda: record(0x0A, 0, b"\x99\x03") + record(0, 0, b"x") + record(0x0B, 0, b"") + END,
        "line 2 has type 0x00, which is not this section's",
    ),
    "V1 data as V2's": (
        lambda: record(0x0A, 0, b"\x99\x00") + record(0x0D, 0, b"x") + record(0x0B, 0, b"") + END,
        "line 2 has type 0x0d, which is not this section's",
    ),
    "custom data without a section": (lambda: record(0x0D, 0, b"x") + END, "line 1 has type 0x0d"),
    "data between sections": (
        lambda: BOTH.replace(
            "\n:020000040000FA\n:0400000A9903",
            f"\n{record(0, 0, b'x')}:020000040000FA\n:0400000A9903",
        ),
        "data stands outside of its sections",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named(kind: str) -> None:
    damage, message = DAMAGE[kind]
    with pytest.raises(DeviceError) as caught:
        parse(damage().encode())
    assert message in caught.value.message
    assert caught.value.hint


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(DeviceError, match="line 2 is no record"):
        parse(b":00000001FF\n".replace(b":", b":020000040000FA\n\xff:", 1))

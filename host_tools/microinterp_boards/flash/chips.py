"""The chips that firmware is for, by one name each, however files and bootloaders spell them."""

from __future__ import annotations

import re

_ESP = (
    *("ESP32-S31", "ESP32-S3", "ESP32-S2", "ESP32-C61", "ESP32-C6", "ESP32-C5", "ESP32-C3"),
    *("ESP32-C2", "ESP32-H21", "ESP32-H2", "ESP32-H4", "ESP32-P4", "ESP8266"),
)
# Prefixes without hyphens; a longer one stands before a shorter one that it begins with.
_PREFIXES = (
    ("RPIRP2", "RP2040"),  # how the boot ROM of an RP2040 calls its board
    ("RP2040", "RP2040"),
    ("RP2350", "RP2350"),
    ("SAMD51", "SAMD51"),
    ("SAME51", "SAMD51"),  # the bootloaders of SAM E51 and E54 take the family of SAM D51
    ("SAME54", "SAMD51"),
    ("SAMD21", "SAMD21"),
    ("NRF52840", "nRF52840"),
    ("NRF52833", "nRF52833"),
    ("NRF51822", "nRF51822"),
    ("MIMXRT10", "MIMXRT10XX"),
    ("IMXRT10", "MIMXRT10XX"),
    *((name.replace("-", ""), name) for name in _ESP),
)
_OTHER_ESP32 = re.compile(r"ESP32[CEHPS][0-9]")
# A banner has a semicolon before the machine.
_WITH = re.compile(rb"[ -:<-~]{1,80} with [A-Za-z0-9-]{4,24}\0")


def chip_of(text: str) -> str | None:
    """The chip that a name begins with: of a bootloader's Board-ID, a part, or a chip's own name.

    "SAMD51J19A-Metro-v0" gives "SAMD51". An STM32 is its part's name. None if it is none we know.
    """
    name = text.upper().replace("-", "").replace(" ", "")
    for prefix, chip in _PREFIXES:
        if name.startswith(prefix):
            return chip
    if name.startswith("ESP32") and not _OTHER_ESP32.match(name):
        return "ESP32"  # ESP32-D0WD, ESP32-PICO-D4, ...
    return name if re.fullmatch(r"STM32[A-Z0-9]{4,8}", name) else None


def chip_of_machine(machine: str) -> str | None:
    """The chip in MicroPython's words for a board, "Raspberry Pi Pico with RP2040"."""
    _, found, chip = machine.rpartition(" with ")
    return chip_of(chip) if found else None


def machines_named_in(image: bytes) -> tuple[str, ...]:
    """What MicroPython in a flash image says to run on: "Raspberry Pi Pico with RP2040"."""
    found = (match[0][:-1].decode().strip() for match in _WITH.finditer(image))
    return tuple(dict.fromkeys(each for each in found if chip_of_machine(each) is not None))


def chips_named_in(image: bytes) -> tuple[str, ...]:
    """The chips of these machines; mostly one, or none."""
    found = (chip_of_machine(each) for each in machines_named_in(image))
    return tuple(dict.fromkeys(chip for chip in found if chip is not None))


def part_of(text: str) -> str | None:
    """The part that a Board-ID or a machine names, where it says more than the chip: "SAMD51J19A".

    None for names such as "RPI-RP2" or "nRF52840-Feather", of which all parts are alike.
    """
    name = text.rpartition(" with ")[2].partition("-")[0].upper()
    if match := re.match(r"(?:MI|I)MXRT(1[0-9]{3})", name):
        return f"MIMXRT{match[1]}"  # without package and revision
    return name if re.fullmatch(r"SAM[DE][0-9]{2}[A-Z][0-9]{2}[A-Z]?", name) else None

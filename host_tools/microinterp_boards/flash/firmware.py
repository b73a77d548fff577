"""A firmware file: found by path or in the cache, told by its contents, checked as a whole."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from microinterp.errors import DeviceError, printable, printable_path
from microinterp.files import read_bytes
from microinterp_boards.flash import dfuse, esp_image, intel_hex, uf2
from microinterp_boards.flash.chips import machines_named_in, part_of

LARGEST = 64 << 20
"""Bytes; no firmware of these kinds is larger."""
SUFFIXES = (".uf2", ".hex", ".dfu", ".bin")
WAYS = {"uf2": "uf2", "hex": "hex", "dfu": "dfu", "bin": "esptool"}
"""Kind of file to how it gets onto a board, in the words of boards.toml."""


@dataclass(frozen=True, slots=True)
class Firmware:
    """A firmware file that was found to be sound.

    Attributes:
        path: where it is.
        kind: "uf2", "hex", "dfu" or "bin", by its contents.
        data: all of it.
        chips: that it is for; empty if it does not tell.
        image: what it writes to flash, to look for names in.
        about: what it is, for people.
        dfu: what a .dfu file holds, else None.
    """

    path: Path
    kind: str
    data: bytes
    chips: tuple[str, ...]
    image: bytes
    about: str
    dfu: dfuse.DfuFile | None = None

    @property
    def parts(self) -> frozenset[str]:
        """The parts that MicroPython in it names, where they differ within a chip."""
        parts = (part_of(each) for each in machines_named_in(self.image))
        return frozenset(part for part in parts if part is not None)


def cache_folder() -> Path:
    """Where firmware may be kept to be found by name: .../microinterp/firmware of this user."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "microinterp" / "firmware"


def find(name: str) -> Path:
    """The file of that path, else that of the cache with that name, with or without its suffix.

    Raises DeviceError if there is none, or more than one. Nothing is ever downloaded.
    """
    path = Path(name)
    if path.is_file():
        return path
    folder = cache_folder()
    if name in ("", ".", "..") or Path(name).name != name:  # a path, and no name
        raise DeviceError(f"there is no file '{printable_path(name)}'")
    found = [folder / f"{name}{suffix}" for suffix in ("", *SUFFIXES)]
    found = [each for each in found if each.is_file()]
    if len(found) > 1:
        names = ", ".join(printable(each.name) for each in found)
        raise DeviceError(f"'{printable(name)}' may be {names}", hint="name the one that you mean")
    if not found:
        raise DeviceError(
            f"there is no file '{printable(name)}', neither here nor in"
            f" {printable_path(str(folder))}",
            hint="download the board's firmware from https://micropython.org/download and give its"
            " path; this command downloads nothing",
        )
    return found[0]


def read(name: str) -> Firmware:
    """Find and check a firmware file. Raises DeviceError that says what is wrong with it."""
    path = find(name)
    data = read_bytes(path, LARGEST, kind=DeviceError)
    try:
        return parse(path, data)
    except DeviceError as error:
        error.message = f"'{printable_path(str(path))}': {error.message}"
        raise


def parse(path: Path, data: bytes) -> Firmware:
    """Check the contents of a file. Raises DeviceError."""
    if data.startswith(uf2.MAGIC):
        return _uf2(path, data)
    if data.startswith(b":"):
        found = intel_hex.parse(data)
        kind = "universal Intel HEX" if found.is_universal else "Intel HEX"
        about = f"{kind}, {_for(found.chips)}, {len(found.image):,} bytes of flash"
        return Firmware(path, "hex", data, found.chips, found.image, about)
    if data.startswith(dfuse.MAGIC):
        dfu = dfuse.parse(data)
        image = b"".join(element.data for element in dfu.elements)
        about = f"DfuSe for USB {dfu.usb_id}, {_for(dfu.chips)}, {len(image):,} bytes of flash"
        return Firmware(path, "dfu", data, dfu.chips, image, about, dfu)
    if data.startswith(esp_image.MAGIC):
        chips = esp_image.parse(data)
        about = f"ESP image, {_for(chips)}, {len(data):,} bytes"
        return Firmware(path, "bin", data, chips, data, about)
    raise DeviceError(
        "the file is no firmware that this command knows",
        hint="it takes .uf2, .hex for a micro:bit, .dfu (DfuSe), and .bin for an ESP32 or ESP8266",
    )


def _uf2(path: Path, data: bytes) -> Firmware:
    families = uf2.parse(data)
    chips = tuple(dict.fromkeys(each.chip for each in families if each.chip is not None))
    names = ", ".join(f"{each.name} ({each.blocks:,} blocks)" for each in families)
    if not chips:
        raise DeviceError(
            f"the UF2 file is for {names}, no chip that is known here",
            hint="known families: " + ", ".join(name for name, _ in uf2.FAMILIES.values()),
        )
    image = b"".join(each.image for each in families)
    machines = "".join(f", {each}" for each in machines_named_in(image))
    return Firmware(path, "uf2", data, chips, image, f"UF2 for {names}{machines}")


def _for(chips: tuple[str, ...]) -> str:
    return f"for {' and '.join(chips)}" if chips else "which does not tell its chip"

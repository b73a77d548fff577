"""Mounted volumes that say what board they are: UF2 bootloaders, and micro:bits' DAPLink.

A volume counts only by the file in it with which such a volume describes itself; its name, size
and place count for nothing, so that no disk of another kind is ever written to.
"""

from __future__ import annotations

import re
import string
import sys
from dataclasses import dataclass
from pathlib import Path

from microinterp.errors import DeviceError, printable, printable_path
from microinterp_boards.flash.chips import chip_of
from microinterp_boards.flash.intel_hex import MICROBITS

_LIMIT = 4096  # bytes of a file that describes a volume
_FAT = ("vfat", "msdos", "fat")
_MOUNTS = Path("/proc/self/mounts")
_OCTAL = re.compile(r"\\([0-7]{3})")
_LINE = re.compile(r"^([A-Za-z][A-Za-z -]{0,30}):[ \t]*(.{0,200}?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Volume:
    """A mounted bootloader.

    Attributes:
        path: where it is mounted.
        kind: "uf2", or "hex" for DAPLink on a micro:bit.
        board_id: as it calls itself: Board-ID, or the first four digits of DAPLink's Unique ID.
        model: for people.
        chip: that it flashes; None if the board id is of none we know.
        remounts: how often DAPLink has remounted since it was plugged in; None if not told.
    """

    path: Path
    kind: str
    board_id: str
    model: str
    chip: str | None
    remounts: int | None = None

    def __str__(self) -> str:
        names = f"{printable(self.model)}, Board-ID {printable(self.board_id)}"
        return f"{printable_path(str(self.path))} ({names})"


def mount_points() -> list[Path]:
    """Where volumes with FAT filesystems are mounted; on macOS and Windows, all removable ones."""
    if sys.platform == "win32":
        return [Path(f"{letter}:\\") for letter in string.ascii_uppercase[3:]]
    if sys.platform == "darwin":
        return sorted(Path("/Volumes").glob("*"))
    try:
        return _linux_mounts(_MOUNTS.read_text("utf-8", "surrogateescape"))
    except OSError:
        return []


def _linux_mounts(text: str) -> list[Path]:
    """Mount points of FAT filesystems in the format of /proc/mounts."""
    found = []
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) >= 3 and fields[2] in _FAT:
            found.append(Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[1])))
    return sorted(set(found))


def find_all() -> list[Volume]:
    """Every mounted volume that says it is a bootloader's."""
    found = (describe(path) for path in mount_points())
    return [volume for volume in found if volume is not None]


def at(path: Path) -> Volume:
    """The volume at a folder that the user names. Raises DeviceError if it does not say it is."""
    volume = describe(path)
    if volume is None:
        raise DeviceError(
            f"'{printable_path(str(path))}' does not say that it is a board: it has neither"
            " INFO_UF2.TXT nor a micro:bit's DETAILS.TXT",
            hint="is the board in its bootloader, and its volume mounted? Nothing was written",
        )
    return volume


def describe(path: Path) -> Volume | None:
    """What the volume at a folder says it is; None if it says nothing of the kind."""
    info = _facts(path, "info_uf2.txt")
    if "Board-ID" in info:
        board_id = info["Board-ID"]
        return Volume(path, "uf2", board_id, info.get("Model", "UF2"), chip_of(board_id))
    details = _facts(path, "details.txt")
    unique = details.get("Unique ID", "")
    if re.fullmatch(r"[0-9A-Fa-f]{8,80}", unique) and int(unique[:4], 16) in MICROBITS:
        chip = MICROBITS[int(unique[:4], 16)]
        model = "micro:bit V1" if chip == "nRF51822" else "micro:bit V2"
        count = details.get("Remount count", "")
        remounts = int(count) if re.fullmatch(r"[0-9]{1,9}", count) else None
        if details.get("Daplink Mode", "Interface") == "Interface":  # else it flashes itself
            return Volume(path, "hex", unique[:4], model, chip, remounts)
    return None


def text_of(path: Path, name: str) -> str | None:
    """The beginning of a text file of a volume, whose name FAT may hold in either case."""
    try:
        for each in path.iterdir():
            if each.name.lower() == name and each.is_file():
                with each.open("rb") as file:
                    return file.read(_LIMIT).decode("ascii", "backslashreplace")
    except (OSError, ValueError):
        pass
    return None


def _facts(path: Path, name: str) -> dict[str, str]:
    text = (text_of(path, name) or "").replace("\r\n", "\n")
    return {match[1]: match[2] for match in _LINE.finditer(text)}

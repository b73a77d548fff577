"""The runtime on a board: its .mpy files, installed, compared by checksum, and removed."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from microinterp.errors import DeviceError, printable
from microinterp_boards import checked
from microinterp_boards.files import Files, FileState
from microinterp_boards.link import Link
from microinterp_boards.probe import Probe

if TYPE_CHECKING:
    from importlib.abc import Traversable

_LINE = re.compile(r"((?:[0-9a-f]{2}){1,128}) ([0-9]{1,10}) ([0-9]{1,10})")
_BLOCK = 512
_PATIENCE = 60.0  # seconds for a board to read all files
_AGAIN = "deploy the model again: that repairs the runtime"


@dataclass(frozen=True)
class Installed:
    """The runtime's files on a board, by name, and their folder."""

    folder: str
    files: dict[str, FileState]


@dataclass(frozen=True, slots=True)
class Update:
    """What an installation did: names of the files sent, kept as they were, and removed."""

    sent: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]


def _firmware() -> Traversable:
    return files("microinterp_boards").joinpath("_firmware")


@cache
def manifest() -> dict[str, Any]:
    """What the build wrote: compiler, version, format, and the sets: their layouts, sizes, sha256.

    Raises DeviceError if the package was built without the board's files.
    """
    try:
        text = _firmware().joinpath("manifest.json").read_text("utf-8")
    except OSError:
        raise DeviceError(
            "this installation has no files for boards", hint="in the sources: make firmware"
        ) from None
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def shipped(mpy_set: str) -> dict[str, bytes]:
    """The .mpy files of a set by name. Raises DeviceError if they are not those of the manifest."""
    sets = manifest()["sets"]
    if mpy_set not in sets:
        raise DeviceError(
            f"there is no set of .mpy files '{printable(mpy_set)}'",
            hint=f"there are: {', '.join(sets)}",
        )
    return _read(mpy_set, sets[mpy_set])


@cache
def shipped_link() -> dict[str, bytes]:
    """The .mpy files of the framed link's service, as `shipped`."""
    return _read("link", manifest()["link"])


def _read(where: str, listed: dict[str, Any]) -> dict[str, bytes]:
    """Files below a folder of the build's, by name, if they are those of the manifest."""
    found = {}
    for path, facts in listed.items():
        folder, _, name = path.rpartition("/")
        data = _firmware().joinpath(where).joinpath(folder).joinpath(name).read_bytes()
        if hashlib.sha256(data).hexdigest() != facts["sha256"]:
            raise DeviceError(
                f"the file {where}/{path} of this installation is damaged",
                hint="install the package again, or in the sources: make firmware",
            )
        found[name] = data
    return found


def tier_of(mpy_set: str) -> str:
    """The layout of weights that a set's kernels read: one of microinterp.packed.tiers.TIERS."""
    return str(manifest()["tiers"][mpy_set])


def choose_set(probe: Probe, wanted: str | None) -> str:
    """The set for a board: what the probe says, or `wanted` if the board can run that.

    Raises DeviceError that names the firmware if there is none.
    """
    if probe.mpy_set is None:
        raise DeviceError(
            f"{probe.implementation} {probe.version} on '{printable(probe.machine)}' cannot run"
            f" the runtime: {probe.reason}",
            hint="flash MicroPython 1.23 or later",
        )
    if wanted is None:
        return probe.mpy_set
    if wanted not in probe.sets:
        raise DeviceError(
            f"the set '{printable(wanted)}' is not for this board: {probe.reason}",
            hint=f"it runs {', '.join(probe.sets)}",
        )
    return wanted


def installed(link: Link, package: str = "microinterp") -> Installed:
    """The files of a package on the board, the runtime's by default, as the board reads them."""
    output = checked.run(link, "installed", package.encode(), _BLOCK, timeout=_PATIENCE)
    lines = output.decode("ascii", "backslashreplace").strip().split("\n")
    matches = [_LINE.fullmatch(line) for line in lines[1:-1]]
    folders = package, f"lib/{package}"
    if lines[0] not in folders or lines[-1] != f"end {len(matches)}" or None in matches:
        raise link.transport.error(
            f"something else came instead of a list of the files of {package}",
            "something printed on the line, or bytes were lost: try again",
        )
    return Installed(
        lines[0],
        {
            bytes.fromhex(m[1]).decode(errors="backslashreplace"): FileState(int(m[2]), int(m[3]))
            for m in matches
            if m is not None
        },
    )


def state_of(data: bytes) -> FileState:
    """What a board would say of a file with these contents."""
    return FileState(len(data), zlib.crc32(data))


def differing(there: Installed, mpy_set: str) -> list[str]:
    """Names of the set's files that the board lacks or has otherwise."""
    return [
        name for name, data in shipped(mpy_set).items() if there.files.get(name) != state_of(data)
    ]


def require_sound(link: Link, about: Probe) -> tuple[str, str]:
    """The set that is installed, every byte of it, and its folder.

    Raises DeviceError that says what is wrong if there is none, it is damaged or another version,
    or it is not for this board.
    """
    there = installed(link)
    port = printable(link.port)
    if not there.files:
        raise DeviceError(
            f"{port}: there is no runtime on the board", hint="deploy the model first"
        )
    wrong = {mpy_set: differing(there, mpy_set) for mpy_set in manifest()["sets"]}
    best: str = min(wrong, key=lambda mpy_set: len(wrong[mpy_set]))
    if wrong[best]:
        some = ", ".join(wrong[best][:3]) + (", ..." if len(wrong[best]) > 3 else "")
        raise DeviceError(
            f"{port}: the runtime on the board is damaged or another version: {len(wrong[best])} of"
            f" {len(shipped(best))} files are not those of version {manifest()['version']}"
            f" ({best}): {some}",
            hint=_AGAIN,
        )
    if best not in about.sets:
        raise DeviceError(
            f"{port}: the runtime on the board is the set '{best}', which is not for it:"
            f" {about.reason}",
            hint=_AGAIN,
        )
    return best, there.folder


def uninstall(link: Link, package: str = "microinterp") -> list[str]:
    """Remove a package, the runtime by default; returns the paths of the files that went."""
    there = installed(link, package)
    if not there.files:
        return []
    folder = Files(link, there.folder)
    for name in there.files:
        folder.remove(name)
    *parents, last = there.folder.split("/")
    Files(link, "/".join(parents)).remove_folder(last)
    return [f"{there.folder}/{name}" for name in there.files]

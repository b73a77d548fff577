"""The virtual boards that QEMU imitates: our own Cortex-M board, and the micro:bit.

QEMU's clock counts instructions (-icount): 2^shift ns each, so that a board's times do not depend
on the machine that imitates it. Semihosting is off: it would give a board's code this machine's
files.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from microinterp.errors import DeviceError, printable, printable_path
from microinterp.files import read_bytes
from microinterp_boards.virtual import preload as preloading
from microinterp_boards.virtual import qemu_elf
from microinterp_boards.virtual.bad_line import NO_FAULTS
from microinterp_boards.virtual.process import NotStartedError, board_process, require_posix

PROGRAM = "qemu-system-arm"
MICROBIT = Path("/usr/share/firmware-microbit-micropython/firmware.hex")
_MICROBIT_SHIFT = 6  # 16 MHz are 62.5 ns
_HEADER = 20  # bytes of an ELF file, up to the machine's number
_ARM_32 = (b"\x7fELF\x01\x01", (40).to_bytes(2, "little"))


@contextmanager
def start(
    *,
    cpu: str,
    heap: int,
    elf: str | Path | None,
    preload: Iterable[preloading.Preload],
    line: Mapping[str, Any] = NO_FAULTS,
) -> Iterator[str]:
    """Run our Cortex-M board, or another MicroPython `elf` for that machine; see virtual_board.

    `line`: see bad_line.config.
    """
    require_posix("qemu")
    if cpu not in qemu_elf.MACHINES:
        raise DeviceError(
            f"the virtual board 'qemu' has no processor '{printable(cpu)}'",
            hint=f"there are: {', '.join(qemu_elf.MACHINES)}",
        )
    low, high = qemu_elf.MIN_HEAP_BYTES, qemu_elf.MAX_HEAP_BYTES
    if not low <= heap <= high:
        raise DeviceError(
            f"a heap of {heap} bytes is not possible", hint=f"from {low} to {high} bytes"
        )
    program = _program("qemu")
    image = preloading.image(preload, qemu_elf.PRELOAD_BYTES)
    kernel = qemu_elf.board_elf(cpu) if elf is None else _checked(Path(elf))
    machine, shift = qemu_elf.MACHINES[cpu], qemu_elf.ICOUNT_SHIFT
    command = _command(program, machine.name, shift)
    command += ["-kernel", str(kernel.absolute())]
    for address, word in (
        (machine.heap_word_address, heap),
        (machine.icount_word_address, shift),
    ):
        command += ["-device", f"loader,addr={address:#x},data={word:#x},data-len=4"]
    with tempfile.TemporaryDirectory(prefix="microinterp-board-") as folder:
        if image:
            path = Path(folder, "preload")
            path.write_bytes(image)
            where = f"addr={machine.preload_address:#x},force-raw=on"
            command += ["-device", f"loader,file={_escaped(path)},{where}"]
        config = {"command": command, "temporary": folder, **line}
        with _machine("qemu", config, heap, cpu) as port:
            yield port


@contextmanager
def start_microbit(*, line: Mapping[str, Any] = NO_FAULTS) -> Iterator[str]:
    """Run the BBC micro:bit with Debian's MicroPython 1.9.2; its heap is what that firmware has."""
    require_posix("microbit")
    program = _program("microbit")
    if not MICROBIT.is_file():
        raise DeviceError(
            "the virtual board 'microbit' needs the package firmware-microbit-micropython, which is"
            " not installed",
            hint="Debian, Ubuntu: apt install firmware-microbit-micropython",
        )
    command = [
        *_command(program, "microbit", _MICROBIT_SHIFT),
        "-device",
        f"loader,file={MICROBIT}",
    ]
    with _machine("microbit", {"command": command, **line}, 0, "") as port:
        yield port


def _command(program: str, machine: str, shift: int) -> list[str]:
    return [
        *(program, "-M", machine, "-nodefaults", "-display", "none"),
        *("-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line"),
        *("-icount", f"shift={shift}"),
    ]


@contextmanager
def _machine(kind: str, config: dict[str, Any], heap: int, cpu: str) -> Iterator[str]:
    try:
        with board_process(kind, config, heap=heap, cpu=cpu) as port:
            yield port
    except NotStartedError as error:
        said = printable(str(error).splitlines()[0], 300)
        raise DeviceError(
            f"the virtual board '{kind}' did not start: {said}",
            hint="is it MicroPython for this machine, and for this processor?",
        ) from None


def _program(kind: str) -> str:
    found = shutil.which(PROGRAM)
    if found is None:
        raise DeviceError(
            f"the virtual board '{kind}' needs the program {PROGRAM}, which is not installed",
            hint=f"Debian, Ubuntu: apt install {PROGRAM}; macOS: brew install qemu",
        )
    return found


def _checked(path: Path) -> Path:
    """`path` if it is an ELF file for 32-bit Arm, little-endian; QEMU tells what else is wrong."""
    header = read_bytes(path, kind=DeviceError, hint="--elf takes an ELF file")[:_HEADER]
    magic, machine = _ARM_32
    if not header.startswith(magic) or header[_HEADER - len(machine) :] != machine:
        raise DeviceError(
            f"'{printable_path(str(path))}' is no ELF file for a 32-bit Arm processor",
            hint="--elf takes the firmware.elf of a MicroPython build for QEMU",
        )
    return path


def _escaped(path: Path) -> str:
    """In an option of QEMU a comma is written twice."""
    return str(path).replace(",", ",,")

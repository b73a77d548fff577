"""Virtual boards: programs that behave as a board on a serial port, for use without hardware."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from microinterp.errors import DeviceError, printable
from microinterp_boards.faults.options import Faults
from microinterp_boards.virtual import bad_line, qemu, unix
from microinterp_boards.virtual.preload import Preload

KINDS = ("unix", "qemu", "microbit")
_CPU, _HEAP = "m4", 262144


@contextmanager
def virtual_board(
    kind: str = "unix",
    *,
    cpu: str = _CPU,
    heap: int = _HEAP,
    folder: str | Path | None = None,
    flash: int | None = None,
    elf: str | Path | None = None,
    preload: Iterable[Preload] = (),
    faults: str | Faults | None = None,
) -> Iterator[str]:
    """Run a virtual board for as long as the `with` block lasts; gives the path of its port.

    Args:
        kind: "unix", MicroPython's unix port (Linux x86-64 and macOS arm64); "qemu", our own
            MicroPython board on a Cortex-M under QEMU, whose clock counts instructions; or
            "microbit", QEMU's micro:bit with Debian's MicroPython 1.9.2.
        cpu: of qemu: "m4", "m3" or "m7".
        heap: of unix and qemu: bytes of MicroPython's heap.
        folder: of unix: the board's filesystem, made if need be and kept; None is an empty one that
            is deleted in the end.
        flash: of unix: bytes of a littlefs2 filesystem in the file flash.img of `folder`, in place
            of the folder itself: it can become full. A multiple of 4096.
        elf: of qemu: another MicroPython for that machine; None is our own board.
        preload: of qemu: files that lie in the board's memory as in mapped flash: paths, FILE=NAME,
            or (name, contents). A packed model or .mpy file among them is used in place.
        faults: what goes wrong on its line, and with it: Faults, or text as of parse_faults:
            "drop=0.01,to-host.flip=0.005:3,stall=0.001:0.5,seed=7,log=faults.jsonl".

    Raises:
        DeviceError: no such kind, it has not that option, it cannot run here (with the package to
            install), or it did not start (with its own words).
    """
    own = {
        "unix": {"heap", "folder", "flash"},
        "qemu": {"cpu", "heap", "elf", "preload"},
        "microbit": set[str](),
    }
    if kind not in own:
        raise DeviceError(
            f"there is no virtual board '{printable(kind)}'", hint=f"kinds: {', '.join(KINDS)}"
        )
    files = tuple(preload)
    given = {
        "cpu": cpu != _CPU,
        "heap": heap != _HEAP,
        "folder": folder is not None,
        "flash": flash is not None,
        "elf": elf is not None,
        "preload": bool(files),
    }
    foreign = [name for name, is_given in given.items() if is_given and name not in own[kind]]
    if foreign:
        raise DeviceError(
            f"the virtual board '{kind}' has no option {foreign[0]}",
            hint=f"its options: {', '.join(sorted(own[kind])) or 'none'}",
        )
    board: AbstractContextManager[str]
    line = {} if faults is None else bad_line.config(faults, kind)
    if kind == "unix":
        board = unix.start(heap=heap, folder=folder, flash=flash, line=line)
    elif kind == "qemu":
        board = qemu.start(cpu=cpu, heap=heap, elf=elf, preload=files, line=line)
    else:
        board = qemu.start_microbit(line=line)
    with board as port:
        yield port

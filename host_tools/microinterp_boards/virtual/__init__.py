"""Virtual boards: programs that behave as a board on a serial port, for use without hardware."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from microinterp.errors import DeviceError, printable
from microinterp_boards.virtual import unix

KINDS = ("unix",)


@contextmanager
def virtual_board(
    kind: str = "unix",
    *,
    heap: int = 262144,
    folder: str | Path | None = None,
    flash: int | None = None,
) -> Iterator[str]:
    """Run a virtual board for as long as the `with` block lasts; gives the path of its port.

    Args:
        kind: "unix", MicroPython's unix port (Linux x86-64 and macOS arm64).
        heap: bytes of MicroPython's heap.
        folder: the board's filesystem, made if need be and kept; None is an empty one that is
            deleted in the end.
        flash: bytes of a littlefs2 filesystem in the file flash.img of `folder`, in place of the
            folder itself: it can become full. A multiple of 4096.

    Raises:
        DeviceError: no such kind, it cannot run here, or it did not start.
    """
    if kind not in KINDS:
        raise DeviceError(
            f"there is no virtual board '{printable(kind)}'", hint=f"kinds: {', '.join(KINDS)}"
        )
    with unix.start(heap=heap, folder=folder, flash=flash) as port:
        yield port

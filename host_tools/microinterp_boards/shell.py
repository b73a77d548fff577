"""A terminal on a board's port, for people: keys go to the board, what it prints to the screen."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from microinterp.errors import DeviceError, printable
from microinterp_boards.transport import Transport

EXIT_KEY = b"\x1d"
"""Ctrl-] ends the shell; every other key, Ctrl-C too, is the board's."""


def shell(port: str, baud: int = 115200) -> None:
    """Connect this terminal to a board until Ctrl-] is typed. `baud`: bits a second.

    Raises DeviceError if there is no terminal, or the port is lost.
    """
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise DeviceError(
            f"{printable(port)}: the shell needs a terminal",
            hint="in programs use microinterp_boards.Board(port).exec(code)",
        )
    transport = Transport(port, baud)
    try:
        with _keyboard() as keys:
            _pump(transport, keys)
    finally:
        transport.close()


def _pump(transport: Transport, keys: Callable[[], bytes]) -> None:
    screen = sys.stdout.buffer
    while True:
        screen.write(transport.some())
        screen.flush()
        typed, end, _ = keys().partition(EXIT_KEY)
        if typed:
            transport.write(typed)
        if end:
            return


if sys.platform == "win32":
    import msvcrt

    @contextmanager
    def _keyboard() -> Iterator[Callable[[], bytes]]:
        """A function that returns the keys typed since its last call."""

        def typed() -> bytes:
            keys = ""
            while msvcrt.kbhit():
                keys += msvcrt.getwch()
            return keys.encode()

        yield typed

else:
    import os
    import select
    import termios
    import tty

    @contextmanager
    def _keyboard() -> Iterator[Callable[[], bytes]]:
        """A function that returns the keys typed since its last call."""
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)

        def typed() -> bytes:
            ready = select.select([descriptor], [], [], 0)[0]
            data = os.read(descriptor, 1024) if ready else b""
            return EXIT_KEY if ready and not data else data  # the terminal was closed

        try:
            tty.setraw(descriptor)
            yield typed
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

"""MicroPython's unix port as a board: one life of it, from a reset to the next.

Standard library only, as life.py.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from microinterp_boards.virtual.life import PROMPT, Life
else:
    from life import PROMPT, Life

_LOAD = """
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("micropython_run", sys.argv[1])
module = module_from_spec(spec)
spec.loader.exec_module(module)
"""
# The port's own handler of SIGINT raises there and then, in a garbage collection or in libc's locks
# too, and the board may hang for good. Boards note an interrupt, and raise between two operations:
# the library has a function that notes it. Reads and sleeps must end for it, hence no restart.
_INTERRUPT = signal.SIGUSR1
_NOTE_INTERRUPTS = f"""
import ctypes
note = ctypes.cast(ctypes.CDLL(sys.argv[1]).mp_sched_keyboard_interrupt, ctypes.c_void_p)
libc = ctypes.CDLL(None)
libc.signal.argtypes, libc.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
libc.signal({_INTERRUPT:d}, note)
libc.siginterrupt({_INTERRUPT:d}, 1)
"""
_START = """
module.run_main(["micropython", *sys.argv[2:]])
"""
_SETTLE = 1.0  # seconds in which one must have been seen; a second could kill it at its prompt
_RAW = b"raw REPL; CTRL-B to exit\r\n>"
_FRIENDLY = b'Type "help()" for more information.\r\n>>> '
_PROMPTS = (PROMPT, b"... ", b"=== ", b"\r\n>", b"\x04>")
_ENTER_RAW = b"\x01"

# Phases of a life: until the filesystem is there, until boot files have ended, a banner that the
# host must not see (after a soft reset from the raw REPL only), and then whatever it prints.
_BOOTING, _BOOT_FILES, _BANNER, _OPEN = range(4)


class Interpreter(Life):
    """MicroPython with its own folder or flash as filesystem.

    `guess`: whether a program can be interrupted is guessed, as on systems without /proc.
    """

    starts_again = True

    def __init__(self, config: dict[str, Any], raw: bool) -> None:
        """Start it; in the raw REPL if `raw`, as after a soft reset from there."""
        self.in_raw = self.started_raw = raw
        self.guess = config["guess"] or not os.path.exists("/proc/self/status")
        self.phase = _BOOTING
        self._token = b"\0%s\0" % secrets.token_hex(8).encode()
        self._held = b""
        self._tail = b""
        self._interrupted = -_SETTLE
        arguments = (config["folder"].encode(), self._token, config["flash"], int(raw))
        boot = f"{config['boot']}\n_boot{arguments!r}\ndel _boot\n"
        heap = f"heapsize={config['heap']}"
        super().__init__(
            _LOAD + _NOTE_INTERRUPTS + _START,
            [config["library"], "-X", heap, "-i", "-c", boot],
            config["folder"],
            {"MICROPYPATH": ".frozen:/lib"},
        )

    @property
    def is_up(self) -> bool:
        """Whether it has its filesystem."""
        return self.phase != _BOOTING

    @property
    def may_type(self) -> bool:
        """Not while that would go to a REPL that is about to be left."""
        return self.phase == _OPEN or not self.started_raw

    def read(self) -> bytes | None:
        """What it has written, for the host; None when it has ended."""
        data = super().read()
        if not data:
            return data
        data = self._filtered(data)
        seen = self._tail + data
        raw, friendly = seen.rfind(_RAW), seen.rfind(_FRIENDLY)
        if raw != friendly:
            self.in_raw = raw > friendly
        self._tail = seen[-64:]
        if not self.catches_interrupts:
            self._interrupted = -_SETTLE
        return data

    def _filtered(self, data: bytes) -> bytes:
        """Without the tokens that end a phase, and without a banner that a board would not show."""
        data, self._held, out = self._held + data, b"", b""
        while self.phase != _OPEN:
            end = PROMPT if self.phase == _BANNER else self._token
            before, found, rest = data.partition(end)
            if not found:
                keep = len(before) if self.phase == _BANNER else _overlap(before, end)
                self._held = before[len(before) - keep :]
                return out + before[: len(before) - keep]
            data = rest
            if self.phase == _BANNER:
                self.write(_ENTER_RAW)
            else:
                out += before
            skip_banner = self.phase == _BOOT_FILES and not self.started_raw
            self.phase += 2 if skip_banner else 1
        return out + data

    def take_interrupt(self) -> bool:
        """Act on one 0x03 as a board does; False if it is data, at a prompt or by kbd_intr(-1)."""
        if not self.catches_interrupts:
            return False
        now = time.monotonic()
        if now - self._interrupted > _SETTLE:
            self._interrupted = now
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, _INTERRUPT)
        return True

    @property
    def catches_interrupts(self) -> bool:
        """Whether it has a handler for SIGINT, which is so while code runs with kbd_intr(3)."""
        if self.phase == _BOOTING:
            return False
        if self.guess:
            return not self._tail.endswith(_PROMPTS)
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return False
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        return bool(caught >> (signal.SIGINT - 1) & 1)


def _overlap(data: bytes, pattern: bytes) -> int:
    """Length of the longest end of `data` that is a beginning of `pattern`."""
    sizes = range(min(len(data), len(pattern) - 1), 0, -1)
    return next((size for size in sizes if pattern.startswith(data[-size:])), 0)

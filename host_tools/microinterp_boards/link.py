"""MicroPython's raw REPL: get the board's attention, run code on it, talk with running code.

Protocol (MicroPython's docs/reference/repl.rst): ^A enters the raw REPL, which prints `>`. In it,
^E A ^A starts a raw paste: the board answers R 01, the window (2 bytes, little-endian) and 01; it
sends 01 for each further window and 04 when it will read no more. Code ends with ^D. Then come
standard output, 04, the traceback if any, 04, and the next `>`. Firmware without raw paste takes
the code as it is and answers OK. ^D alone is a soft reset.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator

from microinterp.closing import Closing
from microinterp.errors import DeviceError, printable
from microinterp_boards import device
from microinterp_boards.transport import Transport

_BANNER = b"raw REPL; CTRL-B to exit\r\n>"
_BOOTING = re.compile(rb"reboot(?!.*(?:raw REPL|CTRL-B|>$))", re.DOTALL)
_CTRL_A, _CTRL_B, _CTRL_C, _CTRL_D = b"\x01", b"\x02", b"\x03", b"\x04"
_PASTE = b"\x05A\x01"
_QUIET = 0.06  # seconds without a byte that count as silence
_ANSWER = 1.0  # seconds for an answer of the REPL itself
_PLAIN_LIMIT = 63  # bytes that the smallest input buffer takes, and nothing controls their flow
_BURST = 600  # bytes that end any blocking read which a host that died has left on the board
_LAST_TRIES, _LAST_PATIENCE = 3, 0.3  # to stop a program on closing; seconds each
_OUTPUT_LIMIT = 1 << 24  # bytes
_TRACEBACK_LINES = 20


class Link(Closing):
    """A board in its raw REPL. A context manager: leaving it gives the board its prompt back.

    Every `timeout` is in seconds. Raises DeviceError from every method when the board does not do
    what is asked, or not in time.
    """

    def __init__(self, port: str, baud: int = 115200, patience: float = 10.0) -> None:
        """Open the port and get the board into its raw REPL within `patience` seconds.

        A running program is interrupted; nothing is reset.
        """
        self.patience = patience
        self.checks: bool | None = None  # whether checked.py works here; it finds that out
        self.transport = Transport(port, baud)
        self._ready = False
        self._pastes = True
        self._late = 0  # banners of earlier ^A that may still come
        try:
            self.enter()
        except DeviceError:
            self.transport.close()
            raise
        except BaseException:  # interrupted: the board may be in its raw REPL by now
            self.close()
            raise

    @property
    def port(self) -> str:
        """The port as it was given."""
        return self.transport.port

    def close(self) -> None:
        """Stop what runs, leave the raw REPL, so that a terminal finds a prompt, close the port."""
        if not self.transport.gone:
            with contextlib.suppress(DeviceError):
                for _ in range(_LAST_TRIES):
                    if not self._ready:
                        self._try_to_enter(_CTRL_C * 2, _LAST_PATIENCE)
                self.transport.write(b"\r" + _CTRL_B)
        self._ready = False
        self.transport.close()

    def enter(self) -> None:
        """Interrupt whatever runs and enter the raw REPL."""
        self._ready = False
        deadline = time.monotonic() + self.patience
        self.transport.forget()
        attempt = silent = 0
        while attempt == 0 or time.monotonic() < deadline:
            attempt += 1
            burst = 2 if attempt < 3 else _BURST
            silent += self._try_to_enter(_CTRL_C * burst, min(0.3 * attempt, 1.5))
            if self._ready:
                self._late = attempt - 1
                return
        raise self._no_repl(2 * silent > attempt)  # one that prints without end may pause

    def _try_to_enter(self, interrupts: bytes, patience: float) -> bool:
        """One attempt, which sets `_ready`; returns whether the board fell silent before it."""
        silent = True
        try:
            self.transport.write(b"\r" + interrupts)
            silent = self.transport.drain(_QUIET, patience)
            self.transport.write(b"\r" + _CTRL_A)
            self.transport.read_until(_BANNER, patience, "raw REPL")
        except DeviceError:
            if self.transport.gone:
                raise
            return silent
        # a board that was just reset may print its banner after all that: only silence is sure
        self._ready = self.transport.drain(_QUIET / 3, patience)
        return silent

    def _no_repl(self, silent: bool) -> DeviceError:
        if not self.transport.seen:
            return self.transport.error(
                f"nothing answers within {self.patience:g} s",
                "is this the right port (`microinterp board list`), and is MicroPython on the"
                " board? If its main.py ignores Ctrl-C, reset the board while this runs",
            )
        what = "the board answers, but not with MicroPython's raw REPL"
        if not silent:
            what = "the board is busy: it prints without end and ignores Ctrl-C"
        return self.transport.error(
            what,
            "if a main.py runs that cannot be interrupted, reset the board while this runs, or"
            " erase its filesystem; otherwise check the port and the baud rate",
        )

    def exec(self, code: str | bytes, timeout: float = 10.0) -> bytes:
        """Run code to its end, at most `timeout` seconds; returns what it printed."""
        self.start(code)
        return self.finish(timeout)

    def start(self, code: str | bytes) -> None:
        """Send code and let it run; `reply`, `read`, `write` talk with it, `finish` ends it."""
        text = code.encode() if isinstance(code, str) else code
        if any(byte in text for byte in range(1, 6)):
            raise DeviceError("code for a board must not have control characters 1 to 5 in it")
        if not self._ready:
            self.enter()
        with self._careful():
            if not (self._pastes and self._paste(text)):
                self._send_plainly(text)
        self._ready = False  # until `finish` has seen the next prompt

    def finish(self, timeout: float = 10.0) -> bytes:
        """Wait for the end of the code; returns what it printed since the last read.

        Raises DeviceError with the board's traceback if it raised.
        """
        with self._careful():
            end = "end of the program"
            output = self.transport.read_until(_CTRL_D, timeout, end, _OUTPUT_LIMIT)[:-1]
            trace = self.transport.read_until(_CTRL_D, _ANSWER * 2, "end of the traceback")[:-1]
            self.transport.read_until(b">", _ANSWER, "prompt")
        self._ready = True
        if trace:
            raise self.raised(trace)
        return output

    def reply(self, tags: bytes, timeout: float, wanted: str) -> bytes:
        """The one byte with which running code answers, one of `tags`.

        Raises DeviceError, with the traceback if there is one, if the code has ended instead.
        """
        with self._careful():
            tag = self.transport.read(1, timeout, wanted)
            if tag == _CTRL_D:
                self.transport.unread(tag)
                self.finish(_ANSWER)
                raise self.transport.error(f"the program on the board ended instead of {wanted}")
            if tag not in tags:
                raise self.transport.error(
                    f"{tag!r} came instead of {wanted}",
                    "something else printed on the line, or bytes were lost: try again",
                )
        return tag

    def read(self, count: int, timeout: float, wanted: str) -> bytes:
        """Exactly `count` bytes that running code writes."""
        with self._careful():
            return self.transport.read(count, timeout, wanted)

    def read_line(self, timeout: float, wanted: str) -> str:
        """A line of at most 80 characters that running code writes, without its end."""
        with self._careful():
            line = self.transport.read_until(b"\n", timeout, wanted, 80)
        return line.decode("ascii", "backslashreplace").rstrip("\r\n")

    def write(self, data: bytes) -> None:
        """Bytes for running code to read."""
        with self._careful():
            self.transport.write(data)

    def soft_reset(self, timeout: float = 10.0) -> None:
        """Start MicroPython again with an empty heap; boot.py runs, main.py does not.

        Once more, if what came instead of the banner may be a damaged one.
        """
        try:
            self._soft_reset(timeout)
        except DeviceError:
            if self.transport.gone or _BOOTING.search(self.transport.seen):
                raise
            self._soft_reset(timeout)

    def _soft_reset(self, timeout: float) -> None:
        if not self._ready:
            self.enter()
        self.transport.forget()
        with self._careful():
            self.transport.write(_CTRL_D)
            # what comes before OK may be the banner of an earlier ^A, late
            self.transport.read_until(b"OK", timeout, "OK for a soft reset")
            wanted = "raw REPL after a soft reset (does boot.py end?)"
            self.transport.read_until(_BANNER, timeout, wanted)

    def boot(self) -> None:
        """Start MicroPython again as after power-on: boot.py and main.py run, until `enter`."""
        if not self._ready:
            self.enter()
        self._ready = False
        self.transport.forget()
        self.transport.write(b"\r" + _CTRL_B + _CTRL_D)

    @contextlib.contextmanager
    def hurrying(self, seconds: float) -> Iterator[None]:
        """In the block, the link has patience for so many seconds at most."""
        patience = self.patience
        self.patience = min(patience, seconds)
        try:
            yield
        finally:
            self.patience = patience

    @contextlib.contextmanager
    def _careful(self) -> Iterator[None]:
        """Whatever goes wrong in the block, the board's state is unknown after it: stop it."""
        try:
            yield
        except BaseException:
            self._ready = False
            with contextlib.suppress(DeviceError):
                self.transport.write(_CTRL_C * 2)
            raise

    def _paste(self, code: bytes) -> bool:
        """Send code by raw paste; False if the firmware has none."""
        self.transport.write(_PASTE)
        answer = self._paste_answer()
        if answer != b"R\1":
            if answer not in (b"ra", b"R\0"):
                raise self.transport.error("the board does not know raw paste, nor refuses it")
            self._pastes = False
            return False
        window = int.from_bytes(self.transport.read(2, _ANSWER, "size of the window"), "little")
        if window == 0:
            raise self.transport.error("the board offers a window of no bytes for code")
        if self._paste_windows(code, window):
            self.transport.write(_CTRL_D)
            while self._flow("end of the paste"):
                pass
        else:
            self.transport.write(_CTRL_D)  # a syntax error; the traceback follows
        return True

    def _paste_answer(self) -> bytes:
        """Two bytes; "ra" of a board that took ^A for a new start of the raw REPL."""
        wanted = "answer to raw paste"
        answer = self.transport.read(2, _ANSWER, wanted)
        while answer == b"ra":
            self.transport.read_until(_BANNER[2:], _ANSWER, "raw REPL")
            if self._late == 0:
                break
            self._late -= 1
            try:
                answer = self.transport.read(2, _ANSWER, wanted)
            except DeviceError:  # that was the answer
                break
        return answer

    def _paste_windows(self, code: bytes, window: int) -> bool:
        """Send as much at a time as the board has asked for; False if it stopped reading."""
        room, at = window, 0
        while at < len(code):
            while room == 0 or self.transport.peek():
                if not self._flow("room for code"):
                    return False
                room += window
            chunk = code[at : at + room]
            self.transport.write(chunk)
            at += len(chunk)
            room -= len(chunk)
        return True

    def _flow(self, wanted: str) -> bool:
        """One byte of flow control: True is another window, False that the board has enough."""
        byte = self.transport.read(1, self.patience, wanted)
        if byte not in (_CTRL_A, _CTRL_D):
            raise self.transport.error(f"{byte!r} came instead of {wanted}")
        return byte == _CTRL_A

    def _send_plainly(self, code: bytes) -> None:
        """Send code to firmware before raw paste, which drops what its input buffer cannot take.

        More than a buffer becomes a bytes object on the board first, part by part, each answered.
        """
        if len(code) >= _PLAIN_LIMIT:
            self._send_burst(b"import gc;gc.collect();_c=b''")
            self.finish()
            for part in device.literals(code, _PLAIN_LIMIT - len("_c+=") - len(_CTRL_D)):
                self._send_burst(b"_c+=" + part.encode())
                self.finish()
            code = b"try:\n gc.collect();exec(_c)\nfinally:\n del _c"
        self._send_burst(code)

    def _send_burst(self, code: bytes) -> None:
        self.transport.write(code + _CTRL_D)
        answer = self.transport.read(2, self.patience, "OK for the code")
        if answer != b"OK":
            raise self.transport.error(f"{answer!r} came instead of OK for the code")

    def raised(self, trace: bytes) -> DeviceError:
        """The error for a traceback that the board has printed."""
        lines = trace.decode(errors="backslashreplace").strip().splitlines() or ["nothing"]
        shown = [f"  {printable(line, 200)}" for line in lines[-_TRACEBACK_LINES:]]
        hint = ""
        if "MemoryError" in lines[-1]:
            hint = "the board's heap is full: soft reset it, or use a smaller model"
        return DeviceError(
            "\n".join([f"{printable(self.port)}: the board raised {shown[-1].strip()}", *shown]),
            hint=hint,
        )

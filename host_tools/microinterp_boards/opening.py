"""Opens ports, local ones and those behind a network, each for one process alone."""

from __future__ import annotations

import errno
from typing import Any
from urllib.parse import urlsplit

import serial

from microinterp.errors import DeviceError, printable
from microinterp_boards.port_lock import NETWORK, PortLock

_BUSY = (errno.EAGAIN, errno.EBUSY, errno.EACCES)
_FIND = "`microinterp board list` shows the ports there are"
_REMOTE = "does its server run there, and the ssh tunnel to it? See docs/fleet.md"
_UNPLUGGED = "was the board unplugged, or did it reset? Plug it in and try again"
_CUT = (
    "the server, or the network or tunnel to it, has ended the connection, or its board was"
    " unplugged: look there and try again"
)


def open_port(port: str, baud: int, poll: float, write_limit: float) -> tuple[Any, PortLock]:
    """A port of pyserial that is open, and the lock that makes it this process's alone.

    Args:
        port: any pyserial URL.
        baud: bits a second.
        poll: seconds that a read blocks.
        write_limit: seconds that a write may take. Over rfc2217:// it is pyserial's own 5.

    Raises DeviceError, or PortBusyError of port_lock.
    """
    lock = None
    is_rfc2217 = _scheme(port) == "rfc2217"
    _require_address(port)
    try:
        limit = None if is_rfc2217 else write_limit  # pyserial has it for others only
        made = serial.serial_for_url(
            port, baud, timeout=poll, write_timeout=limit, do_not_open=True
        )
        made.exclusive = True
        lock = PortLock(str(made.port))  # hwgrep:// and alike have become a path by now
        made.open()
    except (serial.SerialException, OSError, ValueError) as error:
        if lock is not None:
            lock.release()
        raise _cannot_open(port, error) from None
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    return made, lock


def lost_hint(port: str) -> str:
    """What to do about a port that has gone."""
    return _CUT if _scheme(port) in NETWORK else _UNPLUGGED


def _scheme(port: str) -> str:
    before, found, _ = port.partition("://")
    return before.lower() if found else ""


def _require_address(port: str) -> None:
    """Raise DeviceError unless a port behind a network has a host and a number."""
    scheme = _scheme(port)
    if scheme not in NETWORK:
        return
    try:
        parts = urlsplit(port)
        if parts.hostname and parts.port:
            return
    except ValueError:
        pass
    raise DeviceError(
        f"{printable(port)}: cannot open the port: a host or its port's number is missing",
        hint=f"wanted {scheme}://HOST:NUMBER, such as {scheme}://127.0.0.1:2217",
    )


def _cannot_open(port: str, error: Exception) -> DeviceError:
    name = printable(port)
    code = getattr(error, "errno", None)
    text = str(error)
    if _scheme(port) in NETWORK:
        return _cannot_reach(port, text)
    if "exclusively lock" in text or code in _BUSY or "PermissionError" in text:
        if code == errno.EACCES and "exclusively" not in text:
            return DeviceError(
                f"{name}: no permission to use the port",
                hint="on Linux: sudo usermod -a -G dialout $USER, then log in again",
            )
        return DeviceError(
            f"{name}: the port is busy, another program has it open",
            hint="close the other program (a terminal, an IDE, mpremote) and try again",
        )
    if code == errno.ENOENT or "FileNotFoundError" in text:
        return DeviceError(f"{name}: there is no such port", hint=f"plug the board in; {_FIND}")
    return DeviceError(f"{name}: cannot open the port: {printable(text, 200)}", hint=_FIND)


def _cannot_reach(port: str, text: str) -> DeviceError:
    """For ports behind a network, of which pyserial tells everything in one text."""
    name = printable(port)
    why, hint = printable(text.removeprefix(f"Could not open port {port}: "), 200), _REMOTE
    if "does not seem to support RFC2217" in text:
        why = "what listens there does not speak RFC 2217"
        hint = f"a plain TCP bridge is socket://{port.partition('://')[2]}"
    elif "does not accept parameter change" in text or "waiting for option" in text:
        why = "the RFC 2217 server does not accept the settings of the port"
        hint = "can it open its serial port, and does that take this baud rate?"
    elif "timed out" in text:
        why, hint = "no answer within 5 s", "is the host up, and is its firewall open? " + _REMOTE
    return DeviceError(f"{name}: cannot open the port: {why}", hint=printable(hint, 300))

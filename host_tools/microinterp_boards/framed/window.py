"""How much may be under way on a line, by what kind of line it is."""

from __future__ import annotations

from dataclasses import dataclass

from serial.tools import list_ports

from microinterp_boards.framed.codec import OVERHEAD

_BITS = 10  # of a byte on a serial line


@dataclass(frozen=True, slots=True)
class Line:
    """frames: how many may be under way; frame_bytes: of the largest; rate: bytes a second."""

    frames: int
    frame_bytes: int
    rate: float

    @property
    def payload(self) -> int:
        """Bytes of the largest payload."""
        return self.frame_bytes - OVERHEAD


_FLOWING = 4, 1024, 40_000.0  # the receiver holds back the sender
_DROPPING = 1, 240  # the smallest buffer, ESP32's, takes 260 bytes and drops the rest
_NETWORK_RATE = 11_520.0  # bytes a second: 115200 baud, which may be behind it
_UART_BRIDGES = {0x10C4: "CP210x", 0x1A86: "CH340", 0x0403: "FTDI", 0x067B: "PL2303"}
_UART_DEBUGGERS = {0x0D28: (0x0000, 0xFFFF), 0x0483: (0x3740, 0x374F)}
"""DAPLink, ST-Link: products, from and to, of vendors that have others too."""


def line_of(port: str, baud: int) -> Line:
    """What a port is: a pseudo-terminal or USB all the way, or one that may drop bytes."""
    if port.startswith("/dev/pts/"):
        return Line(*_FLOWING)
    if "://" in port:
        return Line(*_DROPPING, _NETWORK_RATE)
    for each in list_ports.comports():
        if each.device == port and each.vid is not None:
            if not _is_uart(each.vid, each.pid or 0):
                return Line(*_FLOWING)
            break
    return Line(*_DROPPING, baud / _BITS)


def _is_uart(vendor: int, product: int) -> bool:
    first, last = _UART_DEBUGGERS.get(vendor, (1, 0))
    return vendor in _UART_BRIDGES or first <= product <= last

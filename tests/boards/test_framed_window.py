"""How much may be under way on which line."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from microinterp_boards.framed.window import line_of

PORTS = {
    "/dev/ttyACM0": (0x2E8A, 0x0005),  # a Pico's own USB
    "/dev/ttyACM1": (0x0483, 0x5740),  # an STM32's own USB
    "/dev/ttyACM2": (0x0483, 0x374B),  # an ST-Link
    "/dev/ttyACM3": (0x0D28, 0x0204),  # DAPLink
    "/dev/ttyUSB0": (0x10C4, 0xEA60),  # CP210x
    "/dev/ttyUSB1": (0x1A86, 0x7523),  # CH340
    "/dev/ttyUSB2": (0x0403, 0x6001),  # FTDI
    "COM7": (0x067B, 0x2303),  # PL2303
    "/dev/ttyS0": (None, None),
}


@pytest.fixture(autouse=True)
def ports(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [SimpleNamespace(device=n, vid=vid, pid=pid) for n, (vid, pid) in PORTS.items()]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: found)


@pytest.mark.parametrize("port", ["/dev/ttyACM0", "/dev/ttyACM1", "/dev/pts/4"])
def test_lines_that_hold_back_the_sender(port: str) -> None:
    line = line_of(port, 115200)
    assert (line.frames, line.frame_bytes, line.payload) == (4, 1024, 1012)


@pytest.mark.parametrize(
    "port",
    [
        *("/dev/ttyACM2", "/dev/ttyACM3", "/dev/ttyUSB0", "/dev/ttyUSB1", "/dev/ttyUSB2", "COM7"),
        *("/dev/ttyS0", "/dev/unknown", "socket://127.0.0.1:1", "rfc2217://127.0.0.1:1"),
    ],
)
def test_lines_that_drop(port: str) -> None:
    line = line_of(port, 9600)
    assert (line.frames, line.frame_bytes, line.payload) == (1, 240, 228)
    assert line.rate == (11_520 if "://" in port else 960)

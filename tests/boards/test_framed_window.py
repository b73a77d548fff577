"""How much may be under way on which line."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from types import SimpleNamespace

import pytest

from microinterp_boards.framed.window import Line, line_of

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
    assert line.rate == 40_000


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


@pytest.mark.parametrize(
    ("vendor", "product", "frames"),
    [
        (0x0483, 0x373F, 4),  # beside an ST-Link's numbers, which are 3740 to 374F
        (0x0483, 0x3740, 1),
        (0x0483, 0x374F, 1),
        (0x0483, 0x3750, 4),
        (0x0483, None, 4),
        (0x0D28, 0x0000, 1),
        (0x0D28, 0xFFFF, 1),
        (0x0D28, None, 1),
        *((vendor, 0, 1) for vendor in (0x10C4, 0x1A86, 0x0403, 0x067B)),
        *((vendor, product, 4) for vendor in (0x2E8A, 0x0484, 0x0D29, 0) for product in (0, 1)),
    ],
)
def test_vendors_and_products(
    monkeypatch: pytest.MonkeyPatch, vendor: int, product: int | None, frames: int
) -> None:
    found = [
        SimpleNamespace(device="/dev/ttyACM8", vid=0x10C4, pid=1),
        SimpleNamespace(device="/dev/ttyACM9", vid=vendor, pid=product),
        SimpleNamespace(device="/dev/ttyACM7", vid=0x2E8A, pid=5),
    ]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: found)
    assert line_of("/dev/ttyACM9", 115200).frames == frames


def test_a_line_is_not_changed() -> None:
    line = Line(1, 240, 960.0)
    with pytest.raises(FrozenInstanceError):
        line.frames = 2  # type: ignore[misc]
    assert not hasattr(line, "__dict__")

"""esptool and dfu-util, run as programs where they are installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from microinterp.errors import DeviceError, printable
from microinterp_boards.flash.chips import chip_of

_INSTALL = {
    "esptool": "pip install esptool",
    "dfu-util": "apt install dfu-util, brew install dfu-util, or https://dfu-util.sourceforge.net",
}
_NAMES = {"esptool": ("esptool", "esptool.py"), "dfu-util": ("dfu-util",)}
_TIMEOUT = 600.0  # seconds; 16 MB at 460800 bits a second are 350
_LAST_LINES = 6
_VERSION = re.compile(r"v([0-9]{1,3})\.[0-9]")
_CHIP = re.compile(r"^(?:Chip is|Chip type:|Detecting chip type\.\.\.)[ \t]*(ESP[\w-]+)", re.M)
_DFU = re.compile(
    r'^Found DFU: \[([0-9a-fA-F]{4}):([0-9a-fA-F]{4})\].*? path="([^"]*)", alt=([0-9]+),'
    r' name="([^"]*)", serial="([^"]*)"',
    re.MULTILINE,
)
_BANK = re.compile(r"/0x([0-9a-fA-F]{1,8})/([^/]*)")
_SECTORS = re.compile(r"([0-9]{1,5})\*([0-9]{1,5})([ KM])([a-g])")
_UNITS = {" ": 1, "K": 1024, "M": 1024 * 1024}
_WRITABLE = "defg"  # of UM0424's letters for what memory can do; g reads, erases and writes


@dataclass(frozen=True, slots=True)
class Memory:
    """A stretch of memory that a DFU device offers: from `start` to before `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class DfuDevice:
    """A device in DFU mode, one alternate setting of it, as `dfu-util --list` shows it."""

    vendor: int
    product: int
    path: str
    alternate: int
    name: str
    serial: str

    @property
    def usb_id(self) -> str:
        """Vendor and product as dfu-util writes them."""
        return f"{self.vendor:04x}:{self.product:04x}"

    @property
    def memories(self) -> tuple[Memory, ...]:
        """Writable memory, by the alternate setting's name: "@Internal Flash /0x08000000/..."."""
        found: list[Memory] = []
        for bank in _BANK.finditer(self.name):
            at = int(bank[1], 16)
            for sector in _SECTORS.finditer(bank[2]):
                end = at + int(sector[1]) * int(sector[2]) * _UNITS[sector[3]]
                if sector[4] in _WRITABLE:
                    if found and found[-1].end == at:
                        found[-1] = Memory(found[-1].start, end)
                    else:
                        found.append(Memory(at, end))
                at = end
        return tuple(found)


def find(program: str) -> str:
    """The path of "esptool" or "dfu-util". Raises DeviceError that says how to install it."""
    for name in _NAMES[program]:
        path = shutil.which(name)
        if path is not None:
            return path
    raise DeviceError(f"{program} is not installed", hint=_INSTALL[program])


def run(command: Sequence[str], what: str, timeout: float = _TIMEOUT) -> str:
    """Run a program to its end, at most `timeout` seconds; returns all that it printed.

    Raises DeviceError if it failed.
    """
    status, output = attempt(command, what, timeout)
    if status:
        raise failed(command, what, status, output)
    return output


def attempt(command: Sequence[str], what: str, timeout: float = _TIMEOUT) -> tuple[int, str]:
    """Run a program; returns its exit status and all that it printed.

    Raises DeviceError if it cannot be started or does not end within `timeout` seconds.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DeviceError(
            f"{command[0]} did not {what} within {timeout:g} s",
            hint="unplug the board, plug it in again, and try again",
        ) from None
    except OSError as error:
        raise DeviceError(f"cannot run {command[0]}: {error.strerror}") from None
    return done.returncode, done.stdout.decode(errors="backslashreplace").replace("\r", "\n")


def failed(command: Sequence[str], what: str, status: int, output: str) -> DeviceError:
    """The error for a program that did not do what it should, with its last words."""
    lines = [line for line in output.splitlines() if line.strip()][-_LAST_LINES:]
    words = "".join(f"\n  {printable(line.strip(), 200)}" for line in lines)
    hint = "hold BOOT while you press RESET, or plug the board in again, and try again"
    if "Cannot open DFU device" in output or "ACCESS" in output or "ermission denied" in output:
        hint = "no permission to use the device: on Linux, add a udev rule or the group dialout"
    ended = f"ended with status {status}" if status else "did not say that it has"
    return DeviceError(f"{command[0]} did not {what}: it {ended}{words}", hint=hint)


def esptool_command(name: str, version_output: str) -> str:
    """A command's name as that esptool spells it: with hyphens from version 5 on."""
    match = _VERSION.search(version_output)
    if match is None:
        raise DeviceError(
            "esptool does not tell its version", hint="install it again: pip install esptool"
        )
    return name if int(match[1]) >= 5 else name.replace("-", "_")


def esp_chip(output: str) -> str | None:
    """The chip that esptool says is there; None if it says none that we know."""
    found = (chip_of(match[1]) for match in _CHIP.finditer(output))
    return next((chip for chip in found if chip is not None), None)


def dfu_devices(output: str) -> list[DfuDevice]:
    """The devices in DFU mode that `dfu-util --list` has printed, one per alternate setting."""
    return [
        DfuDevice(int(m[1], 16), int(m[2], 16), m[3], int(m[4]), m[5], m[6])
        for m in _DFU.finditer(output)
    ]

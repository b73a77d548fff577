"""`board flash`: a plan of what will be done with a firmware file and a board, and doing it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from microinterp.errors import DeviceError, printable, printable_path
from microinterp_boards.deploy import Progress
from microinterp_boards.flash import programs
from microinterp_boards.flash.copying import copy
from microinterp_boards.flash.esp_image import offset
from microinterp_boards.flash.programs import DfuDevice
from microinterp_boards.flash.targets import (
    Wanted,
    check_board,
    choose_dfu,
    choose_volume,
    wrong_chip,
)
from microinterp_boards.flash.volumes import Volume
from microinterp_boards.ports import choose

_BAUD = "460800"  # what MicroPython's download pages say


@dataclass(frozen=True, slots=True)
class Flashed:
    """What was done.

    Attributes:
        way: "uf2", "hex", "dfu" or "esptool".
        file, target: the firmware file, and where it went.
        flash_bytes: that were written.
        verified: what was compared, in words; "" if nothing was.
        note: what to know, and do, else.
        answer: what the board says that runs now; "" if it was not asked or does not answer.
    """

    way: str
    file: str
    target: str
    flash_bytes: int
    verified: str
    note: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done: each step in words, and all of them as a function.

    `run` raises DeviceError if the board does not do what it should. It is given what to tell the
    bytes that are written, and of how many.
    """

    way: str
    target: str
    steps: tuple[str, ...]
    run: Callable[[Progress], Flashed]


def plan(
    wanted: Wanted, volume: Path | None = None, port: str | None = None, patience: float = 20.0
) -> Plan:
    """Find the board that waits for a file and say what will be done. Nothing is written yet.

    `patience`: seconds that the board may take, each time it is waited for. Raises DeviceError if
    there is no such board, more than one, or another one.
    """
    check_board(wanted)
    kind = wanted.firmware.kind
    if volume is not None and kind not in ("uf2", "hex"):
        raise DeviceError(
            f"{wanted.file} does not go to a volume", hint="leave --volume away for such a file"
        )
    if kind == "bin":
        return _esptool(wanted, choose(port))
    if kind == "dfu":
        return _dfu(wanted, choose_dfu(wanted))
    return to_volume(wanted, choose_volume(wanted, volume), patience)


def to_volume(wanted: Wanted, volume: Volume, patience: float) -> Plan:
    """The plan to copy a file onto a volume that was found to be right."""
    firmware = wanted.firmware

    def work(progress: Progress) -> Flashed:
        done = copy(volume, firmware.data, patience, progress)
        flashed = Flashed(
            firmware.kind, str(firmware.path), str(volume.path), len(firmware.image), ""
        )
        if done.was_taken:
            return flashed
        note = "the volume is as before: whether the board took the file is not known; reset it"
        if done.is_read_back:
            told = "the file on the volume, read back"
            note = "the bootloader is still there: the board has not started; reset it"
            return replace(flashed, verified=told, note=note)
        return replace(flashed, note=note)

    steps = (
        f"copy {wanted.file} ({len(firmware.data):,} bytes; {firmware.about}) to {volume}",
        f"wait at most {patience:g} s for the board to take it",
    )
    return Plan(firmware.kind, str(volume.path), steps, work)


def _esptool(wanted: Wanted, port: str) -> Plan:
    program = programs.find("esptool")
    firmware = wanted.firmware
    (chip,) = firmware.chips
    begin = offset(chip)
    file = str(firmware.path.resolve())
    options = [program, "--chip", chip.lower().replace("-", ""), "--port", port]
    write = [*options, "--baud", _BAUD]

    def work(progress: Progress) -> Flashed:
        version = programs.run([program, "version"], "tell its version", 60.0)
        ask = programs.esptool_command("chip-id", version)
        said = programs.run([program, "--port", port, ask], "talk to the chip", 60.0)
        found = programs.esp_chip(said)
        if found is None:
            raise programs.failed([program], "tell the chip", 0, said)
        if found != chip:
            raise wrong_chip(wanted, found, f"the board on {printable(port)}")
        name = programs.esptool_command("write-flash", version)
        said = programs.run([*write, name, f"{begin:#x}", file], "write the flash")
        if "Hash of data verified" not in said:
            raise programs.failed([program], "verify the flash", 0, said)
        progress(len(firmware.data), len(firmware.data))
        told = "the flash's MD5, by esptool"
        return Flashed("esptool", str(firmware.path), port, len(firmware.data), told)

    steps = (
        f"ask the chip on {printable(port)} for its name: it must be {chip}; that resets it",
        f"run {_words([*write, 'write-flash', f'{begin:#x}', file])}",
    )
    return Plan("esptool", port, steps, work)


def _dfu(wanted: Wanted, settings: list[DfuDevice]) -> Plan:
    program = programs.find("dfu-util")
    firmware, dfu = wanted.firmware, wanted.firmware.dfu
    assert dfu is not None
    device = settings[0]
    file = str(firmware.path.resolve())
    base = [program, "--device", f",{device.usb_id}", "--path", device.path]
    alternates = dict.fromkeys(element.alternate for element in dfu.elements)
    writes = [[*base, "--alt", str(each), "--download", file] for each in alternates]

    def work(progress: Progress) -> Flashed:
        for command in writes:
            status, said = programs.attempt(command, "write the flash")
            if status or "done parsing dfuse file" not in said.lower():
                raise programs.failed(command, "write the flash", status, said)
        progress(len(firmware.image), len(firmware.image))
        result = Flashed("dfu", str(firmware.path), device.usb_id, len(firmware.image), "")
        refusal = _read_back(wanted, base)
        if refusal:
            note = f"it was not read back ({refusal}); reset the board to start it"
            return replace(result, note=note)
        note = "if it does not start by itself, reset the board"
        return replace(result, verified="the flash, read back by dfu-util", note=note)

    steps = (
        *(f"run {_words(command)}" for command in writes),
        f"read {len(dfu.elements)} stretches of flash back with dfu-util --upload, and compare",
        "leave DFU mode",
    )
    return Plan("dfu", f"USB {device.usb_id}, serial number {device.serial}", steps, work)


def _read_back(wanted: Wanted, base: list[str]) -> str:
    """Read what was written and compare; "" if it is the same, else why it cannot be read.

    Raises DeviceError if it differs. The first stretch comes last, since the device starts what
    lies where the last command pointed to.
    """
    dfu = wanted.firmware.dfu
    assert dfu is not None
    with tempfile.TemporaryDirectory() as folder:
        for number, element in reversed(list(enumerate(dfu.elements))):
            found = Path(folder) / f"{number}.bin"
            place = f"{element.address:#010x}:{len(element.data)}" + (
                ":leave" if not number else ""
            )
            command = [*base, "--alt", str(element.alternate), "--dfuse-address", place]
            status, said = programs.attempt([*command, "--upload", str(found)], "read the flash")
            data = found.read_bytes() if found.is_file() else b""
            # A device that leaves may not answer any more: what was read counts, not the status.
            if len(data) != len(element.data):
                last = (said.strip().splitlines() or [f"status {status}"])[-1]
                return printable(last.strip(), 120)
            if data != element.data:
                at = next(i for i, byte in enumerate(data) if byte != element.data[i])
                raise DeviceError(
                    f"the flash differs from {wanted.file} at {element.address + at:#010x}",
                    hint="flash it again; if it stays so, the flash is worn out or protected",
                )
    return ""


def _words(command: list[str]) -> str:
    return " ".join(printable_path(each) for each in command)

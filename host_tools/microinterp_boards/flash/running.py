"""Boards that run MicroPython: into the bootloader before, and asked what they run afterwards."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace

from microinterp.errors import DeviceError, printable
from microinterp_boards import device
from microinterp_boards.deploy import Progress
from microinterp_boards.flash import programs, volumes
from microinterp_boards.flash.chips import chip_of_machine
from microinterp_boards.flash.flasher import Flashed, Plan, to_volume
from microinterp_boards.flash.flasher import plan as plan_for
from microinterp_boards.flash.targets import Wanted, check_board, fitting_volumes, wrong_chip
from microinterp_boards.flash.targets import same_chip as same
from microinterp_boards.link import Link
from microinterp_boards.ports import Port, ports
from microinterp_boards.probe import Probe, probe

_POLL = 0.2  # seconds
_GONE = 3.0  # seconds for a board to leave MicroPython
_MICROBIT = (0x0D28, 0x0204)  # USB ids of DAPLink on a micro:bit


def plan_from_running(wanted: Wanted, port: str, baud: int, patience: float) -> Plan:
    """The plan for a board that runs: it is asked what it is, then put into its bootloader.

    `baud`: bits a second. `patience`: seconds that the bootloader may take to appear.

    Raises DeviceError if such a file needs no bootloader. Nothing is done to the board before
    `run`, which raises DeviceError if the board is another, or its bootloader does not appear.
    """
    check_board(wanted)
    kind = wanted.firmware.kind
    if kind == "dfu":
        programs.find("dfu-util")  # not first when the board is no longer what it was
    if kind not in ("uf2", "dfu"):
        raise DeviceError(
            f"{wanted.file} needs no --enter",
            hint="a micro:bit's volume is always there, and esptool resets the board by itself",
        )

    def work(progress: Progress) -> Flashed:
        before = volumes.find_all()
        with Link(port, baud) as link:
            _check(wanted, probe(link), port)
            _boot(link)
        return _wait(wanted, before, patience).run(progress)

    chips = " or ".join(wanted.chips)
    where = "a device in DFU mode" if kind == "dfu" else "a volume"
    steps = (
        f"ask the board on {printable(port)} what it is"
        + (f": it must have {chips}" * bool(chips)),
        "run machine.bootloader() on it",
        f"wait at most {patience:g} s for {where} that was not there before",
        f"write {wanted.file} ({wanted.firmware.about}) to it",
    )
    return Plan(kind, port, steps, work)


def _check(wanted: Wanted, facts: Probe, port: str) -> None:
    chip = chip_of_machine(facts.machine)
    where = f"the board on {printable(port)} ({facts.machine})"
    if chip is None and wanted.board is None:
        raise DeviceError(
            f"{where} does not tell a chip that is known here",
            hint="say which board it is (--board ID), or put it into its bootloader by hand",
        )
    if chip is not None and wanted.chips and not any(same(chip, each) for each in wanted.chips):
        raise wrong_chip(wanted, chip, where)


def _boot(link: Link) -> None:
    """Start the bootloader. Raises DeviceError if the firmware has no way to."""
    link.start(device.call("bootloader"))
    try:
        said = link.finish(_GONE)
    except DeviceError:
        return  # it has left, and its port with it
    what = "has no machine.bootloader()" if b"none" in said else "did not leave MicroPython"
    raise DeviceError(
        f"{printable(link.port)}: the board {what}",
        hint="put it into its bootloader by hand: hold BOOT or BOOTSEL while you plug it in, or"
        " press RESET twice",
    )


def _wait(wanted: Wanted, before: Sequence[volumes.Volume], patience: float) -> Plan:
    """The plan for the bootloader that appears. Raises DeviceError if none does in time."""
    deadline = time.monotonic() + patience
    while True:
        try:
            if wanted.firmware.kind == "dfu":
                return plan_for(wanted)
            new = [each for each in volumes.find_all() if each not in before]
            fitting = fitting_volumes(wanted, new)
            if len(fitting) == 1:
                return to_volume(wanted, fitting[0], patience)
            names = "; ".join(map(str, new)) or "no volume"
            raise DeviceError(
                f"the board was put into its bootloader, but {names} appeared within"
                f" {patience:g} s",
                hint="it may not be mounted by itself: mount it, and flash without --enter",
            )
        except DeviceError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_POLL)


def ask(
    flashed: Flashed, wanted: Wanted, before: Sequence[Port], port: str | None, patience: float
) -> Flashed:
    """Wait for the board to run again, and compare what it says with what the file holds.

    Args:
        flashed: what was done; returned as it is if there is nothing left to find out.
        before: the ports that were there before.
        port: the board's port if it is known; else the one that is new.
        patience: seconds to wait; 0 asks nothing.
    """
    is_open = not flashed.note or flashed.way == "hex"  # a micro:bit runs beside its volume
    if flashed.verified or not is_open or patience <= 0:
        return flashed
    facts = _probe_again(flashed.way, before, port, patience)
    if facts is None:
        note = "not verified: no board has answered on a serial port that could be it"
        return replace(flashed, note=flashed.note or note)
    answer = f"{facts.implementation} {facts.version} on {facts.machine}"
    if _is_told_in(wanted.firmware.image, facts):
        told = "the board's own words for firmware and machine, which are those in the file"
        return replace(flashed, verified=told, answer=answer, note="")
    note = "the board answers in other words than those in the file: is it another, or its old one?"
    return replace(flashed, note=note, answer=answer)


def _is_told_in(image: bytes, facts: Probe) -> bool:
    """Whether firmware holds the version and the machine that a board says of itself.

    The file's "v1.13" and "v1.29.0-preview.1" are a board's 1.13.0 and 1.29.0.
    """
    number = re.escape(facts.version.removesuffix(".0")).encode()
    name = rb"MicroPython v" + number + (rb"(?:\.0)?" * facts.version.endswith(".0"))
    has_version = re.search(name + rb"(?![.0-9])", image) is not None
    return has_version and bool(facts.machine) and facts.machine.encode() in image


def _probe_again(
    way: str, before: Sequence[Port], port: str | None, patience: float
) -> Probe | None:
    deadline = time.monotonic() + patience
    while (left := deadline - time.monotonic()) > 0:
        names = [each.port for each in ports() if _may_be(each, way, before)]
        if port is not None:
            names = [port]
        if len(names) == 1:
            try:
                with Link(names[0], patience=min(left, 5.0)) as link:
                    return probe(link)
            except DeviceError:
                pass  # it is still starting
        time.sleep(_POLL)
    return None


def _may_be(each: Port, way: str, before: Sequence[Port]) -> bool:
    is_microbit = way == "hex" and (each.vid, each.pid) == _MICROBIT
    return is_microbit or each not in before

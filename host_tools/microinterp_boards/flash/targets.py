"""Which board a firmware file goes to: the one that waits for it, fits it, and is the only one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from microinterp.errors import DeviceError, printable, printable_path
from microinterp_boards.boards_table import BoardRow
from microinterp_boards.flash import programs, volumes
from microinterp_boards.flash.chips import chip_of, part_of
from microinterp_boards.flash.firmware import WAYS, Firmware
from microinterp_boards.flash.programs import DfuDevice
from microinterp_boards.flash.volumes import Volume

_BOOTLOADER = {
    "uf2": "hold BOOTSEL while you plug it in, or press RESET twice; a board that runs MicroPython:"
    " --enter. A volume that is not mounted by itself: mount it",
    "hex": "plug the micro:bit in; its volume MICROBIT must be mounted",
    "dfu": "connect BOOT0 with 3.3 V and reset it; a board that runs MicroPython: --enter",
}
_KINDS = {"uf2": ".uf2", "hex": ".hex", "dfu": ".dfu", "esptool": ".bin"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A firmware file, and the board that the user says it is for, if any."""

    firmware: Firmware
    board: BoardRow | None = None

    @property
    def file(self) -> str:
        """The file's name, for messages."""
        return f"'{printable_path(self.firmware.path.name)}'"

    @property
    def chips(self) -> tuple[str, ...]:
        """The chips that the file may go to: its own, narrowed to that of the board."""
        if self.board is None:
            return self.firmware.chips
        chip = chip_of(self.board.mcu)
        return () if chip is None else (chip,)


def check_board(wanted: Wanted) -> None:
    """Raise DeviceError if the board that the user names does not take such a file, or chip."""
    board, firmware = wanted.board, wanted.firmware
    if board is None:
        return
    way = WAYS[firmware.kind]
    if board.flashing != way and firmware.kind != "uf2":  # a UF2 volume says itself that it is one
        takes = _KINDS.get(board.flashing)
        raise DeviceError(
            f"{wanted.file} is a {_KINDS[way]} file, and {printable(board.name)} is flashed"
            + (
                f" with {takes} files" if takes else f" by {board.flashing}, which this does not do"
            ),
            hint="nothing was written; its page at https://micropython.org/download says how",
        )
    chip = chip_of(board.mcu)
    if firmware.chips and not any(same_chip(chip, each) for each in firmware.chips):
        raise wrong_chip(wanted, chip or board.mcu, printable(board.name))


def same_chip(one: str | None, other: str | None) -> bool:
    """Whether two chips take the same firmware; STM32 names may have more or fewer letters."""
    if one is None or other is None:
        return False
    if one.startswith("STM32") and other.startswith("STM32"):
        return one.startswith(other) or other.startswith(one)
    return one == other


def wrong_chip(wanted: Wanted, chip: str, where: str) -> DeviceError:
    """The error for firmware that is for another chip than that of a board."""
    firmware = wanted.firmware
    return DeviceError(
        f"{wanted.file} is for {' and '.join(firmware.chips) or 'another chip'}"
        f" ({firmware.about}), and {where} has {chip}",
        hint="nothing was written; take the firmware of your board",
    )


def choose_volume(wanted: Wanted, path: Path | None) -> Volume:
    """The volume that the file goes to: the one at `path`, or the only one that fits.

    Raises DeviceError if there is none, several, or if it is another board's.
    """
    kind = wanted.firmware.kind
    if not wanted.chips:
        raise DeviceError(
            f"{wanted.file} does not say which micro:bit it is for",
            hint="say it: --board microbit-v1 or --board microbit-v2",
        )
    if path is not None:
        volume = volumes.at(path)
        _check_volume(wanted, volume, is_named=True)
        return volume
    there = [volume for volume in volumes.find_all() if volume.kind == kind]
    fitting = fitting_volumes(wanted, there)
    if len(fitting) > 1:
        raise DeviceError(
            f"several boards wait for {wanted.file}: {_list(fitting)}",
            hint="name one: --volume PATH",
        )
    if len(there) == 1:
        _check_volume(wanted, there[0], is_named=False)
    if not fitting:
        where = f"; there are {_list(there)}" if there else ""
        raise DeviceError(
            f"no board with {' or '.join(wanted.chips)} waits for a {_KINDS[kind]} file{where}",
            hint=_BOOTLOADER[kind],
        )
    return fitting[0]


def fitting_volumes(wanted: Wanted, there: Iterable[Volume]) -> list[Volume]:
    """Those of the volumes that take this file."""
    kind = wanted.firmware.kind
    fitting = [each for each in there if each.kind == kind and each.chip in wanted.chips]
    return [each for each in fitting if _fits_part(wanted, each)]


def _fits_part(wanted: Wanted, volume: Volume) -> bool:
    """Whether file and volume name the same part, or one of them none."""
    part, parts = part_of(volume.board_id), wanted.firmware.parts
    return part is None or not parts or part in parts


def _check_volume(wanted: Wanted, volume: Volume, is_named: bool) -> None:
    if volume.kind != wanted.firmware.kind:
        raise DeviceError(
            f"{volume} takes {_KINDS[volume.kind]} files, and {wanted.file} is a"
            f" {_KINDS[WAYS[wanted.firmware.kind]]} file",
            hint="nothing was written; take the firmware of your board",
        )
    if volume.chip is None:
        if is_named and wanted.board is not None:
            return  # the user says which board and which volume
        raise DeviceError(
            f"{volume}: no chip that is known here goes by this Board-ID",
            hint="if you are sure, say which board it is and where: --board ID --volume PATH",
        )
    if volume.chip not in wanted.chips:
        if wanted.board is not None and volume.chip in wanted.firmware.chips:
            raise DeviceError(
                f"{volume} has {volume.chip}, and {printable(wanted.board.name)} has"
                f" {wanted.board.mcu}",
                hint="nothing was written; is that the board that you mean?",
            )
        raise wrong_chip(wanted, volume.chip, str(volume))
    if not _fits_part(wanted, volume):
        parts = " and ".join(sorted(wanted.firmware.parts))
        raise DeviceError(
            f"{wanted.file} is for another board, with {parts} ({wanted.firmware.about}), than"
            f" {volume}",
            hint="nothing was written; take the firmware of your board",
        )


def _list(there: Iterable[Volume]) -> str:
    return "; ".join(str(each) for each in there)


def choose_dfu(wanted: Wanted) -> list[DfuDevice]:
    """The alternate settings of the only device in DFU mode that the file is for.

    Raises DeviceError if there is none, several, or the file does not fit its memory.
    """
    dfu = wanted.firmware.dfu
    assert dfu is not None
    output = programs.run([programs.find("dfu-util"), "--list"], "list devices", 60.0)
    there = programs.dfu_devices(output)
    fitting = [each for each in there if dfu.fits(each.vendor, each.product)]
    paths = {each.path for each in fitting}
    if len(paths) > 1:
        serials = ", ".join(sorted({printable(each.serial) for each in fitting}))
        raise DeviceError(
            f"several devices in DFU mode are there for {wanted.file}, with serial numbers"
            f" {serials}",
            hint="unplug all but one",
        )
    if not fitting:
        others = ", ".join(sorted({each.usb_id for each in there}))
        where = f"; there is {others}" if others else ""
        raise DeviceError(
            f"no device in DFU mode is there for {wanted.file}, which is for USB {dfu.usb_id}"
            f"{where}",
            hint=_BOOTLOADER["dfu"],
        )
    _check_memory(wanted, fitting)
    return fitting


def _check_memory(wanted: Wanted, settings: list[DfuDevice]) -> None:
    dfu = wanted.firmware.dfu
    assert dfu is not None
    by_number = {each.alternate: each for each in settings}
    for element in dfu.elements:
        end = element.address + len(element.data)
        setting = by_number.get(element.alternate)
        memories = () if setting is None else setting.memories
        if not any(m.start <= element.address and end <= m.end for m in memories):
            name = "none" if setting is None else printable(setting.name)
            raise DeviceError(
                f"{wanted.file} writes to {element.address:#010x} to {end - 1:#010x}, which is no"
                f" flash of the device (alternate setting {element.alternate}: {name})",
                hint="nothing was written; take the firmware of your board",
            )

"""`board flash` with esptool and dfu-util, as programs that record what they are called with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from microinterp_boards.flash import programs
from tests.boards.firmware_files import dfu, esp8266_image, esp_image, words
from tests.boards.flash_boards import Program
from tests.cli import good, good_json, refused

FLASH = ("board", "flash", "--wait", 0)
PORT = "/dev/ttyUSB7"
ESP = ("--port", PORT)
S3 = esp_image(9, 0, words("Generic ESP32S3 module with ESP32S3"))
ESP32 = esp_image(0, 0x1000, words("Generic ESP32 module with ESP32"))
ELEMENTS = [(0x08000000, words("PYBv1.1 with STM32F405RG")), (0x08020000, bytes(range(256)))]
LINE = (
    'Found DFU: [0483:df11] ver=2200, devnum=5, cfg=1, intf=0, path="1-4", alt={alt},'
    ' name="{name}", serial="{serial}"\n'
)
INTERNAL = "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg"
OPTIONS = "@Option Bytes  /0x1FFFC000/01*016 e"
LISTED = "dfu-util 0.11\n\n" + "".join(
    LINE.format(alt=alt, name=name, serial="3576345C3137")
    for alt, name in ((1, OPTIONS), (0, INTERNAL))
)
Install = Callable[[str], Program]


@pytest.fixture(autouse=True)
def only_these(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PATH holds nothing but a test's own programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def install(only_these: Path) -> Install:
    return lambda name: Program(only_these, name)


def stored(folder: Path, data: bytes, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def esptool(
    install: Install, version: str = "5.6.0", chip: str = "ESP32-S3", **write: Any
) -> Program:
    """An esptool of a version whose chip is there, and what writing does."""
    is_new = int(version.partition(".")[0]) >= 5
    told = (
        f"Chip type:          {chip} (QFN56) (revision v0.2)\n" if is_new else f"Chip is {chip}\n"
    )
    says = f"Serial port {PORT}:\nConnecting....\nDetecting chip type... {chip}\n{told}"
    write = {"says": "Wrote 1000 bytes at 0x0 in 0.1 s.\nHash of data verified.\n", **write}
    program = install("esptool" if is_new else "esptool.py")
    program.on("version", says=f"esptool v{version}\n{version}\n")
    program.on("chip-id" if is_new else "chip_id", says=says)
    return program.on("write-flash" if is_new else "write_flash", **write)


@pytest.mark.parametrize(
    ("version", "ask", "write"),
    [
        ("5.6.0", "chip-id", "write-flash"),
        ("4.7.0", "chip_id", "write_flash"),
        ("10.0.1", "chip-id", "write-flash"),
    ],
)
def test_esptool(version: str, ask: str, write: str, tmp_path: Path, install: Install) -> None:
    program = esptool(install, version)
    file = stored(tmp_path, S3, "s3.bin")
    done = good_json(*FLASH, *ESP, file)
    assert program.calls == [
        ["version"],
        ["--port", PORT, ask],
        ["--chip", "esp32s3", "--port", PORT, "--baud", "460800", write, "0x0", str(file)],
    ]
    assert done["way"] == "esptool"
    assert done["target"] == PORT
    assert done["flash_bytes"] == len(S3)
    assert done["verified"] == "the flash's MD5, by esptool"
    assert done["note"] == ""


@pytest.mark.parametrize(
    ("data", "said", "chip", "begin"),
    [
        (ESP32, "ESP32-D0WD-V3", "esp32", "0x1000"),
        (esp_image(2, 0x1000, bytes(64)), "ESP32-S2FNR2", "esp32s2", "0x1000"),
        (esp_image(5, 0, bytes(64)), "ESP32-C3", "esp32c3", "0x0"),
        (esp8266_image(bytes(64)), "ESP8266EX", "esp8266", "0x0"),
    ],
)
def test_other_chips(
    data: bytes, said: str, chip: str, begin: str, tmp_path: Path, install: Install
) -> None:
    program = esptool(install, chip=said)
    good(*FLASH, *ESP, stored(tmp_path, data, "x.bin"))
    assert program.calls[2][:2] == ["--chip", chip]
    assert program.calls[2][7] == begin


def test_another_chip_is_refused_before_anything_is_written(
    tmp_path: Path, install: Install
) -> None:
    program = esptool(install, chip="ESP32-C3")
    said = refused(*FLASH, *ESP, stored(tmp_path, S3, "s3.bin"))
    assert "'s3.bin' is for ESP32-S3" in said
    assert f"the board on {PORT} has ESP32-C3" in said
    assert [call[-1] for call in program.calls] == ["version", "chip-id"]


def test_esptool_that_fails(tmp_path: Path, install: Install) -> None:
    complaint = "A fatal error occurred: Failed to write to target RAM\x1b[0m"
    program = esptool(install, says="", complains=complaint, status=2)
    said = refused(*FLASH, *ESP, stored(tmp_path, S3, "s3.bin"))
    assert said.startswith(f"{program.path} did not write the flash: it ended with status 2\n")
    assert "Failed to write to target RAM\\x1b[0m" in said
    assert "hold BOOT" in said


def test_esptool_that_does_not_verify(tmp_path: Path, install: Install) -> None:
    esptool(install, says="Wrote 1000 bytes at 0x0 in 0.1 s.\n")
    said = refused(*FLASH, *ESP, stored(tmp_path, S3, "s3.bin"))
    assert "did not verify the flash: it did not say that it has" in said


def test_a_port_without_a_chip(tmp_path: Path, install: Install) -> None:
    program = install("esptool").on("version", says="esptool v5.6.0\n5.6.0\n")
    program.on("chip-id", complains="Failed to connect: No serial data received.\n", status=2)
    said = refused(*FLASH, *ESP, stored(tmp_path, S3, "s3.bin"))
    assert "did not talk to the chip: it ended with status 2" in said
    assert "No serial data received." in said


def test_answers_that_make_no_sense(tmp_path: Path, install: Install) -> None:
    program = install("esptool").on("version", says="42\n").on("chip-id", says="Chip is weird\n")
    file = stored(tmp_path, S3, "s3.bin")
    assert "esptool does not tell its version" in refused(*FLASH, *ESP, file)
    program.steps[0]["says"] = "esptool v5.0\n"
    program.save()
    assert "did not tell the chip: it did not say" in refused(*FLASH, *ESP, file)
    program.path.write_text("#!/nowhere/at/all\n")
    assert "cannot run" in refused(*FLASH, *ESP, file)


def test_a_program_that_does_not_end(tmp_path: Path, install: Install) -> None:
    program = install("esptool")
    program.path.write_text("#!/bin/sh\nwhile :; do :; done\n")
    with pytest.raises(programs.DeviceError, match=r"did not wait within 0\.2 s"):
        programs.run([str(program.path)], "wait", 0.2)


def test_dry_run_starts_nothing_that_touches_a_board(tmp_path: Path, install: Install) -> None:
    program = esptool(install)
    file = stored(tmp_path, ESP32, "x.bin")
    plan = good_json(*FLASH, *ESP, "--dry-run", file)
    assert program.calls == []
    assert "must be ESP32; that resets it" in plan["steps"][0]
    assert plan["steps"][1] == (
        f"run {program.path} --chip esp32 --port {PORT} --baud 460800 write-flash 0x1000 {file}"
    )
    util = install("dfu-util").on("--list", says=LISTED)
    plan = good_json(*FLASH, "--dry-run", stored(tmp_path, dfu(ELEMENTS), "x.dfu"))
    assert util.calls == [["--list"]]
    assert plan["target"] == "USB 0483:df11, serial number 3576345C3137"
    assert plan["steps"][-1] == "leave DFU mode"


@pytest.mark.parametrize(
    ("name", "data", "hint"),
    [("esptool", S3, "pip install esptool"), ("dfu-util", dfu(ELEMENTS), "apt install dfu-util")],
)
def test_programs_that_are_not_installed(name: str, data: bytes, hint: str, tmp_path: Path) -> None:
    said = refused(*FLASH, *ESP, stored(tmp_path, data, "x"))
    assert said.startswith(f"{name} is not installed\n  hint: {hint}")


def dfu_util(install: Install, flash: list[bytes] | None = None, **write: Any) -> Program:
    """A dfu-util with one device, which gives this back from its flash."""
    write = {"says": "Parsing element 1, \nDone parsing DfuSe file\n", **write}
    program = install("dfu-util").on("--list", says=LISTED).on("--download", **write)
    for (address, data), found in zip(
        ELEMENTS, flash or [data for _, data in ELEMENTS], strict=True
    ):
        leave = ":leave" if address == ELEMENTS[0][0] else ""
        status = 74 if leave else 0  # the device is gone before it has answered
        place = f"{address:#010x}:{len(data)}{leave}"
        program.on("--upload", place, files={"--upload": found.hex()}, status=status)
    return program


def test_dfu_util(tmp_path: Path, install: Install) -> None:
    program = dfu_util(install)
    file = stored(tmp_path, dfu(ELEMENTS), "x.dfu")
    done = good_json(*FLASH, file)
    listing, write, *reads = program.calls
    base = ["--device", ",0483:df11", "--path", "1-4", "--alt", "0"]
    assert listing == ["--list"]
    assert write == [*base, "--download", str(file)]
    assert [read[:-1] for read in reads] == [
        [*base, "--dfuse-address", "0x08020000:256", "--upload"],
        [*base, "--dfuse-address", "0x08000000:1024:leave", "--upload"],
    ]
    assert done["verified"] == "the flash, read back by dfu-util"
    assert done["flash_bytes"] == 1024 + 256


def test_flash_that_differs(tmp_path: Path, install: Install) -> None:
    other = bytearray(ELEMENTS[1][1])
    other[7] ^= 1
    dfu_util(install, [ELEMENTS[0][1], bytes(other)])
    said = refused(*FLASH, stored(tmp_path, dfu(ELEMENTS), "x.dfu"))
    assert "the flash differs from 'x.dfu' at 0x08020007" in said


def test_flash_that_cannot_be_read_back_is_not_called_verified(
    tmp_path: Path, install: Install
) -> None:
    program = install("dfu-util").on("--list", says=LISTED)
    program.on("--download", says="Done parsing DfuSe file\n")
    program.on("--upload", complains="dfu-util: Device is read protected\n", status=74)
    done = good_json(*FLASH, stored(tmp_path, dfu(ELEMENTS), "x.dfu"))
    assert done["verified"] == ""
    assert "not read back (dfu-util: Device is read protected); reset the board" in done["note"]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        ({"says": "", "complains": "Cannot open DFU device 0483:df11", "status": 74}, "udev rule"),
        ({"says": "erasing\n", "status": 1}, "did not write the flash: it ended with status 1"),
        ({"says": "erasing\n"}, "did not write the flash: it did not say that it has"),
    ],
)
def test_dfu_util_that_fails(
    write: dict[str, Any], message: str, tmp_path: Path, install: Install
) -> None:
    program = dfu_util(install, **write)
    assert message in refused(*FLASH, stored(tmp_path, dfu(ELEMENTS), "x.dfu"))
    assert len(program.calls) == 2  # it is not read back


def test_devices_that_are_not_the_file_s(tmp_path: Path, install: Install) -> None:
    program = install("dfu-util").on("--list", says="dfu-util 0.11\n\n")
    file = stored(tmp_path, dfu(ELEMENTS), "x.dfu")
    assert "no device in DFU mode is there for 'x.dfu', which is for USB 0483:df11" in (
        refused(*FLASH, file)
    )
    program.steps[0]["says"] = LISTED.replace("0483:df11", "2341:035b")
    program.save()
    assert "USB 0483:df11; there is 2341:035b" in refused(*FLASH, file)
    program.steps[0]["says"] = LISTED.replace("Found DFU", "Found Runtime")
    program.save()
    assert "no device in DFU mode is there" in refused(*FLASH, file)
    second = LISTED.replace("1-4", "1-5").replace("3576345C3137", "FF")
    program.steps[0]["says"] = LISTED + second
    program.save()
    said = refused(*FLASH, file)
    assert "several devices in DFU mode are there for 'x.dfu', with serial numbers" in said
    assert "3576345C3137, FF\n  hint: unplug all but one" in said


@pytest.mark.parametrize(
    ("elements", "alternate"),
    [
        ([(0x08100000, b"abcd")], 0),  # after its end
        ([(0x080FFFFE, b"abcd")], 0),  # over its end
        ([(0x20000000, b"abcd")], 0),
        ([(0x08000000, b"abcd")], 1),  # option bytes
        ([(0x08000000, b"abcd")], 2),  # no such setting
    ],
)
def test_addresses_that_the_device_has_not(
    elements: list[tuple[int, bytes]], alternate: int, tmp_path: Path, install: Install
) -> None:
    install("dfu-util").on("--list", says=LISTED)
    file = stored(tmp_path, dfu(elements, alternate=alternate), "x.dfu")
    said = refused(*FLASH, file)
    assert f"'x.dfu' writes to {elements[0][0]:#010x} to" in said
    assert f"alternate setting {alternate}" in said


def test_memory_of_a_device() -> None:
    """4 x 16 kB, 64 kB and 7 x 128 kB are one megabyte; what is only read is left out."""
    (found,) = programs.dfu_devices(LINE.format(alt=0, name=INTERNAL, serial="x"))
    assert found.memories == (programs.Memory(0x08000000, 0x08100000),)
    name = "@Flash /0x90000000/02*002Ka,01*1Mg,01*512 g/0xA0/01*016 e"
    (found,) = programs.dfu_devices(LINE.format(alt=0, name=name, serial="x"))
    assert found.memories == (
        programs.Memory(0x90001000, 0x90101200),
        programs.Memory(0xA0, 0xB0),
    )


def test_the_board_that_the_user_means(tmp_path: Path, install: Install) -> None:
    dfu_util(install)
    file = stored(tmp_path, dfu(ELEMENTS), "x.dfu")
    assert good_json(*FLASH, "--dry-run", "--board", "pyboard-v1.1", file)["way"] == "dfu"
    said = refused(*FLASH, "--dry-run", "--board", "pybd-sf6", file)
    assert "'x.dfu' is for STM32F405RG" in said
    assert "has STM32F767" in said
    esptool(install)
    s3 = stored(tmp_path, S3, "s3.bin")
    said = refused(*FLASH, *ESP, "--board", "esp32-c3", s3)
    assert "'s3.bin' is for ESP32-S3" in said
    said = refused(*FLASH, *ESP, "--board", "pico", s3)
    assert "is a .bin file, and Raspberry Pi Pico is flashed with .uf2 files" in said

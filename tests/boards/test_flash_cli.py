"""`microinterp board flash` with volumes: which one, which not, and what it tells."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from microinterp_boards.flash import copying, firmware, running, volumes
from microinterp_boards.ports import Port
from tests.boards.firmware_files import (
    END,
    RP2350_ARM_S,
    SAMD51,
    dfu,
    e10_block,
    hex_data,
    uf2,
    universal_hex,
    words,
)
from tests.boards.flash_boards import (
    METRO,
    PICO,
    PICO2,
    UNKNOWN,
    Bootloader,
    leaves,
    microbit_volume,
    uf2_volume,
)
from tests.cli import call, good, good_json, refused

MACHINE = "Raspberry Pi Pico with RP2040"
PICO_UF2 = uf2(words(MACHINE))
PICO2_UF2 = e10_block() + uf2(words("Raspberry Pi Pico2 with RP2350"), RP2350_ARM_S)
FLASH = ("board", "flash", "--wait", 0.3)
Mount = Callable[..., Path]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_LEAVING", 0.2)


@pytest.fixture(autouse=True)
def no_ports(monkeypatch: pytest.MonkeyPatch) -> list[Port]:
    """The ports of this machine: none; a test may append to them."""
    there: list[Port] = []
    monkeypatch.setattr("microinterp_boards.cli_flash.ports", lambda: list(there))
    monkeypatch.setattr(running, "ports", lambda: list(there))
    return there


@pytest.fixture
def mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mount:
    """Mount a UF2 volume; these are all that this machine has."""
    mounted: list[Path] = []
    monkeypatch.setattr(volumes, "mount_points", lambda: mounted)

    def add(name: str, info: str = PICO) -> Path:
        path = tmp_path / "media" / name
        mounted.append(microbit_volume(path, info) if len(info) == 4 else uf2_volume(path, info))
        return path

    return add


@pytest.fixture
def taking() -> Iterator[Callable[[Path, bytes], Bootloader]]:
    started: list[Bootloader] = []

    def start(volume: Path, data: bytes) -> Bootloader:
        started.append(Bootloader(volume / "FIRMWARE.UF2", len(data), leaves(volume)))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.stop()


def stored(folder: Path, data: bytes, name: str = "firmware.uf2") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_the_only_volume(tmp_path: Path, mount: Mount, taking: Callable[..., Bootloader]) -> None:
    board = taking(mount("RPI-RP2"), PICO_UF2)
    done = good_json("board", "flash", "--wait", 1.5, stored(tmp_path, PICO_UF2))
    assert board.taken == PICO_UF2
    assert done == {
        "way": "uf2",
        "file": str(tmp_path / "firmware.uf2"),
        "target": str(tmp_path / "media" / "RPI-RP2"),
        "flash_bytes": 1024,
        "verified": "",
        "note": "not verified: no board has answered on a serial port that could be it",
        "answer": "",
    }


@pytest.mark.skipif(
    not hasattr(os, "posix_fadvise"), reason="this system cannot read what it has just written"
)
def test_what_a_person_reads(tmp_path: Path, mount: Mount) -> None:
    path = mount("RPI-RP2")
    result = call(*FLASH, stored(tmp_path, PICO_UF2))
    assert result.exit_code == 0
    assert f"written    1,024 bytes of flash, to {path}\n" in result.stdout
    assert "verified   the file on the volume, read back\n" in result.stdout
    assert "note: the bootloader is still there: the board has not started; reset it" in (
        result.stderr
    )


def test_dry_run_does_nothing(tmp_path: Path, mount: Mount) -> None:
    path = mount("RPI-RP2")
    before = sorted(each.name for each in path.iterdir())
    said = good(*FLASH, "--dry-run", stored(tmp_path, PICO_UF2))
    first, second = said.splitlines()
    assert first == (
        f"1. copy 'firmware.uf2' (2,048 bytes; UF2 for RP2040 (4 blocks), {MACHINE}) to {path}"
        " (Raspberry Pi RP2, Board-ID RPI-RP2)"
    )
    assert second == "2. wait at most 0.3 s for the board to take it"
    assert sorted(each.name for each in path.iterdir()) == before
    plan = good_json(*FLASH, "--dry-run", stored(tmp_path, PICO_UF2))
    assert (plan["way"], plan["target"], len(plan["steps"])) == ("uf2", str(path), 2)


def test_a_family_chooses_the_volume(tmp_path: Path, mount: Mount) -> None:
    paths = {name: mount(name, info) for name, info in (("a", PICO), ("b", PICO2), ("c", METRO))}
    mount("d", UNKNOWN)
    mount("e", "9903")
    for data, name in (
        (PICO_UF2, "a"),
        (PICO2_UF2, "b"),
        (uf2(bytes(512), SAMD51, 0x4000), "c"),
    ):
        plan = good_json(*FLASH, "--dry-run", stored(tmp_path, data))
        assert plan["target"] == str(paths[name])


def test_a_file_for_another_family_is_refused(tmp_path: Path, mount: Mount) -> None:
    path = mount("RPI-RP2")
    said = refused(*FLASH, stored(tmp_path, PICO2_UF2))
    assert said.startswith(
        "'firmware.uf2' is for RP2350 (UF2 for RP2350_ARM_S (4 blocks), Raspberry Pi"
        " Pico2 with RP2350), and"
        f" {path} (Raspberry Pi RP2, Board-ID RPI-RP2) has RP2040\n  hint: nothing was written"
    )
    said = refused(*FLASH, "--volume", path, stored(tmp_path, uf2(bytes(256), SAMD51)))
    assert "is for SAMD51" in said
    assert "has RP2040" in said
    assert not (path / "FIRMWARE.UF2").exists()


def test_a_file_for_another_board_of_the_same_family(tmp_path: Path, mount: Mount) -> None:
    metro = mount("METROM4BOOT", METRO)
    image = words("Adafruit ItsyBitsy M4 Express with SAMD51G19A")
    file = stored(tmp_path, uf2(image, SAMD51, 0x4000))
    for options in ((), ("--volume", metro)):
        said = refused(*FLASH, *options, file)
        assert said.startswith(
            "'firmware.uf2' is for another board, with SAMD51G19A (UF2 for SAMD51 (4 blocks),"
            f" Adafruit ItsyBitsy M4 Express with SAMD51G19A), than {metro} (Metro M4 Express"
        )
    itsy = mount("ITSYM4BOOT", METRO.replace("J19A-Metro", "G19A-Itsy"))
    assert good_json(*FLASH, "--dry-run", file)["target"] == str(itsy)
    same = stored(tmp_path, uf2(words("Metro M4 with SAMD51J19A"), SAMD51, 0x4000))
    assert good_json(*FLASH, "--dry-run", same)["target"] == str(metro)
    silent = stored(tmp_path, uf2(bytes(256), SAMD51, 0x4000))
    assert "several boards wait" in refused(*FLASH, silent)


def test_a_file_of_another_kind_is_refused(tmp_path: Path, mount: Mount) -> None:
    microbit, pico = mount("MICROBIT", "9903"), mount("RPI-RP2")
    said = refused(*FLASH, "--volume", microbit, stored(tmp_path, PICO_UF2))
    assert "takes .hex files, and 'firmware.uf2' is a .uf2 file" in said
    hex_file = stored(tmp_path, universal_hex([(0x9903, bytes(64))]), "x.hex")
    said = refused(*FLASH, "--volume", pico, hex_file)
    assert "takes .uf2 files, and 'x.hex' is a .hex file" in said
    dfu_file = stored(tmp_path, dfu([(0x08000000, b"abcd")]), "x.dfu")
    assert "'x.dfu' does not go to a volume" in refused(*FLASH, "--volume", pico, dfu_file)


def test_several_volumes_are_a_choice_for_the_user(tmp_path: Path, mount: Mount) -> None:
    one, two = mount("one"), mount("two")
    file = stored(tmp_path, PICO_UF2)
    said = refused(*FLASH, file)
    assert said.startswith("several boards wait for 'firmware.uf2': ")
    assert str(one) in said
    assert str(two) in said
    assert "--volume PATH" in said
    assert good_json(*FLASH, file, "--volume", two)["target"] == str(two)
    assert (two / "FIRMWARE.UF2").exists()
    assert not (one / "FIRMWARE.UF2").exists()


def test_no_volume(tmp_path: Path, mount: Mount) -> None:
    file = stored(tmp_path, PICO_UF2)
    said = refused(*FLASH, file)
    assert said.startswith("no board with RP2040 waits for a .uf2 file\n  hint: hold BOOTSEL")
    mount("one", METRO)
    mount("two", PICO2)
    said = refused(*FLASH, file)
    assert "no board with RP2040 waits for a .uf2 file; there are" in said
    assert "Metro M4 Express, Board-ID SAMD51J19A-Metro-v0" in said
    assert "Raspberry Pi RP2350, Board-ID RP2350" in said


def test_a_disk_that_does_not_say_it_is_a_board(tmp_path: Path, mount: Mount) -> None:
    file = stored(tmp_path, PICO_UF2)
    disk = tmp_path / "media" / "RPI-RP2"
    disk.mkdir(parents=True)
    volumes.mount_points().append(disk)
    assert "no board with RP2040" in refused(*FLASH, file)
    assert "does not say that it is a board" in refused(*FLASH, "--volume", disk, file)
    assert list(disk.iterdir()) == []


def test_an_unknown_bootloader_needs_both_names(tmp_path: Path, mount: Mount) -> None:
    path = mount("HT", UNKNOWN)
    file = stored(tmp_path, uf2(bytes(256), 0xADA52840, 0x26000))
    for options in ((), ("--volume", path), ("--board", "xiao-nrf52840")):
        assert "no chip that is known here goes by this Board-ID" in refused(*FLASH, *options, file)
    done = good_json(*FLASH, "--volume", path, "--board", "xiao-nrf52840", file)
    assert done["target"] == str(path)


def test_the_board_that_the_user_means(tmp_path: Path, mount: Mount) -> None:
    path = mount("RPI-RP2")
    file = stored(tmp_path, PICO_UF2)
    assert good_json(*FLASH, "--board", "pico", "--dry-run", file)["target"] == str(path)
    said = refused(*FLASH, "--board", "pico2", file)
    assert "'firmware.uf2' is for RP2040" in said
    assert "Raspberry Pi Pico 2 has RP2350" in said
    both = stored(tmp_path, PICO_UF2 + PICO2_UF2, "both.uf2")
    assert good_json(*FLASH, "--dry-run", both)["target"] == str(path)
    said = refused(*FLASH, "--board", "pico2", both)
    assert "Board-ID RPI-RP2) has RP2040, and Raspberry Pi Pico 2 has RP2350" in said
    assert "there is no board 'pico3'" in refused(*FLASH, "--board", "pico3", file)
    hex_file = stored(tmp_path, universal_hex([(0x9903, bytes(64))]), "x.hex")
    said = refused(*FLASH, "--board", "pico", hex_file)
    assert "is a .hex file, and Raspberry Pi Pico is flashed with .uf2 files" in said
    said = refused(*FLASH, "--board", "teensy-4.1", hex_file)
    assert "Teensy 4.1 is flashed by teensy_loader_cli, which this does not do" in said


def test_microbits(tmp_path: Path, mount: Mount) -> None:
    path = mount("MICROBIT", "9903")
    both = universal_hex([(0x9900, bytes(64)), (0x9903, bytes(64))])
    file = stored(tmp_path, both, "x.hex")
    done = good_json(*FLASH, file)
    assert (done["way"], done["target"]) == ("hex", str(path))
    assert done["note"].startswith("the volume is as before: whether the board took the file")
    assert (path / "FIRMWARE.HEX").read_bytes() == both
    said = refused(*FLASH, stored(tmp_path, universal_hex([(0x9900, bytes(64))]), "v1.hex"))
    assert "'v1.hex' is for nRF51822" in said
    plain = stored(tmp_path, (hex_data(bytes(64)) + END).encode(), "plain.hex")
    said = refused(*FLASH, plain)
    assert "'plain.hex' does not say which micro:bit it is for" in said
    assert "--board microbit-v2" in said
    assert good_json(*FLASH, "--dry-run", "--board", "microbit-v2", plain)["target"] == str(path)
    said = refused(*FLASH, "--board", "microbit-v1", plain)
    assert "has nRF52833" in said
    said = refused(*FLASH, "--enter", "--port", "/dev/none", file)
    assert "'x.hex' needs no --enter" in said


def test_firmware_of_the_cache(
    tmp_path: Path, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount("RPI-RP2")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = firmware.cache_folder()
    assert folder == tmp_path / "cache" / "microinterp" / "firmware"
    said = refused(*FLASH, "RPI_PICO-v1.29.0")
    assert f"neither here nor in {folder}" in said
    assert "downloads nothing" in said
    folder.mkdir(parents=True)
    stored(folder, PICO_UF2, "RPI_PICO-v1.29.0.uf2")
    for name in ("RPI_PICO-v1.29.0", "RPI_PICO-v1.29.0.uf2"):
        plan = good_json(*FLASH, "--dry-run", name)
        assert plan["file"] == str(folder / "RPI_PICO-v1.29.0.uf2")
    stored(folder, b":00000001FF\n", "RPI_PICO-v1.29.0.hex")
    said = refused(*FLASH, "RPI_PICO-v1.29.0")
    assert "may be RPI_PICO-v1.29.0.uf2, RPI_PICO-v1.29.0.hex" in said
    stored(tmp_path / "cache", PICO_UF2, "outside.uf2")
    for name in ("../../outside.uf2", "..", "", str(tmp_path / "absent.uf2")):
        assert "there is no file" in refused(*FLASH, name)


def test_dry_run_of_a_board_that_runs_opens_nothing(tmp_path: Path, mount: Mount) -> None:
    file = stored(tmp_path, PICO_UF2)
    plan = good_json(*FLASH, "--dry-run", "--enter", "--port", "/dev/nowhere", file)
    assert (plan["way"], plan["target"]) == ("uf2", "/dev/nowhere")
    assert plan["steps"] == [
        "ask the board on /dev/nowhere what it is: it must have RP2040",
        "run machine.bootloader() on it",
        "wait at most 0.3 s for a volume that was not there before",
        f"write 'firmware.uf2' (UF2 for RP2040 (4 blocks), {MACHINE}) to it",
    ]
    said = refused(*FLASH, "--enter", "--port", "/dev/nowhere", file)
    assert said.startswith("/dev/nowhere: there is no such port")
    said = refused(*FLASH, "--enter", "--volume", tmp_path, file)
    assert "--enter and --volume do not go together" in said
    said = refused(*FLASH, "--enter", "--port", "/dev/nowhere", "--board", "pico2", file)
    assert "Raspberry Pi Pico 2 has RP2350" in said


def test_damaged_and_other_files(tmp_path: Path, mount: Mount) -> None:
    path = mount("RPI-RP2")
    for data, message in (
        (PICO_UF2[:-512], "3 of 4 blocks of RP2040 are there"),
        (PICO_UF2[:-1], "not whole blocks of 512"),
        (b"TFL3" * 99, "no firmware that this command knows"),
        (b"", "no firmware that this command knows"),
    ):
        file = stored(tmp_path, data)
        assert message in refused(*FLASH, file)
        assert str(file) in refused(*FLASH, "--dry-run", file)
    assert "there is no file" in refused(*FLASH, tmp_path)
    assert not (path / "FIRMWARE.UF2").exists()


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firmware, "LARGEST", 2000)
    assert "has more than 2,000 bytes" in refused(*FLASH, stored(tmp_path, PICO_UF2))


def test_names_that_a_terminal_would_act_on(tmp_path: Path, mount: Mount) -> None:
    path = mount("RPI-RP2", PICO.replace("Raspberry", "\x1b[31mRasp[bold]"))
    file = stored(tmp_path, PICO2_UF2, "a\x1b[31m[red].uf2")
    said = refused(*FLASH, file) + good(*FLASH, "--dry-run", stored(tmp_path, PICO_UF2))
    assert "\x1b" not in said
    assert "\\x1b[31mRasp[bold]" in said
    assert not (path / "FIRMWARE.UF2").exists()

"""Volumes: which say that they are boards, and what becomes of files that are copied to them."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.flash import copying, volumes
from microinterp_boards.flash.copying import copy
from tests.boards.firmware_files import uf2
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

DATA = uf2(bytes(range(256)) * 400)
"""200 kB: several pieces."""
Start = Callable[..., Bootloader]
drops_caches = pytest.mark.skipif(
    not hasattr(os, "posix_fadvise"), reason="this system cannot read what it has just written"
)


def quiet(done: int, of: int) -> None:
    pass


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_LEAVING", 0.2)


@pytest.fixture
def bootloader() -> Iterator[Start]:
    started: list[Bootloader] = []

    def start(file: Path, then: Callable[[bytes], None], size: int = len(DATA)) -> Bootloader:
        started.append(Bootloader(file, size, then))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.stop()


def test_volumes_say_what_they_are(tmp_path: Path) -> None:
    for number, (info, board, model, chip) in enumerate(
        (
            (PICO, "RPI-RP2", "Raspberry Pi RP2", "RP2040"),
            (PICO2, "RP2350", "Raspberry Pi RP2350", "RP2350"),
            (METRO, "SAMD51J19A-Metro-v0", "Metro M4 Express", "SAMD51"),
            (UNKNOWN, "HT-n5262G", "HT-n5262G", None),
        )
    ):
        found = volumes.describe(uf2_volume(tmp_path / str(number), info))
        assert found is not None
        assert (found.kind, found.board_id, found.model, found.chip) == ("uf2", board, model, chip)
        assert found.remounts is None
    for board, chip, remounts in (
        ("9900", "nRF51822", None),
        ("9901", "nRF51822", 3),
        ("9903", "nRF52833", 0),
        ("9906", "nRF52833", 12),
    ):
        found = volumes.describe(microbit_volume(tmp_path / board, board, remounts))
        assert found is not None
        assert (found.kind, found.chip, found.remounts) == ("hex", chip, remounts)


def test_a_name_in_small_letters_is_the_same(tmp_path: Path) -> None:
    uf2_volume(tmp_path / "a")
    (tmp_path / "a" / "INFO_UF2.TXT").rename(tmp_path / "a" / "info_uf2.txt")
    found = volumes.describe(tmp_path / "a")
    assert found is not None
    assert found.chip == "RP2040"


def test_other_folders_are_no_boards(tmp_path: Path) -> None:
    (tmp_path / "RPI-RP2").mkdir()  # a volume's name proves nothing
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "CURRENT.UF2").write_bytes(DATA)
    (tmp_path / "MICROBIT").mkdir()
    (tmp_path / "MICROBIT" / "DETAILS.TXT").write_text("holiday pictures\nUnique ID: none\n")
    (tmp_path / "folder" / "INFO_UF2.TXT").mkdir(parents=True)
    other = microbit_volume(tmp_path / "other", "0240")  # DAPLink of another board
    loader = microbit_volume(tmp_path / "loader")
    text = (loader / "DETAILS.TXT").read_text()
    (loader / "DETAILS.TXT").write_text(text.replace("Mode: Interface", "Mode: Bootloader"))
    (tmp_path / "file").write_text(PICO)
    names = ("RPI-RP2", "index", "MICROBIT", "folder", "other", "loader", "file", "absent")
    assert other.is_dir()
    for name in names:
        assert volumes.describe(tmp_path / name) is None, name
        with pytest.raises(DeviceError, match="does not say that it is a board"):
            volumes.at(tmp_path / name)


def test_mounts_of_linux() -> None:
    text = (
        "/dev/sda1 / ext4 rw 0 0\n"
        "/dev/sdb1 /media/me/RPI-RP2 vfat rw,nosuid 0 0\n"
        "/dev/sdc1 /media/me/MY\\040BOARD\\134 msdos rw 0 0\n"
        "/dev/sdd1 /media/me/stick exfat rw 0 0\n"
        "broken\n"
    )
    found = volumes._linux_mounts(text)
    assert found == [Path("/media/me/MY BOARD\\"), Path("/media/me/RPI-RP2")]


def test_the_volume_goes_when_it_has_all(tmp_path: Path, bootloader: Start) -> None:
    path = uf2_volume(tmp_path / "v")
    board = bootloader(path / "FIRMWARE.UF2", leaves(path))
    told: list[tuple[int, int]] = []
    done = copy(volumes.at(path), DATA, 5, lambda *each: told.append(each))
    assert (done.was_taken, done.is_read_back) == (True, None)
    assert board.taken == DATA
    assert told[-1] == (len(DATA), len(DATA))
    assert len(told) == -(-len(DATA) // 32768)


@drops_caches
def test_the_volume_stays_and_holds_the_file(tmp_path: Path) -> None:
    path = uf2_volume(tmp_path / "v")
    done = copy(volumes.at(path), DATA, 0.1, quiet)
    assert (done.was_taken, done.is_read_back) == (False, True)
    assert (path / "FIRMWARE.UF2").read_bytes() == DATA


@drops_caches
def test_the_volume_stays_and_gives_something_else_back(tmp_path: Path, bootloader: Start) -> None:
    path = uf2_volume(tmp_path / "v")
    file = path / "FIRMWARE.UF2"
    board = bootloader(file, lambda data: file.write_bytes(data[:-1] + b"?") and None)
    with pytest.raises(DeviceError, match="the bootloader did not take the file"):
        copy(volumes.at(path), DATA, 0.3, quiet)
    assert board.taken == DATA


@drops_caches
def test_the_volume_stays_without_the_file(tmp_path: Path, bootloader: Start) -> None:
    path = uf2_volume(tmp_path / "v")
    file = path / "FIRMWARE.UF2"
    boot = bootloader(file, lambda _: file.unlink())
    with pytest.raises(DeviceError, match="did not take the file: it is still there"):
        copy(volumes.at(path), DATA, 0.2, lambda done, of: boot.join(5) if done == of else None)


def test_a_volume_that_goes_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there at the last look, and gone when the file is to be read back."""
    path = uf2_volume(tmp_path / "v")

    def read_back(file: Path) -> bytes:
        shutil.rmtree(path)
        return b""

    monkeypatch.setattr(copying, "_read_back", read_back)
    assert copy(volumes.at(path), DATA, 0.0, quiet).was_taken


@drops_caches
def test_where_the_cache_cannot_be_dropped_nothing_counts_as_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fadvise")
    done = copy(volumes.at(uf2_volume(tmp_path / "v")), DATA, 0.1, quiet)
    assert (done.was_taken, done.is_read_back) == (False, None)


def test_a_volume_that_vanishes_while_it_is_written_to(tmp_path: Path) -> None:
    path = uf2_volume(tmp_path / "v")

    def pull(done: int, of: int) -> None:
        if done == 65536:
            shutil.rmtree(path)

    with pytest.raises(DeviceError) as caught:
        copy(volumes.at(path), DATA, 5, pull)
    assert f"went away while it was written to; 65,536 of {len(DATA):,} bytes" in str(caught.value)


def failing(number: int, at: int, also: Callable[[], None] = lambda: None) -> Callable[[int], None]:
    """An fsync that raises an error number when it is called for the at-th time."""
    real, calls = os.fsync, []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == at:
            also()
            raise OSError(number, os.strerror(number))
        real(descriptor)

    return fsync


def test_an_error_with_the_last_piece_is_the_board_that_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = uf2_volume(tmp_path / "v")
    pieces = -(-len(DATA) // 32768)
    fsync = failing(errno.EIO, pieces, lambda: shutil.rmtree(path))
    monkeypatch.setattr(copying.os, "fsync", fsync)
    assert copy(volumes.at(path), DATA, 5, quiet).was_taken


def test_an_error_before_it_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = uf2_volume(tmp_path / "v")
    fsync = failing(errno.EIO, 3, lambda: shutil.rmtree(path))
    monkeypatch.setattr(copying.os, "fsync", fsync)
    with pytest.raises(DeviceError, match="went away while it was written to; 65,536 of"):
        copy(volumes.at(path), DATA, 5, quiet)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "the volume is full; 65,536 of"),
        (errno.EROFS, "no permission to write"),
        (errno.EIO, "cannot write: Input/output error; 65,536 of"),
    ],
)
def test_errors_of_a_volume_that_is_there(
    number: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = uf2_volume(tmp_path / "v")
    monkeypatch.setattr(copying.os, "fsync", failing(number, 3))
    with pytest.raises(DeviceError, match=message) as caught:
        copy(volumes.at(path), DATA, 5, quiet)
    assert caught.value.hint
    assert not (path / "FIRMWARE.UF2").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_device_that_is_really_full(tmp_path: Path) -> None:
    path = uf2_volume(tmp_path / "v")
    (path / "FIRMWARE.UF2").symlink_to("/dev/full")
    with pytest.raises(DeviceError, match="the volume is full; 0 of"):
        copy(volumes.at(path), DATA, 5, quiet)


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    path = uf2_volume(tmp_path / "v")
    (path / "FIRMWARE.UF2").mkdir()
    with pytest.raises(DeviceError, match="cannot write: Is a directory; 0 of"):
        copy(volumes.at(path), DATA, 5, quiet)


HEX = b":00000001FF\n" * 9000
WORKS = ["counted", "away", "old"]


@pytest.mark.parametrize("way", WORKS)
def test_a_microbit_that_mounts_itself_anew(way: str, tmp_path: Path, bootloader: Start) -> None:
    remounts = None if way == "old" else 4
    path = microbit_volume(tmp_path / "MICROBIT", "9903", remounts)
    volume = volumes.at(path)

    def remount(data: bytes) -> None:
        if way != "counted":
            away = path.rename(tmp_path / "away")
            wait_a_look()
            away.rename(path)
        (path / "FIRMWARE.HEX").unlink()
        microbit_volume(path, "9903", None if way == "old" else 5)

    board = bootloader(path / "FIRMWARE.HEX", remount, len(HEX))
    assert copy(volume, HEX, 5, quiet).was_taken
    assert board.taken == HEX


def wait_a_look() -> None:
    """Longer than one look at the volume takes."""

    time.sleep(0.4)


def test_a_microbit_that_refuses(tmp_path: Path, bootloader: Start) -> None:
    path = microbit_volume(tmp_path / "MICROBIT")
    text = "error: The hex file cannot be decoded. Checksum failure occurred.\r\ntype: user\r\n"

    def refuse(data: bytes) -> None:
        (path / "FAIL.TXT").write_bytes(text.encode())
        microbit_volume(path, remounts=1)

    bootloader(path / "FIRMWARE.HEX", refuse, len(HEX))
    with pytest.raises(DeviceError) as caught:
        copy(volumes.at(path), HEX, 5, quiet)
    assert "refused the file: error: The hex file cannot be decoded. Checksum" in str(caught.value)
    assert "; type: user" in str(caught.value)


def test_a_microbit_that_breaks_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = microbit_volume(tmp_path / "MICROBIT")

    def complain() -> None:
        (path / "FAIL.TXT").write_text("error: The transfer timed out.\x1b[31m\n")

    monkeypatch.setattr(copying.os, "fsync", failing(errno.EIO, 2, complain))
    with pytest.raises(DeviceError, match="refused the file: error: The transfer timed out") as e:
        copy(volumes.at(path), HEX, 5, quiet)
    assert "\x1b" not in str(e.value)


class Clock:
    """In the place of the module time: a sleep moves it, and then something may happen."""

    def __init__(self, then: Callable[[int], None]) -> None:
        self.now, self.sleeps, self.then = 100.0, 0, then

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps += 1
        self.then(self.sleeps)


@pytest.mark.parametrize("comes_at", [2, None])
def test_a_microbit_that_breaks_off_complains_later_or_never(
    comes_at: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = microbit_volume(tmp_path / "MICROBIT")

    def then(sleeps: int) -> None:
        if sleeps == comes_at:
            (path / "FAIL.TXT").write_text("error: The transfer timed out.\n")

    clock = Clock(then)
    monkeypatch.setattr(copying, "time", clock)
    monkeypatch.setattr(copying.os, "fsync", failing(errno.EIO, 2))
    wanted = "refused the file: error" if comes_at else "cannot write: Input/output error; 32,768"
    with pytest.raises(DeviceError, match=wanted):
        copy(volumes.at(path), HEX, 5, quiet)
    assert clock.sleeps == (comes_at or pytest.approx(30, abs=1))  # three seconds


def test_a_microbit_that_says_nothing(tmp_path: Path) -> None:
    path = microbit_volume(tmp_path / "MICROBIT")
    (path / "FAIL.TXT").write_text("error: of an earlier file\n")
    done = copy(volumes.at(path), HEX, 0.3, quiet)
    assert (done.was_taken, done.is_read_back) == (False, None)

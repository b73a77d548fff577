"""What the host tools do on Windows and macOS: locks, keys, volumes and folders, imitated here."""

from __future__ import annotations

import importlib.util
import os
import string
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from microinterp_boards import port_lock, shell
from microinterp_boards.flash import firmware, volumes

Load = Callable[..., Any]


@pytest.fixture
def on_windows(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Gives a second copy of a module as Windows would load it, with an msvcrt of these functions.

    The module that others use stays as it is.
    """

    def load(module: ModuleType, **msvcrt: Any) -> Any:
        assert module.__file__ is not None
        monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(**msvcrt))  # type: ignore[arg-type]
        monkeypatch.setattr(sys, "platform", "win32")
        name = f"{module.__name__}_on_windows"
        spec = importlib.util.spec_from_file_location(name, module.__file__)
        assert spec is not None
        assert spec.loader is not None
        copy = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, copy)
        spec.loader.exec_module(copy)
        return copy

    return load


def test_a_lock_of_windows_is_one_byte_beyond_what_is_told(
    on_windows: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others must be able to read who has the port; and a file that is open cannot be removed."""
    locked: list[tuple[int, int, int]] = []

    def locking(descriptor: int, mode: int, count: int) -> None:
        locked.append((os.lseek(descriptor, 0, os.SEEK_CUR), mode, count))

    copy = on_windows(port_lock, locking=locking, LK_NBLCK=2)
    monkeypatch.setattr(copy, "directory", lambda: tmp_path)
    held = copy.PortLock("COM3")
    assert locked == [(1 << 30, 2, 1)]
    (file,) = tmp_path.iterdir()
    told = file.read_bytes()
    assert told.startswith(b'{"pid": %d' % os.getpid())
    assert len(told) < 1 << 16  # it was written at the start, not behind the byte that is locked
    held.release()
    assert list(tmp_path.iterdir()) == [file]
    held.release()


def test_a_port_that_another_program_of_windows_has(
    on_windows: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locking(descriptor: int, mode: int, count: int) -> None:
        raise PermissionError(13, "Permission denied")

    copy = on_windows(port_lock, locking=locking, LK_NBLCK=2)
    monkeypatch.setattr(copy, "directory", lambda: tmp_path)
    digest = copy.hashlib.sha256(b"COM3").hexdigest()[:16]
    (tmp_path / f"port-{digest}.lock").write_text('{"pid": 1, "program": "mpremote"}')
    with pytest.raises(copy.PortBusyError, match=r"process 1 \(mpremote\) has it open"):
        copy.PortLock("\\\\.\\com3")


def test_keys_of_a_windows_console(on_windows: Load) -> None:
    """All that were typed since, in the board's UTF-8; nothing is waited for."""
    keys = list("a\x03ü")
    copy = on_windows(shell, kbhit=lambda: bool(keys), getwch=lambda: keys.pop(0))
    with copy._keyboard() as typed:
        assert typed() == "a\x03ü".encode()
        assert typed() == b""
        keys += "\r"
        assert typed() == b"\r"


def test_volumes_of_windows_are_drives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes.sys, "platform", "win32")
    found = [str(path) for path in volumes.mount_points()]
    assert found == [f"{letter}:\\" for letter in string.ascii_uppercase if letter not in "ABC"]


def test_volumes_of_macos(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RPI-RP2", "MICROBIT"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(volumes.sys, "platform", "darwin")
    monkeypatch.setattr(volumes, "Path", lambda name: tmp_path if name == "/Volumes" else name)
    assert volumes.mount_points() == [tmp_path / "MICROBIT", tmp_path / "RPI-RP2"]


def test_volumes_of_linux(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(volumes.sys, "platform", "linux")
    monkeypatch.setattr(volumes, "_MOUNTS", tmp_path / "mounts")
    assert volumes.mount_points() == []  # as where /proc is not mounted
    (tmp_path / "mounts").write_bytes(b"/dev/sdb1 /media/\xff vfat rw 0 0\n/dev/sda1 / ext4 rw\n")
    assert volumes.mount_points() == [Path(os.fsdecode(b"/media/\xff"))]


@pytest.mark.parametrize(
    ("platform", "variable", "inside", "without"),
    [
        ("win32", "LOCALAPPDATA", "", "AppData/Local"),
        ("linux", "XDG_CACHE_HOME", "", ".cache"),
        ("darwin", "HOME", "Library/Caches", None),
    ],
)
def test_where_firmware_is_kept(
    platform: str,
    variable: str,
    inside: str,
    without: str | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(firmware.sys, "platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(variable, str(tmp_path / "told"))
    assert firmware.cache_folder() == tmp_path / "told" / inside / "microinterp/firmware"
    if without is not None:
        monkeypatch.delenv(variable)
        assert firmware.cache_folder() == tmp_path / "home" / without / "microinterp/firmware"

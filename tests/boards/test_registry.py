"""The list of virtual boards: only those that run, of this user, whatever else lies there."""

from __future__ import annotations

import fcntl
import json
import os
import runpy
import sys
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import ports, virtual_board
from microinterp_boards.ports import Port
from microinterp_boards.virtual import registry
from microinterp_boards.virtual.registry import directory, running_boards


def test_boards_are_listed_while_they_run(interpreter: None, tmp_path: Path) -> None:
    assert running_boards() == []
    with virtual_board(heap=65536, folder=tmp_path) as one, virtual_board() as two:
        boards = running_boards()
        assert [board.port for board in boards] == [one, two]
        assert (boards[0].kind, boards[0].heap, boards[0].folder) == ("unix", 65536, str(tmp_path))
        os.kill(boards[0].pid, 0)
        virtual = [port for port in ports.ports() if port.kind == "virtual"]
        assert [port.port for port in virtual] == [one, two]
        assert virtual[0].description == f"unix, heap 65536, in {tmp_path}"
    assert running_boards() == []
    assert list(directory().iterdir()) == []


def entry(name: str, **values: object) -> Path:
    path = directory() / name
    path.write_text(json.dumps({"kind": "unix", "port": "/dev/x", "pid": 1, "folder": ""} | values))
    return path


def test_what_a_killed_board_left_is_removed() -> None:
    path = entry("a.json", heap=1)
    assert running_boards() == []
    assert not path.exists()


@pytest.mark.parametrize("values", [{}, {"heap": "1"}, {"heap": True}, {"heap": 1, "port": None}])
def test_entries_that_make_no_sense_are_passed_over(values: dict[str, object]) -> None:
    path = entry("a.json", **values)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert running_boards() == []
        path.write_bytes(b"\xff{")
        assert running_boards() == []
        path.write_text("[]")
        assert running_boards() == []
    running_boards()
    assert not path.exists()


def test_a_folder_that_others_can_write_to_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert directory() == tmp_path / "microinterp"
    assert (tmp_path / "microinterp").stat().st_mode & 0o777 == 0o700
    (tmp_path / "microinterp").chmod(0o777)
    with pytest.raises(DeviceError, match="can be written by somebody else"):
        running_boards()
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(registry.tempfile, "gettempdir", lambda: str(tmp_path / "none"))
    with pytest.raises(DeviceError, match="cannot use the folder"):
        running_boards()
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / f"microinterp-{os.getuid()}").symlink_to(tmp_path)
    with pytest.raises(DeviceError, match="can be written by somebody else"):
        running_boards()


def test_what_cannot_be_read_is_passed_over() -> None:
    """As a file that its board has removed since the folder was read."""
    folder = directory() / "gone.json"
    folder.mkdir()
    try:
        assert running_boards() == []
    finally:
        folder.rmdir()


def test_windows_has_no_virtual_boards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the module that locks files."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    names = runpy.run_path(registry.__file__, run_name="registry_of_windows")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nowhere")
    assert names["running_boards"]() == []


def test_the_choice_of_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def there(*found: Port) -> None:
        monkeypatch.setattr(ports, "ports", lambda: list(found))

    old, usb = Port("/dev/ttyS0", "serial", ""), Port("/dev/ttyACM0", "serial", "Pico", 0x2E8A, 5)
    virtual = Port("/dev/pts/9", "virtual", "")
    there(old, usb)
    assert ports.choose("COM7") == "COM7"
    assert ports.choose(None) == "/dev/ttyACM0"
    there(old)
    with pytest.raises(DeviceError, match="no virtual one; other ports: /dev/ttyS0") as caught:
        ports.choose(None)  # anything may be behind it, or nothing
    assert "must be named" in caught.value.hint
    there(virtual, old)
    assert ports.choose(None) == "/dev/pts/9"
    there(virtual, usb)
    with pytest.raises(DeviceError, match="several ports: /dev/pts/9, /dev/ttyACM0"):
        ports.choose(None)
    there()
    with pytest.raises(DeviceError, match="there is no board"):
        ports.choose(None)

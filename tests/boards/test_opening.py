"""Whether somebody has opened a port: what Linux tells, and what it refuses."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from microinterp_boards.faults import opening
from microinterp_boards.faults.opening import Openings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of openings")


@pytest.fixture
def port(tmp_path: Path) -> Path:
    path = tmp_path / "port"
    path.touch()
    return path


@pytest.fixture
def openings(port: Path) -> Iterator[Openings]:
    openings = Openings(str(port))
    yield openings
    os.close(openings.descriptor)


def test_openings_are_told_once(openings: Openings, port: Path) -> None:
    assert not openings.seen()
    port.open().close()
    port.open().close()
    assert openings.seen()
    assert not openings.seen()
    port.open().close()
    assert openings.seen()


def test_what_is_no_opening(openings: Openings, port: Path) -> None:
    with port.open("w") as file:
        assert openings.seen()
        file.write("text")
    port.stat()
    (port.parent / "other").touch()
    assert not openings.seen()


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cannot watch .*nowhere"):
        Openings(str(tmp_path / "nowhere"))


def test_a_system_that_watches_no_more(port: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = SimpleNamespace(inotify_init1=lambda flags: -1)
    monkeypatch.setattr(opening.ctypes, "CDLL", lambda name, use_errno: system)
    monkeypatch.setattr(opening.ctypes, "get_errno", lambda: 24)
    with pytest.raises(OSError, match=r"Errno 24.*cannot watch a port"):
        Openings(str(port))

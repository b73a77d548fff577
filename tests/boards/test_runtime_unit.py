"""The runtime's files: those of this installation, and those that a board says it has."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import runtime
from microinterp_boards.files import FileState
from microinterp_boards.probe import probe
from microinterp_boards.runtime import Installed, choose_set, installed, require_sound, state_of
from tests.boards.spoken_line import SpokenTransport
from tests.boards.test_probe import PICO, link

ABOUT = probe(link(PICO))
"""A Pico: armv6m, viper-armv6m or bytecode."""


class SpokenLink:
    """A link that is asked for its port and its errors alone."""

    port = "fake"

    def __init__(self) -> None:
        self.transport = SpokenTransport()


LINK: Any = SpokenLink()


def test_sets_that_there_are_not() -> None:
    with pytest.raises(DeviceError, match=r"no set of \.mpy files 'arm\\x1b'") as caught:
        runtime.shipped("arm\x1b")
    assert caught.value.hint.startswith("there are: ")
    assert "armv6m" in caught.value.hint


def test_a_damaged_installation_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "x" / "code"
    folder.mkdir(parents=True)
    (folder / "a.mpy").write_bytes(b"good")
    monkeypatch.setattr(runtime, "_firmware", lambda: tmp_path)
    listed = {"code/a.mpy": {"sha256": hashlib.sha256(b"good").hexdigest()}}
    assert runtime._read("x", listed) == {"a.mpy": b"good"}
    (folder / "a.mpy").write_bytes(b"goof")
    with pytest.raises(DeviceError, match=r"x/code/a\.mpy of this installation is damaged") as it:
        runtime._read("x", listed)
    assert "install the package again" in it.value.hint


def test_the_set_for_a_board() -> None:
    assert choose_set(ABOUT, None) == "armv6m"
    assert choose_set(ABOUT, "bytecode") == "bytecode"
    with pytest.raises(DeviceError, match="the set 'armv7em' is not for this board: ") as caught:
        choose_set(ABOUT, "armv7em")
    assert caught.value.hint == "it runs armv6m, viper-armv6m, bytecode"
    old = replace(ABOUT, sets=(), mpy_set=None, reason="it is old")
    with pytest.raises(DeviceError, match=r"micropython 1\.26\.0 .* cannot run the runtime: it is"):
        choose_set(old, "bytecode")


def say(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microinterp_boards.checked.run", lambda *_, **__: text.encode("latin-1"))


def test_files_that_a_board_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    name, odd = b"_a.mpy".hex(), b"\xff".hex()
    say(f"lib/microinterp\n{name} 300 4000000000\n{odd} 1 2\nend 2\n", monkeypatch)
    found = installed(LINK)
    assert found.folder == "lib/microinterp"
    assert found.files == {"_a.mpy": FileState(300, 4_000_000_000), "\\xff": FileState(1, 2)}
    say("microinterp\nend 0\n", monkeypatch)
    assert installed(LINK) == Installed("microinterp", {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "end 0\n",
        "lib/other\nend 0\n",
        "microinterp\nend 1\n",
        "microinterp\n61 1 2\nend 0\n",
        "microinterp\n61 1 2\n",
        "microinterp\n6 1 2\nend 1\n",
        "microinterp\n61 1\nend 1\n",
        "microinterp\n61 -1 2\nend 1\n",
        "microinterp\na log line\n61 1 2\nend 2\n",
        "\xff\nend 0\n",
    ],
)
def test_lists_that_are_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    say(text, monkeypatch)
    with pytest.raises(DeviceError, match="instead of a list of the files of microinterp"):
        installed(LINK)


def there(mpy_set: str) -> dict[str, FileState]:
    return {name: state_of(data) for name, data in runtime.shipped(mpy_set).items()}


def on_board(files: dict[str, FileState], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "installed", lambda link: Installed("lib/microinterp", files))


@pytest.mark.parametrize("mpy_set", ["armv6m", "bytecode"])
def test_a_sound_runtime(mpy_set: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other files beside it do no harm."""
    on_board(there(mpy_set) | {"mine.py": FileState(1, 2)}, monkeypatch)
    assert require_sound(LINK, ABOUT) == (mpy_set, "lib/microinterp")


def test_a_runtime_for_another_board(monkeypatch: pytest.MonkeyPatch) -> None:
    on_board(there("armv7em"), monkeypatch)
    with pytest.raises(
        DeviceError, match="fake: the runtime on the board is the set 'armv7em', which is not for"
    ) as caught:
        require_sound(LINK, ABOUT)
    assert caught.value.hint == "deploy the model again: that repairs the runtime"
    assert ABOUT.reason in caught.value.message


def test_a_runtime_with_wrong_files(monkeypatch: pytest.MonkeyPatch) -> None:
    files = there("armv6m")
    names = list(files)
    files[names[0]] = FileState(1, 2)
    on_board(files, monkeypatch)
    told = rf"1 of {len(names)} files are not those of version .* \(armv6m\): {names[0]}\n"
    with pytest.raises(DeviceError, match=told):
        require_sound(LINK, ABOUT)
    for name in names[1:5]:
        del files[name]
    shown = ", ".join(names[:3])
    with pytest.raises(DeviceError, match=rf"5 of .* \(armv6m\): {shown}, \.\.\."):
        require_sound(LINK, ABOUT)
    on_board({}, monkeypatch)
    with pytest.raises(DeviceError, match="there is no runtime on the board"):
        require_sound(LINK, ABOUT)

"""fleet.toml: what is read, where it is looked for, and what is said of what is wrong in it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from microinterp.errors import DeviceError, InputError
from microinterp_boards import ports
from microinterp_boards.fleet import inventory
from microinterp_boards.fleet.inventory import Entry, find_file, load, named, parse
from microinterp_boards.ports import Port, choose_line, line_of
from tests.boards.unix_port import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GOOD = """
[board.desk]
port = "/dev/ttyACM0"
tags = ["lab", "m0"]

[board.far]
port = "rfc2217://127.0.0.1:2217"
baud = 57600
kernels = "armv7em"
tags = ["lab"]

[board."spare.2"]
usb = "2E8A:5"
serial = "E661"
machine = "Pico"
"""


@pytest.fixture(autouse=True)
def nothing_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MICROINTERP_FLEET", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(inventory.sys, "platform", "linux")


def test_what_is_read() -> None:
    assert dict(parse(GOOD, "f")) == {
        "desk": Entry("desk", "/dev/ttyACM0", tags=("lab", "m0")),
        "far": Entry(
            "far", "rfc2217://127.0.0.1:2217", baud=57600, kernels="armv7em", tags=("lab",)
        ),
        "spare.2": Entry("spare.2", usb="2e8a:0005", serial="E661", machine="Pico"),
    }


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[board.a]\nport = \n[b]", r"f is no TOML: .*line 2", ""),
        ("", "f: board has no boards in it", r"\[board\.NAME\]"),
        ("board = 3", "f, line 1: board has no boards in it", ""),
        ("[boards.a]\nport = 'x'", "f, line 1: boards is not known", r"\[board\.NAME\]"),
        ("[board]\na = 3", "f, board 'a': is no table", r"\[board\.a\]"),
        (
            "[board.a]\nport = 'x'\n\n[board.b]\n  prot = 'y'",
            "f, line 5, board 'b': prot is not known",
            "perhaps port; there are: port, usb, serial, baud,",
        ),
        ("[board.a]\n", "f, line 1, board 'a': has no port", "port, or usb, or serial"),
        (
            "[board.a]\nport = 'x'\nusb = '1:2'",
            "f, line 1, board 'a': has both a port and USB ids",
            "port, or usb",
        ),
        ("[board.a]\nport = 3", "f, line 2, board 'a': port is 3", "wanted a text"),
        ("[board.a]\nport = ''", "f, line 2, board 'a': port is ''", "wanted a text"),
        ('[board.a]\nport = "\\u001b[2J"', r"f, line 2, board 'a': port is '\\x1b\[2J'", "a text"),
        ("[board.a]\nport = 'SPY://x?file=y'", "f, line 2, board 'a': port is", "writes files"),
        ("[board.a]\nusb = '2e8a'", "f, line 2, board 'a': usb is '2e8a'", "2e8a:0005"),
        ("[board.a]\nusb = '2e8a:00005'", "f, line 2, board 'a': usb is", "vendor:product"),
        ("[board.a]\nport = 'x'\nbaud = 20", "f, line 3, board 'a': baud is 20", "300 to"),
        ("[board.a]\nport = 'x'\nbaud = true", "f, line 3, board 'a': baud is True", "300 to"),
        ("[board.a]\nport = 'x'\nbaud = '9600'", "f, line 3, board 'a': baud is '9600'", ""),
        (
            "[board.a]\nport = 'x'\nkernels = 'armv7m-e'",
            "f, line 3, board 'a': kernels is 'armv7m-e'",
            "perhaps armv7m, armv7em, armv6m; there are",
        ),
        ("[board.a]\nport = 'x'\ntags = 'lab'", "f, line 3, board 'a': tags is 'lab'", "a list"),
        ("[board.a]\nport = 'x'\ntags = ['a b']", "f, line 3, board 'a': tags is", "a list"),
        ("[board.a]\nport = 'x'\ntags = ['a']", "f, line 3, board 'a': tags has 'a'", "another"),
        ("[board.'a b']\nport = 'x'", "f, line 1, board 'a b': cannot be a name", "A-Z a-z"),
        ("[board.COM3]\nport = 'x'", "f, line 1, board 'COM3': cannot be a name", "no COM port"),
        (
            "[board.a]\nport = 'x'\n[board.a.tags]\n[board.b]\ntags = ['y']\nport = 'x'",
            "f, line 1, board 'a': tags is {}",
            "a list of words",
        ),
        ("board.a = {prot = 1}", "f, board 'a': prot is not known", "perhaps port"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, hint: str) -> None:
    with pytest.raises(InputError, match=f"^{message}") as caught:
        parse(text, "f")
    assert re.search(hint, caught.value.hint)
    assert str(caught.value).isprintable() or "\n  hint: " in str(caught.value)


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_file() is None
    with pytest.raises(DeviceError, match=r"there is no fleet.toml: neither here nor in .*config"):
        load()
    mine = tmp_path / "config" / "microinterp" / "fleet.toml"
    mine.parent.mkdir(parents=True)
    mine.write_text(GOOD)
    assert find_file() == mine
    Path("fleet.toml").write_text(GOOD)
    assert find_file() == Path("fleet.toml")
    monkeypatch.setenv("MICROINTERP_FLEET", "other.toml")
    assert find_file() == Path("other.toml")
    assert find_file(Path("given.toml")) == Path("given.toml")
    with pytest.raises(InputError, match=r"cannot read 'other\.toml': No such file"):
        load()
    monkeypatch.delenv("MICROINTERP_FLEET")
    assert list(load().entries) == ["desk", "far", "spare.2"]
    for platform, variable in (("win32", "APPDATA"), ("darwin", "HOME")):
        Path("fleet.toml").unlink(missing_ok=True)
        monkeypatch.setattr(inventory.sys, "platform", platform)
        monkeypatch.setenv(variable, str(tmp_path / platform))
        assert find_file() is None


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"\xff", "fleet.toml is no text"), (b"#" * 1048577, "fleet.toml': it has more than")],
)
def test_files_that_are_none(data: bytes, message: str) -> None:
    Path("fleet.toml").write_bytes(data)
    with pytest.raises(InputError, match=message):
        load()


def test_names_and_tags() -> None:
    Path("fleet.toml").write_text(GOOD)
    there = load()
    assert [entry.name for entry in there.pick(["lab"])] == ["desk", "far"]
    assert [entry.name for entry in there.pick(["far", "m0", "lab"])] == ["far", "desk"]
    with pytest.raises(DeviceError, match=r"no board or tag 'lap' in fleet\.toml") as caught:
        there.pick(["desk", "lap"])
    assert caught.value.hint == "perhaps lab; there are: desk, far, spare.2, lab, m0"


def test_a_name_may_stand_for_a_port() -> None:
    assert choose_line("desk") == ("desk", 115200, None)  # there is no inventory: a port then
    Path("fleet.toml").write_text(GOOD)
    assert choose_line("far")[:2] == ("rfc2217://127.0.0.1:2217", 57600)
    assert choose_line("far", 9600).baud == 9600
    assert choose_line("desk").baud == 115200
    assert ports.choose("desk") == "/dev/ttyACM0"
    for port in ("/dev/ttyACM0", "COM7", "com12", "socket://desk:1"):
        assert choose_line(port) == (port, 115200, None)
    with pytest.raises(DeviceError, match=r"there is no board 'dask' in fleet\.toml") as caught:
        choose_line("dask")
    assert caught.value.hint == "perhaps desk; there are: desk, far, spare.2"
    Path("ttyX").touch()
    assert named("ttyX") is None  # a port in this folder


def test_boards_found_by_usb(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [
        Port("/dev/ttyS0", "serial", ""),
        Port("/dev/ttyACM0", "serial", "", 0x2E8A, 5, "e661"),
        Port("/dev/ttyACM1", "serial", "", 0x2E8A, 5, "E662"),
        Port("/dev/ttyUSB0", "serial", "", 0x10C4, 0xEA60, None),
    ]
    monkeypatch.setattr(ports, "ports", lambda: there)
    assert line_of(Entry("a", usb="2e8a:0005", serial="E661")).port == "/dev/ttyACM0"
    assert line_of(Entry("a", serial="E662")).port == "/dev/ttyACM1"
    assert line_of(Entry("a", usb="10c4:ea60")).port == "/dev/ttyUSB0"
    with pytest.raises(DeviceError, match="at several ports: /dev/ttyACM0, /dev/ttyACM1") as caught:
        line_of(Entry("a", usb="2e8a:0005"))
    assert "serial number" in caught.value.hint
    with pytest.raises(DeviceError, match="'a': usb 2e8a:0005 and serial E9 is at no port") as none:
        line_of(Entry("a", usb="2e8a:0005", serial="E9"))
    assert "2e8a:0005 e661, 2e8a:0005 E662, 10c4:ea60" in none.value.hint


def test_the_example_of_the_docs() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/fleet.md").read_text(), re.DOTALL)
    entries = parse(text, "docs/fleet.md")
    used = {key for table in tomllib.loads(text)["board"].values() for key in table}
    known = {field for field in Entry.__dataclass_fields__ if field != "name"}
    assert used == known  # it shows every key
    assert len(entries) >= 3

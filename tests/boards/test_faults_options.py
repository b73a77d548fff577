"""Which faults are asked for, as text and as objects, and the log that tells of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import virtual_board
from microinterp_boards.faults import (
    Chance,
    FaultEvent,
    Faults,
    WayFaults,
    after_faults,
    parse_faults,
    read_log,
)
from microinterp_boards.virtual import bad_line


def test_all_of_them() -> None:
    text = (
        "drop=0.01,flip=0.005:3,dup=1,noise=1e-4:8,stall=0.001:0.5,ctrl-c,overflow=260,"
        "reset-on-open,reset-at=700,die-at=4096,seed=12,log=a/b.jsonl"
    )
    way = WayFaults(
        Chance(0.01), Chance(0.005, 3), Chance(1.0), Chance(1e-4, 8), Chance(0.001, 0.5)
    )
    wanted = Faults(
        to_board=replace(way, reset_at=700, die_at=4096),
        to_host=way,
        seed=12,
        ctrl_c=True,
        overflow=260,
        reset_on_open=True,
        log=Path("a/b.jsonl"),
    )
    assert parse_faults(text) == wanted
    assert parse_faults(text.replace(",", " , ")) == wanted


def test_ways() -> None:
    assert parse_faults("to-host.drop=0.5") == Faults(to_host=WayFaults(drop=Chance(0.5)))
    assert parse_faults("to-board.stall=0.5") == Faults(to_board=WayFaults(stall=Chance(0.5, 0.1)))
    assert parse_faults("to-host.die-at=5,reset-at=6,to-host.reset-at=7") == Faults(
        WayFaults(reset_at=6), WayFaults(reset_at=7, die_at=5)
    )
    assert parse_faults("to-board.die-at=5") == parse_faults("die-at=5")
    for text in ("drop=0.1,to-host.drop=0.2:4", "to-host.drop=0.2:4,drop=0.1"):
        assert parse_faults(text) == Faults(
            WayFaults(drop=Chance(0.1)), WayFaults(drop=Chance(0.2, 4))
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no fault ''"),
        ("drop=0.1,", "there is no fault ''"),
        ("dorp=0.1", "there is no fault 'dorp'"),
        ("\x1b[2J=1", r"there is no fault '\\x1b\[2J'"),
        ("Drop=0.1", "there is no fault 'Drop'"),
        ("to-bored.drop=0.1", "there is no fault 'to-bored.drop'"),
        ("to-host.=0.1", "there is no fault 'to-host.'"),
        ("to-host.seed=1", "there is no fault 'to-host.seed'"),
        ("to-host.ctrl-c", "there is no fault 'to-host.ctrl-c'"),
        ("drop", "'drop' needs a value"),
        ("drop=", "'drop' needs a value"),
        ("to-host.drop", "'drop' needs a value"),
        ("seed", "'seed' needs a value"),
        ("log=", "'log' needs a value"),
        ("drop=x", "drop: 'x' is not a number"),
        ("drop=nan", "drop: 'nan' is not a number"),
        ("drop=inf", "drop: 'inf' is not a number"),
        ("drop=0.1:", "drop: '' is not a number"),
        ("drop=0.1:2:3", "drop: '2:3' is not a number"),
        ("drop=0", "a probability of 0"),
        ("drop=1.01", "a probability of 1.01"),
        ("drop=-0.1", "a probability of -0.1"),
        ("drop=1e-10", "a probability of 1e-10"),
        ("drop=0.1:0", "drop cannot have a size of 0"),
        ("drop=0.1:1.5", "drop cannot have a size of 1.5"),
        ("noise=0.1:4097", "noise cannot have a size of 4097"),
        ("drop=0.1:1048577", r"drop cannot have a size of 1\.04858e\+06"),
        ("stall=0.1:0", "stall cannot have a size of 0"),
        ("stall=0.1:3601", "stall cannot have a size of 3601"),
        ("stall=0.1:-1", "stall cannot have a size of -1"),
        ("drop=0.1,drop=0.2", "'drop' is given twice"),
        ("ctrl-c,ctrl-c", "'ctrl-c' is given twice"),
        ("ctrl-c=1", "'ctrl-c' takes no value"),
        ("reset-on-open=", "'reset-on-open' takes no value"),
        ("die-at=0", "die-at cannot be 0"),
        ("to-host.die-at", "'die-at' needs a value"),
        ("to-bored.die-at=1", "there is no fault 'to-bored.die-at'"),
        ("reset-at=99999999999999", "reset-at cannot be 99999999999999"),
        ("overflow=0", "overflow cannot be 0"),
        ("overflow=1.5", "overflow: '1.5' is not a whole number"),
        ("die-at=-5", "die-at: '-5' is not a whole number"),
        ("seed=\u0663", "seed: '\u0663' is not a whole number"),
        ("seed=" + "9" * 5000, r"seed: '9+\.\.\.' is not a whole number"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(DeviceError, match=message) as caught:
        parse_faults(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "make",
    [
        lambda: Chance(0.0),
        lambda: Chance(float("nan")),
        lambda: WayFaults(stall=Chance(0.5, 0)),
        lambda: WayFaults(dup=Chance(0.5, 2.5)),
        lambda: WayFaults(dup=Chance(0.5, float("nan"))),
        lambda: WayFaults(die_at=-1),
        lambda: Faults(overflow=0),
    ],
)
def test_objects_are_checked_too(make: Callable[[], object]) -> None:
    with pytest.raises(DeviceError):
        make()


def test_what_a_board_is_told_is_json() -> None:
    faults = parse_faults("to-host.flip=0.005:3,to-host.die-at=9,overflow=260,log=x")
    told = json.loads(json.dumps(faults.config()))
    assert told["to_board"] == {"chances": {}, "marks": {}}
    assert told["to_host"] == {"chances": {"flip": [0.005, 3]}, "marks": {"die-at": 9}}
    assert (told["overflow"], told["ctrl_c"], told["seed"]) == (260, False, 0)
    assert told["log"] == str(Path("x").absolute())


@pytest.mark.parametrize("fault", ["ctrl-c", "reset-on-open", "reset-at=5", "to-host.reset-at=5"])
@pytest.mark.parametrize("kind", ["qemu", "microbit"])
def test_what_qemu_has_not_is_refused(kind: str, fault: str) -> None:
    name = fault.partition("=")[0].removeprefix("to-host.")
    with pytest.raises(DeviceError, match=f"'{kind}' has no fault {name}: ") as caught:
        virtual_board(kind, faults=f"drop=0.1,{fault}").__enter__()
    assert caught.value.hint == "the board 'unix' has it"


def test_what_only_linux_tells_is_refused_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    for name in ("ctrl-c", "reset-on-open"):
        with pytest.raises(DeviceError, match=f"the fault {name} needs Linux"):
            bad_line.config(name, "unix")
    told = bad_line.config("drop=0.5,reset-at=4", "unix")["faults"]
    assert told["to_board"]["marks"] == {"reset-at": 4}


def test_a_log_that_cannot_be_written_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"cannot write '.*': Is a directory") as caught:
        virtual_board(faults=Faults(log=tmp_path)).__enter__()
    assert "log=FILE" in caught.value.hint
    (tmp_path / "old").write_text("of another run")
    bad_line.config(f"log={tmp_path / 'old'}", "unix")
    assert read_log(tmp_path / "old") == []


def test_a_log_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(
        '["to-board", 1, "flip", "41", "43", 0.0]\n["to-host", 0, "stall", "", "", 0.5]\n["to-b'
    )
    log = read_log(path)
    assert log == [
        FaultEvent("to-board", 1, "flip", b"A", b"C"),
        FaultEvent("to-host", 0, "stall", b"", b"", 0.5),
    ]
    assert after_faults(b"AAA", log, "to-board") == b"ACA"
    assert after_faults(b"AAA", log, "to-host") == b"AAA"
    for sent in (b"A", b"ABA", b""):
        with pytest.raises(DeviceError, match="of other bytes, from byte 1 on"):
            after_faults(sent, log, "to-board")


@pytest.mark.parametrize(
    "line", ["", "x", "{}", "7", "[]", '["a", 1, "b", "zz", "", 0]', '["a", null, "b", "", "", 0]']
)
def test_what_is_no_log_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "log"
    path.write_text(f'["to-board", 1, "flip", "41", "43", 0.0]\n{line}\n')
    with pytest.raises(DeviceError, match=r"line 2 of .* is no line of a log of faults"):
        read_log(path)
    with pytest.raises(DeviceError, match=r"cannot read .*nowhere': No such file"):
        read_log(tmp_path / "nowhere")

"""`board flash` with boards that run MicroPython: --enter before, and a probe afterwards.

The board is the unix one, with a module `machine` in its filesystem whose bootloader() leaves a
note there; the test plays the bootloader that then appears.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.flash import running, volumes
from microinterp_boards.flash.firmware import parse
from microinterp_boards.flash.flasher import Flashed
from microinterp_boards.flash.targets import Wanted
from microinterp_boards.ports import Port
from tests.boards.conftest import Terminal, wait_for
from tests.boards.firmware_files import dfu, uf2, words
from tests.boards.flash_boards import METRO, Bootloader, Program, leaves, uf2_volume

pytestmark = pytest.mark.usefixtures("interpreter")

MACHINE = """\
def bootloader():
    import os, time
    open('note', 'w').close()
    while True:  # the board's port would be gone
        time.sleep(1)
"""


def wanted(machine: str = "Raspberry Pi Pico with RP2040", version: str = "1.29.0") -> Wanted:
    return Wanted(parse(Path("x.uf2"), uf2(words(machine, version))))


def quiet(done: int, of: int) -> None:
    pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def port(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A board that says it is a Pico."""
    with virtual_board("unix", folder=folder) as port:
        real = running.probe

        def probe(link: running.Link) -> running.Probe:
            facts = real(link)
            return running.Probe(
                **{name: getattr(facts, name) for name in facts.__slots__}
                | {"machine": "Raspberry Pi Pico with RP2040"}
            )

        monkeypatch.setattr(running, "probe", probe)
        yield port


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    there: list[Path] = []
    monkeypatch.setattr(volumes, "mount_points", lambda: there)
    monkeypatch.setattr(running, "_GONE", 0.5)
    return there


def plays(note: Path, then: Callable[[], None]) -> threading.Thread:
    """Waits for the board to enter its bootloader, then does something."""

    def wait() -> None:
        deadline = time.monotonic() + 10
        while not note.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        if note.exists():
            then()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_board_enters_its_bootloader(
    port: str, folder: Path, tmp_path: Path, mounted: list[Path]
) -> None:
    (folder / "machine.py").write_text(MACHINE)
    old = uf2_volume(tmp_path / "old")  # another Pico, which waits for something else
    mounted.append(old)
    new = tmp_path / "new"
    data = wanted().firmware.data
    board = Bootloader(new / "FIRMWARE.UF2", len(data), leaves(new))

    def appear() -> None:
        mounted.append(uf2_volume(new))
        board.start()

    thread = plays(folder / "note", appear)
    plan = running.plan_from_running(wanted(), port, 115200, 10.0)
    assert not (folder / "note").exists()
    assert plan.steps[0] == f"ask the board on {port} what it is: it must have RP2040"
    done = plan.run(quiet)
    thread.join(5)
    board.stop()
    assert board.taken == data
    assert (done.target, done.verified, done.note) == (str(new), "", "")
    assert not (old / "FIRMWARE.UF2").exists()


def test_a_board_of_another_chip_stays_as_it_is(
    port: str, folder: Path, mounted: list[Path]
) -> None:
    (folder / "machine.py").write_text(MACHINE)
    plan = running.plan_from_running(
        Wanted(parse(Path("x.uf2"), uf2(words("x"), 0x55114460))), port, 115200, 1.0
    )
    with pytest.raises(DeviceError, match=r"is for SAMD51 .*Pico with RP2040\) has RP2040"):
        plan.run(quiet)
    assert not (folder / "note").exists()


def test_a_board_that_does_not_tell_its_chip(folder: Path, mounted: list[Path]) -> None:
    with virtual_board("unix", folder=folder) as port:
        (folder / "machine.py").write_text(MACHINE)
        plan = running.plan_from_running(wanted(), port, 115200, 1.0)
        with pytest.raises(DeviceError, match="does not tell a chip that is known here"):
            plan.run(quiet)
    assert not (folder / "note").exists()


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("", r"the board has no machine\.bootloader\(\)"),
        ("def bootloader():\n    pass\n", "the board did not leave MicroPython"),
    ],
)
def test_firmware_without_a_bootloader(
    module: str, message: str, port: str, folder: Path, mounted: list[Path]
) -> None:
    (folder / "machine.py").write_text(module)
    plan = running.plan_from_running(wanted(), port, 115200, 1.0)
    with pytest.raises(DeviceError, match=message) as caught:
        plan.run(quiet)
    assert "BOOTSEL" in caught.value.hint


def test_a_bootloader_that_does_not_appear(
    port: str, folder: Path, tmp_path: Path, mounted: list[Path]
) -> None:
    (folder / "machine.py").write_text(MACHINE)
    mounted.append(uf2_volume(tmp_path / "old"))
    plan = running.plan_from_running(wanted(), port, 115200, 0.5)
    with pytest.raises(DeviceError, match=r"but no volume appeared within 0\.5 s"):
        plan.run(quiet)


def test_another_bootloader_appears(
    port: str, folder: Path, tmp_path: Path, mounted: list[Path]
) -> None:
    (folder / "machine.py").write_text(MACHINE)
    other = tmp_path / "other"
    plays(folder / "note", lambda: mounted.append(uf2_volume(other, METRO)))
    plan = running.plan_from_running(wanted(), port, 115200, 1.0)
    with pytest.raises(DeviceError, match=r"but .*Metro M4 Express, .* appeared"):
        plan.run(quiet)
    assert not (other / "FIRMWARE.UF2").exists()


def test_a_board_that_enters_dfu_mode(
    port: str, folder: Path, tmp_path: Path, mounted: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "machine.py").write_text(MACHINE)
    monkeypatch.setenv("PATH", str(tmp_path))
    data = words("Raspberry Pi Pico with RP2040")  # the chip that this board says to have
    file = tmp_path / "x.dfu"
    file.write_bytes(dfu([(0x08000000, data)]))
    stm32 = Wanted(parse(file, file.read_bytes()))
    with pytest.raises(DeviceError, match="dfu-util is not installed"):
        running.plan_from_running(stm32, port, 115200, 5.0)
    util = Program(tmp_path, "dfu-util").on("--list", says="dfu-util 0.11\n")
    plan = running.plan_from_running(stm32, port, 115200, 5.0)
    assert util.calls == []
    listed = (
        'Found DFU: [0483:df11] ver=2200, devnum=5, cfg=1, intf=0, path="1-4", alt=0,'
        ' name="@Internal Flash  /0x08000000/04*016Kg", serial="X"\n'
    )

    def appear() -> None:
        wait_for(lambda: bool(util.calls), 20)  # it was looked for, and not yet there
        util.on("--download", says="Done parsing DfuSe file\n")
        util.on("--upload", files={"--upload": data.hex()})
        util.steps[0]["says"] = listed
        util.save()

    thread = plays(folder / "note", appear)
    done = plan.run(quiet)
    thread.join(5)
    assert done.verified == "the flash, read back by dfu-util"
    assert len([call for call in util.calls if call == ["--list"]]) > 1


TAKEN = Flashed("uf2", "x.uf2", "/media/RPI-RP2", 1024, "")


def test_a_board_that_runs_what_was_written(port: str) -> None:
    with Board(port) as board:
        version = board.probe().version
    done = running.ask(TAKEN, wanted(version=version), [], port, 10.0)
    assert done.verified == (
        "the board's own words for firmware and machine, which are those in the file"
    )
    assert done.answer == f"micropython {version} on Raspberry Pi Pico with RP2040"
    for other in (wanted(version="1.2.3"), wanted(machine="Pimoroni Tiny with RP2040")):
        done = running.ask(TAKEN, other, [], port, 10.0)
        assert done.verified == ""
        assert done.note.startswith("the board answers in other words")
        assert done.answer


@pytest.mark.parametrize(
    ("told", "held", "is_same"),
    [
        ("1.29.0", "1.29.0", True),
        ("1.29.0", "1.29.0-preview.12.g1234567", True),
        ("1.13.0", "1.13", True),  # as files were before 1.20
        ("1.9.2", "1.9.2-34-gd64154c73", True),
        ("1.29.1", "1.29.0", False),
        ("1.29.0", "1.29.1", False),
        ("1.2.0", "1.29.0", False),
        ("1.29.0", "1.2", False),
        ("1.9.2", "1.9.20", False),
        ("1.9.2", "1.9", False),
    ],
)
def test_versions_in_files(told: str, held: str, is_same: bool) -> None:
    facts = SimpleNamespace(version=told, machine="Raspberry Pi Pico with RP2040")
    for machine in (facts.machine, "another board with RP2040"):
        found = running._is_told_in(words(machine, held), facts)
        assert found == (is_same and machine == facts.machine)
    assert not running._is_told_in(words("", held), SimpleNamespace(version=told, machine=""))


def test_the_port_that_is_new(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = [Port("/dev/nowhere", "serial", "old", 1, 2), Port(port, "virtual", "board")]
    monkeypatch.setattr(running, "ports", lambda: there)
    assert running.ask(TAKEN, wanted(), there[:1], None, 10.0).answer
    done = running.ask(TAKEN, wanted(), there, None, 0.5)
    assert (done.answer, done.note[:12]) == ("", "not verified")
    done = running.ask(TAKEN, wanted(), [], None, 0.5)  # two could be it
    assert (done.answer, done.note[:12]) == ("", "not verified")


def test_a_microbit_keeps_its_port(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = [Port(port, "serial", "micro:bit", 0x0D28, 0x0204)]
    monkeypatch.setattr(running, "ports", lambda: there)
    taken = Flashed("hex", "x.hex", "/media/MICROBIT", 1024, "")
    assert running.ask(taken, wanted(), there, None, 10.0).answer
    unknown = replace(taken, note="the volume is as before")  # it runs beside its volume
    with Board(port) as board:
        version = board.probe().version
    done = running.ask(unknown, wanted(version=version), there, None, 10.0)
    assert done.verified.startswith("the board's own words")
    assert done.note == ""
    done = running.ask(unknown, wanted(), there, "/dev/nowhere", 0.3)
    assert (done.verified, done.note) == ("", "the volume is as before")


def test_a_port_that_does_not_answer(terminal: Terminal) -> None:
    heard = bytearray()

    def listen(data: bytes) -> bytes:
        heard.extend(data)
        return b""

    terminal.serve(listen)
    started = time.monotonic()
    done = running.ask(TAKEN, wanted(), [], terminal.port, 1.0)
    assert done.note.startswith("not verified: no board has answered")
    assert time.monotonic() - started < 10
    assert b"\x03" in heard  # it was asked


def test_a_port_that_comes_back_late(port: str, tmp_path: Path) -> None:
    link = tmp_path / "ttyACM0"

    def plug() -> None:
        time.sleep(0.7)
        link.symlink_to(port)

    thread = threading.Thread(target=plug)
    thread.start()
    done = running.ask(TAKEN, wanted(), [], str(link), 10.0)
    thread.join()
    assert done.answer.endswith("Raspberry Pi Pico with RP2040")


def test_what_is_known_is_not_asked_again() -> None:
    for flashed in (
        Flashed("esptool", "x", "y", 1, "the flash's MD5"),
        Flashed("uf2", "x", "y", 1, "", "the volume is as before"),
    ):
        assert running.ask(flashed, wanted(), [], "/dev/nowhere", 10.0) is flashed
    assert running.ask(TAKEN, wanted(), [], "/dev/nowhere", 0.0) is TAKEN

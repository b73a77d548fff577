"""The virtual boards qemu and microbit: they start or say why not, and their end is an end."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import serial

from microinterp.errors import DeviceError
from microinterp_boards import Board, ports, virtual_board
from microinterp_boards.virtual import qemu as machines
from microinterp_boards.virtual.preload import MAGIC, NAME_BYTES, image
from microinterp_boards.virtual.registry import running_boards
from tests.boards.conftest import family, is_running, wait_for
from tests.marks import slow, thorough

BOARDS: list[dict[str, Any]] = [{"kind": "qemu", "cpu": "m4"}, {"kind": "qemu", "cpu": "m3"}]
BOARDS += [{"kind": "microbit"}]
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
HOST = """
import sys, time
from microinterp_boards import virtual_board
with virtual_board(**{options}) as port:
    print(port, flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=BOARDS, ids=lambda options: "-".join(options.values()))
def options(request: pytest.FixtureRequest) -> Any:
    request.getfixturevalue(request.param["kind"])
    return request.param


@pytest.fixture(params=[*BOARDS, {"kind": "unix"}], ids=lambda options: "-".join(options.values()))
def any_board(request: pytest.FixtureRequest) -> Any:
    kind = request.param["kind"]
    request.getfixturevalue("interpreter" if kind == "unix" else kind)
    return request.param


def the_pid(port: str) -> int:
    (board,) = (each for each in running_boards() if each.port == port)
    return board.pid


def everything(pid: int) -> set[int]:
    """The relay and QEMU, once both are there."""
    assert wait_for(lambda: len(family(pid)) == 2)
    return family(pid)


def test_it_answers_and_is_listed(options: dict[str, Any]) -> None:
    with virtual_board(**options) as port:
        (about,) = running_boards()
        assert (about.kind, about.cpu) == (options["kind"], options.get("cpu", ""))
        (listed,) = (each for each in ports.ports() if each.port == port)
        assert listed.description.startswith(" ".join(options.values()))
        for _ in range(3):  # hosts come and go
            with Board(port) as board:
                assert board.exec("print(6 * 7)") == "42\n"
    assert running_boards() == []


def test_a_program_is_interrupted(options: dict[str, Any]) -> None:
    with virtual_board(**options) as port, Board(port) as board:
        for code in ("while True: pass", "n = 1\nwhile True: n += 1"):
            board.link.start(code)
            time.sleep(0.1)
            board.link.write(b"\x03")
            with pytest.raises(DeviceError, match="KeyboardInterrupt"):
                board.link.finish(3)
        board.exec("value = 1")
        board.soft_reset()
        assert board.exec("print('value' in globals())") == "False\n"


def test_output_that_nobody_reads_does_not_hold_it_up(options: dict[str, Any]) -> None:
    with virtual_board(**options) as port:
        with serial.Serial(port, timeout=5) as line:
            line.write(b"\x01for n in range(1500): print('x' * 50)\n\x04")
            line.read(100)
        time.sleep(1.5)  # it is through by now, or stuck
        with serial.Serial(port, timeout=5) as line:
            line.reset_input_buffer()
            line.write(b"\x02")
            assert line.read_until(b">>> ").endswith(b">>> ")


def test_several_at_once(qemu: None) -> None:
    with virtual_board("qemu", cpu="m7") as one, virtual_board("qemu", cpu="m3") as two:
        assert one != two
        with Board(one) as first, Board(two) as second:
            first.exec("name = 'first'")
            second.exec("name = 'second'")
            assert first.exec("print(name)") == "first\n"
            assert second.exec("print(name)") == "second\n"
            assert (first.probe().cpu, second.probe().cpu) == ("Cortex-M7", "Cortex-M3")


@pytest.mark.parametrize("heap", [65536, 131072, 1 << 20])
def test_the_heap_has_the_size_asked_for(qemu: None, heap: int) -> None:
    with virtual_board("qemu", heap=heap) as port, Board(port) as board:
        facts = board.probe()
    assert 0.96 * heap < facts.heap_total < heap
    assert facts.heap_total - facts.heap_free < 4096


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "qemu", "folder": "x"}, "board 'qemu' has no option folder"),
        ({"kind": "qemu", "flash": 65536}, "board 'qemu' has no option flash"),
        ({"kind": "unix", "cpu": "m3"}, "board 'unix' has no option cpu"),
        ({"kind": "unix", "elf": "x"}, "board 'unix' has no option elf"),
        ({"kind": "unix", "preload": [("a", b"")]}, "board 'unix' has no option preload"),
        ({"kind": "microbit", "heap": 9000}, "board 'microbit' has no option heap"),
        ({"kind": "microbit", "cpu": "m3"}, "board 'microbit' has no option cpu"),
        ({"kind": "qemu", "cpu": "m\x1b7"}, r"no processor 'm\\x1b7'"),
        ({"kind": "qemu", "heap": 100}, "a heap of 100 bytes is not possible"),
        ({"kind": "qemu", "heap": 1 << 30}, "a heap of 1073741824 bytes is not possible"),
    ],
)
def test_options_that_cannot_be(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DeviceError, match=message) as caught:
        virtual_board(**arguments).__enter__()
    assert caught.value.hint
    assert running_boards() == []


@pytest.mark.parametrize("kind", ["qemu", "microbit"])
def test_without_qemu_the_package_is_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeviceError, match=f"'{kind}' needs the program qemu-system-arm") as caught:
        virtual_board(kind).__enter__()
    assert "apt install qemu-system-arm" in caught.value.hint


def test_without_the_firmware_the_package_is_named(
    qemu_program: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "MICROBIT", Path("/nowhere/firmware.hex"))
    with pytest.raises(DeviceError, match="needs the package firmware-microbit-micropython") as it:
        virtual_board("microbit").__enter__()
    assert "apt install firmware-microbit-micropython" in it.value.hint


def elf(machine: int = 40, bits: int = 1) -> bytes:
    """The beginning of an ELF file."""
    return b"\x7fELF" + bytes([bits, 1, 1]) + bytes(11) + machine.to_bytes(2, "little")


def program(start: int) -> bytes:
    """An ELF file with nothing but a stack, and where to start."""
    vectors = struct.pack("<4I", 0x20001000, start, 0, 0)
    rest = struct.pack("<IIIIIHHHHHH", 1, 0, 52, 0, 0x5000000, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<8I", 1, 84, 0, 0, len(vectors), len(vectors), 5, 4)
    return elf() + rest + segment + vectors


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read '.*a.elf': No such file"),
        (b"", "no ELF file for a 32-bit Arm"),
        (b"MZ" + bytes(30), "no ELF file for a 32-bit Arm"),
        (elf(62, 2), "no ELF file for a 32-bit Arm"),
        (elf()[:-1], "no ELF file for a 32-bit Arm"),
        (program(0xE0000001), "did not start: qemu: fatal: Lockup: can't escalate"),
    ],
)
def test_an_elf_file_that_is_none(
    qemu_program: None, tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "a.elf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DeviceError, match=message) as caught:
        virtual_board("qemu", elf=path).__enter__()
    assert caught.value.hint
    assert running_boards() == []


def test_the_image_of_preloaded_files(tmp_path: Path) -> None:
    (tmp_path / "a=b.bin").write_bytes(b"12345")
    path = str(tmp_path / "a=b.bin")
    made = image([f"{path}=lib/x.mpy", ("y", b"6")], 4096)
    assert made[:16] == MAGIC + (2).to_bytes(4, "little") + bytes(4)
    for number, (name, data) in enumerate((("lib/x.mpy", b"12345"), ("y", b"6"))):
        entry = made[16 + 72 * number :]
        assert entry[:64] == name.encode().ljust(64, b"\0")
        offset, size = (int.from_bytes(entry[i : i + 4], "little") for i in (64, 68))
        assert offset % 16 == 0
        assert made[offset : offset + size] == data
    assert image([], 0) == b""
    (tmp_path / "c.bin").write_bytes(b"")
    assert image([tmp_path / "c.bin"], 4096)[16:21] == b"c.bin"


@pytest.mark.parametrize(
    ("preload", "message"),
    [
        (["/nowhere/a"], "cannot read '/nowhere/a': No such file"),
        (["/nowhere/a=b"], "cannot read '/nowhere/a': No such file"),
        (["/etc"], "cannot read '/etc': Is a directory"),
        ([("", b"")], "'' cannot be the name"),
        ([("/a", b"")], "'/a' cannot be the name"),
        ([("a b", b"")], "'a b' cannot be the name"),
        ([("a" * NAME_BYTES, b"")], "cannot be the name"),
        ([("a", b""), ("a", b"1")], "'a' is preloaded twice"),
        ([("a", bytes(900)), ("b", bytes(100))], "need 1184 bytes, 184 more than the 1000"),
    ],
)
def test_what_cannot_be_preloaded(preload: list[Any], message: str) -> None:
    with pytest.raises(DeviceError, match=message) as caught:
        image(preload, 1000)
    assert caught.value.hint


@linux
@pytest.mark.parametrize(
    "number", [signal.SIGINT, slow(signal.SIGTERM), slow(signal.SIGHUP), signal.SIGKILL]
)
def test_a_signal_to_the_host_program(options: dict[str, Any], number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOST.format(options=options)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    processes = everything(the_pid(process.stdout.readline().strip()))
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # Ctrl-C goes to the whole group
    else:
        process.send_signal(number)
    process.wait(5)
    process.stdout.close()
    assert wait_for(lambda: not any(map(is_running, processes)))
    assert running_boards() == []


@linux
def test_an_end_of_qemu_is_an_end_of_the_board(options: dict[str, Any]) -> None:
    with virtual_board(**options) as port, Board(port) as board:
        pid = the_pid(port)
        processes = everything(pid)
        board.link.start("while True: pass")
        os.kill((processes - {pid}).pop(), signal.SIGKILL)
        with pytest.raises(DeviceError, match="the port is gone"):
            board.link.finish(3)
        assert wait_for(lambda: not any(map(is_running, processes)))
        assert running_boards() == []


@linux
@pytest.mark.parametrize("starts", [slow(10), thorough(50)])
def test_many_starts_leave_nothing(any_board: dict[str, Any], starts: int) -> None:
    """Ended by the block, in the middle of a program, or by signals to the relay or to QEMU."""
    before = open_terminals()
    seen: set[int] = set()
    for count in range(starts):
        with virtual_board(**any_board) as port:
            pid = the_pid(port)
            processes = everything(pid)
            seen |= processes
            if count % 5 == 0:
                with serial.Serial(port) as line:
                    line.write(b"\x01while True: print('on and on')\n\x04")
            elif count % 5 < 3:
                os.kill(pid, (signal.SIGTERM, signal.SIGKILL)[count % 5 - 1])
            elif count % 5 == 3:
                os.kill((processes - {pid}).pop(), signal.SIGKILL)
    assert wait_for(lambda: not any(map(is_running, seen)))
    assert len(seen) >= 2 * starts
    assert running_boards() == []
    assert open_terminals() == before  # the others that had one open have ended


def open_terminals() -> list[str]:
    """What this process has open of pseudo-terminals."""
    links = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the folder's own descriptor has been closed
            links.append(os.readlink(f"/proc/self/fd/{name}"))
    return sorted(link for link in links if link.startswith(("/dev/pts/", "/dev/ptmx")))

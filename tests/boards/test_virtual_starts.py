"""How the process of a virtual board is started, asked and ended, with stand-ins for it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.virtual import process, qemu, unix
from microinterp_boards.virtual.preload import MAGIC
from microinterp_boards.virtual.process import NotStartedError
from microinterp_boards.virtual.qemu_elf import ICOUNT_SHIFT, MACHINES
from tests.boards.conftest import is_running, wait_for

Relay = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def relay() -> Iterator[Relay]:
    """Starts a shell in place of a relay."""
    started = []

    def relay(text: str) -> subprocess.Popen[bytes]:
        started.append(
            subprocess.Popen(
                ["sh", "-c", text],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        )
        return started[-1]

    yield relay
    for each in started:
        each.kill()
        each.wait()
        for pipe in (each.stdin, each.stdout):
            assert pipe is not None
            pipe.close()


def test_a_board_that_comes_up_tells_its_port(relay: Relay) -> None:
    assert process._port(relay('echo \'{"port": "/dev/pts/9"}\'; read x')) == "/dev/pts/9"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ('{"error": "no such machine"}', "no such machine"),
        ('{"error": ""}', "no reason given"),
        ("{}", "no reason given"),
        ("Traceback", r"its process said 'b'Traceback\n''"),
    ],
)
def test_why_a_board_did_not_come_up(relay: Relay, said: str, wanted: str) -> None:
    with pytest.raises(NotStartedError) as error:
        process._port(relay(f"echo '{said}'"))
    assert str(error.value) == wanted


def test_a_process_that_ends_or_says_nothing(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotStartedError, match="its process said 'b'''"):
        process._port(relay("exit 1"))
    monkeypatch.setattr(process, "_START_LIMIT", 0.02)
    with pytest.raises(NotStartedError, match="its process said 'b'''"):
        process._port(relay("read x"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('{"ended": "qemu: fatal"}', "qemu: fatal"),
        ('{"ended": ""}', ""),
        ('{"error": "cannot open"}', "cannot open"),
        ("{}", ""),
        ("", ""),
    ],
)
def test_the_last_words_of_a_board(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, said: str, words: str
) -> None:
    monkeypatch.setitem(process._relays, "/dev/x", relay(f"echo '{said}'"))
    assert process.wait_for_end("/dev/x") == words


def test_a_relay_that_was_killed_has_no_last_words(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(process._relays, "/dev/x", relay("kill -9 $$"))
    assert process.wait_for_end("/dev/x") == ""


def test_a_relay_cleans_up_when_its_input_ends(relay: Relay, tmp_path: Path) -> None:
    started = relay(f"cat; echo done > {tmp_path}/done")
    process._end(started)
    assert started.returncode == 0
    assert (tmp_path / "done").exists()


def test_a_relay_that_hangs_is_killed_with_what_it_started(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_END_LIMIT", 0.05)
    started = relay("sleep 60 & echo $!; wait; sleep 60")
    assert started.stdout is not None
    child = int(started.stdout.readline())
    began = time.monotonic()
    process._end(started)
    assert started.returncode == -9
    assert wait_for(lambda: not is_running(child))
    assert time.monotonic() - began < 30


class Started:
    """Notes what `board_process` is told, and what there is while the board runs."""

    def __init__(self) -> None:
        self.kind, self.config, self.heap = "", {}, 0  # type: ignore[var-annotated]
        self.error = ""
        self.preload = b""

    @contextmanager
    def board_process(
        self, kind: str, config: Any, *, heap: int = 0, **about: str
    ) -> Iterator[str]:
        self.kind, self.config, self.heap = kind, config, heap
        if self.error:
            raise NotStartedError(self.error)
        for word in config.get("command", []):
            if word.startswith("loader,file="):
                path = word.removeprefix("loader,file=").split(",addr")[0]
                self.preload = Path(path.replace(",,", ",")).read_bytes()
        yield "/dev/x"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Started:
    started = Started()
    for module in (qemu, unix):
        monkeypatch.setattr(module, "board_process", started.board_process)
    monkeypatch.setattr(qemu.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(qemu.qemu_elf, "board_elf", lambda cpu: tmp_path / f"{cpu}.elf")
    return started


@pytest.mark.parametrize("cpu", list(MACHINES))
def test_the_command_of_qemu(started: Started, tmp_path: Path, cpu: str) -> None:
    machine = MACHINES[cpu]
    with qemu.start(cpu=cpu, heap=65536, elf=None, preload=[], line={"faults": 1}) as port:
        assert port == "/dev/x"
    command = started.config["command"]
    assert command[:3] == ["/bin/qemu-system-arm", "-M", machine.name]
    assert command[command.index("-kernel") + 1] == str(tmp_path / f"{cpu}.elf")
    assert command[command.index("-icount") + 1] == f"shift={ICOUNT_SHIFT}"
    assert [each for each in command if each.startswith("loader")] == [
        f"loader,addr={machine.heap_word_address:#x},data=0x10000,data-len=4",
        f"loader,addr={machine.icount_word_address:#x},data={ICOUNT_SHIFT:#x},data-len=4",
    ]
    assert (started.kind, started.heap, started.config["faults"]) == ("qemu", 65536, 1)


def test_preloaded_files_are_there_while_it_runs(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commas = tmp_path / "a,b"
    commas.mkdir()
    monkeypatch.setattr(qemu.tempfile, "tempdir", str(commas))
    with qemu.start(cpu="m4", heap=65536, elf=None, preload=[("net", b"data")]):
        assert len(list(commas.iterdir())) == 1
    assert started.preload.startswith(MAGIC)
    assert b"data" in started.preload
    where = [each for each in started.config["command"] if "force-raw" in each]
    assert where[0].endswith(f",addr={MACHINES['m4'].preload_address:#x},force-raw=on")
    assert list(commas.iterdir()) == []


def test_what_qemu_said_in_place_of_coming_up(started: Started) -> None:
    started.error = "qemu: fatal: \x1b[1mLockup\nR00=00000000"
    message = r"^the virtual board 'qemu' did not start: qemu: fatal: \\x1b\[1mLockup\n"
    with pytest.raises(DeviceError, match=message):
        qemu.start(cpu="m4", heap=65536, elf=None, preload=[]).__enter__()


def test_the_command_of_the_microbit(
    started: Started, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    firmware = tmp_path / "firmware.hex"
    monkeypatch.setattr(qemu, "MICROBIT", firmware)
    with pytest.raises(DeviceError, match="needs the package firmware-microbit-micropython"):
        qemu.start_microbit().__enter__()
    firmware.touch()
    with qemu.start_microbit(line={"faults": 1}):
        command = started.config["command"]
    assert command[1:3] == ["-M", "microbit"]
    assert command[-2:] == ["-device", f"loader,file={firmware}"]
    assert (started.kind, started.heap, started.config["faults"]) == ("microbit", 0, 1)


ELF = b"\x7fELF\x01\x01\x01" + bytes(11) + b"\x28\0"


def test_a_program_of_one_s_own(started: Started, tmp_path: Path) -> None:
    path = tmp_path / "own.elf"
    path.write_bytes(ELF + b"and more")
    with qemu.start(cpu="m4", heap=65536, elf=path, preload=[]):
        assert started.config["command"][-5] == str(path)
    path.write_bytes(ELF[:-1])
    with pytest.raises(DeviceError, match=r"own\.elf' is no ELF file for a 32-bit Arm"):
        qemu.start(cpu="m4", heap=65536, elf=path, preload=[]).__enter__()


@pytest.mark.parametrize(
    ("heap", "flash", "message"),
    [
        (0, None, "a heap of 0 bytes"),
        (1 << 31, None, "a heap of 2147483648 bytes"),
        (1, 7 * 4096, "a flash of 28672 bytes"),
        (1, 4096 << 18, "a flash of 1073741824 bytes"),
        (1, 65537, "a flash of 65537 bytes"),
    ],
)
def test_sizes_that_cannot_be(heap: int, flash: int | None, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        unix._check_sizes(heap, flash)


def test_sizes_that_can_be() -> None:
    for heap, flash in ((1, None), ((1 << 31) - 1, 8 * 4096), (1, (4096 << 18) - 4096)):
        unix._check_sizes(heap, flash)


def test_a_folder_of_the_board_s_own_goes_with_it(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unix, "interpreter_library", lambda: "library.so")
    monkeypatch.setattr(unix.tempfile, "tempdir", str(tmp_path))
    with unix.start(heap=65536, folder=None, flash=8 * 4096):
        root = Path(started.config["folder"])
        assert started.config["temporary"] == str(root)
        assert (root / "flash.img").stat().st_size == 8 * 4096
    assert not root.exists()  # also where the relay was killed
    with unix.start(heap=65536, folder=tmp_path / "kept", flash=None):
        assert started.config["temporary"] == ""
        assert started.config["flash"] == 0
        assert "def _boot" in started.config["boot"]
    assert (tmp_path / "kept").is_dir()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("MemoryError: ", "cannot start in a heap of 3000 bytes"),
        ("Traceback:\nImportError: \x1bx", r"did not start: ImportError: \\x1bx"),
    ],
)
def test_why_the_unix_port_did_not_start(
    started: Started, monkeypatch: pytest.MonkeyPatch, said: str, message: str
) -> None:
    monkeypatch.setattr(unix, "interpreter_library", lambda: "library.so")
    started.error = said
    with pytest.raises(DeviceError, match=message):
        unix.start(heap=3000, folder=None, flash=None).__enter__()


def test_a_relay_that_does_not_come_up_is_gone_with_its_entry(tmp_path: Path) -> None:
    """The whole way, to the process and back: a machine whose program there is not."""
    config = {"command": ["no-such-program"], "temporary": str(tmp_path / "own")}
    (tmp_path / "own").mkdir()
    before = set(process.registry.directory().iterdir())
    with pytest.raises(NotStartedError, match="No such file"):
        process.board_process("qemu", config).__enter__()
    assert not (tmp_path / "own").exists()
    assert set(process.registry.directory().iterdir()) <= before
    assert process._relays == {}


def test_a_board_s_lines_are_those_of_its_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that prompts, from a shell: its port is known while it runs, and only then."""
    config = {"command": ["sh", "-c", "printf '>>> '; read x; echo end >&2"]}
    with process.board_process("qemu", config, heap=5, folder="f", cpu="m3") as port:
        (board,) = (each for each in process.registry.running_boards() if each.port == port)
        assert (board.port, board.kind, board.heap) == (port, "qemu", 5)
        assert board.description == "qemu m3, heap 5, in f"
        with open(port, "wb", buffering=0) as line:
            line.write(b"\n")
            assert process.wait_for_end(port) == "end"
    assert port not in process._relays
    assert process.registry.running_boards() == []

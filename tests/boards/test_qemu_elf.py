"""The builder of our Cortex-M board: what it says when something is missing, and when it builds."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.virtual import qemu_elf
from microinterp_boards.virtual.qemu_elf import CORE, MACHINES, board_elf

MAKEFILE = (
    "all:\n\techo compiled >> $(CURDIR)/log\n\tsleep 0.2\n\tcp main.c $(BUILD)/firmware.elf\n"
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a small stand-in for the sources, whose core is there already."""
    sources = tmp_path / "firmware" / "qemu"
    sources.mkdir(parents=True)
    (sources / "Makefile").write_text(MAKEFILE)
    (sources / "main.c").write_text("int main(void);\n")
    (tmp_path / "build" / "qemu-board" / CORE).mkdir(parents=True)
    monkeypatch.setattr(qemu_elf, "_ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler counts as installed: the stand-in does not call it."""
    monkeypatch.setattr(qemu_elf, "_require_tools", lambda: None)


def builds(root: Path) -> int:
    log = root / "firmware" / "qemu" / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def program(path: Path, name: str, text: str) -> None:
    (path / name).write_text(f"#!/bin/sh\n{text}\n")
    (path / name).chmod(0o755)


def test_the_real_board_is_built(qemu: None) -> None:
    for cpu in MACHINES:
        path = board_elf(cpu)
        assert path.parts[-4:] == ("build", "qemu-board", cpu, "firmware.elf")
        assert path.read_bytes()[:6] == b"\x7fELF\x01\x01"


def test_it_builds_when_sources_change_and_only_then(root: Path, tools: None) -> None:
    path = board_elf("m4")
    assert path.read_text() == "int main(void);\n"
    board_elf("m4")
    assert builds(root) == 1
    (root / "firmware" / "qemu" / "main.c").write_text("int changed;\n")
    assert board_elf("m4").read_text() == "int changed;\n"
    board_elf("m3")
    assert builds(root) == 3
    board_elf("m3").unlink()
    board_elf("m3")
    assert builds(root) == 4
    names = {each.name for each in (root / "build" / "qemu-board").iterdir()}
    assert names == {"m3", "m4", "lock", CORE}  # nothing temporary stays


def test_many_that_build_at_once_build_once(root: Path, tools: None) -> None:
    found: list[str] = []
    ask = [
        threading.Thread(target=lambda: found.append(board_elf("m4").read_text())) for _ in "abcd"
    ]
    for thread in ask:
        thread.start()
    for thread in ask:
        thread.join()
    assert found == ["int main(void);\n"] * 4
    assert builds(root) == 1


def test_many_processes_that_build_at_once_build_once(root: Path) -> None:
    code = (
        "from pathlib import Path; from microinterp_boards.virtual import qemu_elf as e;"
        f"e._ROOT = Path({str(root)!r}); e._require_tools = lambda: None; e.board_elf('m4')"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    running = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(3)]
    assert [each.wait(60) for each in running] == [0, 0, 0]
    assert builds(root) == 1


def test_a_program_that_does_not_compile_keeps_the_log(root: Path, tools: None) -> None:
    board_elf("m4")
    makefile = root / "firmware" / "qemu" / "Makefile"
    makefile.write_text("all:\n\t@echo main.c: error: no such thing\n\t@exit 1\n")
    with pytest.raises(DeviceError, match=r"does not compile: .*no such thing") as error:
        board_elf("m4")
    assert "no such thing" in Path(error.value.hint.rpartition(" ")[2]).read_text()
    makefile.write_text(MAKEFILE)
    board_elf("m4")  # the older program was whole all the time
    assert builds(root) == 1


def test_what_is_missing_is_named(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    with pytest.raises(DeviceError, match="not installed") as error:
        board_elf("m4")
    packages = "make gcc-arm-none-eabi libnewlib-arm-none-eabi"
    assert error.value.hint == f"Debian, Ubuntu: apt install {packages}"
    program(path, "make", "exit 0")
    program(path, "arm-none-eabi-gcc", "echo nano.specs")
    with pytest.raises(DeviceError, match=r"not installed: libnewlib-arm-none-eabi$"):
        raise_message(board_elf, "m4")
    program(path, "arm-none-eabi-gcc", "echo /usr/lib/arm-none-eabi/nano.specs")
    qemu_elf._require_tools()


def raise_message(function: object, *arguments: object) -> None:
    """Raise the first line of an error alone."""
    try:
        function(*arguments)  # type: ignore[operator]
    except DeviceError as error:
        raise DeviceError(error.message) from None


def test_an_archive_that_is_damaged_is_refused(root: Path, tools: None) -> None:
    folder = root / "build" / "qemu-board"
    (folder / CORE).rmdir()
    (folder / f"{CORE}.tar.gz").write_bytes(b"not what it was")
    with pytest.raises(DeviceError, match="sha256") as error:
        board_elf("m4")
    assert "delete it" in error.value.hint
    assert not (folder / CORE).exists()


def core_archive(path: Path) -> str:
    """An archive with a core of one file; its sha256."""
    with tarfile.open(path, "w:gz") as file:
        member = tarfile.TarInfo(f"{CORE}/py/mpconfig.h")
        member.size = 4
        file.addfile(member, io.BytesIO(b"core"))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_core_is_downloaded_once_and_unpacked_as_a_whole(
    root: Path, tools: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = root / "build" / "qemu-board"
    (folder / CORE).rmdir()
    archive = tmp_path / "archive"
    monkeypatch.setattr(qemu_elf, "_CORE_SHA256", core_archive(archive))
    asked: list[str] = []

    def pip(command: list[str], limit: float) -> subprocess.CompletedProcess[str]:
        into = Path(command[command.index("--dest") + 1])
        asked.append(Path(command[command.index("--requirement") + 1]).read_text())
        shutil.copy(archive, into / f"{CORE}.tar.gz")
        return subprocess.CompletedProcess(command, 0, "")

    monkeypatch.setattr(qemu_elf, "_run", pip)
    core = qemu_elf._core()
    assert core == folder / CORE
    assert (core / "py" / "mpconfig.h").read_bytes() == b"core"
    name, _, version = CORE.partition("-")
    assert asked == [f"{name}=={version} --hash=sha256:{qemu_elf._CORE_SHA256}\n"]
    shutil.rmtree(core)
    assert qemu_elf._core() == core  # from the archive, which is still there
    assert qemu_elf._core() == core
    assert len(asked) == 1
    assert {each.name for each in folder.iterdir()} == {CORE, f"{CORE}.tar.gz"}


def test_a_program_that_is_not_there_or_takes_too_long() -> None:
    with pytest.raises(DeviceError, match=r"cannot run no-such-program: .*No such file"):
        qemu_elf._run(["no-such-program"], 5.0)
    with pytest.raises(DeviceError, match=r"cannot run sleep: .*timed out after 0\.01 seconds"):
        qemu_elf._run(["sleep", "5"], 0.01)


def test_the_words_of_a_program_that_fails() -> None:
    assert qemu_elf._last_words("\n  \n") == "it said nothing"
    said = "\n".join(f"line {number}" for number in range(9)) + "\n\x1b[31m\n\n"
    last = [f"line {number}" for number in range(9)][-qemu_elf._TAIL + 1 :]
    assert qemu_elf._last_words(said) == " / ".join([*last, "\\x1b[31m"])


def test_a_download_is_told_to_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    qemu_elf._say("downloading")
    assert capsys.readouterr().err == ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.stderr, "isatty", lambda: True)
        qemu_elf._say("downloading")
    assert capsys.readouterr().err == "downloading\n"


def test_the_build_folder_cannot_be_made(root: Path, tools: None) -> None:
    shutil.rmtree(root / "build")
    (root / "build").write_text("a file")
    with pytest.raises(DeviceError, match=r"cannot build in '.*qemu-board': "):
        board_elf("m4")


def test_windows_builds_nothing(root: Path, tools: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu_elf.sys, "platform", "win32")
    with pytest.raises(DeviceError, match="cannot be built on Windows") as error:
        board_elf("m4")
    assert error.value.hint == "use --elf"
    assert builds(root) == 0


def test_all_of_them_are_built(root: Path, tools: None, capsys: pytest.CaptureFixture[str]) -> None:
    makefile = root / "firmware" / "qemu" / "Makefile"
    makefile.write_text(MAKEFILE.replace("\tsleep 0.2\n", ""))
    assert qemu_elf.main() == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.parent.name for path in paths] == list(MACHINES)
    assert all(path.is_file() for path in paths)
    makefile.write_text("all:\n\t@exit 1\n")
    assert qemu_elf.main() == 2
    assert "does not compile" in capsys.readouterr().err


def test_without_a_network_it_says_so(
    root: Path, tools: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "build" / "qemu-board" / CORE).rmdir()
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DeviceError, match="cannot download") as error:
        board_elf("m4")
    assert "network" in error.value.hint
    assert not list((root / "build" / "qemu-board").glob("new-*"))


def test_only_plain_files_of_the_core_are_unpacked(tmp_path: Path) -> None:
    archive, into = tmp_path / "a.tar.gz", tmp_path / "into"
    with tarfile.open(archive, "w:gz") as file:
        for name in ("py/good.c", "py/../../evil", "ports/x.c", "../evil", "shared/a/b.h"):
            member = tarfile.TarInfo(f"{CORE}/{name}")
            member.size = 4
            file.addfile(member, io.BytesIO(b"text"))
        link = tarfile.TarInfo(f"{CORE}/py/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    qemu_elf._unpack(archive, into)
    found = sorted(path.relative_to(into / CORE).as_posix() for path in into.rglob("*.*"))
    assert [name for name in found if "/" in name] == ["py/good.c", "shared/a/b.h"]
    assert not list(tmp_path.rglob("evil"))
    assert not (into / CORE / "py" / "link").exists()


def test_an_installation_without_the_sources_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qemu_elf, "_ROOT", tmp_path)
    with pytest.raises(DeviceError, match="built from source") as error:
        board_elf("m4")
    assert "--elf" in error.value.hint
    assert "clone" in error.value.hint


def test_the_memory_map_is_the_linker_script_s() -> None:
    sources = Path(__file__).parents[2] / "firmware" / "qemu"
    text, makefile = (sources / "mps2.ld").read_text(), (sources / "Makefile").read_text()
    for cpu, machine in MACHINES.items():
        assert f"MACHINE_{cpu} = {machine.name}\n" in makefile
        assert f"PSRAM_{cpu} = {machine.psram:#x}\n" in makefile
        assert machine.preload_address == machine.psram
        assert machine.heap_word_address == machine.psram + qemu_elf.PRELOAD_BYTES
        assert machine.icount_word_address == machine.heap_word_address + 4
    length = qemu_elf.PRELOAD_BYTES >> 20
    assert f"ORIGIN = PSRAM, LENGTH = {length}M" in text
    assert f"OPTIONS (r)   : ORIGIN = PSRAM + {length}M" in text
    assert qemu_elf.MAX_HEAP_BYTES == 3 << 20
    assert "heap_limit - heap_start >= 3M" in text

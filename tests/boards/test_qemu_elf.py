"""The builder of our Cortex-M board: what it says when something is missing, and when it builds."""

from __future__ import annotations

import io
import os
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

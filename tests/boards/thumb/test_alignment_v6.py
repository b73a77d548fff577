"""Kernels for ARMv6-M never load or store a word or halfword that is not aligned.

A Cortex-M0+ faults there. The emulated Cortex-M3 does so too while UNALIGN_TRP is set, which
MicroPython itself would not survive: so it is set around the kernel alone.
"""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from firmware.kernels.thumb.assembler import Kernel
from firmware.kernels.thumb.operands import literal, r0, r3, r4, r5, r6
from tests.boards.qemu_port import qemu_board
from tests.boards.test_qemu_port_code import compiled
from tests.boards.thumb.layers_v6 import Layer, run, source
from tests.boards.thumb.test_conv_v6 import noise, rows

CCR, UNALIGN_TRP = 0xE000ED14, 8
GLUE = """
@micropython.viper
def address(f: int) -> int:
    return int(ptr32(f)[2]) | 1  # mp_obj_fun_asm_t: type, number of arguments, code; 1: Thumb

code = address(id({name}))

def kernel(arena, weights, p):
    return trapping(arena, weights, p, code)
"""


def trapping() -> str:
    """Calls code at r3 with r0 to r2 as they are, and UNALIGN_TRP set meanwhile."""
    k = Kernel("trapping", 4, "armv6m")
    k.ldr(r4, literal(CCR))
    k.movs(r5, UNALIGN_TRP)
    k.ldr(r6, r4[0])
    k.orrs(r6, r5)
    k.str(r6, r4[0])
    k.blx(r3)  # r4 to r7 come back as they were
    k.bics(r6, r5)
    k.str(r6, r4[0])
    return k.source()


def run_trapping(layers: list[Layer], folder: Path) -> None:
    """Run layers of one kind, and compare."""
    text, name = source(layers[0])
    run(layers, folder, f"{text}\n{trapping()}{GLUE.format(name=name)}", "kernel")


def everywhere(layer: Layer) -> list[Layer]:
    """The layer with x and dst at every alignment."""
    return [
        replace(layer, x_at=4 + x, dst_at=8 + len(layer.x) + dst)
        for x, dst in product(range(4), range(4))
    ]


def layer(rng: random.Random, ic: int, oc: int, taps: int, multiplier: int | None = None) -> Layer:
    """A 3x3 layer over 4x3 pixels."""
    shape = Layer(noise(rng, 12 * ic), rows(rng, oc, taps), (4, 3), (4, 3), (3, 3), before=(1, 1))
    return replace(shape, multiplier=multiplier, zx=3, shift=-6)


def test_conv(qemu: None, tmp_path: Path) -> None:
    rng = random.Random(1)
    shapes = [layer(rng, ic, oc, 9 * ic) for ic, oc in ((1, 1), (3, 5), (4, 8))]
    odd = [replace(shape, output=(3, 3)) for shape in shapes]  # the last pixel is alone
    grouped = replace(layer(rng, 6, 6, 18), groups=3)
    run_trapping([at for shape in (*shapes, *odd, grouped) for at in everywhere(shape)], tmp_path)


def test_depthwise(qemu: None, tmp_path: Path) -> None:
    rng = random.Random(2)
    shapes = [layer(rng, ic, ic * many, 9, many) for ic, many in ((1, 1), (4, 1), (7, 1), (3, 2))]
    run_trapping([at for shape in shapes for at in everywhere(shape)], tmp_path)


def touching(mnemonic: str) -> str:
    """A kernel that loads or stores at the arena's beginning."""
    k = Kernel("touch", 3, "armv6m")
    getattr(k, mnemonic)(r3, r0[0])
    return k.source()


@pytest.mark.parametrize(
    ("mnemonic", "aligned"), [("ldr", 4), ("ldrh", 2), ("str", 4), ("strh", 2)]
)
def test_the_trap_works(qemu: None, tmp_path: Path, mnemonic: str, aligned: int) -> None:
    """What is not aligned faults in the trap, and nowhere else; what is aligned does not."""
    text = f"import micropython\n{touching(mnemonic)}\n{trapping()}{GLUE.format(name='touch')}"
    preload = [("lib/trap.mpy", compiled(tmp_path, "trap", text, "armv6m"))]
    with qemu_board("m3", preload=preload) as board:
        said = board.link.exec(
            "import trap\nplace = memoryview(bytearray(16))\n"
            f"print(trap.touch(place[1:], 0, 0), trap.kernel(place[{aligned}:], 0, 0))"
        )
        assert said == b"0 0\r\n"
        board.link.start(f"trap.kernel(place[{aligned // 2}:], 0, 0)")
        seen = board.link.transport.read_until(b">>> ", 5.0, "the prompt after a reset")
        assert b"FAULT cfsr=01000000" in seen

"""Kernels for ARMv6-M read nothing behind x, w and the channel table: memory ends there.

The emulated Cortex-M7 has nothing behind its PSRAM, and faults there.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.boards.qemu_port import qemu_board
from tests.boards.test_qemu_port_code import compiled
from tests.boards.thumb.layers_v6 import Layer, source
from tests.boards.thumb.test_conv_v6 import noise, rows

END = 0x61000000
SCRIPT = """
import array, machine, {name}_v6 as m

data = {data}
base = {end} - len(data)
for i, value in enumerate(data):
    machine.mem8[base + i] = value
arena = bytearray({arena})
m.{name}(arena, base, array.array("i", {arguments}))
print(arena.hex())
"""


def layer(ic: int, oc: int, taps: int, kernel: tuple[int, int], multiplier: int | None) -> Layer:
    """A layer over 3x4 pixels with a border, whose x has a multiple of 4 bytes."""
    rng = random.Random(f"{ic} {oc}")
    shape = Layer(noise(rng, 12 * ic), rows(rng, oc, taps), (3, 4), (3, 4), kernel)
    return replace(shape, before=(1, 1), multiplier=multiplier, shift=-6, zx=2)


LAYERS = {
    "conv": [
        layer(1, 1, 9, (3, 3), None),
        layer(3, 5, 27, (3, 3), None),
        replace(layer(4, 8, 16, (2, 2), None), output=(3, 3)),  # its last pixel is alone
        replace(layer(6, 9, 18, (3, 3), None), groups=3),
    ],
    "depthwise": [
        layer(1, 1, 4, (2, 2), 1),
        layer(4, 4, 9, (3, 3), 1),
        layer(7, 7, 4, (2, 2), 1),
        layer(2, 6, 4, (2, 2), 3),
    ],
}


@pytest.mark.parametrize("name", LAYERS)
def test_nothing_behind_the_end(qemu: None, tmp_path: Path, name: str) -> None:
    text, _ = source(LAYERS[name][0])
    preload = [(f"lib/{name}_v6.mpy", compiled(tmp_path, f"{name}_v6", text, "armv6m"))]
    with qemu_board("m7", preload=preload) as board:
        for shape in LAYERS[name]:
            for last in (
                {"x_at": None},
                {"order": ("channels", "w")},
                {"order": ("w", "channels")},
            ):
                at_end = replace(shape, **last)
                call = at_end.call()
                assert len(call.weights) % 4 == 0
                script = SCRIPT.format(
                    name=name,
                    data=call.weights,
                    end=END,
                    arena=call.arena,
                    arguments=list(call.arguments),
                )
                arena = bytes.fromhex(board.link.exec(script).decode())
                assert at_end.without_scratch(arena) == at_end.after_call(), last


def test_what_is_read_there_faults(qemu: None) -> None:
    with qemu_board("m7") as board:
        assert (
            board.link.exec(f"import machine\nprint(machine.mem8[{END - 1}] < 256)") == b"True\r\n"
        )
        board.link.start(f"machine.mem8[{END}]")
        seen = board.link.transport.read_until(b">>> ", 5.0, "the prompt after a reset")
        assert b"bfar=%08x" % END in seen

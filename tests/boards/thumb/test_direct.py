"""Direct calls of kernels: guards are seen to guard, and instructions to be counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.kernels.thumb.assembler import Kernel
from firmware.kernels.thumb.operands import Register, r0, r1, r2, r3
from tests.boards.qemu_port import CPUS
from tests.boards.thumb.direct import Call, run_calls

pytestmark = [pytest.mark.usefixtures("qemu"), pytest.mark.parametrize("cpu", CPUS)]


def touching(base: Register, *offsets: int, store: bool = False) -> str:
    """A kernel that reads, or changes, bytes."""
    k = Kernel("touch", 3, "armv7m")
    for offset in offsets:
        k.ldrb(r3, base[offset])
        if store:
            k.adds(r3, 1)
            k.strb(r3, base[offset])
    return "import micropython\n" + k.source()


def run(text: str, cpu: str, folder: Path, arena: int = 40, weights: int = 36) -> None:
    call = Call([1, 2, 3], bytes(range(weights)), bytes(range(arena)))
    (answer,) = run_calls([call], text, "touch", "armv7m", cpu, folder)
    assert answer.arena == call.arena


@pytest.mark.parametrize(("base", "size"), [(r0, 40), (r1, 36)])
def test_bytes_outside_cannot_be_read(cpu: str, tmp_path: Path, base: Register, size: int) -> None:
    run(touching(base, 0, size - 1), cpu, tmp_path)
    for outside in (-32, size):
        with pytest.raises(AssertionError, match=r"call 0: .*FAULT"):
            run(touching(base, outside), cpu, tmp_path)


@pytest.mark.parametrize(
    ("base", "offset", "told"),
    [(r0, 37, "else"), (r0, -1, "else"), (r1, 0, "else"), (r1, -1, "else"), (r2, 0, "arguments")],
)
def test_what_is_written_is_seen(
    cpu: str, tmp_path: Path, base: Register, offset: int, told: str
) -> None:
    with pytest.raises(AssertionError, match=f"call 0: .*{told}"):
        run(touching(base, offset, store=True), cpu, tmp_path, arena=37)


def test_instructions_are_those_of_the_kernel(cpu: str, tmp_path: Path) -> None:
    texts = []
    for more in range(3):
        k = Kernel("f", 3, "armv7m")
        for _ in range(more):
            k.adds(r3, 1)
        texts.append("import micropython\n" + k.source())
    calls = [Call([0], bytes(4), bytes(4))]
    counts = [
        run_calls(calls, text, "f", "armv7m", cpu, tmp_path)[0].instructions for text in texts
    ]
    assert counts == [0, 1, 2]

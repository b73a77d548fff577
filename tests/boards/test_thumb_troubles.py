"""Thumb kernels and what is around them: arenas and files at odd addresses, other tiers' models,
heaps that are too small, Ctrl-C, and what a kernel owes its caller.
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from firmware.kernels.thumb.assembler import Kernel
from firmware.kernels.thumb.operands import r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, sp
from microinterp.errors import DeviceError, ModelError
from microinterp.packed import PackedInterpreter
from microinterp.packed.reader import load
from microinterp_boards import Board
from microinterp_boards.packing import pack_for_board
from tests.boards import qemu_port
from tests.boards.model_boards import MODEL
from tests.boards.packed_builder import build
from tests.boards.random_steps import Case, make
from tests.boards.thumb_steps import KERNELS, tiered
from tests.boards.unix_port import Job
from tests.marks import slow_but

pytestmark = pytest.mark.usefixtures("qemu")

THUMB = {"armv7em": "m4", "armv7m": "m3", "armv6m": "m3"}
"""The CPU that runs each tier."""
SETS = {**dict.fromkeys(("bytecode", "viper-armv7m"), "portable"), **{t: t for t in THUMB}}
"""Sets of .mpy files, and the layout that each reads."""

COMMON = """
import gc, sys
from binascii import crc32
def answer(it):
    view = it.input_view(0)
    for i in range(len(view)):
        view[i] = i * 31 + 7 & 255
    it.invoke()
    return crc32(it.output_view(0))
"""


def digits(tier: str) -> bytes:
    return pack_for_board(MODEL.read_bytes(), "digits").for_tier(tier).packed


def answer(packed: bytes) -> int:
    """What COMMON's answer gives on the host."""
    it = PackedInterpreter(packed)
    (tensor,) = it.model.inputs
    data = bytes(i * 31 + 7 & 255 for i in range(tensor.nbytes))
    it.set_input(np.frombuffer(data, np.int8).reshape(tensor.shape), 0)
    it.invoke()
    return zlib.crc32(it.get_output(0).tobytes())


def files(tier: str) -> list[tuple[str, bytes]]:
    return qemu_port.mapped_runtime(THUMB[tier], tier)


@pytest.fixture(scope="module", params=slow_but(THUMB, "armv7em"))
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def board(qemu: None, tier: str) -> Iterator[Board]:
    """A board with the digits model and the tier's kernels, and COMMON run."""
    preload = [("m.mipk", digits(tier)), *files(tier)]
    with qemu_port.qemu_board(THUMB[tier], preload=preload, heap=1 << 17) as board:
        board.link.exec(COMMON + "from microinterp import Interpreter, ModelError\n")
        yield board


def test_arenas_at_odd_addresses(board: Board, tier: str) -> None:
    packed = digits(tier)
    size = load(packed).arena_bytes
    told = board.exec(
        f"""
for skip in range(9):
    memory = bytearray({size + 16})
    try:
        it = Interpreter.from_file("m.mipk", memoryview(memory)[skip:skip + {size}])
        print(answer(it))
        assert not any(memory[:skip]) and not any(memory[skip + {size}:])
    except ModelError as error:
        print(error)
""",
        20,
    )
    told = told.replace("\r", "")
    refused = "the arena does not begin at a multiple of 4"
    wanted = [refused if skip % 4 else str(answer(packed)) for skip in range(9)]
    assert told.splitlines() == wanted


def test_files_at_odd_addresses(board: Board, tier: str) -> None:
    """They are copied: weights are read as words."""
    packed = digits(tier)
    told = board.exec(
        """
data = open("m.mipk", "rb").read()
for skip in range(5):
    memory = bytearray(skip + len(data))
    memory[skip:] = data
    print(answer(Interpreter(memoryview(memory)[skip:])))
    del memory
    gc.collect()
""",
        20,
    )
    assert told.split() == [str(answer(packed))] * 5


@pytest.mark.parametrize("mpy_set", SETS)
def test_models_for_other_tiers_are_refused_by_name(mpy_set: str) -> None:
    layouts = ("portable", *THUMB)
    models = [(f"{layout}.mipk", digits(layout)) for layout in layouts]
    preload = [*models, *qemu_port.mapped_runtime("m4", mpy_set)]
    with qemu_port.qemu_board("m4", preload=preload) as board:
        told = board.exec(
            COMMON
            + f"""
from microinterp import Interpreter, ModelError
for name in {layouts}:
    try:
        print(answer(Interpreter.from_file(name + ".mipk")))
    except ModelError as error:
        print(error)
""",
            20,
        )
    own = SETS[mpy_set]
    wanted = {name: f"packed for '{name}', this runtime reads '{own}'" for name in layouts}
    wanted[own] = str(answer(digits(own)))
    assert told.replace("\r", "").splitlines() == list(wanted.values())


def test_a_heap_that_ends_while_a_model_is_loaded(board: Board, tier: str) -> None:
    """Wherever it ends: an error, and once there is room the model loads and is right."""
    told = board.exec(
        """
def forget():
    for name in list(sys.modules):
        if name.startswith("microinterp"):
            del sys.modules[name]
    gc.collect()
def load():
    from microinterp import Interpreter
    return Interpreter.from_file("m.mipk")
forget()
free = gc.mem_free()
load()
forget()
need = free - gc.mem_free() + 24000
short = right = 0
for room in range(600, need, 700):
    forget()
    ballast = []
    for size in (4096, 512, 128, 32):
        while gc.mem_free() > room + size + 64:
            try:
                ballast.append(bytearray(size))
            except MemoryError:
                break
    try:
        load()
    except MemoryError:
        short += 1
    ballast = None
    gc.collect()
    it = load()
    print(answer(it))
    it = None
print(short)
""",
        120,
    )
    *answers, short = told.split()
    assert set(answers) == {str(answer(digits(tier)))}
    assert 5 < int(short) < len(answers) - 2


def in_place(tier: str) -> Case:
    """A DEPTHWISE_IN_PLACE of some channels: its kernel is called for each of them."""
    rng = random.Random("in place")
    while True:
        case = make("DEPTHWISE_IN_PLACE", rng, 4)
        if case.step[1][7] > 20:
            return tiered(case, tier)


def test_ctrl_c(board: Board, tier: str) -> None:
    """It comes between two calls of kernels; the next invoke finds everything as the first did."""
    case = in_place(tier)
    model = build(replace(case.packed, tier=tier))
    job = Job(model, case.arena, ignored=case.scratch)
    (wanted,) = qemu_port.run_jobs([job], tier, THUMB[tier])
    offsets = range(0, len(model), 800)
    board.exec("model = bytearray()\n")
    for at in offsets:
        board.exec(f"model.extend({model[at : at + 800]!r})\n")
    board.exec(f"content = {case.arena!r}\nit = Interpreter(model)\n")
    for number in range(8):
        board.link.start("while True:\n    it.invoke()\n")
        time.sleep(0.02 + number * 0.005)
        board.link.write(b"\x03")
        with pytest.raises(DeviceError, match="KeyboardInterrupt"):
            board.link.finish()
        told = board.exec("it._arena[:] = content\nit.invoke()\nprint(bytes(it._arena).hex())\n")
        found = bytearray.fromhex(told)
        for offset, count in case.scratch:
            found[offset : offset + count] = bytes(count)
        assert found == wanted.arena
    assert board.exec("print(answer(Interpreter.from_file('m.mipk')))\n").strip() == str(
        answer(digits(tier))
    )


_LOW, _HIGH = (r4, r5, r6, r7), (r8, r9, r10, r11)
_BEFORE, _AFTER = 4, 13  # words of the block: registers and stack pointer at a call, and after it


def caller() -> str:
    """call(block): calls block[0] with block[1] to block[3], registers being set before.

    r8 to r11 and sp are kept as the function has them when it is called and when it returns.
    """
    k = Kernel("call", 1, "armv7m")
    k.save_high()
    k.push(r0, r1)
    for number, register in enumerate((*_LOW, *_HIGH)):
        k.mov(register, 0x01010101 * (number + 1))
        k.str(register, r0[4 * (_BEFORE + number)])
    k.mov(r3, sp)
    k.str(r3, r0[4 * (_BEFORE + 8)])
    k.ldr(r3, r0[0])
    k.ldr(r1, r0[8])
    k.ldr(r2, r0[12])
    k.ldr(r0, r0[4])
    k.blx(r3)
    k.ldr(r1, sp[0])
    k.str(r0, r1[4 * (_AFTER + 9)])
    for number, register in enumerate((*_LOW, *_HIGH)):
        k.str(register, r1[4 * (_AFTER + number)])
    k.mov(r3, sp)
    k.str(r3, r1[4 * (_AFTER + 8)])
    k.pop(r0, r1)
    k.restore_high()
    return "import micropython\n" + k.source()


CALL = """
import array, machine, uctypes
def kept(model, content):
    it = Interpreter(model, content)
    kernel, p = it._programs[0][0]
    code = machine.mem32[id(kernel) + 8] | 1
    places = [uctypes.addressof(each) for each in (it._arena, it._weights, p)]
    block = array.array("I", [code] + places + [0] * 19)
    call(block)
    return list(block)
"""


@pytest.mark.parametrize("name", [name for name in KERNELS if name != "DEPTHWISE_IN_PLACE"])
def test_registers_and_stack(board: Board, tier: str, name: str) -> None:
    """r4 to r11 and sp are what they were, and the result is 0."""
    board.exec(f"import micropython\n{caller()}{CALL}")
    rng = random.Random(name)
    cases = [make(name, rng, 3) for _ in range(3)]
    for case in (tiered(case, tier) for case in cases):
        model = build(replace(case.packed, tier=tier))
        board.exec("gc.collect()\nmodel = bytearray()\n")
        for at in range(0, len(model), 800):
            board.exec(f"model.extend({model[at : at + 800]!r})\n")
        told = board.exec(f"print(kept(model, bytearray({len(case.arena)})))\n")
        block = [int(word) for word in told.strip(" []\r\n").split(",")]
        assert block[_AFTER : _AFTER + 9] == block[_BEFORE : _BEFORE + 9]
        assert block[_AFTER + 9] == 0


@pytest.mark.parametrize("name", ["DEPTHWISE", "DEPTHWISE_IN_PLACE"])
def test_addresses_under_outputs(tier: str, name: str) -> None:
    """The scratch has addresses of taps in it. Outputs over them would be read as addresses."""
    rng, jobs, over = random.Random(name), [], []
    for _ in range(40):
        case = tiered(make(name, rng), tier)
        case = replace(case, arena=case.arena + bytes(800))
        args = list(case.step[1])
        dst = args[3] if name == "DEPTHWISE" else args[0]
        outputs, table = args[4] * args[8] * args[9] * args[10], 4 * args[11] * args[12]
        args[-1] = max(0, dst + rng.randint(-table - 8, outputs + 8)) & -4
        over.append(dst < args[-1] + table and args[-1] < dst + outputs)
        packed = replace(case, step=(name, args)).packed
        jobs.append(Job(build(replace(packed, tier=tier)), case.arena))
    outcomes = qemu_port.run_jobs(jobs, tier, THUMB[tier])
    for job, outcome, is_over in zip(jobs, outcomes, over, strict=True):
        assert ("scratch under the destination" in outcome.error) == is_over
        if is_over:
            with pytest.raises(ModelError, match=r"patch at .* is under dst at"):
                load(job.model)
        else:
            load(job.model)
    assert 5 < sum(over) < 40

"""Wrong kernels, wrong layouts and wrong places in memory on a Cortex-M: a message, never a fault.

A fault would reset the board under QEMU, and end the program that the link waits for.
"""

from __future__ import annotations

import ast

import pytest

from microinterp.errors import DeviceError
from microinterp.inputs import random_samples
from microinterp.interpreter import Interpreter
from microinterp.packed.tiers import TIERS
from microinterp_boards.kernel_sets import SETS
from microinterp_boards.packing import pack_for_board
from microinterp_boards.probe import CEILING
from microinterp_boards.runtime import tier_of
from tests.boards.model_boards import MODEL
from tests.boards.qemu_port import THUMB, mapped_model, mapped_runtime, qemu_board
from tests.marks import slow

pytestmark = pytest.mark.usefixtures("qemu")

DIGITS = pack_for_board(MODEL)
PLACES = [
    ("m3", "armv6m"),
    ("m3", "armv7m"),
    ("m3", "viper-armv6m"),
    ("m3", "bytecode"),
    ("m4", "armv7em"),
    ("m4", "armv7m"),
]
"""CPUs and sets that run there."""
LOAD = """
from microinterp import Interpreter
for tier in {tiers}:
    try:
        Interpreter.from_file(tier + ".mipk")
        print("loaded", tier)
    except ValueError as error:
        print(type(error).__name__, error)
"""


def test_every_set_is_tried() -> None:
    assert {mpy_set for _, mpy_set in PLACES} == set(SETS) - {"x64", "viper-armv7m"}


@pytest.mark.parametrize(("cpu", "mpy_set"), PLACES)
def test_a_model_for_other_kernels(cpu: str, mpy_set: str) -> None:
    """Models of all layouts lie on the board: its own is loaded, the others are refused by name."""
    models = [(f"{tier}.mipk", DIGITS.for_tier(tier).packed) for tier in TIERS]
    with qemu_board(cpu, preload=[*models, *mapped_runtime(cpu, mpy_set)]) as board:
        lines = board.exec(LOAD.format(tiers=TIERS)).splitlines()
    own = tier_of(mpy_set)
    assert lines == [
        f"loaded {tier}"
        if tier == own
        else f"ModelError packed for '{tier}', this runtime reads '{own}'"
        for tier in TIERS
    ]


@pytest.mark.slow
def test_another_model_is_deployed_for_other_kernels() -> None:
    """The runtime is one for all models: the first must be deployed again, and is told so."""
    with qemu_board("m4") as board:
        assert board.deploy(MODEL, "first").kernels == "armv7em"
        second = board.deploy(MODEL, "second", mpy_set="armv6m")
        assert (second.mpy_set, second.kernels) == ("armv6m", "armv6m")
        assert board.validate(MODEL, samples=1, name="second").equal
        for use in (board.validate, board.bench):
            with pytest.raises(DeviceError, match="'armv7em', this runtime reads 'armv6m'") as it:
                use(MODEL, 1, name="first")
            assert "deploy the model again" in it.value.hint
        third = board.deploy(MODEL, "first", mpy_set="armv6m")
        assert third.files_sent == ("models/first.b",)
        assert board.validate(MODEL, samples=1, name="first").model_intact


@pytest.mark.slow
def test_a_slot_goes_before_a_mapped_model_for_other_kernels() -> None:
    """That one lies in flash under the same name, and cannot be replaced."""
    with qemu_board("m4", preload=[(DIGITS.file_name, DIGITS.packed)]) as board:
        assert board.deploy(MODEL).files_sent[-1] == f"models/{DIGITS.name}.a"
        assert board.validate(MODEL, samples=1).model_intact
        names = [entry.name for entry in board.files.list()]
        assert names == [DIGITS.file_name, "lib", "models"]


def test_dsp_kernels_that_were_put_on_an_m3() -> None:
    """Refused from here by CPUID, and by the runtime itself, which looks there too."""
    with qemu_board("m3", preload=mapped_model(DIGITS, "m3", "armv7em")) as board:
        for use in (board.validate, board.bench):
            with pytest.raises(DeviceError, match="'armv7em', which is not for it: Cortex-M3 wit"):
                use(MODEL)
        with pytest.raises(DeviceError, match="this CPU has no DSP instructions"):
            board.exec("import microinterp")
        assert board.probe().cpu == "Cortex-M3"


def test_a_ceiling_holds_what_is_there_already(monkeypatch: pytest.MonkeyPatch) -> None:
    with qemu_board("m4", preload=mapped_model(DIGITS, "m4")) as board:
        assert board.validate(MODEL, samples=1).equal
        monkeypatch.setenv(CEILING, "armv7m")
        with pytest.raises(DeviceError, match="'armv7em', which is not for it: held to armv7m"):
            board.validate(MODEL, samples=1)


ALIGNMENT = """
import gc
import micropython
from microinterp import Interpreter

with open("{file}", "rb") as file:
    model = file.read()
memory = bytearray(len(model) + 4)
arena = bytearray({size} + 8)
found = []
for at in range(4):
    memory[at : at + len(model)] = model
    it = Interpreter.from_bytes(memoryview(memory)[at : at + len(model)])
    it.set_input({data}, 0)
    micropython.heap_lock()
    it.invoke()
    micropython.heap_unlock()
    found.append(list(it.get_output(0)))
    it = None
    gc.collect()
    try:
        it = Interpreter.from_bytes(model, memoryview(arena)[at : at + {size}])
        it.set_input({data}, 0)
        it.invoke()
        found.append(list(it.get_output(0)))
    except ValueError as error:
        found.append(type(error).__name__ + ": " + str(error))
    it = None
    gc.collect()
print(found)
"""


@pytest.mark.parametrize(("cpu", "mpy_set"), [PLACES[0], *(slow(*each) for each in PLACES[1:])])
def test_models_and_arenas_at_any_address(cpu: str, mpy_set: str) -> None:
    """A model is copied to where words can be read; an arena is its owner's to place."""
    model = DIGITS.for_tier(tier_of(mpy_set))
    (images,) = random_samples(model.prepared.graph.main.inputs, 1, 0)
    it = Interpreter.from_bytes(model.tflite)
    it.set_input(images[0], 0)
    it.invoke()
    wanted = it.get_output(0).ravel().tolist()
    script = ALIGNMENT.format(
        file=model.file_name, size=model.report.arena_bytes, data=images[0].tobytes()
    )
    with qemu_board(cpu, preload=mapped_model(model, cpu, mpy_set)) as board:
        found = ast.literal_eval(board.exec(script, 60.0))
    needs_words = mpy_set in THUMB.values() or mpy_set == "armv6m"
    refused = "ModelError: the arena does not begin at a multiple of 4"
    arenas = [wanted, *[refused if needs_words else wanted] * 3]
    assert found == [each for arena in arenas for each in (wanted, arena)]

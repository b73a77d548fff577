"""Real models from a .tflite file to a board and back: no byte differs, nothing is allocated."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from microinterp_boards.session import Session
from tests.boards.model_boards import MODEL, NAME, board_with, needs_viper
from tests.conftest import shared_model
from tests.marks import slow_but
from tests.packed.test_real import SHARED
from tests.test_wakewords import MODELS as WAKEWORDS
from tests.test_wakewords import wakeword

pytestmark = [pytest.mark.usefixtures("interpreter"), needs_viper]

SAMPLES = 20


def digits(name: str) -> bytes:
    return MODEL.read_bytes()


MODELS: dict[str, Callable[[str], bytes]] = {
    NAME: digits,
    **dict.fromkeys(SHARED, lambda name: shared_model(f"{name}.tflite")),
    **dict.fromkeys(WAKEWORDS, wakeword),
}


@pytest.mark.parametrize("name", slow_but(MODELS, NAME, "kws_int8", "hello_world_int8", "alexa"))
def test_no_byte_differs(name: str) -> None:
    """The second run is by plain invokes, which the session makes with the heap locked."""
    data = MODELS[name](name)
    with board_with() as board:
        deployed = board.deploy(data, name)
        assert deployed.kernels == "viper"
        by_op = board.validate(data, samples=SAMPLES, per_op=True, name=name)
        plain = board.validate(data, samples=SAMPLES, name=name, seed=1)
    for done in (by_op, plain):
        assert done.samples == SAMPLES
        assert done.differing_bytes == 0
        assert done.first_difference is None
        assert done.model_intact
        assert done.equal
    assert by_op.compared_crcs >= SAMPLES
    print(
        f"\n{name}: {SAMPLES} inputs, {by_op.compared_bytes} bytes of outputs and "
        f"{by_op.compared_crcs} CRC32s of tensors: {by_op.differing_bytes} bytes differ; heap "
        f"{deployed.heap_start - deployed.heap_imported} (runtime) + "
        f"{deployed.heap_imported - deployed.heap_loaded} (model of {deployed.model_bytes}, arena "
        f"of {deployed.arena_bytes})"
    )


def test_invoke_allocates_nothing() -> None:
    with board_with() as board:
        board.deploy(MODEL)
        board.soft_reset()
        told = board.exec(
            "import gc, micropython\n"
            "from microinterp import models\n"
            f"it = models.load('{NAME}')\n"
            "micropython.heap_lock()\n"
            "try:\n bytearray(100)\n"
            "except MemoryError:\n print('locked')\n"
            "it.invoke()\n"
            "micropython.heap_unlock()\n"
            "print('done')\n"
        )
        assert told == "locked\ndone\n"


def test_the_session_finds_a_kernel_that_allocates() -> None:
    with board_with() as board:
        path = board.deploy(MODEL).path
        folder = board.files.folder("lib").folder("microinterp")
        folder.remove("_conv.mpy")
        folder.put("_conv.py", b"def conv(arena, weights, p):\n    return [1, 2, 3] * 50\n")
        with Session(board.link, path) as session:
            with pytest.raises(Exception, match="MemoryError: memory allocation failed, heap is"):
                session.invoke()
            session._open = False
        assert board.exec("print(bytearray(3))") == "bytearray(b'\\x00\\x00\\x00')\n"


def test_bytecode_tier() -> None:
    with board_with() as board:
        assert board.deploy(MODEL, mpy_set="bytecode").kernels == "bytecode"
        done = board.validate(MODEL, samples=5, per_op=True)
        assert (done.kernels, done.mpy_set) == ("bytecode", "bytecode")
        assert done.equal
        again = board.deploy(MODEL)  # back to viper: only what differs is sent
        assert again.kernels == "viper"
        assert "lib/microinterp/_flat.mpy" in again.files_kept
        assert "lib/microinterp/_conv.mpy" in again.files_sent
        assert board.validate(MODEL, samples=5, per_op=True).equal

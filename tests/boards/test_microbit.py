"""The micro:bit under QEMU: MicroPython 1.9.2, 9 kB of heap, no .mpy files, models as source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.link import Link
from microinterp_boards.packing import BoardModel, pack_for_board
from microinterp_boards.source_form import install
from microinterp_boards.source_form.generate import MAX_PIECE, generate
from microinterp_boards.source_form.wire import Wire
from microinterp_boards.transport import Transport
from tests.boards.model_boards import weight_of
from tests.boards.test_bench import follows_schema
from tests.boards.tiny_models import dense_model
from tests.boards.unix_port import ROOT
from tests.conftest import shared_model
from tests.digits import DIGITS
from tests.marks import slow

TINY = dense_model((4, 12, 3), table="TANH")
FILES = ("model.mis", "model.py")


@pytest.fixture(scope="module")
def running(microbit: None) -> Iterator[Board]:
    with virtual_board("microbit") as port, Board(port) as board:
        yield board


@pytest.fixture
def board(running: Board) -> Iterator[Board]:
    yield running
    running.uninstall()


def flipped(model: BoardModel, op_index: int) -> BoardModel:
    """The model with the highest bit of one weight changed."""
    data = bytearray(model.packed)
    data[weight_of(model.packed, op_index)] ^= 0x80
    return replace(model, packed=bytes(data))


def documented(row: str) -> int:
    """A figure of the account of the heap in docs/boards.md."""
    found = re.search(rf"^\| {row} \| ([\d,]+) \|$", (ROOT / "docs/boards.md").read_text(), re.M)
    assert found is not None
    return int(found[1].replace(",", ""))


def files(board: Board) -> list[str]:
    return Wire(board.link).call("names").split("\n")[:-1]


def test_probe(board: Board) -> None:
    facts = board.probe()
    assert (facts.implementation, facts.version, facts.platform) == (
        *("micropython", "1.9.2", "microbit"),
    )
    assert facts.machine == "micro:bit with nRF51822"
    assert (facts.mpy_version, facts.mpy_set, facts.kernels) == (0, None, None)
    assert facts.reason == "it loads no .mpy files: only a tiny model, as source, can run there"
    assert (facts.int_bits, facts.files_free) == (32, None)
    assert (facts.cpu, facts.cpu_architecture, facts.dsp) == ("Cortex-M0", "armv6m", False)
    assert facts.tier is None  # there is a processor for it, and no firmware that loads it
    assert 8000 < facts.heap_free < 9900 < facts.heap_total < 10_240


def test_hello_world(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """Acceptance: 20 inputs, 0 differing bytes, no text of more than 800 characters."""
    model = shared_model("hello_world_int8.tflite")
    texts, bursts = [], []
    start, write = Link.start, Transport.write

    def starting(link: Link, code: str | bytes) -> None:
        texts.append(len(code))
        start(link, code)

    def writing(transport: Transport, data: bytes) -> None:
        bursts.append(len(data))
        write(transport, data)

    board.soft_reset()
    board.exec("x = 1")
    pieces = generate(pack_for_board(model).packed).pieces
    wire = Wire(board.link)
    before = wire.heap_free()
    monkeypatch.setattr(Link, "start", starting)
    monkeypatch.setattr(Transport, "write", writing)
    for piece in pieces:  # as it is, without files
        board.exec(piece)
    assert before - wire.heap_free() < 3500
    done = board.deploy(model)
    assert (done.mpy_set, done.kernels, done.files_sent) == ("source", "bytecode", FILES)
    code, data = done.heap_start - done.heap_imported, done.heap_imported - done.heap_loaded
    told = [
        *("free at the start", "the module's functions and names", "weights, tables and steps"),
        *("arena, with its header", "free with the model loaded"),
    ]
    free, functions, constants, arena, loaded = map(documented, told)
    assert [free, functions, constants + arena, loaded] == [
        pytest.approx(value, rel=0.05) for value in (done.heap_start, code, data, done.heap_loaded)
    ]
    result = board.validate(model)
    assert (result.samples, result.compared_bytes, result.differing_bytes) == (20, 20, 0)
    assert result.equal
    assert result.model_intact
    each = board.validate(model, per_op=True)
    assert each.equal
    assert each.compared_crcs == 3 * 20
    assert max(map(len, pieces)) <= MAX_PIECE
    assert sorted(texts)[-1] <= 2000  # the probe's; nothing of the model
    assert max(bursts) <= 64


@pytest.mark.parametrize(
    "sizes", [(1, 1), slow((5, 7, 4)), slow((64, 40, 3)), (256, 8, 2)], ids=str
)
def test_other_tiny_models(board: Board, sizes: tuple[int, ...]) -> None:
    model = dense_model(sizes, seed=2, per_channel=True)
    done = board.deploy(model)
    assert done.heap_start > done.heap_imported > done.heap_loaded > 3500
    result = board.validate(model, samples=4, per_op=True)
    assert result.equal
    assert result.compared_crcs == 4 * len(sizes)  # RESHAPE and the layers


@pytest.mark.parametrize("op_index", [1, slow(2)])
def test_a_flipped_weight_is_found(board: Board, op_index: int) -> None:
    board.deploy(TINY)
    changed = flipped(pack_for_board(TINY), op_index)
    install.install(board.link, changed, generate(changed.packed))
    result = board.validate(TINY, samples=8)
    assert not result.model_intact
    assert not result.equal
    assert result.first_difference is not None
    assert (result.first_difference.op_index, result.first_difference.name) == (
        *(op_index, "FULLY_CONNECTED"),
    )
    done = board.deploy(TINY)
    assert done.files_sent == FILES
    assert board.validate(TINY, samples=2).equal


def test_it_stays_when_the_board_is_reset(board: Board) -> None:
    assert board.deploy(TINY).files_sent == FILES
    again = board.deploy(TINY)
    assert (again.files_sent, again.files_kept, again.sent_bytes) == ((), FILES, 0)
    board.soft_reset()
    board.exec("import model")
    board.exec("model.set_input(b'\\x01\\x80\\x7f\\x05')")
    board.exec("model.invoke()")
    assert board.exec("print(len(model.get_output()))") == "3\n"
    with pytest.raises(DeviceError, match="ValueError: input takes 4 bytes"):
        board.exec("model.set_input(b'')")


def test_bench(board: Board) -> None:
    board.deploy(TINY)
    result = board.bench(TINY, runs=3)
    follows_schema(result)
    assert result["runtime"]["mpy_set"] == "source"
    assert [op["name"] for op in result["ops"]] == ["RESHAPE", *["FULLY_CONNECTED"] * 2, "TANH"]
    assert result["median"] > sum(op["time"] for op in result["ops"]) / 2 > 0
    assert result["heap_free"]["model_loaded"] > result["heap_free"]["after_invoke"] > 3000


@pytest.mark.parametrize("name", ["digits", "kws"])
def test_what_does_not_fit_is_refused_with_numbers(board: Board, name: str) -> None:
    path = DIGITS / "digits_int8.tflite"
    model = path.read_bytes() if name == "digits" else shared_model("kws_int8.tflite")
    report = pack_for_board(model).report
    wanted = rf"{report.weights_bytes} bytes of weights and tables and {report.head_bytes} of arena"
    with pytest.raises(DeviceError, match=rf"{wanted} are \d+ bytes more than the \d+ that are"):
        board.deploy(model)
    assert files(board) == []
    with pytest.raises(DeviceError, match="there is no model 'model' on the board"):
        board.validate(model)


def test_source_that_does_not_fit_is_refused_with_numbers(board: Board) -> None:
    with pytest.raises(DeviceError) as it:
        board.deploy(dense_model((64, 48, 3)))
    assert "source with 3828 of weights and tables, and 128 of arena, need about" in str(it.value)
    assert files(board) == []


def test_ops_without_source_form_are_named(board: Board) -> None:
    from tests.ops.movement import Input, op_model
    from tests.packed.test_pack import INT8

    x, y = Input((1, 4), *INT8), Input((1, 4), "int8", 1 / 256, -128)
    softmax = op_model("SOFTMAX", [x], [y], beta=1.0)
    with pytest.raises(
        DeviceError, match=r"cannot run as source: SOFTMAX has no source form"
    ) as it:
        board.deploy(softmax)
    assert "of heap free" in str(it.value)
    with pytest.raises(DeviceError, match=r"it loads no \.mpy files"):
        board.deploy(TINY, mpy_set="bytecode")


def test_where_the_estimate_is_wrong(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """The board's own refusals become errors that say what happened, and nothing is left."""
    monkeypatch.setattr(install, "estimate", lambda source: 0)
    with pytest.raises(DeviceError, match=r"filesystem does not take the \d+ bytes of 'model'"):
        board.deploy(dense_model((64, 64, 3)))
    assert files(board) == []
    with pytest.raises(DeviceError, match=r"MemoryError.* importing 'model' into \d+ bytes"):
        board.deploy(dense_model((3600,), table="TANH"))
    assert board.deploy(TINY).files_sent == FILES


def test_damage(board: Board) -> None:
    board.deploy(TINY)
    wire = Wire(board.link)
    model = pack_for_board(TINY)
    whole = install.files_of(model, generate(model.packed))[FILES[0]]
    wire.write_file(FILES[0], whole[:-60])
    with pytest.raises(DeviceError, match="importing 'model'") as it:
        board.validate(TINY)
    assert it.value.hint == "deploy the model again"
    assert wire.call("remove", FILES[1].encode()) == "1"
    with pytest.raises(DeviceError, match="there is no model 'model' on the board"):
        board.bench(TINY)


def test_uninstall(board: Board) -> None:
    wire = Wire(board.link)
    wire.write_file("main.py", b"x = 1\n")
    board.deploy(TINY)
    assert board.uninstall() == list(FILES)
    assert files(board) == ["main.py"]
    assert wire.call("remove", b"main.py") == "1"

"""Generated modules on a board, from their files to their outputs: CPython is that board here."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp.errors import DeviceError, UnsupportedError
from microinterp.packed import PackedInterpreter
from microinterp_boards.packing import BoardModel, pack_for_board
from microinterp_boards.source_form import install
from microinterp_boards.source_form.fit import estimate, least
from microinterp_boards.source_form.generate import Source, generate
from microinterp_boards.source_form.session import SourceSession
from microinterp_boards.source_form.wire import State, Wire, state_of
from tests.boards.fake_small_board import SmallBoard
from tests.boards.packed_builder import Packed, Subgraph, build
from tests.boards.tiny_models import dense_model
from tests.cli import copying_model
from tests.digits import DIGITS

FILES = ("model.mis", "model.py")
SAMPLE = bytes([3, 250, 127, 128])
Open = Callable[[], SourceSession]


@pytest.fixture
def board(tmp_path: Path) -> Any:
    return SmallBoard(tmp_path)


@pytest.fixture(scope="module")
def model() -> BoardModel:
    return pack_for_board(dense_model((4, 6, 3), seed=1, table="TANH"))


@pytest.fixture(scope="module")
def source(model: BoardModel) -> Source:
    return generate(model.packed)


@pytest.fixture
def installed(board: Any, model: BoardModel, source: Source) -> Any:
    install.install(board, model, source)
    board.texts.clear()
    return board


@pytest.fixture
def session(installed: Any, model: BoardModel, source: Source) -> Iterator[SourceSession]:
    with SourceSession(installed, model, source.source_bytes) as session:
        yield session


def instead(board: Any, **changed: str) -> None:
    """Once, another text comes than what the board says to a text with `name` in it."""

    def damage(output: str) -> str:
        for name in changed:
            if name in board.texts[-1] and "def " not in board.texts[-1]:
                return changed.pop(name)
        return output

    board.damage = damage


def outputs(model: BoardModel, sample: bytes) -> bytes:
    host = PackedInterpreter(model.packed)
    host.set_input(np.frombuffer(sample, np.int8).reshape(1, 1, 4), 0)
    host.invoke()
    return host.get_output(0).tobytes()


def test_what_a_board_tells_of_a_module(
    session: SourceSession, installed: Any, model: BoardModel
) -> None:
    assert installed.resets == 2  # what takes heap is seen alone, and then behind what runs it
    loaded = session.loaded
    assert (loaded.heap_start, loaded.heap_imported, loaded.heap_loaded) == (9000, 8400, 7500)
    assert (loaded.inputs, loaded.outputs) == ((4,), (3,))
    assert (loaded.sha256, loaded.tier, loaded.clock) == (model.sha256, "bytecode", "us")
    assert loaded.arena_bytes == generate(model.packed).arena_bytes
    assert loaded.model_bytes == generate(model.packed).source_bytes


def test_a_board_computes_what_the_host_does(session: SourceSession, model: BoardModel) -> None:
    for sample in (SAMPLE, bytes(4), bytes([128] * 4)):
        session.set_input(0, sample)
        assert session.invoke() == 5
        assert session.output(0) == outputs(model, sample)
    assert session.heap_free() == 7500


def test_op_by_op(session: SourceSession, model: BoardModel) -> None:
    session.set_input(0, SAMPLE)
    runs = session.invoke_ops()
    assert [(each.op_index, each.time) for each in runs] == [(0, 5), (1, 5), (2, 5), (3, 5)]
    places = session.places()
    assert list(places.values()) == [4, 6, 3, 3]
    session.set_input(0, SAMPLE)
    found = session.invoke_for(places)
    told = {(0, run.op_index, index): crc for run in runs for index, crc in run.written}
    assert told == {place: zlib.crc32(data) for place, data in found.items()}
    first, *_, last = found.values()
    assert first == SAMPLE
    assert last == outputs(model, SAMPLE)
    session.set_input(0, SAMPLE)
    some = dict(list(places.items())[1:3])
    assert session.invoke_for(some) == {place: found[place] for place in some}


def test_an_input_of_another_size_is_not_sent(session: SourceSession, installed: Any) -> None:
    count = len(installed.texts)
    with pytest.raises(DeviceError, match="input 0 on the board takes 4 bytes, got 5"):
        session.set_input(0, bytes(5))
    assert len(installed.texts) == count


def test_the_heap_is_left_empty_unless_there_was_an_error(
    installed: Any, model: BoardModel
) -> None:
    with SourceSession(installed, model, 1):
        resets = installed.resets
    assert installed.resets == resets + 1
    session = SourceSession(installed, model, 1)
    resets = installed.resets
    session.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert installed.resets == resets


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (
            MemoryError("64"),
            "MemoryError: 64, importing 'model' into 9000 bytes of free heap",
            "sm",
        ),
        (
            SyntaxError("invalid"),
            "SyntaxError: invalid, importing 'model'",
            "deploy the model again",
        ),
    ],
)
def test_a_module_that_cannot_be_imported(
    installed: Any, model: BoardModel, error: Exception, message: str, hint: str
) -> None:
    def fail(text: str) -> None:
        if text.startswith("import model"):
            raise error

    installed.fail = fail
    with pytest.raises(DeviceError) as told:
        SourceSession(installed, model, 1)
    assert told.value.message == f"fake: the board raised {message}"
    assert hint in told.value.hint
    assert installed.resets == 2  # what the import has left in the heap is gone


def test_sizes_that_are_none(installed: Any, model: BoardModel) -> None:
    instead(installed, **{"print(m.I)": "((0,)"})
    with pytest.raises(
        DeviceError, match=r"'\(\(0,\)' came instead of places and sizes of tensors"
    ):
        SourceSession(installed, model, 1)


@pytest.mark.parametrize("told", ["", "x", "-1", "1\n2", "12345678901", "\u0663"])
def test_a_number_that_is_none(board: Any, told: str) -> None:
    instead(board, mem_free=told)
    with pytest.raises(DeviceError, match=r"came instead of a number") as error:
        Wire(board).heap_free()
    assert "bytes were lost" in error.value.hint
    assert Wire(board).heap_free() == 9000


@pytest.mark.parametrize("told", ["", "00 x 1", "0 1 1", "zz 1 1", "00 1 1 1", "00 123456 1"])
def test_bytes_that_are_none(session: SourceSession, installed: Any, told: str) -> None:
    instead(installed, _tell=told)
    with pytest.raises(DeviceError, match=f"'{told}' came instead of bytes in hex"):
        session.output(0)


@pytest.mark.parametrize("told", ["000000 1 0", "0000 1 2", "00000000 1 4", "000001 1 3"])
def test_bytes_that_were_damaged_or_are_too_few(
    session: SourceSession, installed: Any, told: str
) -> None:
    """The Adler-32 of 0000 is right, and that of 00000000: two and four bytes, where three are."""
    instead(installed, _tell=told)
    with pytest.raises(DeviceError, match="bytes were damaged or lost on the line"):
        session.output(0)


def test_an_input_that_was_damaged(session: SourceSession, installed: Any) -> None:
    session.set_input(0, SAMPLE)
    instead(installed, _tell="00000000 1 4")  # four zeros, which came whole
    with pytest.raises(DeviceError, match="bytes were damaged or lost on the line"):
        session.set_input(0, SAMPLE)


def test_files_are_compared_with_what_the_board_reads(board: Any) -> None:
    wire = Wire(board)
    data = bytes(range(256)) * 3
    wire.write_file("a", data)
    assert board.files() == {"a": data}
    assert wire.state("a") == state_of(data)
    assert wire.state("b") is None
    instead(board, _state="768 1 1")
    with pytest.raises(DeviceError, match="the board reads other bytes from 'a' than it was sent"):
        wire.write_file("a", data)
    assert "f" not in board._names  # the file is closed


@pytest.mark.parametrize("told", ["", "1 2", "none of them", "1234567890 1 1", "1 1 123456"])
def test_a_state_that_is_none(board: Any, told: str) -> None:
    instead(board, _state=told)
    with pytest.raises(DeviceError, match="came instead of a size and a checksum"):
        Wire(board).state("a")


def test_a_state_has_both_halves(board: Any) -> None:
    instead(board, _state="5 6 7")
    assert Wire(board).state("a") == State(5, 7 << 16 | 6)


def test_only_what_differs_is_sent(board: Any, model: BoardModel, source: Source) -> None:
    wanted = install.files_of(model, source)
    done = install.install(board, model, source)
    assert (done.sent, done.kept) == (FILES, ())
    assert done.sent_bytes == sum(map(len, wanted.values()))
    assert board.files() == wanted
    done = install.install(board, model, source)
    assert (done.sent, done.kept, done.sent_bytes) == ((), FILES, 0)
    (board.folder / FILES[0]).write_bytes(b"0000")
    assert install.is_intact(board, model, source) is False
    there: list[bool] = []

    def look(text: str) -> None:
        if text.startswith("f=open('model.mis'"):
            there.append(FILES[1] in board.files())

    board.fail = look
    done = install.install(board, model, source)
    assert (done.sent, done.kept, there) == (FILES, (), [False])  # no module without its pieces
    assert install.is_intact(board, model, source) is True
    assert board.files() == wanted


def test_a_filesystem_that_is_full(board: Any, model: BoardModel, source: Source) -> None:
    (board.folder / "main.py").write_bytes(b"x = 1")

    def fail(text: str) -> None:
        if text.startswith("f.write(") and len(board.texts) > 20:
            raise OSError(28)

    board.fail = fail
    with pytest.raises(DeviceError, match=r"filesystem does not take the \d+ bytes of 'model'"):
        install.install(board, model, source)
    assert board.files() == {"main.py": b"x = 1"}


def test_a_line_that_fails_is_no_filesystem(board: Any, model: BoardModel, source: Source) -> None:
    def fail(text: str) -> None:
        if text.startswith("f.write("):
            board.fail = lambda text: None
            raise DeviceError("the port is gone")

    board.fail = fail
    with pytest.raises(DeviceError, match="the port is gone"):
        install.install(board, model, source)
    assert FILES[0] in board.files()  # to go on with


def test_a_module_under_another_name(installed: Any, model: BoardModel, source: Source) -> None:
    for old, new in zip(FILES, ("other.mis", "other.py"), strict=True):
        (installed.folder / old).rename(installed.folder / new)
    (installed.folder / "no module.mis").touch()
    assert install.is_intact(installed, model, source) is None
    assert install.find(installed, model, source) is None  # its loader names the other file
    install.uninstall(installed)
    install.install(installed, replace(model, name="other"), source)
    found = install.find(installed, model, source)
    assert found is not None
    assert found.name == "other"


def test_only_modules_are_removed(installed: Any) -> None:
    for name in ("main.py", "a b.mis", "lonely.mis"):
        (installed.folder / name).touch()
    assert install.uninstall(installed) == ["lonely.mis", *FILES]
    assert set(installed.files()) == {"main.py", "a b.mis"}


def test_a_list_of_files_without_an_end(installed: Any) -> None:
    instead(installed, _names="model.mis\nmod")
    with pytest.raises(DeviceError, match="'mod' came instead of the end of a list of files"):
        install.uninstall(installed)
    assert set(installed.files()) == set(FILES)


def test_a_module_without_constants(board: Any) -> None:
    model = pack_for_board(copying_model((2, 2)))
    source = generate(model.packed)
    assert source.constant_bytes == 0
    install.install(board, model, source)
    with SourceSession(board, model, source.source_bytes) as session:
        session.set_input(0, SAMPLE)
        session.invoke()
        assert session.output(0) == SAMPLE


def test_an_op_without_steps_takes_no_time(board: Any, model: BoardModel) -> None:
    """As where memory passes have left a RESHAPE's bytes in their place."""
    steps: Any = [("COPY", [0, 8, 4])]
    ops: Any = [(0, "RESHAPE", 0, 1, [(1, 8, 4)]), (1, "RESHAPE", 1, 0, [(2, 8, 4)])]
    packed = build(Packed(16, [Subgraph(steps, ops)], b"", [(0, 4, 9)], [(8, 4, 9)]))
    twice = replace(model, packed=packed)
    install.install(board, twice, generate(packed))
    with SourceSession(board, twice, 1) as session:
        session.set_input(0, SAMPLE)
        runs = session.invoke_ops()
        assert [run.time for run in runs] == [5, 0]
        assert [run.written for run in runs] == [((n, zlib.crc32(SAMPLE)),) for n in (1, 2)]


def test_what_fits_is_told_before_anything_is_sent(
    board: Any, model: BoardModel, source: Source
) -> None:
    minimum, needed = least(model), estimate(source)
    assert minimum == model.report.weights_bytes + model.plan.head_bytes < needed
    assert install.require_fit(board, model, needed) == source
    with pytest.raises(DeviceError, match=rf"{needed} bytes of heap, 1 more than the {needed - 1}"):
        install.require_fit(board, model, needed - 1)
    with pytest.raises(DeviceError, match=f"of arena are 1 bytes more than the {minimum - 1} that"):
        install.require_fit(board, model, minimum - 1)
    assert board.texts == []


def test_an_op_without_source_form_is_named_with_the_numbers(board: Any) -> None:
    digits = pack_for_board(DIGITS / "digits_int8.tflite")
    with pytest.raises(DeviceError, match="cannot run as source: CONV_2D has no source form") as e:
        install.require_fit(board, digits, 1 << 20)
    weights = digits.report.weights_bytes
    assert f"({weights} bytes of weights and tables, 1048576 of heap free)" in e.value.message
    assert "smaller model" in e.value.hint


@pytest.mark.parametrize(
    "packed",
    [
        Packed(16, [Subgraph(), Subgraph()]),
        Packed(16, [Subgraph()], state=[(0, 4, 0, False)]),
    ],
)
def test_models_with_variables_or_branches_are_refused(packed: Packed) -> None:
    with pytest.raises(UnsupportedError, match="a model with variables has no source form"):
        generate(build(packed))

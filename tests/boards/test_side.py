"""A board as a side: what it tells of each op is what the host tells; nothing else is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp.errors import DeviceError, InputError, UnsupportedError
from microinterp.inputs import random_samples
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.sides import Observed, Place, open_side, places_of
from microinterp_boards import Board, virtual_board
from microinterp_boards.packing import pack_for_board
from microinterp_boards.side import BoardSide
from tests.boards.model_boards import (
    LARGE_HEAP,
    MODEL,
    NAME,
    board_with,
    change_byte,
    model_in_use,
    other_digits,
    weight_of,
)
from tests.boards.qemu_port import mapped_model
from tests.boards.tiny_models import dense_model
from tests.test_wakewords import wakeword

pytestmark = pytest.mark.usefixtures("interpreter")

DIGITS = MODEL.read_bytes()


@pytest.fixture
def large() -> Iterator[str]:
    """A board in which every model fits."""
    with virtual_board(heap=LARGE_HEAP) as port:
        yield port


def deploy(port: str, model: bytes, name: str = "some", **options: Any) -> None:
    with Board(port, patience=5) as board:
        board.deploy(model, name, **options)


def float_relu() -> bytes:
    """A model that boards do not run."""
    builder = ModelBuilder()
    graph = builder.subgraph("main")
    x, y = graph.input("x", (1, 4), "float32"), graph.tensor("y", (1, 4), "float32")
    graph.op("RELU", [x], [y])
    graph.output(y)
    return builder.finish()


def samples(model: bytes, count: int = 4, seed: int = 0) -> tuple[Any, ...]:
    return random_samples(prepare_model(model).graph.main.inputs, count, seed)


def all_places(model: bytes) -> tuple[Place, ...]:
    return places_of(prepare_model(model))


def host(model: bytes, inputs: Sequence[Any], places: Sequence[Place]) -> Observed:
    with open_side("host", model) as side:
        return side.run(inputs, places)


def same(one: Observed, other: Observed) -> list[Place]:
    """The places of `one`, once outputs and tensors are found to be those of `other`."""
    assert [a.dtype for a in one.outputs] == [a.dtype for a in other.outputs]
    pairs = [*zip(one.outputs, other.outputs, strict=True)]
    pairs += [(one.tensors[place], other.tensors[place]) for place in one.tensors]
    for a, b in pairs:
        assert (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())
    return list(one.tensors)


def test_every_tensor_of_digits(large: str) -> None:
    deploy(large, DIGITS)
    inputs, places = samples(DIGITS), all_places(DIGITS)
    expected = host(DIGITS, inputs, places)
    with open_side(f"board:{large}", DIGITS) as side:
        assert side.name == f"board:{large}"
        assert "micropython 1." in side.version
        assert side.version.endswith(" kernels")
        found = side.run(inputs, places)
        few = side.run([inputs[0][:2]], places[3:5])
        none = side.run([inputs[0][:1]])
        unknown = side.run([inputs[0][:1]], [(0, 1, 9999), (7, 0, 0), places[0]])
    assert same(found, expected) == list(places)
    assert len(places) == 10
    varied = sum(len(set(array.reshape(4, -1).tobytes())) > 1 for array in found.tensors.values())
    assert varied == 10
    assert list(few.tensors) == list(places[3:5])
    assert (few.outputs[0] == expected.outputs[0][:2]).all()
    assert not none.tensors
    assert (none.outputs[0] == expected.outputs[0][:1]).all()
    assert list(unknown.tensors) == [places[0]]


def test_state_goes_on_and_starts_afresh_when_opened(large: str) -> None:
    model = wakeword("okay_nabu")
    deploy(large, model)
    inputs, places = samples(model, 5), all_places(model)
    expected = host(model, inputs, places)
    for _ in range(2):
        with BoardSide(large, model) as side:
            parts = [side.run([inputs[0][:2]], places), side.run([inputs[0][2:]], places)]
        joined = Observed(
            tuple(np.concatenate(a) for a in zip(*(p.outputs for p in parts), strict=True)),
            {k: np.concatenate([p.tensors[k] for p in parts]) for k in parts[0].tensors},
        )
        assert len(same(joined, expected)) > 20
    with BoardSide(large, model) as side:  # runs without tensors keep the state too
        first, rest = side.run([inputs[0][:2]]), side.run([inputs[0][2:]], places)
    assert (first.outputs[0] == expected.outputs[0][:2]).all()
    assert (rest.outputs[0] == expected.outputs[0][2:]).all()


@pytest.mark.parametrize(("passes", "told"), [("overlap", 10), ("auto", 6)])
def test_memory_passes(large: str, passes: str, told: int) -> None:
    """The side need not know with which passes a model was deployed: what was cut is not told."""
    deploy(large, DIGITS, passes=passes)
    inputs, places = samples(DIGITS), all_places(DIGITS)
    with BoardSide(large, DIGITS) as side:
        found = side.run(inputs, places)
    assert len(same(found, host(DIGITS, inputs, places))) == told


def test_the_model_is_found_by_its_hash(tmp_path: Path) -> None:
    other = other_digits(tmp_path).read_bytes()
    with board_with() as board:
        board.deploy(other, "a")
        board.deploy(DIGITS, "b", passes="overlap")
        board.deploy(DIGITS, "c")
        for name in ("x", "y.mipk", "z.mipk"):
            board.files.put(name, b"" if name == "z.mipk" else b"\xff" * 50)
        cut = model_in_use(board, "c")[:40]
        board.files.put("cut.mipk", cut)
        board.files.put("up.mipk", b"\x10\0\0\0" + cut[4:])
        port = board.port
        board.close()
        with BoardSide(port, DIGITS) as side:  # the one without passes
            assert side._session.loaded.arena_bytes == 3264
        with Board(port, patience=5) as again:
            assert again.remove_model("c")
        with BoardSide(port, DIGITS) as side:
            assert side._session.loaded.arena_bytes == 2368


def test_what_is_missing_is_told_with_the_command(large: str) -> None:
    wanted = f"deploy it: `microinterp board deploy MODEL --port {large}`"
    with pytest.raises(DeviceError, match="there is no runtime on the board") as caught:
        open_side(f"board:{large}", DIGITS)
    assert caught.value.hint == wanted
    deploy(large, dense_model((3, 2)))
    with pytest.raises(DeviceError, match="this model is not on the board") as caught:
        open_side(f"board:{large}", DIGITS)
    assert caught.value.hint == wanted
    with pytest.raises(UnsupportedError):
        open_side(f"board:{large}", float_relu())
    with Board(large, patience=5) as board:  # the port is free again
        assert board.exec("print(1)") == "1\n"
    with pytest.raises(DeviceError, match="no such port"):
        open_side("board:/dev/nothing-here", DIGITS)


def test_wrong_inputs(large: str) -> None:
    deploy(large, DIGITS)
    (good,) = samples(DIGITS, 2)
    with BoardSide(large, DIGITS) as side:
        for bad in ([], [good, good], [good.astype(np.uint8)], [good[0]], [good[:, :, :4]]):
            with pytest.raises(InputError):
                side.run(bad)
        assert len(side.run([good]).outputs[0]) == 2  # and the session is as it was


@pytest.mark.parametrize("op", [0, 5, 8])
def test_a_wrong_weight_on_the_board_shows_from_its_op_on(op: int) -> None:
    with board_with() as board:
        board.deploy(DIGITS, NAME)
        change_byte(board, weight_of(model_in_use(board), op))
        port = board.port
        board.close()
        inputs, places = samples(DIGITS, 8), all_places(DIGITS)
        with BoardSide(port, DIGITS) as side:
            found = side.run(inputs, places)
    expected = host(DIGITS, inputs, places)
    differing = [p for p in places if (found.tensors[p] != expected.tensors[p]).any()]
    assert differing[0][1] == op


def test_a_line_without_binary_streams(large: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microinterp_boards.session.takes_binary", lambda link: False)
    deploy(large, DIGITS)
    inputs, places = samples(DIGITS, 2), all_places(DIGITS)
    with BoardSide(large, DIGITS) as side:
        assert same(side.run(inputs, places), host(DIGITS, inputs, places)) == list(places)


def test_an_interrupted_run_leaves_a_board_that_answers(
    large: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(large, DIGITS)
    inputs, places = samples(DIGITS, 3), all_places(DIGITS)

    def interrupted(self: Any, index: int) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("microinterp_boards.session.Session.output", interrupted)
        with pytest.raises(KeyboardInterrupt), BoardSide(large, DIGITS) as side:
            side.run(inputs, places)
    with BoardSide(large, DIGITS) as side:
        assert same(side.run(inputs, places), host(DIGITS, inputs, places)) == list(places)


@pytest.mark.usefixtures("qemu")
def test_on_a_cortex_m4() -> None:
    preload = mapped_model(pack_for_board(DIGITS, "d"), "m4")
    inputs, places = samples(DIGITS), all_places(DIGITS)
    board = virtual_board("qemu", cpu="m4", heap=65536, preload=preload)
    with board as port, BoardSide(port, DIGITS) as side:
        assert "Cortex-M4" in side.version
        found = side.run(inputs, places)
    assert same(found, host(DIGITS, inputs, places)) == list(places)


@pytest.mark.usefixtures("microbit")
def test_a_module_on_a_microbit() -> None:
    model, other = dense_model((4, 12, 3), table="TANH"), dense_model((4, 3), seed=1)
    inputs, places = samples(model, 2), all_places(model)
    with virtual_board("microbit") as port:
        with pytest.raises(DeviceError, match="this model is not on the board"):
            BoardSide(port, model)
        deploy(port, model)
        with BoardSide(port, model) as side:
            assert "source" not in side.version
            found = side.run(inputs, places)
        for absent in (other, DIGITS):
            with pytest.raises(DeviceError, match="this model is not on the board"):
                BoardSide(port, absent)
    assert same(found, host(model, inputs, places)) == list(places)

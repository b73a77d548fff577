"""What a board's answers are held to, without a board: outputs, CRC32s of ops, tensors as told."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microinterp import golden
from microinterp.errors import ArenaError, DeviceError, InputError
from microinterp.golden_bundle import BundleReader
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.sides import Place
from microinterp_boards import bench, expected, side
from microinterp_boards.expected import Expected, expectations, samples_of
from microinterp_boards.packing import BoardModel, MemoryPasses, pack_for_board
from microinterp_boards.session_facts import OpRun
from microinterp_boards.side import BoardSide
from microinterp_boards.validate import FirstDifference, _Comparison
from tests.boards.model_boards import GOLDEN, MODEL
from tests.boards.spoken_line import SpokenTransport


@cache
def digits() -> BoardModel:
    return pack_for_board(MODEL, "digits")


@cache
def wanted() -> Expected:
    """What one sample of digits gives, with the CRC32s of its ops."""
    (only,) = expectations(digits(), samples_of(digits(), 1, None, 0), True)
    return only


def runs() -> list[OpRun]:
    """The ops as a board would tell them that computes all of it rightly."""
    return [
        OpRun(subgraph, index, 5, tuple((7, crc) for crc in crcs))
        for (subgraph, index), crcs in wanted().crcs.items()
    ]


def compared(ops: list[OpRun] | None, output: bytes | None = None, samples: int = 1) -> _Comparison:
    made = _Comparison(digits())
    for _ in range(samples):
        made.add(wanted(), [wanted().outputs[0] if output is None else output], ops)
    return made


def test_a_board_that_is_right() -> None:
    made = compared(runs(), samples=2)
    assert (made.first, made.differing_bytes, made.differing_samples) == (None, 0, 0)
    assert (made.samples, made.compared_bytes) == (2, 20)
    assert made.compared_crcs == 2 * sum(map(len, wanted().crcs.values()))


@pytest.mark.parametrize("index", [0, 4, 9])
def test_an_op_that_the_board_does_not_tell(index: int) -> None:
    """It may have stopped there: the first of them is told, although no CRC32 is wrong."""
    nodes = digits().prepared.graph.main.nodes
    made = compared([run for run in runs() if run.op_index < index])
    place = FirstDifference(
        index, nodes[index].name, nodes[index].outputs[0].index, 0, 0, nodes[index].outputs[0].name
    )
    assert made.first == place
    assert (made.differing_bytes, made.differing_samples) == (0, 1)


def test_an_op_that_tells_less_than_it_writes() -> None:
    ops = runs()
    ops[3] = replace(ops[3], written=())
    first = compared(ops).first
    assert first is not None
    assert (first.op_index, first.tensor) == (
        3,
        digits().prepared.graph.main.nodes[3].outputs[0].index,
    )


def test_an_op_that_the_model_has_not() -> None:
    made = compared([OpRun(2, 99, 5, ((7, 1),)), *runs()])
    assert made.first == FirstDifference(99, "unknown", -1, 2, 0, "")


def test_the_first_wrong_op_is_told_once() -> None:
    ops = runs()
    for at in (2, 5):
        ops[at] = replace(ops[at], written=((7, ops[at].written[0][1] ^ 1),))
    made = compared(ops, samples=3)
    assert made.first is not None
    assert (made.first.op_index, made.first.sample) == (2, 0)
    assert made.differing_samples == 3


def test_a_wrong_output_is_that_of_the_op_that_writes_it() -> None:
    right = wanted().outputs[0]
    made = compared(None, bytes([right[0] ^ 1, right[1] ^ 1]) + right[2:])
    assert made.first is not None
    assert made.first[:2] == (9, "SOFTMAX")
    assert (made.differing_bytes, made.compared_bytes) == (2, 10)


@cache
def two_outputs() -> BoardModel:
    """x -> RELU -> y -> RELU -> z; the outputs are z, y, and x itself."""
    builder = ModelBuilder()
    graph = builder.subgraph("main")
    x = graph.input("x", (1, 4), "int8", scale=1.0, zero_point=0)
    y, z = (graph.tensor(n, (1, 4), "int8", scale=1.0, zero_point=0) for n in "yz")
    graph.op("RELU", [x], [y])
    graph.op("RELU", [y], [z])
    for tensor in (z, y, x):
        graph.output(tensor)
    return SimpleNamespace(  # type: ignore[return-value]
        prepared=prepare_model(builder.finish(), kernels="plain")
    )


@pytest.mark.parametrize(("number", "op"), [(0, (1, "RELU")), (1, (0, "RELU")), (2, (-1, "none"))])
def test_each_output_has_its_own_op(number: int, op: tuple[int, str]) -> None:
    """An output that no op writes is an input that came back wrong."""
    made = _Comparison(two_outputs())
    right = tuple(bytes(4) for _ in range(3))
    wrong = [bytes(3) + b"\1" if i == number else data for i, data in enumerate(right)]
    made.add(Expected((), right, {}), wrong, None)
    assert made.first is not None
    assert made.first[:2] == op
    assert made.first.tensor_name == "zyx"[number]


def test_bundles_of_another_shape_or_type() -> None:
    with BundleReader(GOLDEN) as reader:
        header = reader.header
    expected._require_own(header, digits())
    for kind in ("inputs", "outputs"):
        (told,) = getattr(header, kind)
        for wrong in ((replace(told, shape=(1, 640)),), (replace(told, type=0),), (told, told), ()):
            with pytest.raises(InputError, match=f"the bundle's {kind} do not have the model's"):
                expected._require_own(replace(header, **{kind: wrong}), digits())


def test_a_bundle_of_which_no_sample_is_wanted() -> None:
    with pytest.raises(InputError, match="wanted 1 sample or more, got 0"):
        samples_of(digits(), 0, GOLDEN, 0)


def test_samples_of_a_bundle_come_in_its_order(tmp_path: Path) -> None:
    """As many as are wanted, also where a chunk ends; each time from the first on."""
    path = tmp_path / "some.golden"
    inputs = np.arange(5 * 64, dtype=np.int64).astype(np.int8).reshape(5, 1, 8, 8, 1)
    golden.record(MODEL.read_bytes(), [inputs[:3]], path)
    golden.record(MODEL.read_bytes(), [inputs[3:]], path, append=True)
    whole = golden.load(path)
    with BundleReader(path) as reader:
        assert [chunk.samples for chunk in reader] == [3, 2]
    for wanted_count, count in ((None, 5), (9, 5), (4, 4), (3, 3), (1, 1)):
        some = samples_of(digits(), wanted_count, path, 0)
        assert some.count == count
        for _ in range(2):
            each = list(some.each())
            assert [sample[0].tobytes() for sample, _ in each] == [
                row.tobytes() for row in inputs[:count]
            ]
            told = [outputs[0].tobytes() for _, outputs in each if outputs is not None]
            assert told == [row.tobytes() for row in whole.outputs[0][:count]]


def test_a_head_larger_than_its_limit_is_told_in_bytes() -> None:
    assert pack_for_board(MODEL, passes=MemoryPasses("none", 3072)).plan.head_bytes == 3072
    with pytest.raises(ArenaError, match="needs 3072 bytes, 1 more than the limit of 3071"):
        pack_for_board(MODEL, passes=MemoryPasses("none", 3071))


def test_models_without_inputs_run_as_often() -> None:
    none: Any = SimpleNamespace(
        prepared=SimpleNamespace(graph=SimpleNamespace(main=SimpleNamespace(inputs=())))
    )
    assert bench._samples(none, 3, 0) == [(), (), ()]
    some = bench._samples(digits(), 3, 0)
    assert [len(data) for sample in some for data in sample] == [64] * 3
    assert len(set(some)) == 3


class Telling:
    """A session that tells these tensors, invoke after invoke."""

    def __init__(self, *told: dict[Place, bytes]) -> None:
        self.told = list(told)
        self.sizes: dict[Place, int] = {}

    def places(self) -> dict[Place, int]:
        return self.sizes

    def invoke_for(self, places: dict[Place, int]) -> dict[Place, bytes]:
        self.sizes = places
        return self.told.pop(0)

    def set_input(self, index: int, data: bytes) -> None:
        """Nothing is computed."""

    def output(self, index: int) -> bytes:
        return bytes(10)


def board_side(session: Telling) -> BoardSide:
    graph = digits().prepared.graph
    made = BoardSide.__new__(BoardSide)
    made._session = session  # type: ignore[assignment]
    made._subgraphs, made._main = graph.subgraphs, graph.main
    made._last, made._last_crcs = {}, {}
    made._is_sound = True
    return made


def test_what_an_op_that_runs_once_has_written_stays() -> None:
    """Nothing was told of it before its first time; then the last is what its tensor holds."""
    node = digits().prepared.graph.main.nodes[9]
    place, data = (0, 9, node.outputs[0].index), bytes(range(10))
    session = Telling({}, {place: data}, {}, {place: data[::-1]})
    made = board_side(session)
    made._places = {place: node.outputs[0]}
    found = made.run([np.zeros((4, 1, 8, 8, 1), np.int8)], [place, (0, 9, 9999)])
    assert session.sizes == {place: 10}
    assert list(found.tensors) == [place]
    told = [row.tobytes() for row in found.tensors[place]]
    assert told == [bytes(10), data, data, data[::-1]]


def test_only_whole_tensors_of_the_file_are_known() -> None:
    graph = digits().prepared.graph
    tensor = graph.main.nodes[9].outputs[0]
    session = Telling()
    session.sizes = {
        (0, 9, tensor.index): tensor.nbytes,
        (0, 8, tensor.index): tensor.nbytes - 1,  # a part of it
        (0, 9, len(graph.main.tensors)): 10,
        (len(graph.subgraphs), 0, 0): 10,
    }
    assert board_side(session)._known() == {(0, 9, tensor.index): tensor}


DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"end 0\r\n", []),
        (
            b"6d2f62.%s.\r\n6d2f61..\r\nend 2\r\n" % DIGEST.encode(),
            [("m/a", ""), ("m/b", DIGEST)],
        ),
        (b"ff..\nend 1\n", [("\\xff", "")]),
        (b"", None),
        (b"6d..\nend 2\n", None),
        (b"6d..\n", None),
        (b"6..\nend 1\n", None),
        (b"6d.ab.\nend 1\n", None),
        (b"a log line\nend 1\n", None),
    ],
)
def test_models_that_a_board_lists(text: bytes, found: list[tuple[str, str]] | None) -> None:
    link: Any = SimpleNamespace(
        exec=lambda code, timeout: text, transport=SpokenTransport(), port="fake"
    )
    if found is not None:
        assert side._models(link) == found
        return
    with pytest.raises(DeviceError, match="something else came instead of a list of models"):
        side._models(link)

"""What a board must compute before it switches: which samples, how many, and what differs."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter, golden
from microinterp_boards.packing import pack_for_board
from microinterp_boards.store import selftest
from microinterp_boards.store.selftest import SelfTestSamples, samples_for
from tests.boards.tiny_models import dense_model

SAMPLES = SelfTestSamples(
    b"", ((b"a", b"b"), (b"c", b"d")), ((b"\1\2\3", b"\4"), (b"\5\6\7", b"\x08"))
)


class FakeSession:
    """Answers each sample with the next of `outputs`, and notes what it is told."""

    def __init__(self, *outputs: tuple[bytes, ...]) -> None:
        self.outputs = list(outputs)
        self.log: list[tuple[object, ...]] = []

    def set_input(self, index: int, data: bytes) -> None:
        self.log.append((index, data))

    def invoke(self) -> None:
        self.log.append(("invoke",))

    def output(self, index: int) -> bytes:
        count = sum(each == ("invoke",) for each in self.log)
        return self.outputs[count - 1][index]


def test_bytes_that_differ() -> None:
    for outputs, count in (
        (((b"\1\2\3", b"\4"), (b"\5\6\7", b"\x08")), 0),
        (((b"\1\2\3", b"\4"), (b"\5\6\7", b"\x09")), 1),
        (((b"\1\2\xff", b"\4"), (b"\0\0\0", b"\x08")), 4),
        (((b"\2\3\4", b"\0"), (b"\0\0\0", b"\0")), 8),
    ):
        session = FakeSession(*outputs)
        assert SAMPLES.differing(session) == count  # type: ignore[arg-type]
        assert session.log == [
            *((0, b"a"), (1, b"b"), ("invoke",)),
            *((0, b"c"), (1, b"d"), ("invoke",)),
        ]


def test_an_output_of_another_length_is_no_output() -> None:
    session = FakeSession((b"\1\2", b"\4"), (b"\5\6\7", b"\x08"))
    with pytest.raises(ValueError, match="argument 2 is longer"):
        SAMPLES.differing(session)  # type: ignore[arg-type]


class DrawnError(Exception):
    """How many samples are drawn."""


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ([(1, 0)], 4),
        ([(1000, 1048)], 4),  # 8192 bytes in all
        ([(1000, 1049)], 3),
        ([(2700, 30)], 3),
        ([(2701, 30)], 2),
        ([(96, 4000)], 2),
        ([(97, 4000)], 1),
        ([(8192, 0)], 1),
        ([(9000, 9000)], 1),  # one is taken even so
        ([(500, 500), (1000, 1000)], 2),  # two inputs, two outputs
    ],
)
def test_how_many_samples(
    monkeypatch: pytest.MonkeyPatch, sizes: list[tuple[int, int]], count: int
) -> None:
    def draw(inputs: object, count: int, seed: int) -> None:
        raise DrawnError(count)

    monkeypatch.setattr(selftest, "random_samples", draw)
    main = SimpleNamespace(
        inputs=[SimpleNamespace(nbytes=size) for size, _ in sizes],
        outputs=[SimpleNamespace(nbytes=size) for _, size in sizes if size],
    )
    model: Any = SimpleNamespace(prepared=SimpleNamespace(graph=SimpleNamespace(main=main)))
    with pytest.raises(DrawnError) as caught:
        samples_for(model)
    assert caught.value.args == (count,)


def test_samples_are_what_the_host_computes(tmp_path: Path) -> None:
    tflite = dense_model((9, 5), 1)
    model = pack_for_board(tflite, "tiny")
    found = samples_for(model)
    assert len(found.inputs) == len(found.outputs) == 4
    host = Interpreter.from_bytes(tflite)
    for (given,), (wanted,) in zip(found.inputs, found.outputs, strict=True):
        host.set_input(np.frombuffer(given, np.int8).reshape(1, 1, 9), 0)
        host.invoke()
        assert host.get_output(0).tobytes() == wanted
    assert len({*found.inputs}) == 4
    path = tmp_path / "bundle"
    path.write_bytes(found.bundle)
    recorded = golden.load(path)
    assert [array.tobytes() for array in recorded.inputs[0]] == [each for (each,) in found.inputs]
    assert [array.tobytes() for array in recorded.outputs[0]] == [each for (each,) in found.outputs]
    assert samples_for(model) == found  # a part of it that a board has is gone on with
    smaller = tmp_path / "without"
    golden.record(tflite, [recorded.inputs[0]], smaller, tensors="none")
    assert len(found.bundle) == smaller.stat().st_size  # no CRC32s of tensors


def test_samples_are_not_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        SAMPLES.bundle = b""  # type: ignore[misc]

"""The interpreter's own behaviour: API, errors, arena, reset, batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import microinterp
from microinterp import (
    ArenaError,
    InputError,
    Interpreter,
    MicrointerpError,
    ModelError,
    UnsupportedError,
)
from microinterp.model_builder import ModelBuilder
from microinterp.trace import Timer, Trace
from tests.models import chain_model, conv_model
from tests.processes import python


def negated(array: np.ndarray) -> np.ndarray:
    return np.clip(-array.astype(np.int32), -128, 127).astype(np.int8)


@pytest.fixture
def image() -> np.ndarray:
    return np.arange(-2, 2, dtype=np.int8).reshape(1, 2, 2, 1)


def test_runs_from_file_and_from_bytes(tmp_path: Path, image: np.ndarray) -> None:
    path = tmp_path / "chain.tflite"
    path.write_bytes(chain_model(3))
    for interpreter in (Interpreter.from_file(path), Interpreter.from_bytes(chain_model(3))):
        interpreter.set_input(image, 0)
        interpreter.invoke()
        assert np.array_equal(interpreter.get_output(0), negated(image))


def test_it_says_what_it_takes_gives_and_needs() -> None:
    said = "<microinterp.Interpreter int8[1, 2, 2, 1] -> int8[1, 2, 2, 1], arena 32 bytes>"
    assert repr(Interpreter.from_bytes(chain_model(2))) == said


def test_the_first_input_and_output_need_no_index(image: np.ndarray) -> None:
    it = Interpreter.from_bytes(chain_model(2))
    it.set_input(image)
    it.invoke()
    assert np.array_equal(it.get_output(), it.get_output(0))
    assert it.get_input_details()["name"] == it.get_input_details(0)["name"]
    assert it.get_output_details()["name"] != it.get_input_details()["name"]


def test_output_is_a_copy(image: np.ndarray) -> None:
    it = Interpreter.from_bytes(chain_model(1))
    it.set_input(image, 0)
    it.invoke()
    first = it.get_output(0)
    it.set_input(negated(image), 0)
    it.invoke()
    assert np.array_equal(first, negated(image))


def test_input_may_be_overwritten_during_invoke(image: np.ndarray) -> None:
    # TFLM's plan lays the second activation over the input, which is dead by then, so a second
    # invoke without set_input doubles what it finds there: the first result.
    it = Interpreter.from_bytes(chain_model(2, weight=2))
    it.set_input(image, 0)
    it.invoke()
    assert it.arena.offsets[0] == it.arena.offsets[3]
    assert np.array_equal(it.get_output(0), 4 * image)
    it.invoke()
    assert np.array_equal(it.get_output(0), 16 * image)


def test_details_name_everything() -> None:
    it = Interpreter.from_bytes(conv_model())
    details = it.get_input_details(0)
    assert details["name"] == "x"
    assert details["index"] == 0
    assert details["shape"].tolist() == [1, 4, 4, 1]
    assert details["dtype"] is np.int8
    quantization = details["quantization_parameters"]
    assert quantization["scales"].tolist() == [0.5]
    assert quantization["zero_points"].tolist() == [-3]
    assert it.get_output_details(0)["name"] == "y"


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((1, 4, 4, 1), np.float32), "takes int8, got float32"),
        (np.zeros((1, 4, 4, 1), np.uint8), "takes int8, got uint8"),
        (np.zeros((4, 4, 1), np.int8), "takes shape [1, 4, 4, 1], got [4, 4, 1]"),
        (np.zeros((1, 4, 4, 2), np.int8), "takes shape [1, 4, 4, 1], got [1, 4, 4, 2]"),
        (None, "takes int8, got object"),
        ([1, 2], "takes int8, got int64"),
    ],
)
def test_wrong_input_is_refused(array: object, words: str) -> None:
    it = Interpreter.from_bytes(conv_model())
    with pytest.raises(InputError) as caught:
        it.set_input(array, 0)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert "input 0 'x'" in str(caught.value)


@pytest.mark.parametrize("index", [1, -1, 10**9, None, "0", 0.0])
def test_wrong_index_is_refused(index: object) -> None:
    it = Interpreter.from_bytes(conv_model())
    for call in (
        lambda: it.set_input(np.zeros((1, 4, 4, 1), np.int8), index),  # type: ignore[arg-type]
        lambda: it.get_output(index),  # type: ignore[arg-type]
        lambda: it.get_input_details(index),  # type: ignore[arg-type]
        lambda: it.get_output_details(index),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError, match="the model has 1"):
            call()


@pytest.mark.parametrize("data", [b"", b"TFL3", bytes(100), None, "model.tflite", 7])
def test_not_a_model(data: object) -> None:
    with pytest.raises(ModelError):
        Interpreter.from_bytes(data)  # type: ignore[arg-type]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read .*No such file"):
        Interpreter.from_file(tmp_path / "absent.tflite")
    with pytest.raises(ModelError, match=r"cannot read .*directory"):
        Interpreter.from_file(tmp_path)


def test_unknown_profile_and_planner_name_what_there_is() -> None:
    with pytest.raises(UnsupportedError, match="tflm, single, litert-ref"):
        Interpreter.from_bytes(conv_model(), profile="tflite")
    with pytest.raises(ArenaError, match="tflm, best, linear"):
        Interpreter.from_bytes(conv_model(), planner="greedy")


def test_unknown_operator_names_itself_and_near_ones() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 4), "int8", scale=1.0, zero_point=0)
    y = g.tensor("y", (1, 4), "int8", scale=1.0, zero_point=0)
    g.custom_op("CONV_2DD", [x], [y])
    g.output(y)
    with pytest.raises(UnsupportedError) as caught:
        Interpreter.from_bytes(b.finish())
    assert caught.value.where.op_index == 0
    assert caught.value.where.op_name == "CONV_2DD"
    assert "CONV_2D" in caught.value.hint


def test_arena_size_exact_and_one_byte_short(image: np.ndarray) -> None:
    need = Interpreter.from_bytes(chain_model(2)).arena.size
    it = Interpreter.from_bytes(chain_model(2), arena_size=need)
    it.set_input(image, 0)
    it.invoke()
    with pytest.raises(ArenaError) as caught:
        Interpreter.from_bytes(chain_model(2), arena_size=need - 1)
    assert f"need {need} bytes" in str(caught.value)
    assert f"have {need - 1}" in str(caught.value)
    for wrong in (-5, 0, "big", True):
        with pytest.raises(ArenaError):
            Interpreter.from_bytes(chain_model(2), arena_size=wrong)


def test_the_arena_is_one_bytearray_and_outputs_land_in_it(image: np.ndarray) -> None:
    it = Interpreter.from_bytes(chain_model(1))
    arena = it.arena
    assert isinstance(arena.memory, bytearray)
    it.set_input(image, 0)
    assert arena.memory[arena.offsets[0] :][:4] == image.tobytes()
    it.invoke()
    assert arena.memory[arena.offsets[2] :][:4] == negated(image).tobytes()


def test_get_tensor_needs_preserve_all_tensors(image: np.ndarray) -> None:
    it = Interpreter.from_bytes(chain_model(2))
    with pytest.raises(InputError, match="preserve_all_tensors=True"):
        it.get_tensor(0)
    kept = Interpreter.from_bytes(chain_model(2), preserve_all_tensors=True)
    kept.set_input(image, 0)
    kept.invoke()
    assert np.array_equal(kept.get_tensor(0), image)
    assert np.array_equal(kept.get_tensor(2), negated(image))
    assert kept.get_tensor(1).item() == -1  # the constant weight
    with pytest.raises(InputError, match="no tensor 99"):
        kept.get_tensor(99)
    with pytest.raises(InputError, match="no subgraph 3"):
        kept.get_tensor(0, subgraph=3)


def test_batch_equals_single_runs() -> None:
    rng = np.random.default_rng(5)
    batch = rng.integers(-128, 128, (7, 1, 4, 4, 1)).astype(np.int8)
    it = Interpreter.from_bytes(conv_model())
    (outputs,) = it.run_batch(batch)
    for sample, output in zip(batch, outputs, strict=True):
        it.set_input(sample, 0)
        it.invoke()
        assert np.array_equal(it.get_output(0), output)


def test_batch_in_chunks_equals_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = np.random.default_rng(6).integers(-128, 128, (9, 1, 4, 4, 1)).astype(np.int8)
    it = Interpreter.from_bytes(conv_model())
    (whole,) = it.run_batch(batch)
    monkeypatch.setattr("microinterp.batch.CHUNK_BYTES", 100)  # two samples of 48 bytes each
    (chunked,) = it.run_batch(batch)
    assert np.array_equal(whole, chunked)


def test_batch_checks_its_arrays() -> None:
    it = Interpreter.from_bytes(conv_model())
    with pytest.raises(InputError, match="1 inputs, got 0"):
        it.run_batch()
    with pytest.raises(InputError, match=r"takes shape \[N, 1, 4, 4, 1\]"):
        it.run_batch(np.zeros((1, 4, 4, 1), np.int8))
    (empty,) = it.run_batch(np.zeros((0, 1, 4, 4, 1), np.int8))
    assert empty.shape == (0, 1, 4, 4, 2)


def test_a_trace_sees_every_op_and_may_time_it(image: np.ndarray) -> None:
    seen = []

    class Names(Trace):
        def after(self, step: object) -> None:
            seen.append(step.node.node.name)  # type: ignore[attr-defined]

    it = Interpreter.from_bytes(chain_model(3))
    it.set_input(image, 0)
    it.invoke(trace=Names())
    assert seen == ["CONV_2D"] * 3
    timer = Timer()
    it.invoke(trace=timer)
    assert sorted(timer.seconds) == [(0, 0), (0, 1), (0, 2)]
    assert all(seconds > 0 for seconds in timer.seconds.values())
    it.invoke()
    assert len(seen) == 3  # off again


def test_every_error_is_a_microinterp_error() -> None:
    for name in microinterp.__all__:
        value = getattr(microinterp, name)
        if isinstance(value, type) and issubclass(value, Exception):
            assert issubclass(value, MicrointerpError)


def test_import_brings_in_no_command_line() -> None:
    code = (
        "import sys, microinterp; print([m for m in ('typer', 'rich', 'PIL') if m in sys.modules])"
    )
    assert python(code) == "[]\n"

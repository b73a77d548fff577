"""The reader of packed models: whatever the bytes are, a ModelError or a sound model."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from microinterp.errors import ArenaError, InputError, ModelError
from microinterp.packed import PackedInterpreter, PackedModel, load
from microinterp.packed import steps as s
from microinterp.packed.host import ARENA_LIMIT
from microinterp.packed.reader import TABLES
from microinterp.packed.records import PackedOp, PackedState, PackedSubgraph, Written
from microinterp.packed.steps import Step
from microinterp.packed.writer import write
from tests.flat import locate
from tests.marks import slow
from tests.models import conv_model
from tests.packed.compare import pack_model
from tests.packed.mutants import layout_of, mutants, patched, weights_of
from tests.packed.zoo import every_step

MODEL_VERSION, MODEL_SUBGRAPHS = 0, 9
SUBGRAPH_STEPS, STEP_CODE = 0, 0
MUTANTS, MANY_MUTANTS = 600, 6000
SECONDS = 10.0


@pytest.fixture(scope="module")
def zoo() -> bytes:
    return pack_model(every_step())


@pytest.fixture(scope="module")
def passed_zoo() -> bytes:
    """The zoo with steps in place, and one that runs from its last pixel to the first."""
    data = pack_model(every_step(), ["in-place", "in-place-depthwise"])
    return write(changed(load(data), s.Conv, order=1))[0]


@pytest.fixture(params=["zoo", "passed_zoo"])
def each_zoo(request: pytest.FixtureRequest) -> bytes:
    return bytes(request.getfixturevalue(request.param))


def test_writing_again_gives_the_same_bytes(each_zoo: bytes) -> None:
    assert write(load(each_zoo))[0] == each_zoo


def steps_of(data: bytes) -> list[Step]:
    return [step for subgraph in load(data).subgraphs for step in subgraph.steps]


def test_the_zoos_have_every_step(zoo: bytes, passed_zoo: bytes) -> None:
    usual, passed = ({type(step) for step in steps_of(each)} for each in (zoo, passed_zoo))
    assert usual == set(s.CODES) - {s.DepthwiseInPlace}
    assert s.DepthwiseInPlace in passed
    assert any(getattr(step, "order", 0) for step in steps_of(passed_zoo))
    assert not any(getattr(step, "order", 0) for step in steps_of(zoo))


def test_weights_are_aligned_to_16_in_the_file(zoo: bytes) -> None:
    assert weights_of(zoo)[0] % 16 == 0


def run(data: bytes) -> str:
    """Load, run and read; the outcome in a word. Any other exception is a failure."""
    try:
        interpreter = PackedInterpreter(data)
        for i, tensor in enumerate(interpreter.model.inputs):
            view = interpreter._view(tensor)
            interpreter.set_input(np.ones(view.shape, view.dtype), i)
        interpreter.invoke()
        interpreter.reset()
        interpreter.op_crcs()
        for i in range(len(interpreter.model.outputs)):
            interpreter.get_output(i)
    except (ModelError, ArenaError) as error:
        return type(error).__name__ if error.message else "no message"
    return "runs"


@pytest.mark.parametrize("count", [MUTANTS, slow(MANY_MUTANTS)])
@pytest.mark.filterwarnings("error")
def test_mutants_are_refused_or_run(each_zoo: bytes, count: int) -> None:
    layout = layout_of(each_zoo, TABLES, "Model", weights_of(each_zoo))
    outcomes: Counter[str] = Counter()
    for number, mutant in enumerate(mutants(each_zoo, layout, 1, count)):
        start = time.process_time()
        try:
            outcomes[run(mutant)] += 1
        except Exception as error:
            raise AssertionError(f"mutant {number}") from error
        assert time.process_time() - start < SECONDS, f"mutant {number}"
    print(dict(outcomes))
    assert outcomes["ModelError"] > count / 4
    assert outcomes["runs"] > count / 8


def test_every_cut_is_refused(zoo: bytes) -> None:
    for length in range(0, len(zoo), 7):
        with pytest.raises(ModelError):
            load(zoo[:length])


def test_other_files_are_named() -> None:
    with pytest.raises(ModelError, match=r"this is a \.tflite file"):
        load(conv_model())
    for data in (b"", b"MIPK", b"\x89PNG\r\n\x1a\n" * 4, bytes(100)):
        with pytest.raises(ModelError, match="no packed model"):
            load(data)


@pytest.mark.parametrize(("version", "remedy"), [(0, "pack the model again"), (2, "update")])
def test_other_versions_are_refused_by_name(zoo: bytes, version: int, remedy: str) -> None:
    data = patched(zoo, locate(zoo, MODEL_VERSION), "<H", version)
    with pytest.raises(ModelError, match=f"format version {version} by 'microinterp .*version 1"):
        load(data)
    with pytest.raises(ModelError, match=remedy):
        load(data)


def refused(model: PackedModel, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        load(write(model)[0])


def changed(model: PackedModel, kind: type[Step], **arguments: int) -> PackedModel:
    """The model with arguments of the first step of a kind changed."""
    subgraphs = list(model.subgraphs)
    for number, subgraph in enumerate(subgraphs):
        for i, step in enumerate(subgraph.steps):
            if type(step) is kind:
                other: Any = step._replace(**arguments)
                steps = (*subgraph.steps[:i], other, *subgraph.steps[i + 1 :])
                subgraphs[number] = replace(subgraph, steps=steps)
                return replace(model, subgraphs=tuple(subgraphs))
    raise AssertionError(f"no {kind.__name__}")


HUGE, BEFORE_2_29 = 1 << 20, (1 << 29) - 1
BAD_STEPS: list[tuple[type[Step], dict[str, int], str]] = [
    (s.Copy, {"nbytes": 0}, "nbytes is 0"),
    (s.Copy, {"x": HUGE}, "x at .* outside of the arena"),
    (s.Copy, {"x": ~HUGE}, "x at .* outside of weights"),
    (s.Copy, {"dst": -1}, "dst at -1 .* outside of the arena"),
    (s.Move, {"esize": 0}, "esize is 0"),
    (s.Move, {"n0": 0}, "n0 is 0"),
    (s.Move, {"n0": 1 << 20, "ss0": 0, "ds0": 0}, "moves .* bytes in"),
    (s.Move, {"ds4": -HUGE}, "dst at -.* outside of the arena"),
    (s.Move, {"ss4": HUGE}, "x at .* outside of the arena"),
    (s.Fill, {"esize": 8}, "esize is 8"),
    (s.Fill, {"elements": HUGE}, "dst at .* outside of the arena"),
    (s.Lut, {"table": 0}, "table is not in the weights"),
    (s.Lut, {"table": ~HUGE}, "table at .* outside of weights"),
    (s.Lut, {"table": ~3}, "table at 3 is not aligned"),
    (s.Conv, {"groups": 3}, "groups do not divide"),
    (s.Conv, {"ih": HUGE}, "x at .* outside of the arena"),
    (s.Conv, {"oh": HUGE}, "dst at .* outside of the arena"),
    (s.Conv, {"kh": HUGE}, "w at .* outside of weights"),
    (s.Conv, {"patch": HUGE}, "patch at .* outside of the arena"),
    (s.Conv, {"dh": BEFORE_2_29}, "windows reach pixel"),
    (s.Conv, {"pt": -1}, "pt is -1"),
    (s.Conv, {"lo": 5, "hi": 4}, "lo is 5, hi 4"),
    (s.Conv, {"zx": 128}, "zx is 128"),
    (s.Conv, {"channels": ~0}, "channel table is out of range"),
    (s.Depthwise, {"multiplier": 2}, r"oc is not ic \* multiplier"),
    (s.AveragePool, {"pt": 2}, "window lies in the padding"),
    (s.MaxPool, {"sh": 8}, "window lies in the padding"),
    (s.Mean, {"shift": 31}, "shift is 31"),
    (s.Mean, {"zn": 1 << 29}, "sums reach"),
    (s.Add, {"left_shift": 21}, "left_shift is 21"),
    (s.Add, {"o_shift": 1}, "o_shift is 1"),
    (s.Add, {"na": 0}, "na is 0"),
    (s.Mul, {"shift": 14}, "shift is 14"),
    (s.Mul, {"m_lo": 1 << 15}, "m_lo is 32768"),
    (s.Softmax, {"depth": 2048}, "depth is 2048"),
    (s.Softmax, {"exp": ~0}, "exp is no table"),
    (s.Dequantize, {"esize": 4}, "esize is 4"),
    (s.Dequantize, {"scale": 0}, "scale is 0"),
    (s.CallOnce, {"subgraph": 0}, "runs subgraph 0"),
    (s.CallOnce, {"subgraph": 2}, "runs subgraph 2"),
    (s.CallOnce, {"flag": -1}, "flag at -1"),
]


BAD_PASSED_STEPS: list[tuple[type[Step], dict[str, int], str]] = [
    (s.Conv, {"order": 2}, "order is 2"),
    (s.Conv, {"order": 1, "batches": 2}, "order is 1 for 2 batches"),
    (s.MaxPool, {"order": -1}, "order is -1"),
    (s.DepthwiseInPlace, {"x": ~0}, "dst at -1"),
    (s.DepthwiseInPlace, {"batches": 2, "ih": 3}, "batches and multiplier are not 1"),
    (s.DepthwiseInPlace, {"ic": 2, "multiplier": 2}, "batches and multiplier are not 1"),
    (s.DepthwiseInPlace, {"ih": 5}, "the output is larger than the input"),
    (s.DepthwiseInPlace, {"scratch": HUGE}, "scratch at .* outside of the arena"),
]


@pytest.mark.parametrize(("kind", "arguments", "text"), BAD_PASSED_STEPS)
def test_bad_steps_of_passes_are_refused(
    passed_zoo: bytes, kind: type[Step], arguments: dict[str, int], text: str
) -> None:
    with pytest.raises(ModelError, match=text):
        load(write(changed(load(passed_zoo), kind, **arguments))[0])


@pytest.mark.parametrize(("kind", "arguments", "text"), BAD_STEPS)
def test_bad_steps_are_refused(
    zoo: bytes, kind: type[Step], arguments: dict[str, int], text: str
) -> None:
    with pytest.raises(ModelError, match=text) as caught:
        load(write(changed(load(zoo), kind, **arguments))[0])
    assert f"{kind.__name__}:" in caught.value.message
    assert caught.value.where.op_name


def with_op(model: PackedModel, **fields: Any) -> PackedModel:
    main = model.subgraphs[0]
    first = next(i for i, op in enumerate(main.ops) if op.steps)
    ops = (*main.ops[:first], replace(main.ops[first], **fields), *main.ops[first + 1 :])
    return replace(model, subgraphs=(replace(main, ops=ops), *model.subgraphs[1:]))


def with_input(model: PackedModel, **fields: Any) -> PackedModel:
    return replace(model, inputs=(replace(model.inputs[0], **fields),))


BAD_MODELS: dict[str, Callable[[PackedModel], PackedModel]] = {
    "packed for kernels 'asm'": lambda m: replace(m, tier="asm"),
    "packed for profile 'single'": lambda m: replace(m, profile="single"),
    "a SHA-256 of 3 bytes": lambda m: replace(m, tflite_sha256=b"123"),
    "a head of .* in an arena of": lambda m: replace(m, head_bytes=m.arena_bytes + 1),
    "arena of 536870912 bytes": lambda m: replace(m, arena_bytes=1 << 29),
    "no subgraph": lambda m: replace(m, subgraphs=()),
    "starts with step 7": lambda m: with_op(m, first_step=7),
    "has 99 steps": lambda m: with_op(m, steps=99),
    "has 17 steps, its ops have 0": lambda m: replace(
        m, subgraphs=(replace(m.subgraphs[0], ops=()), m.subgraphs[1])
    ),
    "tensor 3 at 9999": lambda m: with_op(m, written=(Written(3, 9999, 1),)),
    "state 0 at 9999": lambda m: replace(m, state=(PackedState(9999, 1, 0, True),)),
    "input 0 at": lambda m: with_input(m, offset=m.arena_bytes),
    "input 0 has element type 99": lambda m: with_input(m, type=99),
    r"input 0 has shape \[-1, -144\]": lambda m: with_input(m, shape=(-1, -144)),
    "input 0 has 144 bytes, wanted 7": lambda m: with_input(m, shape=(7,)),
    "5000 steps, boards take 4096": lambda m: replace(
        m,
        subgraphs=(
            PackedSubgraph((s.Copy(0, 1, 1),) * 5000, (PackedOp(0, "RESHAPE", 0, 5000, ()),)),
        ),
    ),
    "units of work": lambda m: replace(
        m,
        arena_bytes=1 << 28,
        subgraphs=(
            PackedSubgraph((s.Copy(0, 0, 1 << 27),) * 3, (PackedOp(0, "RESHAPE", 0, 3, ()),)),
        ),
    ),
}


@pytest.mark.parametrize("text", BAD_MODELS)
def test_bad_models_are_refused(zoo: bytes, text: str) -> None:
    refused(BAD_MODELS[text](load(zoo)), text)


def test_an_arena_beyond_reason_is_not_made(zoo: bytes) -> None:
    model = replace(load(zoo), arena_bytes=ARENA_LIMIT + 1)
    with pytest.raises(ArenaError, match="wants an arena of"):
        PackedInterpreter(write(model)[0])


def test_an_unknown_step_is_refused(zoo: bytes) -> None:
    code = locate(zoo, MODEL_SUBGRAPHS, [0], SUBGRAPH_STEPS, [1], STEP_CODE)
    for value in (0, 16, 255):
        with pytest.raises(ModelError, match=f"subgraph 0 step 1: code {value} is not known"):
            load(patched(zoo, code, "<B", value))
    with pytest.raises(ModelError, match="step 1 Add: 3 arguments, wanted 21"):
        load(patched(zoo, code, "<B", s.CODES[s.Add]))


def test_wrong_inputs_are_refused(zoo: bytes) -> None:
    interpreter = PackedInterpreter.from_bytes(zoo)
    good = np.zeros((1, 6, 6, 4), np.int8)
    for array, index, text in (
        (good.astype(np.uint8), 0, "takes int8"),
        (good[0], 0, "takes int8"),
        (good, 1, "no input 1"),
        (good, -1, "no input -1"),
    ):
        with pytest.raises(InputError, match=text):
            interpreter.set_input(array, index)
    with pytest.raises(InputError, match="no output 2"):
        interpreter.get_output(2)


def test_a_missing_file_is_told(tmp_path: Any) -> None:
    with pytest.raises(ModelError, match="cannot read"):
        PackedInterpreter.from_file(tmp_path / "none.mipk")

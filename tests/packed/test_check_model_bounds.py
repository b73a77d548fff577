"""The checks of a whole packed model: each limit from both sides, refusals word for word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tflite import TensorType

from microinterp.errors import ModelError
from microinterp.packed import steps as s
from microinterp.packed.check_model import check_model
from microinterp.packed.records import (
    PackedModel,
    PackedOp,
    PackedState,
    PackedSubgraph,
    TensorInfo,
    Written,
)
from microinterp.packed.steps import Step

HINT = "\n  hint: the file is cut short or damaged: pack the model again"
MOST = (1 << 29) - 1
COPY = s.Copy(0, 10, 5)


def op(first: int, steps: int, *written: Written, index: int = 3) -> PackedOp:
    return PackedOp(index, "ADD", first, steps, written)


def subgraph(*steps: Step) -> PackedSubgraph:
    """All steps are of one op."""
    return PackedSubgraph(steps, (op(0, len(steps)),))


def tensor(**fields: Any) -> TensorInfo:
    sound = TensorInfo("x", 0, TensorType.INT8, (2, 3), 0.5, 0, 0, 6)
    return replace(sound, **fields)


SOUND = PackedModel(
    tier="portable",
    profile="tflm",
    tflite_sha256=bytes(32),
    tool="",
    arena_bytes=1000,
    head_bytes=500,
    inputs=(tensor(),),
    outputs=(tensor(offset=100),),
    subgraphs=(subgraph(COPY),),
    state=(PackedState(600, 8, 0, True),),
    weights=bytes(16),
)


def told(model: PackedModel) -> str:
    """What is wrong with the model, without the hint that all refusals share; "" for nothing."""
    try:
        check_model(model)
    except ModelError as error:
        text = str(error)
        assert text.endswith(HINT)
        return text.removesuffix(HINT)
    return ""


def changed(**fields: Any) -> str:
    """What is said about the sound model with other fields."""
    return told(replace(SOUND, **fields))


def steps(*each: Step) -> str:
    """What is said about the sound model with other steps."""
    return changed(subgraphs=(subgraph(*each),))


def test_a_sound_model() -> None:
    assert told(SOUND) == ""


def test_tiers_and_profiles() -> None:
    for tier in ("portable", "armv6m", "armv7m", "armv7em"):
        assert changed(tier=tier) == ""
    assert changed(tier="armv8m") == (
        "packed for kernels 'armv8m', wanted one of portable, armv6m, armv7m, armv7em"
    )
    assert changed(profile="litert") == "packed for profile 'litert', wanted 'tflm'"
    assert changed(profile="aaaa") == "packed for profile 'aaaa', wanted 'tflm'"
    assert changed(profile="zzzz") == "packed for profile 'zzzz', wanted 'tflm'"


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_sha256_has_32_bytes(size: int) -> None:
    assert changed(tflite_sha256=bytes(size)) == f"a SHA-256 of {size} bytes, wanted 32"


def test_sizes() -> None:
    assert changed(arena_bytes=MOST) == ""
    text = "arena of 536870912 bytes, boards address less than 536870912"
    assert changed(arena_bytes=MOST + 1) == text


class Long(bytes):
    """No bytes that are told to be many."""

    size = 0

    def __len__(self) -> int:
        return self.size


def test_sizes_of_weights() -> None:
    long = Long()
    long.size = MOST
    assert changed(weights=long) == ""
    long.size = MOST + 1
    text = "weights of 536870912 bytes, boards address less than 536870912"
    assert changed(weights=long) == text


def test_the_head_is_in_the_arena() -> None:
    assert changed(head_bytes=1000) == ""
    assert changed(head_bytes=1001) == "a head of 1001 bytes in an arena of 1000"


def test_tensors_have_places() -> None:
    """The second of each; 6 bytes."""
    for role in ("inputs", "outputs"):
        assert changed(**{role: (tensor(), tensor(offset=994))}) == ""
        text = f"{role[:-1]} 1 at 995 to 1001 is outside of the arena, 1000 bytes"
        assert changed(**{role: (tensor(), tensor(offset=995))}) == text
        text = f"{role[:-1]} 1 at -1 to 5 is outside of the arena, 1000 bytes"
        assert changed(**{role: (tensor(), tensor(offset=-1))}) == text
        assert changed(**{role: ()}) == ""


@pytest.mark.parametrize(
    ("type_code", "size"),
    [
        (TensorType.INT8, 1),
        (TensorType.INT16, 2),
        (TensorType.FLOAT32, 4),
        (TensorType.INT32, 4),
        (TensorType.INT64, 8),
    ],
)
def test_tensors_are_as_long_as_their_shape(type_code: int, size: int) -> None:
    for shape, elements in (((), 1), ((0,), 0), ((5, 0), 0), ((7,), 7), ((2, 3, 4), 24)):
        nbytes = elements * size
        sound = tensor(type=type_code, shape=shape, nbytes=nbytes)
        assert changed(inputs=(sound,)) == ""
        for other in (nbytes - 1, nbytes + 1):
            if other >= 0:
                text = f"input 0 has {other} bytes, wanted {nbytes}"
                assert changed(inputs=(replace(sound, nbytes=other),)) == text


def test_shapes_and_types() -> None:
    for shape in ((-1,), (2, -3), (-2, -3), (0, -1)):
        text = f"output 0 has shape {list(shape)}, wanted no side below 0"
        assert changed(outputs=(tensor(shape=shape),)) == text
    for code in (-1, 19, 99, TensorType.STRING):
        text = f"input 0 has element type {code}, which TFLM has no tensors of"
        assert changed(inputs=(tensor(type=code),)) == text


def test_state_has_places() -> None:
    assert changed(state=()) == ""
    assert changed(state=(PackedState(0, 1, 0, True), PackedState(992, 8, 0, True))) == ""
    text = "state 1 at 993 to 1001 is outside of the arena, 1000 bytes"
    assert changed(state=(PackedState(0, 1, 0, True), PackedState(993, 8, 0, True))) == text


def test_a_model_has_a_subgraph() -> None:
    assert changed(subgraphs=()) == "no subgraph"
    assert changed(subgraphs=(PackedSubgraph((), ()),)) == ""


def test_no_more_than_4096_steps_in_all() -> None:
    def of(first: int, second: int) -> str:
        each = (subgraph(*[COPY] * count) for count in (first, second))
        return changed(subgraphs=tuple(each))

    assert of(4096, 0) == ""
    assert of(4000, 96) == ""
    assert of(4000, 97) == "4097 steps, boards take 4096 at most"
    assert of(0, 4097) == "4097 steps, boards take 4096 at most"


def test_ops_follow_each_other() -> None:
    def of(*ops: PackedOp) -> str:
        return changed(subgraphs=(PackedSubgraph((COPY,) * 4, ops),))

    assert of(op(0, 4)) == ""
    assert of(op(0, 0), op(0, 3), op(3, 0), op(3, 1), op(4, 0)) == ""
    assert of(op(1, 3)) == "op 3 ADD: starts with step 1, wanted 0"
    assert of(op(0, 2), op(3, 1, index=7)) == "op 7 ADD: starts with step 3, wanted 2"
    assert of(op(0, 2), op(1, 3)) == "op 3 ADD: starts with step 1, wanted 2"
    assert of(op(0, 5)) == "op 3 ADD: has 5 steps, its subgraph 4 in all"
    assert of(op(0, 2), op(2, 3)) == "op 3 ADD: has 3 steps, its subgraph 4 in all"
    assert of(op(0, 3)) == "subgraph 0 has 4 steps, its ops have 3"
    assert of() == "subgraph 0 has 4 steps, its ops have 0"


def test_what_ops_write_is_in_the_arena() -> None:
    def of(*written: Written) -> str:
        return changed(subgraphs=(PackedSubgraph((COPY,), (op(0, 1, *written),)),))

    assert of(Written(7, 0, 5), Written(9, 990, 10)) == ""
    text = "op 3 ADD: tensor 9 at 991 to 1001 is outside of the arena, 1000 bytes"
    assert of(Written(7, 0, 5), Written(9, 991, 10)) == text


def test_steps_are_told_by_number_and_kind() -> None:
    bad = s.Copy(0, 10, 0)
    text = "op 3 ADD: step 0 Copy: nbytes is 0, wanted 1 to 536870911"
    assert steps(bad) == text
    ops = (op(0, 1), op(1, 2, index=5))
    text = "op 5 ADD: step 2 Copy: nbytes is 0, wanted 1 to 536870911"
    assert changed(subgraphs=(PackedSubgraph((COPY, COPY, bad), ops),)) == text
    text = "subgraph 1, op 3 ADD: step 1 Copy: nbytes is 0, wanted 1 to 536870911"
    assert changed(subgraphs=(subgraph(COPY), subgraph(COPY, bad))) == text


def test_calls_are_of_later_subgraphs() -> None:
    def of(caller: int, called: int) -> str:
        each = [subgraph(COPY) for _ in range(4)]
        each[caller] = subgraph(COPY, s.CallOnce(called, 900))
        return changed(subgraphs=tuple(each))

    for caller, called in ((0, 1), (0, 3), (1, 2), (2, 3)):
        assert of(caller, called) == ""
    for caller, called in ((0, 0), (0, 4), (0, -1), (2, 2), (2, 1), (3, 3), (3, 4), (1, 0)):
        text = f"step 1 CallOnce: runs subgraph {called}, wanted a later one than its own"
        where = f"subgraph {caller}, op" if caller else "op"
        assert of(caller, called) == f"{where} 3 ADD: {text}"


def test_work_is_that_of_one_invoke() -> None:
    """2^28 units; a call of a subgraph is 1 and all that is done there."""
    quarter = s.Copy(0, 0, 1 << 26)
    less = s.Copy(0, 0, (1 << 26) - 1)
    over = "subgraph {} does {} units of work, boards do 268435456 at most"

    def of(*subgraphs: PackedSubgraph) -> str:
        return changed(arena_bytes=1 << 27, subgraphs=subgraphs)

    assert of(subgraph(*[quarter] * 4)) == ""
    assert of(subgraph(*[quarter] * 4, s.Copy(0, 0, 1))) == over.format(0, 268435457)
    call = s.CallOnce(1, 900)
    assert of(subgraph(quarter, quarter, call), subgraph(quarter, less)) == ""
    told_of = of(subgraph(quarter, quarter, call), subgraph(quarter, quarter))
    assert told_of == over.format(0, 268435457)
    told_of = of(subgraph(quarter), subgraph(*[quarter] * 5))
    assert told_of == over.format(1, 335544320)
    twice = subgraph(less, call, s.CallOnce(2, 901))
    chain = (twice, subgraph(s.CallOnce(2, 902), s.Copy(0, 0, 5)), subgraph(quarter))
    # 2^26 - 1, then 1 + 1 + 2^26 + 5, then 1 + 2^26.
    assert of(*chain) == ""
    more = subgraph(less, call, s.CallOnce(2, 901), s.Copy(0, 0, (1 << 26) - 7))
    assert of(more, *chain[1:]) == ""
    more = subgraph(less, call, s.CallOnce(2, 901), s.Copy(0, 0, (1 << 26) - 6))
    assert of(more, *chain[1:]) == over.format(0, 268435457)


def test_works_of_ops_add_up() -> None:
    quarter = s.Copy(0, 0, 1 << 26)
    ops = (op(0, 2), op(2, 0), op(2, 3))
    model = replace(SOUND, arena_bytes=1 << 27, subgraphs=(PackedSubgraph((quarter,) * 5, ops),))
    text = "subgraph 0 does 335544320 units of work, boards do 268435456 at most"
    assert told(model) == text

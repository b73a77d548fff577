"""What the search for passes settles on, and ops and plans that it must leave alone."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from microinterp.arena.plan import Plan, plan
from microinterp.errors import ArenaError, Problem, UnsupportedError
from microinterp.model_builder import ModelBuilder
from microinterp.packed import pack
from microinterp.passes import Passed, run, run_passes
from microinterp.passes.crop import is_croppable
from tests.passes.checking import check_passed, prepared_of, samples_for, usual_outputs
from tests.passes.nets import ImageNet

WINDOW = {"padding": "VALID", "stride_h": 1, "stride_w": 1}
NUMBERS = {"scale": 0.5, "zero_point": 0}


def net() -> bytes:
    """Its first layers take the most memory."""
    made = ImageNet((16, 16, 2))
    made.conv(8, 3)
    made.conv(8, 3)
    made.pool("MAX_POOL_2D", 2, 2)
    return made.finish()


def test_with_room_enough_nothing_is_computed_twice() -> None:
    prepared = prepared_of(net())
    tight = run_passes(prepared, ["patches"], max_extra_macs=5.0)
    assert tight.extra_macs > 0
    roomy = run_passes(prepared, ["patches"], 1 << 20, max_extra_macs=5.0)
    assert roomy.extra_macs == 0
    assert tight.plan.head_bytes < roomy.plan.head_bytes
    limit = tight.plan.head_bytes
    assert run_passes(prepared, ["patches"], limit, 5.0).plan.head_bytes <= limit


def test_a_plan_that_is_not_sound_is_never_given(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepared_of(net())
    problem = Problem("overlap", "two buffers meet")
    monkeypatch.setattr(run, "check_plan", lambda *_: [problem])
    with pytest.raises(ArenaError, match=r"unsound plan: two buffers meet\n.*fault of ours"):
        run_passes(prepared, ["in-place", "overlap"])


def test_the_file_s_own_offsets_stay_where_the_search_finds_no_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared = prepared_of(net())
    start = Passed(prepared, plan(prepared), (), 0.0)
    for more, is_kept in ((16, True), (-16, False)):

        def searched(*_: Any, more: int = more, **__: Any) -> Plan:
            return replace(start.plan, head_bytes=start.plan.head_bytes + more)

        monkeypatch.setattr(run, "plan", searched)
        found = run._best(start)
        assert (found.plan is start.plan) == is_kept
        assert found.reports[-1].head_after == start.plan.head_bytes + min(0, more)


@pytest.mark.parametrize(
    ("shape", "is_constant", "is_good"),
    [
        ((1, 4, 4, 2), False, True),
        ((1, 1, 1, 2), False, False),
        ((1, 1, 1, 2), True, True),
        ((2,), True, True),
        ((1, 4, 4, 2), True, False),
        ((1, 1, 4, 2), True, False),
    ],
)
def test_only_what_says_nothing_of_rows_is_cut(
    shape: tuple[int, ...], is_constant: bool, is_good: bool
) -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 4, 4, 2), "int8", **NUMBERS)
    if is_constant:
        other = g.constant("c", np.ones(shape, np.int8), **NUMBERS)
    else:
        other = g.input("c", shape, "int8", **NUMBERS)
    y = g.tensor("y", (1, 4, 4, 2), "int8", **NUMBERS)
    g.op("ADD", [x, other], [y])
    g.output(y)
    ((item,),) = prepared_of(b.finish()).subgraphs
    assert is_croppable(item) == is_good


def padded(is_constant: bool) -> bytes:
    """PAD of an image, and a convolution of that; the image may be a constant."""
    b = ModelBuilder()
    g = b.subgraph("main")
    image = np.arange(16, dtype=np.int8).reshape(1, 4, 4, 1)
    given = g.input("x", (1, 4, 4, 1), "int8", **NUMBERS)
    x = g.constant("image", image, **NUMBERS) if is_constant else given
    sides = g.constant("sides", np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    wide = g.tensor("wide", (1, 6, 6, 1), "int8", **NUMBERS)
    w = g.constant("w", np.ones((1, 3, 3, 1), np.int8), scale=0.5, zero_point=0)
    y = g.tensor("y", (1, 4, 4, 1), "int8", **NUMBERS)
    z = g.tensor("z", (1, 4, 4, 1), "int8", **NUMBERS)
    g.op("PAD", [x, sides], [wide])
    g.op("CONV_2D", [wide, w], [y], **WINDOW)
    g.op("ADD", [y, given], [z])
    g.output(z)
    return b.finish()


@pytest.mark.parametrize("is_constant", [False, True])
def test_the_padding_of_a_constant_is_not_folded(is_constant: bool) -> None:
    data = padded(is_constant)
    passed = run_passes(prepared_of(data), ["fold-pad"])
    names = [item.node.name for item in passed.prepared.subgraphs[0]]
    assert ("PAD" in names) == is_constant
    samples = samples_for(data)
    check_passed(passed, samples, usual_outputs(data, samples))


def test_no_board_has_an_arena_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepared_of(net())
    made = plan(prepared)
    packing, wanted = import_module("microinterp.packed.pack"), pack(prepared, made)
    monkeypatch.setattr(packing, "MAX_NUMBER", made.head_bytes + 1)
    assert pack(prepared, made) == wanted
    monkeypatch.setattr(packing, "MAX_NUMBER", made.head_bytes)
    with pytest.raises(UnsupportedError, match=f"has an arena of {made.head_bytes} bytes"):
        pack(prepared, made)

"""Passes and limits that cannot be, models that passes leave alone, plans that files prescribe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.arena.plan import plan
from microinterp.errors import ArenaError, InputError, ModelError, UnsupportedError
from microinterp.model_builder import ModelBuilder
from microinterp.passes import NAMES, ladder, run_passes
from tests.passes.checking import (
    check_passed,
    passed_outputs,
    prepared_of,
    samples_for,
    usual_outputs,
)
from tests.passes.nets import ImageNet


def net() -> ImageNet:
    made = ImageNet((16, 16, 3))
    made.conv(8, 3)
    made.conv(8, 3)
    made.conv(4, 3, 2)
    return made


@pytest.mark.parametrize(
    "passes", ["fold", "", "auto,overlap", ["overlap", "Patches"], ["auto"], ["none"]]
)
def test_a_pass_that_there_is_not(passes: str | list[str]) -> None:
    """The message names it, the hint lists all there are."""
    name = passes if isinstance(passes, str) else passes[-1]
    with pytest.raises(InputError, match=f"no memory pass '{name}'") as caught:
        Interpreter.from_bytes(net().finish(), passes=passes)
    for known in NAMES:
        assert known in caught.value.hint


@pytest.mark.parametrize("passes", [None, 3, [None], [["overlap"]], [b"overlap"], "x\x1b[31m" * 99])
def test_passes_of_any_other_kind(passes: Any) -> None:
    with pytest.raises(InputError, match="no memory pass") as caught:
        Interpreter.from_bytes(net().finish(), passes=passes)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("passes", ["auto", ["overlap"], "none"])
@pytest.mark.parametrize(
    "limits",
    [
        {"max_extra_macs": -0.1},
        {"max_extra_macs": float("nan")},
        {"max_extra_macs": "10%"},
        {"max_extra_macs": None},
        {"ram_limit": -1},
        {"ram_limit": "64K"},
        {"ram_limit": float("nan")},
        {"ram_limit": [1]},
    ],
    ids=str,
)
def test_limits_are_numbers_from_nothing_up(passes: str, limits: dict[str, Any]) -> None:
    (name,) = limits
    if passes != "none" or name == "ram_limit":
        with pytest.raises(InputError, match=f"{name} is"):
            Interpreter.from_bytes(net().finish(), passes=passes, **limits)
    with pytest.raises(InputError, match=f"{name} is"):
        run_passes(prepared_of(net().finish()), passes, **limits)


def test_ladders_have_limits_too() -> None:
    with pytest.raises(InputError, match="max_extra_macs is -1"):
        ladder(prepared_of(net().finish()), -1)


def test_limits_of_nothing_are_limits() -> None:
    data = net().finish()
    passed = run_passes(prepared_of(data), "auto", 0, 0)
    assert passed.extra_macs == 0
    assert passed.plan.head_bytes == ladder(prepared_of(data), 0)[-1].plan.head_bytes


def test_all_tensors_cannot_be_preserved() -> None:
    with pytest.raises(InputError, match="preserve_all_tensors") as caught:
        Interpreter.from_bytes(net().finish(), passes="auto", preserve_all_tensors=True)
    assert caught.value.hint
    interpreter = Interpreter.from_bytes(net().finish(), passes="auto")
    with pytest.raises(InputError, match="share memory"):
        interpreter.get_tensor(1)


def test_too_little_ram_tells_both_numbers() -> None:
    """What the passes came to, and what was wanted."""
    data = net().finish()
    least = run_passes(prepared_of(data), "auto", max_extra_macs=0.1).plan.head_bytes
    assert Interpreter.from_bytes(data, passes="auto", ram_limit=least).arena.head_bytes == least
    for passes, need in (("auto", least), ("none", 4096), (["in-place"], 4096)):
        with pytest.raises(ArenaError, match=rf"{need} bytes.*{least - 1}") as caught:
            Interpreter.from_bytes(data, passes=passes, ram_limit=least - 1)
        assert caught.value.hint


def test_an_arena_that_is_too_small_for_what_passes_made() -> None:
    data = net().finish()
    least = Interpreter.from_bytes(data, passes="auto").arena.size
    assert Interpreter.from_bytes(data, passes="auto", arena_size=least).arena.size == least
    with pytest.raises(ArenaError, match="16 short"):
        Interpreter.from_bytes(data, passes="auto", arena_size=least - 16)


def keeper() -> bytes:
    """A CIRCULAR_BUFFER leaves its output as it was until enough rows are there."""
    b = ModelBuilder()
    g = b.subgraph("main")
    numbers = {"scale": 0.5, "zero_point": 0}
    x = g.input("x", (1, 1, 1, 8), "int8", **numbers)
    ring = g.tensor("ring", (1, 4, 1, 8), "int8", **numbers)
    y = g.tensor("y", (1, 4, 1, 8), "int8", **numbers)
    g.custom_op("CIRCULAR_BUFFER", [x], [ring])
    g.op("RELU", [ring], [y])
    g.output(y)
    return b.finish()


def test_outputs_that_depend_on_the_plan() -> None:
    """By name it is refused, at the op; auto leaves the model as it is."""
    data = keeper()
    for name in NAMES:
        with pytest.raises(UnsupportedError, match="leaves elements of its outputs") as caught:
            Interpreter.from_bytes(data, passes=[name])
        assert caught.value.where.op_name == "CIRCULAR_BUFFER"
        assert caught.value.hint
    passed = run_passes(prepared_of(data), "auto", 0)
    assert not passed.prepared.rewritten
    samples = samples_for(data, 6)
    assert passed_outputs(data, samples, passes="auto") == usual_outputs(data, samples)


def offline(model: ImageNet, gap: int) -> bytes:
    """The file prescribes an offset for each tensor that is no constant, with gaps between."""
    data = model.finish()
    tensors = prepared_of(data).graph.main.tensors
    offsets, free = [], 0
    for tensor in tensors:
        offsets.append(-1 if tensor.is_constant else free)
        free += 0 if tensor.is_constant else -(-tensor.nbytes // 16) * 16 + gap
    words = np.array([1, 0, len(tensors), *offsets], "<i4")
    model.builder.metadata("OfflineMemoryAllocation", words.tobytes())
    return model.builder.finish()


@pytest.mark.parametrize("passes", ["auto", ["overlap"], ["patches"], ["fold-pad"], list(NAMES)])
def test_a_plan_in_the_file_is_for_tflm(passes: str | list[str]) -> None:
    """Passes plan anew, those that find nothing to do among them."""
    usual, prescribed = net().finish(), offline(net(), 4096)
    prepared = prepared_of(prescribed)
    assert plan(prepared).head_bytes > 3 * 4096
    passed, samples = run_passes(prepared, passes), samples_for(usual, 2)
    assert passed.plan.head_bytes == run_passes(prepared_of(usual), passes).plan.head_bytes
    check_passed(passed, samples, usual_outputs(usual, samples))
    assert passed.reports[0].head_before == plan(prepared).head_bytes


def test_a_plan_in_the_file_is_the_first_rung() -> None:
    """Who has RAM enough for it gets it."""
    prepared = prepared_of(offline(net(), 64))
    head = plan(prepared).head_bytes
    assert run_passes(prepared, "auto", head).plan.head_bytes == head
    assert ladder(prepared)[0].plan.tensors == plan(prepared).tensors


def test_a_broken_plan_in_the_file_is_said_all_the_same() -> None:
    made = net()
    made.builder.metadata("OfflineMemoryAllocation", np.array([1, 0, 99], "<i4").tobytes())
    data = made.finish()
    with pytest.raises(ModelError, match="OfflineMemoryAllocation"):
        Interpreter.from_bytes(data, passes="auto")


def test_names_are_run_once_and_in_their_order() -> None:
    data = net().finish()
    passed = run_passes(prepared_of(data), ["overlap", "in-place", "fold-pad", "overlap"])
    assert passed.names == ("best", "fold-pad", "in-place", "overlap")
    one = run_passes(prepared_of(data), "overlap")
    assert one.names == ("best", "overlap")


def test_no_pass_is_no_change() -> None:
    data = net().finish()
    for passes in ("none", [], ()):
        passed = run_passes(prepared_of(data), passes)
        assert passed.reports == ()
        assert passed.plan.head_bytes == plan(prepared_of(data)).head_bytes
    assert Interpreter.from_bytes(data).passed is None
    interpreter = Interpreter.from_bytes(data, passes="auto")
    assert interpreter.passed is not None
    assert interpreter.arena.head_bytes == interpreter.passed.plan.head_bytes


def test_sizes_on_targets_are_for_graphs_of_the_file() -> None:
    """TFLM cannot run what passes have rewritten."""
    data = net().finish()
    with pytest.raises(ArenaError):
        Interpreter.from_bytes(data, passes=["overlap"]).arena.used_bytes("x86_64-wheel")
    assert Interpreter.from_bytes(data, passes=["fold-pad"]).arena.used_bytes("x86_64-wheel")

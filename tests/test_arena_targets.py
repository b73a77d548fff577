"""Sizes on targets with a table of round numbers; regions; what the arena's types promise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import numpy as np
import pytest

from microinterp.arena import (
    byte_liveness,
    check,
    extents,
    lifetimes,
    placing,
    plan,
    region_search,
    regions,
    report,
    sizes,
    target,
    target_cmsis,
    target_ops,
)
from microinterp.arena.regions import Region, check_regions, plan_regions, traffic_of
from microinterp.arena.sizes import Layout, Table, load_table, table_from
from microinterp.arena.target import Target, TargetSizes, find_target, sizes_with, target_sizes
from microinterp.arena.target_ops import REFERENCE
from microinterp.errors import ArenaError
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.prepare import Prepared
from tests.test_arena_report import doubling_model, mean_model
from tests.test_arena_sizes import negation

ROUND = {
    "SingleArenaBufferAllocator": 1,
    "RecordingSingleArenaBufferAllocator": 2,
    "GreedyMemoryPlanner": 10,
    "LinearMemoryPlanner": 20,
    "MicroAllocator": 100,
    "RecordingMicroAllocator": 200,
    "MicroBuiltinDataAllocator": 1000,
    "SubgraphAllocations": 10_000,
    "TfLiteEvalTensor": 1,
    "NodeAndRegistration": 7,
    "TfLiteTensor": 1000,
    "TfLiteAffineQuantization": 100,
    "TfLiteIntArray": 10,
    "int": 1,
}
"""Bytes of some types; all others have none, so that each term shows by itself."""


def table(**others: int) -> Table:
    names = load_table("arm-none-eabi-tflm-90b983c").structs
    return Table(
        "round", "test", {n: Layout({**ROUND, **others}.get(n, 0), 1) for n in {*names, *ROUND}}
    )


def asked(
    data: bytes, planner: str = "tflm", recording: bool = False, size: int = 0, **others: int
) -> TargetSizes:
    prepared = prepare_model(data, kernels="plain")
    build = Target("mine", "round", REFERENCE, is_recording=recording)
    return sizes_with(prepared, plan.plan(prepared, planner), build, table(**others), size)


def dense(scales: int) -> bytes:
    """x [1, 4] -> FULLY_CONNECTED of so many scales, with a bias -> y [1, 3]."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 4), "int8", scale=1.0, zero_point=0)
    scale: Any = [0.5] * scales if scales > 1 else 0.5
    options = {"scale": scale, "zero_point": [0] * scales if scales > 1 else 0}
    w = g.constant("w", np.ones((3, 4), np.int8), **options)
    bias = g.constant("bias", np.ones(3, np.int32), **options)
    y = g.tensor("y", (1, 3), "int8", scale=1.0, zero_point=0)
    g.op("FULLY_CONNECTED", [x, w, bias], [y])
    g.output(y)
    return b.finish()


def test_categories() -> None:
    """Allocator 1, planner 10, allocator 100, parser 1000, one subgraph: 11,111.

    4 tensors of 1 byte, 1 op of 7; its data, of none, are aligned: 11,122 up to 11,136. At the
    ends a pointer of none, a tensor of 1000, its quantisation of 100, and 10 + 1 for its zero
    point: 12,247, up to 12,256, and again.
    """
    found = asked(dense(1))
    assert dict(found.categories) == {
        "activations": 32,
        "scratch": 0,
        "interpreter": 11_111,
        "tensors": 4 + 1000 + 9 + 1000,
        "nodes": 7,
        "op options": 0,
        "op data": 14,
        "quantisation": 2 * 111,
    }
    assert found.tail_bytes == 13_367
    assert (found.head_bytes, found.used_bytes) == (32, 13_399)
    assert (found.target, found.table) == ("mine", "round")


def test_recording_and_linear_builds() -> None:
    """An interpreter that preserves all tensors never records."""
    by_build = {
        ("tflm", False): 11_111,
        ("tflm", True): 11_212,
        ("linear", False): 11_121,
        ("linear", True): 11_121,
    }
    for (planner, recording), wanted in by_build.items():
        assert asked(dense(1), planner, recording).categories["interpreter"] == wanted


def minimum(data: bytes, planner: str = "tflm", **others: int) -> int:
    """With structs of the ends and of the interpreter that take nothing."""
    nothing = dict.fromkeys(ROUND, 0)
    return asked(data, planner, **{**nothing, **others}).minimum_bytes


def test_temporary_tensors_need_room() -> None:
    """Four of FULLY_CONNECTED: 100 each, 30 of quantisation, 7 for an array and 1 by scale.

    Two at the ends stay: 2 * 138, up to 288, and a head of 32.
    """
    parts = {"TfLiteTensor": 100, "TfLiteAffineQuantization": 30, "TfLiteIntArray": 7, "int": 1}
    assert minimum(dense(1), **parts) == 4 * 138 + 8
    # three channels: 140 for w and bias, and multipliers and shifts that are kept, 16 each
    assert minimum(dense(3), **parts) == 592
    assert 2 * 138 + 2 * 140 + 2 * 16 <= 592 < 2 * 138 + 2 * 140 + 2 * 16 + 16


@pytest.mark.parametrize(
    ("data", "tensors", "buffers", "scratch"), [(dense(1), 4, 2, 0), (mean_model(), 3, 5, 3)]
)
def test_planning_needs_room(data: bytes, tensors: int, buffers: int, scratch: int) -> None:
    """MEAN asks for three scratch buffers: handles, and requests behind those that may come."""
    assert minimum(data, AllocationInfo=1000) == -(-(tensors + scratch) * 1000 // 16) * 16
    assert minimum(data, size_t=1600) == 1600
    requirements = {"GreedyMemoryPlanner::BufferRequirements": 1600}
    assert minimum(data, **requirements) == 1600 * buffers
    entries = {"GreedyMemoryPlanner::ListEntry": 1600}
    assert minimum(data, **entries) == 1600 * buffers
    assert minimum(data, "linear", **requirements, **entries) < 1600
    assert minimum(data, int=1600) >= 3 * 1600 * buffers
    one = {"ScratchBufferRequest": 160}
    assert minimum(data, **one, **{"requests per op": 1}) >= 160 * scratch
    handles = asked(data, ScratchBufferHandle=3).categories.get("scratch handles", 0)
    assert handles == 3 * scratch


def test_requests_for_scratch() -> None:
    """Room for 2 more requests of 1000 at any time: 2 before MEAN, 5 behind it."""
    two = {"ScratchBufferRequest": 1000, "requests per op": 2}
    assert minimum(mean_model(), **two) == 5008
    assert minimum(dense(1), **two) == 2000


def test_an_end_that_is_not_aligned() -> None:
    """5 more bytes at the end: structs of 188 reach 189, and so on to 277. The minimum stays."""
    prepared = prepare_model(negation(), kernels="plain")
    made = plan.plan(prepared)
    found = target_sizes(prepared, made, "cortex-m-reference", 1605)
    assert (found.tail_bytes, found.used_bytes, found.minimum_bytes) == (277, 309, 480)
    for size in (0, 16, 1600, None):
        found = target_sizes(prepared, made, "cortex-m-reference", size)
        assert (found.tail_bytes, found.minimum_bytes) == (272, 480)


def test_scratch_is_told_apart() -> None:
    """MEAN: x of 256 and y of 64 bytes; scratch of 256 for the sums and twice 16 comes on top."""
    found = asked(mean_model())
    assert found.categories["activations"] == 320
    assert found.categories["scratch"] == found.head_bytes - 320 == 256 + 16 + 16


def variables(assignments: int) -> bytes:
    """One variable of 24 bytes that is assigned so often."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (24,), "int8")
    handle = g.tensor("handle", (), "resource")
    g.op("VAR_HANDLE", [], [handle], shared_name="v")
    for _ in range(assignments):
        g.op("ASSIGN_VARIABLE", [handle, x], [])
    y = g.tensor("y", (24,), "int8")
    g.op("READ_VARIABLE", [handle], [y])
    g.output(y)
    return b.finish()


@pytest.mark.parametrize("assignments", [1, 2, 3])
def test_a_variable_is_made_by_its_first_assignment(assignments: int) -> None:
    """A struct of 160, one of 16 for each, up to 16 from where they begin; and 32 for 24 bytes."""
    parts = {"MicroResourceVariables": 160, "MicroResourceVariable": 16}
    nothing = dict.fromkeys(ROUND, 0)
    found = asked(variables(assignments), **nothing, **parts)
    assert found.categories["variables"] == 160 + 16 + 32


def test_unknown_targets() -> None:
    for name in ("", "cortex", "cortex-m-cmsis-nn-"):
        with pytest.raises(ArenaError) as error:
            find_target(name)
        assert error.value.message == f"no target '{name}'"
        assert error.value.hint == (
            "there are x86_64-wheel, cortex-m-reference, cortex-m-cmsis-nn-c,"
            " cortex-m-cmsis-nn-dsp, cortex-m-cmsis-nn-mve, cortex-m-cmsis-nn"
        )
    flags = [
        (t.cpu, t.is_recording, t.decompresses, "SignalRfft" in t.kernels)
        for t in target.TARGETS.values()
    ]
    assert flags == [
        ("c", True, True, True),
        *(("c", False, False, True),) * 2,
        ("dsp", False, False, True),
        ("mve", False, False, True),
    ]


def test_tables() -> None:
    base = {"source": "words", "structs": {"a": [3, 1], "b": [8, 4]}}
    made = table_from("mine", base)
    assert (made.name, made.source) == ("mine", "words")
    assert made["b"] == Layout(8, 4)
    assert (made.size("a"), made.size("a", 0), made.size("b", 3)) == (3, 0, 24)
    chip = table_from("more", {**base, "extends": "arm-none-eabi-tflm-90b983c"})
    assert (chip.size("a"), chip.size("OpDataAdd")) == (3, 60)
    with pytest.raises(ArenaError) as error:
        made["c"]
    assert error.value.message == "table 'mine' has no size of c"
    for broken in ({"source": "words"}, {"structs": {}}, {"source": 1, "structs": {}}, {}):
        with pytest.raises(ArenaError) as error:
            table_from("mine", broken)
        assert error.value.message == "table 'mine' of struct sizes has no source, or no structs"
    with pytest.raises(ArenaError) as error:
        load_table("none")
    assert error.value.message == "no table 'none' of struct sizes"
    assert error.value.hint.startswith("there are arm-none-eabi-cmsis-nn-tflm-90b983c, arm-none")
    assert load_table("arm-none-eabi-tflm-90b983c") is load_table("arm-none-eabi-tflm-90b983c")


def rewritten(prepared: Prepared) -> Iterator[Prepared]:
    """The same model with an op less, with one that is another, with a tensor more."""
    main = prepared.graph.main
    other = replace(main.nodes[0], operator=replace(main.nodes[0].operator))
    for changes in (
        {"nodes": main.nodes[1:]},
        {"nodes": (other, *main.nodes[1:])},
        {"nodes": main.nodes[::-1]},
        {"tensors": (*main.tensors, main.tensors[0])},
    ):
        made: Any = changes
        yield replace(prepared, graph=replace(prepared.graph, subgraphs=(replace(main, **made),)))


def test_rewritten_graphs_are_refused() -> None:
    prepared = prepare_model(doubling_model(), kernels="plain")
    target._require_as_in_file(prepared)
    for changed in rewritten(prepared):
        with pytest.raises(ArenaError) as error:
            target._require_as_in_file(changed)
        assert error.value.message == (
            "memory passes have rewritten the graph, which TFLM cannot run so"
        )
        assert error.value.hint == "ask for the target's sizes of the model without passes"


def test_regions_to_the_byte() -> None:
    """a (32 bytes, most traffic) in the fast one, x and b in the slow one: 64 bytes."""
    prepared = prepare_model(doubling_model())

    def said(fast: int, slow: int) -> tuple[list[str], int]:
        made = plan_regions(prepared, [Region("fast", fast), Region("slow", slow)])
        return [p.message for p in check_regions(prepared, made)], made.short_bytes

    assert said(32, 64) == ([], 0)
    made = plan_regions(prepared, [Region("fast", 32), Region("slow", 64)])
    assert [(use.short_bytes, use.plan.bound) for use in made.uses] == [(0, None)] * 2
    assert [use.traffic for use in made.uses] == [(96,), (32, 64)]
    assert [use.plan.planner for use in made.uses] == ["regions"] * 2
    tight = replace(made, uses=(made.uses[0], replace(made.uses[1], region=Region("slow", 63))))
    assert tight.uses[1].short_bytes == tight.short_bytes == 1
    (problem,) = check_regions(prepared, tight)
    assert problem.rule == "region"
    assert problem.message.endswith(" leaves region slow of 63 bytes")
    below = replace(made.uses[0].plan.placed[0], offset=-16)
    use = replace(made.uses[0], plan=replace(made.uses[0].plan, placed=(below,)))
    rules = [p.rule for p in check_regions(prepared, replace(made, uses=(use, made.uses[1])))]
    assert rules[0] == "region"
    (wide,) = plan_regions(prepared, [Region("ram", 96)]).uses
    assert (wide.short_bytes, wide.plan.head_bytes) == (0, 96)
    (short,) = plan_regions(prepared, [Region("ram", 95)]).uses
    assert short.short_bytes == 1


def test_regions_that_are_refused() -> None:
    prepared = prepare_model(doubling_model())
    for wanted, message in (
        ([], "there is no region"),
        ([Region("a", 1), Region("b", 0)], "region 'b' has 0 bytes"),
        ([Region("a\n", -1)], "region 'a\\n' has -1 bytes"),
        ([Region("a", 1), Region("b", 1), Region("b", 2)], "two regions have the name 'b'"),
    ):
        with pytest.raises(ArenaError) as error:
            plan_regions(prepared, wanted)
        assert error.value.message.startswith(message)
    assert plan_regions(prepared, [Region("a", 1)]).short_bytes == 95


def test_traffic_of_scratch() -> None:
    """Written and read once; the model's own tensors as the op reads and writes them."""
    found = traffic_of(prepare_model(mean_model()))
    assert found == {
        (0, 0): 256,
        (0, 1): 8,
        (0, 2): 64,
        (0, 0, 0): 2 * 256,
        (0, 0, 1): 2 * 16,
        (0, 0, 2): 2 * 8,
    }


FROZEN = {
    byte_liveness.ByteLiveness: True,
    check.SubgraphLiveness: True,
    extents.Extent: False,
    placing.Blocks: True,
    plan.Placed: True,
    plan.Plan: False,
    region_search.Placement: True,
    region_search.RegionTask: False,
    regions.Region: True,
    regions.RegionUse: False,
    regions.RegionPlan: False,
    regions._Task: False,
    report.Moment: True,
    report.Shades: True,
    sizes.Layout: True,
    sizes.Table: True,
    target.Target: True,
    target.TargetSizes: True,
    target_cmsis._Window: True,
    target_ops.Footprint: True,
    target_ops.Site: True,
}
"""Types that nothing may be written to; whether two of them with equal fields are equal."""


@pytest.mark.parametrize("kind", FROZEN, ids=lambda kind: kind.__name__)
def test_facts_cannot_be_changed(kind: type[Any]) -> None:
    made = object.__new__(kind)
    for each in fields(kind):
        with pytest.raises(FrozenInstanceError):
            setattr(made, each.name, 1)
    assert (kind.__eq__ is not object.__eq__) == FROZEN[kind]
    if kind.__dataclass_params__.eq:
        assert kind.__hash__ is not None


SLOTTED = (
    *(check.SubgraphLiveness, extents.Touched, lifetimes.Request, plan.Placed, report.Shades),
    *(sizes.Layout, target_cmsis._Window, target_ops.Footprint, target_ops.Site),
)


def test_small_facts_have_no_dictionary() -> None:
    assert all("__dict__" not in dir(object.__new__(kind)) for kind in SLOTTED)


def test_long_fields_are_not_printed() -> None:
    hidden = {
        kind.__name__: [each.name for each in fields(kind) if not each.repr]
        for kind in FROZEN
        if any(not each.repr for each in fields(kind))
    }
    assert hidden == {
        "Extent": ["low", "high"],
        "Blocks": ["limits"],
        "Plan": ["placed", "tensors", "scratch"],
        "RegionUse": ["traffic"],
        "Moment": ["alive", "spans"],
        "Table": ["structs"],
        "Target": ["kernels"],
    }

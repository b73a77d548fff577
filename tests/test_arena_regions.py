"""Plans over several memories: sound, as good as all orders make them, one region as `best`."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microinterp.arena.embed import embed
from microinterp.arena.lifetimes import buffer_requests
from microinterp.arena.placing import Blocks, align_up, ordinary_blocks
from microinterp.arena.plan import plan
from microinterp.arena.region_search import RegionTask
from microinterp.arena.regions import Region, RegionPlan, check_regions, plan_regions, traffic_of
from microinterp.errors import ArenaError
from microinterp.interpreter import prepare_model
from microinterp.model import load
from microinterp.prepare import Prepared
from tests.conftest import shared_model
from tests.models import chain_model
from tests.random_graphs import random_graphs
from tests.test_arena_best import requests, staggered_model
from tests.test_arena_report import doubling_model, mean_model
from tests.test_arena_svg import overlapped


def two(fast: int, slow: int) -> list[Region]:
    return [Region("fast", fast), Region("slow", slow)]


def where(made: RegionPlan) -> dict[str, list[tuple[int, ...]]]:
    """Keys of the buffers in each region."""
    return {
        use.region.name: [p.request.tensor or p.request.scratch or () for p in use.plan.placed]
        for use in made.uses
    }


def test_traffic_by_hand() -> None:
    """x is read once; a is written once and read twice by the CONCATENATION; b is written once."""
    assert traffic_of(prepare_model(doubling_model())) == {(0, 0): 32, (0, 1): 96, (0, 2): 64}


def test_traffic_of_scratch_and_constants() -> None:
    prepared = prepare_model(mean_model())
    traffic = traffic_of(prepared)
    (item,) = prepared.nodes()
    assert traffic[0, 0] == 256
    assert traffic[0, 0, 0] == 2 * item.kernel.scratch[0]


def test_by_hand() -> None:
    """a has the most traffic per byte (3) and x and b have 1 each; b fits beside a, x before it."""
    prepared = prepare_model(doubling_model())
    made = plan_regions(prepared, two(32, 64))
    assert where(made) == {"fast": [(0, 1)], "slow": [(0, 0), (0, 2)]}
    assert [use.plan.head_bytes for use in made.uses] == [32, 64]
    assert [use.traffic_bytes for use in made.uses] == [96, 96]
    assert made.traffic_bytes == 192
    assert made.short_bytes == 0
    assert check_regions(prepared, made) == []
    assert where(plan_regions(prepared, two(96, 16)))["slow"] == []


def test_three_regions_fill_in_order() -> None:
    prepared = prepare_model(doubling_model())
    regions = [Region("a", 32), Region("b", 64), Region("c", 32)]
    made = plan_regions(prepared, regions)
    assert where(made) == {"a": [(0, 1)], "b": [(0, 0), (0, 2)], "c": []}


def test_bytes_short() -> None:
    prepared = prepare_model(doubling_model())
    made = plan_regions(prepared, two(32, 48))
    assert made.short_bytes == 16
    assert made.peak_bytes == 96
    assert [use.short_bytes for use in made.uses] == [0, 16]
    assert {problem.rule for problem in check_regions(prepared, made)} == {"region"}


def test_the_checker_finds_what_is_wrong() -> None:
    prepared = prepare_model(doubling_model())
    made = plan_regions(prepared, two(32, 64))
    fast, slow = made.uses

    def rules(*placed: object) -> set[str]:
        broken = replace(fast.plan, placed=placed)  # type: ignore[arg-type]
        uses = (replace(fast, plan=broken), slow)
        return {problem.rule for problem in check_regions(prepared, replace(made, uses=uses))}

    (a,) = fast.plan.placed
    b = slow.plan.placed[1]
    assert rules(a) == set()
    assert rules() == {"placed"}
    assert rules(replace(a, offset=16)) >= {"region"}
    assert rules(a, b) >= {"region"}
    both = replace(slow.plan, placed=(*slow.plan.placed, a))
    uses = (replace(fast, plan=replace(fast.plan, placed=())), replace(slow, plan=both))
    found = check_regions(prepared, replace(made, uses=uses))
    assert [problem.rule for problem in found] == ["overlap", "overlap"]


@pytest.mark.parametrize("data", [doubling_model(), mean_model(), staggered_model(), chain_model()])
def test_one_region_is_the_planner_best(data: bytes) -> None:
    prepared = prepare_model(data)
    best = plan(prepared, "best")
    (use,) = plan_regions(prepared, [Region("ram", 10_000)]).uses
    assert use.plan.placed == best.placed
    assert use.plan.head_bytes == best.head_bytes


def test_tensors_and_scratch_of_a_region() -> None:
    """MEAN: 256 of sums, x, y and twice 16, all at once; of equal sizes the later goes first."""
    (use,) = plan_regions(prepare_model(mean_model()), [Region("ram", 608)]).uses
    assert use.plan.tensors == {(0, 0): 256, (0, 2): 512}
    assert use.plan.scratch == {(0, 0, 0): 0, (0, 0, 1): 592, (0, 0, 2): 576}
    assert (use.plan.head_bytes, use.short_bytes) == (608, 0)


def density_first(prepared: Prepared, regions: list[Region]) -> list[int] | None:
    """The baseline, written anew: traffic of each region, None where it does not fit."""
    traffic = traffic_of(prepared)
    asked = buffer_requests(prepared)
    keys = [request.tensor or request.scratch or () for request in asked]
    sizes = [align_up(request.nbytes) for request in asked]
    order = sorted(
        range(len(asked)), key=lambda i: (-traffic.get(keys[i], 0) / sizes[i], -sizes[i])
    )
    moved = [0] * len(regions)
    places: dict[int, tuple[int, int]] = {}
    for i in order:
        for number, region in enumerate(regions):
            taken = [
                range(offset, offset + sizes[j])
                for j, (at, offset) in places.items()
                if at == number
                and asked[j].first <= asked[i].last
                and asked[i].first <= asked[j].last
            ]
            free = (
                offset
                for offset in range(0, region.size - sizes[i] + 1, 16)
                if all(offset >= t.stop or offset + sizes[i] <= t.start for t in taken)
            )
            offset = next(free, None)
            if offset is not None:
                places[i] = number, offset
                moved[number] += traffic.get(keys[i], 0)
                break
        else:
            return None
    return moved


REGION_SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=3)


def check_graph(data: bytes, sizes: list[int]) -> None:
    """Sound, no worse than the baseline, and short only where it says so."""
    prepared = prepare_model(data, kernels="plain")
    regions = [Region(f"r{i}", 32 * size) for i, size in enumerate(sizes)]
    made = plan_regions(prepared, regions)
    problems = check_regions(prepared, made)
    assert {problem.rule for problem in problems} == ({"region"} if made.short_bytes else set())
    baseline = density_first(prepared, regions)
    if baseline is not None:
        assert made.short_bytes == 0
        assert [use.traffic_bytes for use in made.uses] >= baseline
    if len(regions) == 1:
        best = plan(prepared, "best").head_bytes
        assert made.uses[0].plan.head_bytes == best
        assert made.short_bytes == max(0, best - regions[0].size)


@given(data=random_graphs(), sizes=REGION_SIZES)
def test_random_graphs(data: bytes, sizes: list[int]) -> None:
    check_graph(data, sizes)


@pytest.mark.thorough
@settings(max_examples=1000)
@given(data=random_graphs(), sizes=REGION_SIZES)
def test_a_thousand_random_graphs(data: bytes, sizes: list[int]) -> None:
    check_graph(data, sizes)


def blocks_of(chance: random.Random) -> tuple[Blocks, list[int]]:
    """Six buffers and their traffic."""
    lives = []
    for _ in range(6):
        first = chance.randrange(5)
        lives.append((16 * chance.randint(1, 6), first, min(5, first + chance.randrange(3))))
    asked, sizes = requests(*lives)
    return ordinary_blocks(asked, sizes), [size * chance.randint(1, 4) for size in sizes]


def test_the_best_of_all_orders_is_found_where_there_are_few() -> None:
    """Any placement that fits can be reached by an order: the best of them is the best there is.

    Where none fits, the least bytes short of all orders are found.
    """
    chance = random.Random(5)
    first_is_best = fitting = 0
    for _ in range(50):
        blocks, traffic = blocks_of(chance)
        room = [16 * chance.randint(3, 8), 16 * chance.randint(6, 14)]
        task = RegionTask(blocks, traffic, room)
        scores = [task.score(task.placed(order)) for order in itertools.permutations(range(6))]
        least, found = min(scores), task.score(task.searched())
        assert found[0] == least[0]
        if least[0]:
            continue
        assert found == least
        fitting += 1
        density = sorted(range(6), key=lambda i: -traffic[i] / blocks.sizes[i])
        first_is_best += task.score(task.placed(density)) == least
    assert fitting > 15
    assert first_is_best < fitting - 5


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ([], "there is no region"),
        ([Region("a", 0)], "region 'a' has 0 bytes"),
        ([Region("a", 16), Region("a", 32)], "two regions have the name 'a'"),
    ],
)
def test_refusals(regions: list[Region], message: str) -> None:
    with pytest.raises(ArenaError, match=message):
        plan_regions(prepare_model(doubling_model()), regions)


def test_an_offline_plan_is_for_one_arena() -> None:
    data = doubling_model()
    planned = embed(data, load(data), {(0, 0): 0, (0, 1): 64, (0, 2): 0})
    with pytest.raises(ArenaError, match="one arena"):
        plan_regions(prepare_model(planned), two(64, 64))


def test_the_plan_is_the_same_every_time() -> None:
    prepared = prepare_model(staggered_model())
    one, other = (plan_regions(prepared, two(32, 64)) for _ in range(2))
    assert [use.plan.placed for use in one.uses] == [use.plan.placed for use in other.uses]


def test_pieces_of_passes_have_regions_too() -> None:
    """Rows of convolutions lie over each other in both regions; nothing needs more room."""
    passed = overlapped()
    prepared, head = passed.prepared, passed.plan.head_bytes
    (use,) = plan_regions(prepared, [Region("ram", head)]).uses
    assert use.short_bytes == 0
    made = plan_regions(prepared, two(1024, head))
    assert check_regions(prepared, made) == []
    assert all(use.plan.placed for use in made.uses)
    assert made.uses[0].plan.head_bytes == 1024
    broken = made.uses[1].plan
    moved = tuple(replace(p, offset=p.offset + head) for p in broken.placed)
    uses = (made.uses[0], replace(made.uses[1], plan=replace(broken, placed=moved)))
    assert {p.rule for p in check_regions(prepared, replace(made, uses=uses))} >= {"region"}


def test_vww_in_two_memories() -> None:
    """32 KiB fast, 64 KiB slow: the tensor of 36,864 bytes can only be in the slow one."""
    prepared = prepare_model(shared_model("vww_96_int8.tflite"), kernels="plain")
    made = plan_regions(prepared, two(32 * 1024, 64 * 1024))
    assert check_regions(prepared, made) == []
    fast = made.uses[0]
    assert (0, 60) in where(made)["slow"]
    assert fast.traffic_bytes >= 344_326
    traffic = traffic_of(prepared)
    planned = {key for keys in where(made).values() for key in keys}
    assert made.traffic_bytes == sum(traffic[key] for key in planned)

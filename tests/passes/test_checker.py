"""The byte checker is not blind: a good plan, changed a little, is refused or still runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from microinterp.arena.check import check_plan
from microinterp.arena.check_bytes import check_bytes
from microinterp.arena.plan import Placed, Plan, plan_pieces
from microinterp.binding import bind
from microinterp.graph import Part, Tensor
from microinterp.passes.in_place import in_place
from microinterp.passes.in_place_depthwise import in_place_depthwise
from microinterp.passes.overlap import overlap
from microinterp.passes.patches import Grid, patches
from microinterp.prepare import Prepared, PreparedNode
from microinterp.runtimes.tflm import Sample
from tests.passes.checking import Outputs, prepared_of, samples_for, usual_outputs
from tests.passes.nets import ImageNet

Key = tuple[int, ...]


def key_of(placed: Placed) -> Key:
    return placed.request.tensor or placed.request.scratch or ()


def shifted(plan: Plan, key: Key, by: int) -> Plan:
    """The plan with one buffer elsewhere; its head stays as large as it was."""
    placed = tuple(replace(p, offset=p.offset + by) if key_of(p) == key else p for p in plan.placed)
    return replace(
        plan,
        placed=placed,
        tensors={p.request.tensor: p.offset for p in placed if p.request.tensor is not None},
        scratch={p.request.scratch: p.offset for p in placed if p.request.scratch is not None},
    )


def rules(prepared: Prepared, plan: Plan) -> set[str]:
    """The rules that are broken."""
    return {problem.rule for problem in check_plan(prepared, plan)}


def outputs(prepared: Prepared, plan: Plan, samples: list[Sample]) -> Outputs:
    """What it gives as it is."""
    binding, found = bind(prepared, plan), []
    for sample in samples:
        assert sample is not None
        for tensor, array in zip(prepared.graph.main.inputs, sample, strict=True):
            binding.of(tensor)[...] = array
        binding.run()
        found.append([binding.of(t).tobytes() for t in prepared.graph.main.outputs])
    return found


def chain() -> bytes:
    """Convolutions whose outputs are as large as their inputs: rows move in behind rows."""
    net = ImageNet((12, 6, 4))
    net.conv(4, 3)
    net.conv(6, 3)
    net.depthwise(3)
    net.conv(4, 3, 2)
    return net.finish()


def residual() -> bytes:
    net = ImageNet((8, 8, 4))
    net.conv(4, 3)
    start = net.conv(4, 3)
    net.depthwise(3)
    net.relu()
    net.add(start)
    net.conv(3, 3, 2)
    return net.finish()


def all_passes(prepared: Prepared) -> Prepared:
    return overlap(in_place_depthwise(in_place(prepared)))


def patched(prepared: Prepared) -> Prepared:
    return overlap(in_place(patches(prepared, Grid(2, 3, 2))))


CASES = [(model, made) for model in (chain, residual) for made in (overlap, all_passes, patched)]
IDS = [f"{model.__name__} {made.__name__}" for model, made in CASES]


@pytest.mark.parametrize(("model", "rewrite"), CASES, ids=IDS)
def test_a_shifted_buffer_is_refused_or_does_no_harm(
    model: Callable[[], bytes], rewrite: Callable[[Prepared], Prepared]
) -> None:
    """Every buffer by every multiple of 16 bytes that leaves it in the head, and two outside."""
    data = model()
    made, samples = rewrite(prepared_of(data)), samples_for(data, 1)
    wanted = usual_outputs(data, samples)
    plan = plan_pieces(made)
    assert rules(made, plan) == set()
    seen: Counter[str] = Counter()
    for placed in plan.placed:
        for offset in range(-16, plan.head_bytes - placed.size + 17, 16):
            moved = shifted(plan, key_of(placed), offset - placed.offset)
            found = rules(made, moved)
            if not found:
                assert outputs(made, moved, samples) == wanted
                seen["harmless"] += 1
            elif "inside_head" in found:
                assert not 0 <= offset <= plan.head_bytes - placed.size
                seen["outside"] += 1
            else:
                assert found == {"overlap"}
                seen["refused"] += 1
                seen["harm"] += outputs(made, moved, samples) != wanted
    print(dict(seen))
    assert seen["harmless"] >= len(plan.placed)  # each one where it was
    assert seen["outside"] >= 1
    assert seen["refused"] > 10
    # NumPy reads all of an op's inputs before it writes: on a chip more of them would do harm.
    assert seen["harm"] > 0.25 * seen["refused"]


@pytest.mark.parametrize(("model", "rewrite"), CASES, ids=IDS)
def test_a_row_closer_than_the_plan_has_it(
    model: Callable[[], bytes], rewrite: Callable[[Prepared], Prepared]
) -> None:
    """The head that the plan needs is refused 16 bytes smaller."""
    made = rewrite(prepared_of(model()))
    plan = plan_pieces(made)
    least = max(p.offset + p.request.nbytes for p in plan.placed)
    assert rules(made, replace(plan, head_bytes=least)) == set()
    assert "inside_head" in rules(made, replace(plan, head_bytes=least - 1))


def reordered(made: Prepared, items: list[PreparedNode]) -> Prepared:
    """The graph with its nodes in another order, numbered anew."""
    numbered = tuple(
        replace(item, node=replace(item.node, index=i)) for i, item in enumerate(items)
    )
    main = replace(made.graph.main, nodes=tuple(item.node for item in numbered))
    graph = replace(made.graph, subgraphs=(main, *made.graph.subgraphs[1:]))
    return replace(made, graph=graph, subgraphs=(numbered, *made.subgraphs[1:]))


def test_rows_the_other_way_round_are_refused_or_do_no_harm() -> None:
    """Each op that runs row by row, from its other end: one that moved in behind its input breaks.

    The plan is the one for the right direction.
    """
    data = chain()
    made, samples = overlap(prepared_of(data)), samples_for(data, 2)
    wanted, plan = usual_outputs(data, samples), plan_pieces(made)
    items = list(made.subgraphs[0])
    refused = 0
    for number in {item.node.file_index for item in items if item.is_piece}:
        at = [i for i, item in enumerate(items) if item.node.file_index == number]
        other = [*items[: at[0]], *reversed(items[at[0] : at[-1] + 1]), *items[at[-1] + 1 :]]
        turned = reordered(made, other)
        found = rules(turned, plan)
        assert found <= {"overlap"}
        refused += bool(found)
        assert (outputs(turned, plan, samples) == wanted) == (not found)
    assert refused >= 2


def changed(made: Prepared, position: int, item: PreparedNode) -> Prepared:
    """The graph with another node at a position."""
    items = list(made.subgraphs[0])
    items[position] = item
    return reordered(made, items)


def test_writing_over_an_input_must_be_said() -> None:
    net = ImageNet((4, 4, 2))
    net.relu()
    made = in_place(prepared_of(net.finish()))
    plan = plan_pieces(made)
    item = made.subgraphs[0][0]
    assert rules(made, plan) == set()
    assert rules(changed(made, 0, replace(item, in_place=None)), plan) == {"in_place"}


def test_the_right_input_must_be_named() -> None:
    net = ImageNet((4, 4, 2))
    start = net.conv(2)
    net.relu()
    first = net.at
    net.made("LEAKY_RELU", [start], net.size, alpha=0.5)
    net.add(first)
    made = in_place(prepared_of(net.finish()))
    position, item = next(
        (i, item) for i, item in enumerate(made.subgraphs[0]) if item.node.name == "ADD"
    )
    assert item.in_place is not None
    wrong = changed(made, position, replace(item, in_place=1 - item.in_place))
    assert rules(wrong, plan_pieces(made)) == {"in_place"}


def moved_output(made: Prepared, part: Callable[[Tensor], Part]) -> Prepared:
    """The graph with the output of its last op, a RELU or so, in another part of its input."""
    item = made.subgraphs[0][-1]
    x = item.node.input(0)
    out = replace(item.node.output(), part=part(x))
    tensors = tuple(out if t.index == out.index else t for t in made.graph.main.tensors)
    main = replace(made.graph.main, tensors=tensors, outputs=(out,))
    graph = replace(made.graph, subgraphs=(main, *made.graph.subgraphs[1:]))
    node = replace(item.node, outputs=(out,))
    return changed(replace(made, graph=graph), len(main.nodes) - 1, replace(item, node=node))


def elements_over_others() -> Iterator[tuple[str, Prepared]]:
    """Outputs that lie in their input, but not element over element."""
    everything = slice(None)
    net = ImageNet((4, 4, 2))
    net.relu()
    made = in_place(prepared_of(net.finish()))
    yield (
        "backwards",
        moved_output(
            made, lambda x: Part(x, (everything, slice(None, None, -1), *[everything] * 2))
        ),
    )
    yield "transposed", moved_output(made, lambda x: Part(x, (everything,) * 4, (0, 2, 1, 3)))
    net = ImageNet((4, 4, 2))
    net.depthwise(3)
    made = in_place_depthwise(prepared_of(net.finish()))
    yield (
        "channels",
        moved_output(made, lambda x: Part(x, (*[everything] * 3, slice(None, None, -1)))),
    )


@pytest.mark.parametrize(("name", "made"), list(elements_over_others()))
def test_elements_must_lie_over_their_own(name: str, made: Prepared) -> None:
    assert rules(made, plan_pieces(made)) == {"in_place"}, name


def test_layers_that_look_around_may_not_write_over_their_input() -> None:
    """Even where element lies over element; a depthwise one may, with a channel of scratch."""
    net = ImageNet((4, 4, 2))
    net.depthwise(3)
    made = in_place_depthwise(prepared_of(net.finish()))
    plan, item = plan_pieces(made), made.subgraphs[0][0]
    assert rules(made, plan) == set()
    for name in ("CONV_2D", "AVERAGE_POOL_2D", "SOFTMAX", "TRANSPOSE"):
        other = replace(item, node=replace(item.node, name=name))
        assert rules(changed(made, 0, other), plan) == {"in_place"}
    for scratch in ((), (15,)):
        other = replace(item, kernel=replace(item.kernel, scratch=scratch))
        assert rules(changed(made, 0, other), plan) == {"in_place"}


def test_a_buffer_without_a_place_is_missed() -> None:
    made = overlap(prepared_of(chain()))
    plan = plan_pieces(made)
    for lost in plan.placed:
        fewer = replace(plan, placed=tuple(p for p in plan.placed if p is not lost))
        assert rules(made, fewer) == {"placed"}


def test_a_patch_that_is_left_out_is_missed() -> None:
    """What it would have written is read all the same: by the next layer, or by nobody."""
    data = chain()
    made = patches(prepared_of(data), Grid(2, 3, 2))
    plan, items = plan_pieces(made), list(made.subgraphs[0])
    pieces = [i for i, item in enumerate(items) if item.is_piece]
    assert len(pieces) == 12
    for lost in pieces:
        fewer = [item for i, item in enumerate(items) if i != lost]
        assert "written" in rules(reordered(made, fewer), plan)


def test_a_halo_that_is_too_small_is_missed() -> None:
    """A patch computes a row less than the next layer of the patch reads."""
    data = chain()
    made = patches(prepared_of(data), Grid(2, 3, 1))
    plan = plan_pieces(made)
    item = made.subgraphs[0][0]
    out = item.node.output()
    less = replace(
        out,
        index=len(made.graph.main.tensors),
        shape=(1, out.shape[1] - 1, *out.shape[2:]),
        nbytes=out.nbytes * (out.shape[1] - 1) // out.shape[1],
        part=Part(out, (slice(None), slice(0, out.shape[1] - 1), slice(None), slice(None))),
    )
    short = changed(made, 0, replace(item, node=replace(item.node, outputs=(less,))))
    assert rules(short, plan) == {"written"}


def test_the_checker_takes_nothing_from_the_planner() -> None:
    """Offsets are all that it gets: buffers on top of each other are found whoever placed them."""
    made = overlap(prepared_of(chain()))
    nowhere = {key_of(p): 0 for p in plan_pieces(made).placed}
    found = list(check_bytes(made, nowhere, 10_000))
    assert {problem.rule for problem in found} == {"overlap"}
    assert len({problem.where.op_index for problem in found}) == 4
    assert np.all([problem.message.startswith("tensor ") for problem in found])

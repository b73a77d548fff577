"""What memory passes make of models, packed: the same bytes as without them, on host and board."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from microinterp.arena.plan import plan_pieces
from microinterp.errors import UnsupportedError
from microinterp.graph import Part
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.packed import load, pack, pack_with_report
from microinterp.packed import steps as s
from microinterp.packed.groups import groups
from microinterp.passes import NAMES, Passed, run_passes
from microinterp.passes.patches import Grid, patches
from tests.boards.random_steps import Axis, Geometry
from tests.marks import slow, thorough
from tests.oracle import random_samples
from tests.packed.compare import Packed, check_on_board, compare
from tests.packed.test_real import MODELS
from tests.passes.nets import ImageNet

CHOICES: tuple[Sequence[str] | str, ...] = (
    "auto",
    ["overlap"],
    ["patches"],
    ["in-place", "in-place-depthwise"],
    [name for name in NAMES if not name.startswith("fold-")],
    ["fold-pad", "patches", "in-place-depthwise", "overlap"],
)


def random_net(rng: random.Random) -> bytes:
    """A chain of layers on a small image, now and then of one row, with a sum across some."""
    rows = rng.choice((1, 1, 4, 7, 10, 12))
    net = ImageNet((rows, rng.randint(4, 12), rng.randint(1, 5)), rng.randrange(1 << 30))
    for _ in range(rng.randint(2, 6)):
        kernel = 3 if min(net.size[:2]) >= 3 else 1
        stride, padding = rng.choice((1, 1, 2)), rng.choice(("SAME", "SAME", "VALID", "PAD"))
        kind = rng.randrange(6)
        if kind == 0:
            net.conv(rng.randint(1, 9), kernel, stride, padding)
        elif kind == 1:
            net.depthwise(kernel, stride, padding, multiplier=rng.choice((1, 1, 1, 2)))
        elif kind == 2:
            op = rng.choice(("AVERAGE_POOL_2D", "MAX_POOL_2D"))
            net.pool(op, min(2, *net.size[:2]), stride, rng.choice(("SAME", "VALID")))
        elif kind == 3:
            net.relu()
        elif kind == 4:
            start = net.at
            net.depthwise(kernel)
            net.add(start)
        else:
            net.conv(rng.randint(1, 9))
    return net.finish()


def passed_by(data: bytes, passes: Sequence[str] | str, extra: float = 2.0) -> Passed:
    prepared = prepare_model(data, kernels="plain")
    return run_passes(prepared, passes, None, extra, strips=True)


def checked(data: bytes, passes: Sequence[str] | str, seen: Counter[str]) -> Packed:
    """Packed, compared on the host; what its steps have of passes is counted."""
    passed = passed_by(data, passes)
    samples = random_samples(np.random.default_rng(3), passed.prepared.graph, 2)
    packed = compare(data, samples, passed)
    steps = load(packed.data).subgraphs[0].steps
    found = list(groups(passed.prepared.subgraphs[0]))
    seen["in place, depthwise"] += sum(isinstance(step, s.DepthwiseInPlace) for step in steps)
    seen["in place"] += sum(
        isinstance(step, s.Add | s.Lut) and step.dst == step[0] for step in steps
    )
    seen["backward"] += sum(getattr(step, "order", 0) for step in steps)
    seen["joined"] += sum(len(group.items) > 1 for group in found)
    seen["strips"] += sum(len(group.items) == 1 and group.whole.is_piece for group in found)
    seen["over one another"] += sum(map(overlaps, steps))
    seen["in columns"] += sum(
        len(group.items) > 1 and group.whole.node.output().shape[1] == 1 for group in found
    )
    return packed


def overlaps(step: s.Step) -> bool:
    """True for a layer whose output shares bytes with its input: as the order allows."""
    if not isinstance(step, s.OrderedStep) or step.x < 0:
        return False
    ic, oc = getattr(step, "ic", None), getattr(step, "oc", None)
    if isinstance(step, s.AveragePool | s.MaxPool):
        ic = oc = step.c
    assert ic is not None
    assert oc is not None
    x_end = step.x + step.batches * step.ih * step.iw * ic
    if step.x >= step.dst + step.batches * step.oh * step.ow * oc or step.dst >= x_end:
        return False
    dh, dw = getattr(step, "dh", 1), getattr(step, "dw", 1)
    rows = Axis(step.ih, step.oh, step.kh, step.sh, dh, step.pt)
    columns = Axis(step.iw, step.ow, step.kw, step.sw, dw, step.pl)
    assert step.batches == 1
    geometry = Geometry(1, rows, columns, ic, oc)
    assert geometry.allows(step.dst - step.x, bool(step.order)), step
    return True


@pytest.mark.parametrize("count", [slow(24), thorough(200)])
def test_random_models(count: int, tmp_path: Path) -> None:
    """Each kind of thing that passes do must have been met, and have been met often."""
    seen: Counter[str] = Counter()
    rng = random.Random(f"passes {count}")
    packed = [
        checked(data, passes, seen)
        for data in (random_net(rng) for _ in range(count))
        for passes in CHOICES
    ]
    print(f"\n{len(packed)} packed: {dict(seen)}")
    kinds = ("in place, depthwise", "in place", "backward", "joined", "strips", "over one another")
    assert min(seen[kind] for kind in kinds) >= 20, seen
    assert seen["in columns"] >= 5
    for tier in ("viper", "bytecode"):
        assert not check_on_board(packed, tier, tmp_path)


SMALLER = {"digits_int8": 1344, "kws_int8": 10_000, "vww_96_int8": 38_200, "person_detect": 38_000}
"""Most bytes of the whole arena, where no pass needs more than a tenth of MACs twice."""


@pytest.mark.parametrize(
    "name",
    ["digits_int8", slow("vww_96_int8"), slow("person_detect"), thorough("kws_int8")],
)
def test_real_models_run_in_smaller_arenas(name: str, tmp_path: Path) -> None:
    data = MODELS[name](name)
    prepared = prepare_model(data, kernels="plain")
    passed = run_passes(prepared, "auto", strips=True)
    samples = random_samples(np.random.default_rng(5), prepared.graph, 3)
    packed = compare(data, samples, passed)
    assert load(packed.data).arena_bytes <= SMALLER[name]
    assert passed.extra_macs <= 0.1
    usual = run_passes(prepared)
    assert len(packed.data) < 1.05 * len(pack(usual.prepared, usual.plan)) + 2500
    assert not check_on_board([packed], "viper", tmp_path)


def test_a_layer_in_rows_is_one_step() -> None:
    """32 kB of one-row steps were 40 times as many bytes of steps."""
    net = ImageNet((32, 32, 8))
    net.conv(8, 3)
    net.depthwise()
    passed = passed_by(net.finish(), ["overlap"])
    assert len(passed.prepared.subgraphs[0]) > 30
    model = load(pack(passed.prepared, passed.plan))
    assert [type(step) for step in model.subgraphs[0].steps] == [s.Conv, s.Depthwise]
    assert [op.index for op in model.subgraphs[0].ops] == [0, 1]
    assert model.arena_bytes < 32 * 32 * 8 * 1.2 + 200
    assert {step.order for step in model.subgraphs[0].steps} == {0, 1}  # type: ignore[union-attr]


def test_pieces_keep_the_ops_number_and_share_its_weights() -> None:
    net = ImageNet((24, 24, 3))
    net.conv(8, 3)
    net.conv(8, 3, stride=2)
    net.pool("MAX_POOL_2D", 2, 2)
    passed = passed_by(net.finish(), ["patches"])
    data, report = pack_with_report(passed.prepared, passed.plan)
    ops = load(data).subgraphs[0].ops
    assert len(ops) > 6
    assert {op.index for op in ops} == {0, 1, 2}
    assert [op.index for op in ops[:2]] == [0, 1]
    assert [(op.index, op.name) for op in report.ops] == [
        (0, "CONV_2D"),
        (1, "CONV_2D"),
        (2, "MAX_POOL_2D"),
    ]
    assert report.weights_bytes == sum(op.weights for op in report.ops)
    assert report.head_bytes == passed.plan.head_bytes


def test_an_op_that_renames_memory_in_place_is_no_step() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    quantization = {"scale": 0.5, "zero_point": 0}
    x = g.input("x", (2, 6), "int8", **quantization)
    y = g.tensor("y", (2, 6), "int8", **quantization)
    z = g.tensor("z", (12,), "int8", **quantization)
    g.op("RELU", [x], [y])
    g.op("RESHAPE", [y], [z])
    g.output(z)
    passed = passed_by(b.finish(), ["in-place"])
    model = load(pack(passed.prepared, passed.plan))
    assert [type(step) for step in model.subgraphs[0].steps] == [s.Lut]
    assert [(op.name, op.steps) for op in model.subgraphs[0].ops] == [("RELU", 1), ("RESHAPE", 0)]
    assert model.arena_bytes == 16


def test_patches_of_columns_are_refused() -> None:
    net = ImageNet((12, 12, 3))
    net.conv(4, 3)
    net.conv(4, 3)
    net.conv(4)
    prepared = patches(prepare_model(net.finish(), kernels="plain"), Grid(2, 1, 2))
    with pytest.raises(UnsupportedError, match="several pieces of another tensor") as caught:
        pack(prepared, plan_pieces(prepared))
    assert "strips" in caught.value.hint
    assert caught.value.where.op_index == 0


def test_what_boards_cannot_read_is_refused() -> None:
    """A convolution that reads uint8, or an image with its axes in another order."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 6, 6, 2), "uint8", scale=0.1, zero_point=123)
    y = g.tensor("y", (1, 6, 6, 2), "int8", scale=0.1, zero_point=-5)
    g.op("QUANTIZE", [x], [y])
    w = g.constant("w", np.ones((3, 1, 1, 2), np.int8), scale=0.1, zero_point=0)
    out = g.tensor("out", (1, 6, 6, 3), "int8", scale=0.1, zero_point=0)
    window = {"padding": "VALID", "stride_w": 1, "stride_h": 1}
    g.op("CONV_2D", [y, w], [out], **window)
    g.output(out)
    passed = passed_by(b.finish(), ["fold-quantize"])
    assert len(passed.prepared.subgraphs[0]) == 1
    with pytest.raises(UnsupportedError, match="lets it read uint8") as caught:
        pack(passed.prepared, passed.plan)
    assert caught.value.where.op_index == 1


def test_pieces_out_of_order_are_not_joined() -> None:
    """Rows in any other order than one after the other stay steps of their own."""
    net = ImageNet((8, 8, 2))
    net.conv(2)
    passed = passed_by(net.finish(), ["overlap"])
    items = list(passed.prepared.subgraphs[0])
    assert len(list(groups(items))) == 1
    items[2], items[5] = items[5], items[2]
    assert len(list(groups(items))) == 8
    assert len(list(groups(items[1:2] + items[3:5]))) == 3
    x = items[0].node.input(0)
    assert x.part is not None
    odd = replace(x, part=Part(x.part.whole, None))
    node = replace(items[0].node, inputs=(odd, *items[0].node.inputs[1:]))
    assert len(list(groups([replace(items[0], node=node), *items[1:]]))) == 8

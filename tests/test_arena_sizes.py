"""Sizes on targets: numbers worked by hand, tables of several ABIs, custom ops, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.arena.plan import plan
from microinterp.arena.sizes import load_table, table_from
from microinterp.arena.target import (
    HEAD_CATEGORIES,
    TARGETS,
    TargetSizes,
    find_target,
    sizes_with,
    target_sizes,
)
from microinterp.errors import ArenaError
from microinterp.interpreter import prepare_model
from microinterp.kernels import default_registry
from microinterp.model_builder import ModelBuilder
from microinterp.prepare import Arrays, Context, Kernel, State
from microinterp.registry import Op, Registry
from tests.cli import call, good, good_json, refused, stored

CORTEX = tuple(name for name in TARGETS if name.startswith("cortex-m"))


def sizes(data: bytes, target: str, registry: Registry | None = None) -> TargetSizes:
    prepared = prepare_model(data, registry=registry, kernels="plain")
    return target_sizes(prepared, plan(prepared), target)


def negation() -> bytes:
    """One op without options, data, scratch or temporary tensors."""
    builder = ModelBuilder()
    g = builder.subgraph("main")
    x, out = g.input("x", (1, 4), "float32"), g.tensor("out", (1, 4), "float32")
    g.op("NEG", [x], [out])
    g.output(out)
    return builder.finish()


def layer(op: str, filters: tuple[int, ...], out: tuple[int, ...], **options: object) -> bytes:
    """One int8 convolution of an image of 8 x 8 with 3 channels, scales per tensor."""
    builder = ModelBuilder()
    g = builder.subgraph("main")
    x = g.input("x", (1, 8, 8, 3), "int8", scale=0.5, zero_point=1)
    w = g.constant("w", np.ones(filters, np.int8), scale=0.25, zero_point=0)
    y = g.tensor("y", out, "int8", scale=0.5, zero_point=0)
    sides = {"stride_h": 1, "stride_w": 1}
    g.op(op, [x, w], [y], **{**sides, **options})
    g.output(y)
    return builder.finish()


def test_by_hand_on_a_chip() -> None:
    """36 + 44 + 36 allocator and planner, 8 parser, 8 subgraph, 2 x 12 tensors, 32 node = 188.

    Then a pointer at a multiple of 16 (192), the input's struct (224), a pointer (240), the
    output's (272). For planning the head holds 12 requests of 12 bytes, 4 bytes of an offset,
    2 x 24 of lifetimes, and at a multiple of 16 2 x 40 for the planner: 208 + 80 + 192.
    """
    ours = sizes(negation(), "cortex-m-reference")
    assert (ours.head_bytes, ours.tail_bytes, ours.used_bytes) == (32, 272, 304)
    assert ours.minimum_bytes == 480
    assert ours.table == "arm-none-eabi-tflm-90b983c"
    wanted = {"interpreter": 132, "tensors": 108, "nodes": 32, "activations": 32, "scratch": 0}
    assert dict(ours.categories) == wanted


def test_by_hand_in_the_wheel() -> None:
    """104 + 72 + 272 recording allocator, 16, 24, 2 x 24 tensors, 64 node = 600; 608, 672, ..."""
    ours = sizes(negation(), "x86_64-wheel")
    assert (ours.head_bytes, ours.tail_bytes) == (32, 752)


@pytest.mark.parametrize(
    ("target", "conv", "depthwise"),
    [
        ("cortex-m-reference", 0, 0),
        ("cortex-m-cmsis-nn-c", 2 * 2 * 76, 0),
        ("cortex-m-cmsis-nn-dsp", 2 * 2 * 76, 2 * 3 * 25),
        ("cortex-m-cmsis-nn-mve", 4 * 80, 4 * 124 * 25),
    ],
)
def test_scratch_by_hand(target: str, conv: int, depthwise: int) -> None:
    """5 x 5 x 3 = 75 elements: two columns of int16 rounded to 4, or four of int8 rounded to 16.

    Depthwise: a column of int16 for the DSP, four blocks of 124 channels for Helium.
    """
    up = lambda nbytes: -(-nbytes // 16) * 16  # noqa: E731
    ours = sizes(layer("CONV_2D", (2, 5, 5, 3), (1, 8, 8, 2), padding="SAME"), target)
    assert ours.head_bytes == 192 + 128 + up(conv)
    depth = layer(
        "DEPTHWISE_CONV_2D", (1, 5, 5, 3), (1, 8, 8, 3), padding="SAME", depth_multiplier=1
    )
    assert sizes(depth, target).head_bytes == 192 + 192 + up(depthwise)


def test_layers_that_cmsis_nn_does_without_scratch() -> None:
    point = layer("CONV_2D", (2, 1, 1, 3), (1, 8, 8, 2), padding="SAME")
    three = layer(
        "DEPTHWISE_CONV_2D", (1, 3, 3, 3), (1, 8, 8, 3), padding="SAME", depth_multiplier=1
    )
    for target in CORTEX:
        assert sizes(point, target).categories["scratch"] == 0
    assert sizes(three, "cortex-m-cmsis-nn-dsp").categories["scratch"] == 0
    assert sizes(three, "cortex-m-cmsis-nn-mve").categories["scratch"] > 0


def test_a_table_of_another_abi_changes_the_answer() -> None:
    prepared = prepare_model(layer("CONV_2D", (2, 5, 5, 3), (1, 8, 8, 2), padding="SAME"))
    chip = find_target("cortex-m-reference")
    usual, other = (
        sizes_with(prepared, plan(prepared), chip, load_table(name))
        for name in (chip.table, "x86_64-tflm-90b983c")
    )
    assert usual.used_bytes == sizes(prepared.graph.model.data, chip.name).used_bytes
    assert other.used_bytes > usual.used_bytes
    assert other.minimum_bytes > usual.minimum_bytes


def test_one_byte_in_a_table_counts() -> None:
    prepared = prepare_model(negation())
    chip = find_target("cortex-m-reference")
    changed = {"source": "test", "extends": chip.table, "structs": {"NodeAndRegistration": [37, 1]}}
    ours = sizes_with(prepared, plan(prepared), chip, table_from("changed", changed))
    assert ours.categories["nodes"] == 37


@pytest.mark.parametrize("target", TARGETS)
def test_every_operator_has_a_row_and_every_row_its_structs(target: str) -> None:
    build, table = TARGETS[target], load_table(TARGETS[target].table)
    ops = {op.name for op in default_registry() if not op.refused}
    assert ops == build.kernels.keys()
    for footprint in build.kernels.values():
        for struct in filter(None, (footprint.params, footprint.data)):
            assert table.size(struct) > 0


def test_tables_say_where_they_come_from() -> None:
    for name in {build.table for build in TARGETS.values()} | {"x86_64-tflm-90b983c"}:
        table = load_table(name)
        assert "tflite-micro" in table.source
        for layout in table.structs.values():
            assert layout.size > 0 < layout.align
            assert layout.size % layout.align == 0


def test_a_name_without_a_variant_means_dsp() -> None:
    ours = sizes(negation(), "cortex-m-cmsis-nn")
    assert ours == sizes(negation(), "cortex-m-cmsis-nn-dsp")
    assert ours.target == "cortex-m-cmsis-nn-dsp"


def test_unknown_targets_and_tables() -> None:
    with pytest.raises(ArenaError, match="no target 'z80'") as error:
        sizes(negation(), "z80")
    assert all(name in error.value.hint for name in TARGETS)
    with pytest.raises(ArenaError, match="no table 'z80'"):
        load_table("z80")
    with pytest.raises(ArenaError, match="no size of Nothing"):
        load_table("arm-none-eabi-tflm-90b983c")["Nothing"]
    with pytest.raises(ArenaError, match="has no source"):
        table_from("broken", {"structs": {}})


def with_custom(**declared: object) -> tuple[bytes, Registry]:
    """A model of one custom op with 40 bytes of state, and a registry that has it."""

    def evaluate(params: object, arrays: Arrays) -> None:
        arrays.outputs[0][...] = 0

    def prepare(node: object, context: Context) -> Kernel:
        return Kernel(evaluate, state=(State(40),), **declared)  # type: ignore[arg-type]

    builder = ModelBuilder()
    g = builder.subgraph("main")
    x, out = g.input("x", (1, 4), "float32"), g.tensor("out", (1, 4), "float32")
    g.custom_op("MINE", [x], [out])
    g.output(out)
    op = Op("MINE", prepare, ("float32",), is_custom=True)
    return builder.finish(), default_registry().with_op(op)


@pytest.mark.parametrize(
    ("declared", "wheel", "chip"),
    [
        ({}, 40, 40),
        ({"x86_64-wheel": (24, 8), "": (16, 8)}, 24 + 8 + 8, 16 + 8 + 8),
        ({"x86_64-wheel": (24,)}, 24, 40),
        ({"": ()}, 0, 0),
    ],
)
def test_a_custom_op_says_what_it_keeps(
    declared: Mapping[str, tuple[int, ...]], wheel: int, chip: int
) -> None:
    """Each buffer lies at a multiple of 16: 188 bytes of structs come before it on the chip."""
    data, registry = with_custom(persistent=declared)
    none, no_registry = with_custom(persistent={"": ()})
    for target, nbytes in (("x86_64-wheel", wheel), ("cortex-m-reference", chip)):
        more = (
            sizes(data, target, registry).tail_bytes - sizes(none, target, no_registry).tail_bytes
        )
        assert nbytes <= more < nbytes + 32
        assert (more == 0) == (nbytes == 0)
    it = Interpreter.from_bytes(data, registry=registry)
    assert it.arena.used_bytes("cortex-m-reference") > 0


def test_memory_passes_are_not_tflms() -> None:
    builder = ModelBuilder()
    g = builder.subgraph("main")
    x = g.input("x", (1, 64), "int8", scale=0.5, zero_point=0)
    for number in range(3):
        y = g.tensor(f"y{number}", (1, 64), "int8", scale=0.5, zero_point=0)
        g.op("RELU", [x], [y])
        x = y
    g.output(x)
    plain = Interpreter.from_bytes(builder.finish())
    passed = Interpreter.from_bytes(builder.finish(), passes="auto")
    assert passed.arena.head_bytes < plain.arena.head_bytes
    assert plain.arena.used_bytes("cortex-m-reference") > 128
    with pytest.raises(ArenaError, match="memory passes"):
        passed.arena.used_bytes("cortex-m-reference")


def test_what_cmsis_nn_refuses() -> None:
    builder = ModelBuilder()
    g = builder.subgraph("main")
    x = g.input("x", (1, 4), "int16", scale=0.5, zero_point=3)
    y = g.tensor("y", (1, 4), "int16", scale=0.5, zero_point=0)
    g.op("ADD", [x, x], [y], fused_activation_function="NONE")
    g.output(y)
    assert sizes(builder.finish(), "cortex-m-reference").used_bytes > 0
    with pytest.raises(ArenaError, match="zero point 3 of int16") as error:
        sizes(builder.finish(), "cortex-m-cmsis-nn")
    assert "ADD" in str(error.value)


def test_plan_shows_a_target(tmp_path: Path) -> None:
    path = stored(tmp_path, negation())
    shown = good("plan", path, "--target", "cortex-m-reference", "--no-table", "--no-map")
    for words in ("cortex-m-reference", "head", "tail", "272", "304", "480", "interpreter"):
        assert words in shown
    found = good_json("plan", path, "--target", "cortex-m-reference")["target"]
    assert (found["head_bytes"], found["tail_bytes"]) == (32, 272)
    assert (found["used_bytes"], found["minimum_bytes"]) == (304, 480)
    assert sum(found["categories"].values()) == 304
    assert sum(n for c, n in found["categories"].items() if c in HEAD_CATEGORIES) == 32
    assert found["table"] == "arm-none-eabi-tflm-90b983c"
    assert good_json("plan", path)["target"] is None


def test_plan_sizes_the_file_that_it_writes(tmp_path: Path) -> None:
    path, out = stored(tmp_path, negation()), tmp_path / "out.tflite"
    options = ("--planner", "best", "--embed", out, "--target", "x86_64-wheel")
    found = good_json("plan", path, *options)["target"]
    assert found["used_bytes"] == sizes(out.read_bytes(), "x86_64-wheel").used_bytes


def test_plan_refuses_targets(tmp_path: Path) -> None:
    path = stored(tmp_path, negation())
    assert "no target 'z80'" in refused("plan", path, "--target", "z80")
    several = call("plan", path, "--target", "cortex-m-reference", "--regions", "a=1K")
    assert several.exit_code == 2

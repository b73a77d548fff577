"""Facts about models: costs by hand, support, damaged and multi-subgraph models."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from microinterp.errors import ArenaError, ModelError
from microinterp.inspect_model import OpFacts, all_problems, inspect_model
from microinterp.kernels import default_registry
from microinterp.model_builder import ModelBuilder
from microinterp.registry import Registry
from tests.cli import broken_models, sums_model
from tests.conftest import shared_model
from tests.models import conv_model

WINDOW = {"stride_h": 2, "stride_w": 1}


def only_op(b: ModelBuilder) -> OpFacts:
    facts = inspect_model(b.finish())
    assert facts.runs, facts.problems
    ((op,),) = (subgraph.ops for subgraph in facts.subgraphs)
    assert facts.macs == op.macs
    return op


def filtering(
    name: str,
    shape: tuple[int, ...],
    weights: tuple[int, ...],
    out: tuple[int, ...],
    bias: bool = True,
    **options: object,
) -> ModelBuilder:
    """One int8 op with weights of ones and, if asked, a bias."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", shape, "int8", scale=0.5, zero_point=0)
    w = g.constant("w", np.ones(weights, np.int8), scale=0.5, zero_point=0)
    inputs = [x, w]
    if bias:
        zeros = np.zeros(out[-1], np.int32)
        inputs.append(g.constant("bias", zeros, scale=0.25, zero_point=0))
    y = g.tensor("y", out, "int8", scale=0.5, zero_point=0)
    g.op(name, inputs, [y], **options)
    g.output(y)
    return b


def test_macs_of_conv() -> None:
    """[1, 6, 5, 3] by 4 filters of 3x2x3, SAME, stride 2x1: 3 * 5 * 4 outputs of 18 products."""
    op = only_op(
        filtering("CONV_2D", (1, 6, 5, 3), (4, 3, 2, 3), (1, 3, 5, 4), padding="SAME", **WINDOW)
    )
    assert op.macs == 3 * 5 * 4 * 18
    assert op.weight_bytes == 4 * 18 + 4 * 4


def test_macs_of_grouped_conv() -> None:
    """6 channels in 3 groups: a filter sees 2 of them."""
    op = only_op(
        filtering("CONV_2D", (1, 4, 4, 6), (3, 1, 1, 2), (1, 2, 4, 3), padding="VALID", **WINDOW)
    )
    assert op.macs == 2 * 4 * 3 * 2


def test_macs_of_depthwise_conv() -> None:
    """2 outputs per channel, 3x3 windows: 9 products for each of 3 * 5 * 4 outputs."""
    op = only_op(
        filtering(
            "DEPTHWISE_CONV_2D",
            (1, 6, 5, 2),
            (1, 3, 3, 4),
            (1, 3, 5, 4),
            padding="SAME",
            depth_multiplier=2,
            **WINDOW,
        )
    )
    assert op.macs == 3 * 5 * 4 * 9
    assert op.weight_bytes == 36 + 16


def test_macs_of_fully_connected() -> None:
    """7 rows of 5 by 3 units."""
    op = only_op(filtering("FULLY_CONNECTED", (7, 5), (3, 5), (7, 3), bias=False))
    assert op.macs == 7 * 3 * 5
    assert op.weight_bytes == 15


def test_other_ops_have_no_macs() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (4,), "int8", scale=0.5, zero_point=0)
    y = g.tensor("y", (4,), "int8", scale=0.5, zero_point=0)
    g.op("RELU", [x], [y])
    g.output(y)
    op = only_op(b)
    assert (op.macs, op.weight_bytes, op.name) == (0, 0, "RELU")


def test_facts_of_a_small_model() -> None:
    data = sums_model(name="n")
    facts = inspect_model(data)
    assert facts.file_bytes == len(data)
    assert facts.sha256 == hashlib.sha256(data).hexdigest()
    assert (facts.version, facts.description, facts.runs) == (3, "n", True)
    assert (facts.macs, facts.weight_bytes, facts.ops, facts.problems) == (8, 8, 1, ())
    assert [(m.name, m.nbytes) for m in facts.metadata] == [("n", 4)]
    (signature,) = facts.signatures
    assert (signature.key, signature.inputs, signature.outputs) == ("n", ("nx",), ("ny",))
    (subgraph,) = facts.subgraphs
    assert (subgraph.inputs, subgraph.outputs) == ((0,), (2,))
    x, w, _ = subgraph.tensors
    assert (x.type, x.shape, x.nbytes, x.scales, x.zero_points) == ("int8", (1, 4), 4, (0.5,), (3,))
    assert (x.is_constant, w.is_constant, w.nbytes) == (False, True, 8)
    (op,) = subgraph.ops
    assert (op.supported, op.reason, op.exactness) == (True, "", "exact")


def test_a_shared_buffer_counts_once() -> None:
    b = ModelBuilder(share_equal_constants=True)
    g = b.subgraph("main")
    tensor = g.input("x", (1, 4), "int8", scale=0.5, zero_point=0)
    for number in range(3):
        w = g.constant(f"w{number}", np.ones((4, 4), np.int8), scale=0.5, zero_point=0)
        after = g.tensor(f"y{number}", (1, 4), "int8", scale=0.5, zero_point=0)
        g.op("FULLY_CONNECTED", [tensor, w], [after])
        tensor = after
    g.output(tensor)
    facts = inspect_model(b.finish())
    assert facts.weight_bytes == 16
    assert [op.weight_bytes for op in facts.subgraphs[0].ops] == [16, 16, 16]


def test_unsupported_operators_and_types_are_told_apart() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 4), "int8", scale=0.5, zero_point=0)
    one = g.tensor("one", (1, 4), "int8", scale=0.5, zero_point=0)
    two = g.tensor("two", (1, 4), "int8", scale=0.5, zero_point=0)
    three = g.tensor("three", (1, 4), "int64")
    four = g.tensor("four", (1, 4), "int64")
    g.op("RELU", [x], [one])
    g.op("TILE", [one], [two])
    g.custom_op("Mine", [two], [three])
    g.op("RELU", [three], [four])
    g.output(four)
    facts = inspect_model(b.finish())
    assert not facts.runs
    ops = facts.subgraphs[0].ops
    assert [op.supported for op in ops] == [True, False, False, False]
    assert [op.name for op in ops] == ["RELU", "TILE", "Mine", "RELU"]
    assert ops[0].reason == ""
    assert ops[1].reason == ops[2].reason == "operator is not supported"
    assert "int64" in ops[3].reason
    assert ops[1].exactness == ""


def test_a_registry_of_ones_own() -> None:
    empty = inspect_model(conv_model(), Registry(()))
    assert not empty.runs
    assert [p.rule for p in empty.problems] == ["unsupported"]
    assert inspect_model(conv_model(), default_registry()).runs


def test_several_subgraphs() -> None:
    b = ModelBuilder()
    for number, dtype in enumerate(("int8", "bool")):
        g = b.subgraph(f"part {number}")
        numbers = (0.5, 0) if dtype == "int8" else (None, None)
        x = g.input("x", (4,), dtype, *numbers)
        y = g.tensor("y", (4,), dtype, *numbers)
        g.op("RELU", [x], [y])
        g.output(y)
    facts = inspect_model(b.finish())
    assert facts.ops == 2
    assert [(s.index, s.name) for s in facts.subgraphs] == [(0, "part 0"), (1, "part 1")]
    assert [s.ops[0].supported for s in facts.subgraphs] == [True, False]
    assert facts.subgraphs[1].ops[0].subgraph == 1
    (problem,) = facts.problems
    assert (problem.where.subgraph, problem.where.op_index) == (1, 0)


@pytest.mark.parametrize("name", broken_models())
def test_broken_models_are_shown(name: str) -> None:
    data, wanted = broken_models()[name]
    facts = inspect_model(data)
    assert not facts.runs
    assert list(facts.problems) == all_problems(data)
    for text in wanted:
        assert any(text in str(problem) for problem in facts.problems), text


def test_problems_of_rules_and_of_operators_are_told_together() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 4), "int8", scale=0.5, zero_point=0)
    y = g.tensor("y", (1, 4), "int8", scale=0.5, zero_point=0)
    z = g.tensor("z", (1, 4), "int8", scale=-1.0, zero_point=0)
    out = g.tensor("out", (1, 4), "int8", scale=0.5, zero_point=0)
    g.op("RELU", [x], [y])
    g.op("RELU", [y], [z])
    g.op("TILE", [y], [out])
    g.output(out)
    facts = inspect_model(b.finish())
    assert [problem.rule for problem in facts.problems] == ["scales_usable", "unsupported"]
    # the first op may be good, but with a broken rule it could not be checked
    assert [op.supported for op in facts.subgraphs[0].ops] == [None, False, False]


def test_ops_are_not_called_good_where_rules_are_broken() -> None:
    facts = inspect_model(broken_models()["rules"][0])
    assert all(op.supported is not True for op in facts.subgraphs[0].ops)
    assert facts.subgraphs[0].tensors[2].shape == (1, -3)


@pytest.mark.parametrize("data", [b"", b"TFL3", bytes(100), b"x" * 1000])
def test_garbage(data: bytes) -> None:
    with pytest.raises(ModelError):
        inspect_model(data)
    problems = all_problems(data)
    assert problems
    assert all(problem.severity == "error" for problem in problems)


def test_cut_models_either_raise_or_tell() -> None:
    data = sums_model()
    for size in range(0, len(data), 13):
        assert any(problem.severity == "error" for problem in all_problems(data[:size])), size


@pytest.mark.parametrize(
    ("name", "macs"),
    [("kws_int8", 2_656_768), ("ic_resnet8_int8", 12_501_632), ("ad01_int8", 264_192)],
)
def test_macs_of_mlperf_tiny(name: str, macs: int) -> None:
    """As published for the benchmark: 2.7 M, 12.5 M, 0.26 M."""
    facts = inspect_model(shared_model(f"{name}.tflite"))
    assert facts.runs
    assert facts.macs == macs


def test_a_plan_that_cannot_be_made_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: object) -> None:
        raise ArenaError("the arena has no room", hint="make it larger")

    monkeypatch.setattr("microinterp.inspect_model.plan", failing)
    facts = inspect_model(conv_model())
    assert not facts.runs
    (problem,) = facts.problems
    assert "the arena has no room" in str(problem)


def test_bytes_of_tensors_that_nobody_knows() -> None:
    """Without a shape, or of a type without a size."""
    b = ModelBuilder()
    g = b.subgraph("main")
    g.output(g.input("x", (2, 3), "int16"))
    g.tensor("shapeless", None, "int8")
    g.tensor("text", (4,), "string")
    g.tensor("handle", (), "resource")
    (facts,) = inspect_model(b.finish()).subgraphs
    assert [tensor.nbytes for tensor in facts.tensors][:3] == [12, None, None]

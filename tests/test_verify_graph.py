"""Rules about data flow and control flow, on whole models."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite import BuiltinOperator

from microinterp.errors import Problem
from microinterp.model import FileTensor, Metadata, Model, Quantization, Signature, load
from microinterp.model import Operator as FileOperator
from microinterp.model import OperatorCode as FileOperatorCode
from microinterp.model import SubGraph as FileSubGraph
from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from microinterp.rules.calls import MAX_DEPTH
from microinterp.verify import RULES, verify


def problems(b: ModelBuilder) -> list[Problem]:
    return verify(load(b.finish()))


def chain() -> tuple[ModelBuilder, SubGraphBuilder, list[int]]:
    """A subgraph with input t0, tensors t1 to t4, and no op."""
    b = ModelBuilder()
    g = b.subgraph()
    tensors = [g.input("t0", (2,), "int8", scale=1.0, zero_point=0)]
    tensors += [g.tensor(f"t{i}", (2,), "int8", scale=1.0, zero_point=0) for i in range(1, 5)]
    return b, g, tensors


def test_an_op_may_read_what_an_earlier_op_wrote() -> None:
    b, g, t = chain()
    g.op("RELU", [t[0]], [t[1]])
    g.op("RELU", [t[1]], [t[2]])
    g.output(t[2])
    assert problems(b) == []


def test_ops_in_the_wrong_order_are_found_once_each() -> None:
    b, g, t = chain()
    g.op("ADD", [t[1], t[2]], [t[3]])
    g.op("RELU", [t[0]], [t[1]])
    g.op("ADD", [t[1], t[2]], [t[4]])
    g.output(t[4])
    found = problems(b)
    assert [(p.rule, p.where.op_index, p.where.tensor_index) for p in found] == [
        ("written_before_read", 0, 1),
        ("written_before_read", 0, 2),
    ]


def test_two_writers_are_found() -> None:
    b, g, t = chain()
    g.op("RELU", [t[0]], [t[1]])
    g.op("RELU", [t[0]], [t[1]])
    g.output(t[1])
    (problem,) = problems(b)
    assert problem.rule == "one_writer"
    assert str(problem) == "op 1 RELU, output 0, tensor 1 't1': op 0 writes this tensor too"


def test_variables_may_be_read_before_and_written_twice() -> None:
    b, g, t = chain()
    state = g.tensor("state", (2,), "int8", scale=1.0, zero_point=0, is_variable=True)
    g.op("ADD", [t[0], state], [t[1]])
    g.op("RELU", [t[1]], [state])
    g.op("RELU", [t[0]], [state])
    g.output(state)
    assert problems(b) == []


def test_a_scalars_empty_shape_needs_no_contents() -> None:
    b, g, t = chain()
    shape = g.tensor("shape", (0,), "int32")
    g.op("RESHAPE", [t[0], shape], [t[1]])
    g.output(t[1])
    assert problems(b) == []


def test_a_custom_op_may_have_scratch_among_its_inputs() -> None:
    b, g, t = chain()
    g.custom_op("ethos-u", [t[0], t[3]], [t[1]])
    g.output(t[1])
    (problem,) = problems(b)
    assert (problem.rule, problem.severity) == ("written_before_read", "warning")


def test_an_output_may_be_an_input_or_a_constant() -> None:
    b, g, t = chain()
    g.output(t[0])
    g.output(g.constant("c", np.zeros(3, np.int8)))
    assert problems(b) == []


def called(b: ModelBuilder) -> SubGraphBuilder:
    """One more subgraph that hands its input through."""
    g = b.subgraph()
    g.output(g.input("x", (1,), "bool"))
    return g


def calling(b: ModelBuilder, g: SubGraphBuilder, *targets: int) -> None:
    """Let a subgraph run others, by IF."""
    for target in targets:
        condition = g.constant("if", np.array([True]))
        g.op(
            "IF",
            [condition, condition],
            [g.tensor("out", (1,), "bool")],
            then_subgraph_index=target,
            else_subgraph_index=target,
        )


@pytest.mark.parametrize(
    ("op", "options", "bad"),
    [
        ("IF", {"then_subgraph_index": 1, "else_subgraph_index": 2}, 2),
        ("IF", {"then_subgraph_index": -1, "else_subgraph_index": 1}, -1),
        ("WHILE", {"cond_subgraph_index": 9, "body_subgraph_index": 1}, 9),
        ("WHILE", {"cond_subgraph_index": 1, "body_subgraph_index": 9}, 9),
        ("CALL_ONCE", {"init_subgraph_index": 5}, 5),
        ("CALL", {"subgraph": 5}, 5),
    ],
)
def test_called_subgraphs_must_exist(op: str, options: dict[str, int], bad: int) -> None:
    b, g, t = chain()
    g.op(op, [t[0]], [t[1]], **options)
    g.output(t[1])
    called(b)
    (problem,) = problems(b)
    assert problem.rule == "called_subgraphs_exist"
    assert str(problem) == f"op 0 {op}: runs subgraph {bad}, the file has 2"


def test_only_ops_that_run_subgraphs_count() -> None:
    """Options of another kind of op mean nothing: who needs options asks for them by kind."""
    b, g, t = chain()
    g.op("CALL_ONCE", [t[0]], [t[1]], init_subgraph_index=9)
    g.output(t[1])
    model = load(b.finish())
    assert [p.rule for p in verify(model)] == ["called_subgraphs_exist"]
    relu = replace(model.operator_codes[0], code=BuiltinOperator.RELU)
    assert verify(replace(model, operator_codes=(relu,))) == []


def test_a_subgraph_may_be_called_from_two_places() -> None:
    b = ModelBuilder()
    main, second, third = called(b), called(b), called(b)
    calling(b, main, 1, 2)
    calling(b, second, third.index)
    assert problems(b) == []


@pytest.mark.parametrize(
    ("calls", "circles"),
    [
        ({0: [0]}, [(0, 0)]),
        ({0: [1], 1: [0]}, [(1, 0)]),
        ({0: [1], 1: [2], 2: [1, 0]}, [(2, 0), (2, 1)]),
        ({2: [2]}, [(2, 0)]),  # also where nothing calls it
    ],
)
def test_recursion_is_found(calls: dict[int, list[int]], circles: list[tuple[int, int]]) -> None:
    b = ModelBuilder()
    graphs = [called(b) for _ in range(3)]
    for caller, targets in calls.items():
        calling(b, graphs[caller], *targets)
    found = [p for p in problems(b) if p.rule == "no_recursion"]
    # IF names its target twice, for then and for else.
    assert [(p.where.subgraph, p.where.op_index) for p in found[::2]] == circles
    assert found[::2] == found[1::2]


def test_deep_nesting_is_refused_at_its_limit() -> None:
    def nested(depth: int) -> list[Problem]:
        b = ModelBuilder()
        graphs = [called(b) for _ in range(depth)]
        for graph in graphs[:-1]:
            condition = graph.constant("if", np.array([True]))
            out = graph.tensor("out", (1,), "bool")
            graph.op("CALL_ONCE", [], [], init_subgraph_index=graph.index + 1)
            assert (condition, out) == (1, 2)
        return problems(b)

    assert nested(MAX_DEPTH) == []
    (problem,) = nested(MAX_DEPTH + 1)
    assert problem.rule == "calls_bounded"
    assert f"nest {MAX_DEPTH + 1} deep" in problem.message


def test_calls_that_multiply_are_refused() -> None:
    """Each subgraph runs the next one eight times: 2 * 8^4 + ... runs at the fifth level."""
    b = ModelBuilder()
    graphs = [called(b) for _ in range(7)]
    for graph in graphs[:-1]:
        calling(b, graph, *[graph.index + 1] * 4)
    found = [p for p in problems(b) if p.rule == "calls_bounded"]
    assert [p.where.subgraph for p in found] == [0, 1]


def test_a_long_chain_of_calls_takes_neither_recursion_nor_time() -> None:
    b = ModelBuilder()
    graphs = [called(b) for _ in range(3000)]
    for graph in graphs[:-1]:
        graph.op("CALL_ONCE", [], [], init_subgraph_index=graph.index + 1)
    model = load(b.finish())
    start = time.process_time()
    assert {p.rule for p in verify(model)} == {"calls_bounded"}
    assert time.process_time() - start < 2


numbers = st.integers(-3, 6) | st.sampled_from([-(2**31), 2**31 - 1])
unsigned = st.integers(0, 6) | st.just(2**32 - 1)
indices = st.lists(numbers, max_size=4).map(tuple)
names = st.sampled_from(["", "a", "b", "COMPRESSION_METADATA", "OfflineMemoryAllocation"])
scales = st.lists(st.floats(width=32), min_size=1, max_size=4).map(
    lambda values: np.array(values, np.float32)
)
zero_points = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4).map(
    lambda values: np.array(values, np.int64)
)


@st.composite
def subgraphs(draw: st.DrawFn, index: int) -> FileSubGraph:
    tensors = tuple(
        FileTensor(
            index=i,
            name=draw(names),
            shape=draw(st.none() | indices),
            type_code=draw(st.integers(-1, 25)),
            buffer=draw(unsigned),
            quantization=draw(
                st.none() | st.builds(Quantization, scales, zero_points, axis=numbers)
            ),
            is_variable=draw(st.booleans()),
            is_sparse=draw(st.booleans()),
        )
        for i in range(draw(st.integers(0, 4)))
    )
    operators = st.builds(
        FileOperator,
        opcode_index=unsigned,
        inputs=indices,
        outputs=indices,
        intermediates=indices,
        options_type=st.integers(0, 130),
        options=st.none(),
        custom_options=st.just(b""),
    )
    ops = tuple(draw(st.lists(operators, max_size=4)))
    return FileSubGraph(index, "", tensors, draw(indices), draw(indices), ops)


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Records as no file should hold them; only the structure check could not have refused them."""
    base = load(ModelBuilder().finish())
    codes = st.builds(FileOperatorCode, numbers, numbers, st.none() | names, numbers)
    contents = st.none() | st.binary(min_size=1, max_size=40).map(memoryview)
    pairs = st.lists(st.tuples(names, unsigned), max_size=3).map(tuple)
    return replace(
        base,
        version=draw(unsigned),
        operator_codes=tuple(draw(st.lists(codes, max_size=3))),
        subgraphs=tuple(draw(subgraphs(i)) for i in range(draw(st.integers(0, 3)))),
        buffers=tuple(draw(st.lists(contents, max_size=5))),
        metadata=tuple(draw(st.lists(st.builds(Metadata, names, unsigned), max_size=3))),
        signatures=tuple(
            draw(st.lists(st.builds(Signature, names, pairs, pairs, unsigned), max_size=2))
        ),
    )


@given(models())
def test_no_rule_raises_on_what_another_rule_refuses(model: Model) -> None:
    names = {rule.__name__ for rule in RULES}
    for problem in verify(model):
        assert problem.rule in names
        assert str(problem)
        assert problem.severity in ("error", "warning")

"""The rules of a sound model, each broken on purpose: what verify says, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import flatbuffers
import numpy as np
import pytest
import tflite

from microinterp.errors import Problem
from microinterp.model import FileTensor, Model, Quantization, load
from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from microinterp.verify import MAX_PER_RULE, RULES, rule_texts, verify
from tests import flat
from tests.conftest import SHARED_MODELS, shared_model
from tests.flat import put
from tests.fuzz_models import WAKE_WORDS, model_bytes
from tests.test_structure import model_with, moved_to_odd_place, subgraph

WEIGHTS = np.ones((2, 3), np.int8)


def sound() -> ModelBuilder:
    """x -> FULLY_CONNECTED -> y; tensors 0 to 3."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 3), "int8", scale=0.5, zero_point=-3)
    w = g.constant("w", WEIGHTS, scale=[0.1, 0.2], zero_point=0)
    bias = g.constant("bias", np.zeros(2, np.int32), scale=[0.05, 0.1], zero_point=0)
    y = g.tensor("y", (1, 2), "int8", scale=0.25, zero_point=4)
    g.op("FULLY_CONNECTED", [x, w, bias], [y])
    g.output(y)
    b.signature("serve", {"x": x}, {"y": y})
    b.metadata("note", b"abcd")
    return b


def one_op(**tensors: Any) -> tuple[ModelBuilder, SubGraphBuilder, int, int]:
    """A builder with an input x and a tensor y, without any op."""
    b = ModelBuilder()
    g = b.subgraph()
    return b, g, g.input("x", (4,), "int8", **tensors), g.tensor("y", (4,), "int8", **tensors)


def broken_model(change: Callable[[Model], Model]) -> Model:
    return change(load(sound().finish()))


def with_tensor(index: int, **fields: Any) -> Callable[[Model], Model]:
    """A change of one tensor of the main subgraph."""

    def change(model: Model) -> Model:
        graph = model.subgraphs[0]
        tensors = list(graph.tensors)
        tensors[index] = replace(tensors[index], **fields)
        return replace(model, subgraphs=(replace(graph, tensors=tuple(tensors)),))

    return change


def with_graph(**fields: Any) -> Callable[[Model], Model]:
    def change(model: Model) -> Model:
        return replace(model, subgraphs=(replace(model.subgraphs[0], **fields),))

    return change


def with_op(**fields: Any) -> Callable[[Model], Model]:
    def change(model: Model) -> Model:
        (op,) = model.subgraphs[0].operators
        return with_graph(operators=(replace(op, **fields),))(model)

    return change


def with_code(**fields: Any) -> Callable[[Model], Model]:
    def change(model: Model) -> Model:
        return replace(model, operator_codes=(replace(model.operator_codes[0], **fields),))

    return change


def quantization(scale: Any, zero_point: Any, axis: int = 0) -> Quantization:
    scales = np.atleast_1d(np.asarray(scale, np.float32))
    return Quantization(scales, np.atleast_1d(np.asarray(zero_point, np.int64)), axis)


def metadata(name: str, data: bytes) -> Callable[[Model], Model]:
    def change(model: Model) -> Model:
        b = sound()
        b.metadata(name, data)
        return load(b.finish())

    return change


def signature(**fields: Any) -> Callable[[Model], Model]:
    def change(model: Model) -> Model:
        return replace(model, signatures=(replace(model.signatures[0], **fields),))

    return change


Case = tuple[str, Callable[[Model], Model], str, str, str]
E, W = "error", "warning"

FILE_CASES: list[Case] = [
    # rule, change, severity, where, message
    ("schema_version", lambda m: replace(m, version=2), E, "", "schema version is 2"),
    ("has_subgraph", lambda m: replace(m, subgraphs=(), signatures=()), E, "", "no subgraph"),
    ("operator_codes_known", with_code(code=209), E, "", "builtin operator 209"),
    ("operator_codes_known", with_code(code=-1), E, "", "builtin operator -1"),
    ("custom_operators_named", with_code(code=32), E, "", "without a name"),
    (
        "first_buffer_empty",
        lambda m: replace(m, buffers=(memoryview(bytes(4)), *m.buffers[1:])),
        W,
        "",
        "buffer 0 has 4 bytes",
    ),
    (
        "metadata_buffers_exist",
        lambda m: replace(m, buffers=m.buffers[:-1]),
        E,
        "",
        "'note' refers to buffer 3",
    ),
    (
        "offline_plan_fits",
        metadata("OfflineMemoryAllocation", np.array([1, 0, 3, -1, 0, 0], "<i4").tobytes()),
        E,
        "",
        "3 offsets in 24 bytes, the model has 4 tensors",
    ),
    (
        "offline_plan_fits",
        metadata("OfflineMemoryAllocation", np.array([1, 0, 4, -1, 0, 0], "<i4").tobytes()),
        E,
        "",
        "4 offsets in 24 bytes",
    ),
    ("offline_plan_fits", metadata("OfflineMemoryAllocation", b"123"), E, "", "no offsets"),
    ("signatures_exist", signature(subgraph=1), E, "", "'serve' refers to subgraph 1"),
    ("signatures_exist", signature(inputs=(("x", 9),)), E, "", "input 'x' is tensor 9, not an"),
    ("signatures_exist", signature(outputs=(("y", 0),)), E, "", "output 'y' is tensor 0, not an"),
    (
        "signature_names_differ",
        signature(outputs=(("y", 3), ("y", 3))),
        E,
        "",
        "'serve' has two outputs named 'y'",
    ),
]

TENSOR_CASES: list[Case] = [
    ("tensor_types_supported", with_tensor(3, type_code=19), E, "tensor 3 'y'", "type 19 is not"),
    ("tensor_types_supported", with_tensor(3, type_code=5), E, "tensor 3 'y'", "type string"),
    ("shapes_fit", with_tensor(3, shape=(1, -1)), E, "tensor 3 'y'", "[1, -1] has a negative"),
    ("shapes_fit", with_tensor(3, shape=(65536, 32768)), E, "tensor 3", "more than 2147483647"),
    ("shapes_fit", with_tensor(3, shape=(65536, 65536, 0)), E, "tensor 3", "more than 2147483647"),
    ("ranks_fit", with_tensor(3, shape=(1,) * 9), E, "tensor 3 'y'", "has 9 dimensions, at most 8"),
    ("ranks_fit", with_tensor(3, shape=(1,) * 7), W, "tensor 3 'y'", "has 7 dimensions, TFLM's"),
    ("buffers_exist", with_tensor(3, buffer=99), E, "tensor 3 'y'", "buffer 99, the file has 4"),
    (
        "constants_complete",
        with_tensor(1, shape=(2, 4), quantization=None),
        E,
        "tensor 1 'w'",
        "has 6 bytes, int8[2, 4] takes 8",
    ),
    (
        "constants_complete",
        with_tensor(1, shape=(2, 2)),
        W,
        "tensor 1 'w'",
        "has 6 bytes, int8[2, 2] takes 4",
    ),
    (
        "constants_complete",
        with_tensor(1, shape=(13,), type_code=17, quantization=None),
        E,
        "tensor 1 'w'",
        "has 6 bytes, int4[13] takes 7",
    ),
    ("constants_complete", with_tensor(2, shape=None, quantization=None), W, "tensor 2", "takes 4"),
    (
        "variables_without_contents",
        with_tensor(1, is_variable=True),
        E,
        "tensor 1 'w'",
        "a variable with contents, in buffer 1",
    ),
    ("no_sparse_tensors", with_tensor(1, is_sparse=True), E, "tensor 1 'w'", "sparse"),
    (
        "zero_points_match_scales",
        with_tensor(1, quantization=quantization([1, 2], [0, 0, 0])),
        E,
        "tensor 1 'w'",
        "has 3 zero points for 2 scales",
    ),
    (
        "channels_match_shape",
        with_tensor(1, quantization=quantization([1, 2], 0, axis=2)),
        E,
        "tensor 1 'w'",
        "has 2 scales along dimension 2, the tensor has 2",
    ),
    (
        "channels_match_shape",
        with_tensor(1, quantization=quantization([1, 2], 0, axis=1)),
        E,
        "tensor 1 'w'",
        "dimension 1, whose size is 3",
    ),
    (
        "channels_match_shape",
        with_tensor(1, quantization=quantization([1, 2], 0, axis=-1)),
        E,
        "tensor 1 'w'",
        "dimension -1",
    ),
    (
        "scales_usable",
        with_tensor(1, quantization=quantization([1, np.nan], 0)),
        E,
        "tensor 1 'w'",
        "scale 1 is nan",
    ),
    (
        "scales_usable",
        with_tensor(2, quantization=quantization([np.inf, 1], 0)),
        E,
        "tensor 2 'bias'",
        "scale 0 is inf",
    ),
    (
        "scales_usable",
        with_tensor(3, quantization=quantization(-1, 0)),
        E,
        "tensor 3 'y'",
        "scale 0 is -1",
    ),
    (
        "scales_usable",
        with_tensor(3, quantization=quantization(0, 0)),
        E,
        "tensor 3 'y'",
        "scale 0 is 0",
    ),
    (
        "scales_usable",
        with_tensor(1, quantization=quantization([1, 0], 0)),
        W,
        "tensor 1 'w'",
        "scale 1 is 0",
    ),
    (
        "zero_points_in_range",
        with_tensor(3, quantization=quantization(1, 128)),
        E,
        "tensor 3 'y'",
        "zero point 0 is 128, int8 holds -128 to 127",
    ),
    (
        "zero_points_in_range",
        with_tensor(2, quantization=quantization(1, 2**31)),
        E,
        "tensor 2 'bias'",
        "int32 holds",
    ),
    (
        "zero_points_in_range",
        with_tensor(3, type_code=17, quantization=quantization(1, 8)),
        E,
        "tensor 3 'y'",
        "int4 holds -8 to 7",
    ),
    (
        "zero_points_in_range",
        with_tensor(3, type_code=4, quantization=quantization(1, 2**40)),
        E,
        "tensor 3 'y'",
        "int64 holds -2147483648 to 2147483647",
    ),
]

OP = "op 0 FULLY_CONNECTED"
OPERATOR_CASES: list[Case] = [
    (
        "operator_codes_exist",
        with_op(opcode_index=1),
        E,
        "op 0 operator code 1",
        "refers to operator code 1, the file has 1",
    ),
    ("op_tensors_exist", with_op(inputs=(0, 1, 4)), E, f"{OP}, input 2, tensor 4", "no such"),
    ("op_tensors_exist", with_op(inputs=(-2, 1)), E, f"{OP}, input 0, tensor -2", "no such"),
    ("op_tensors_exist", with_op(outputs=(3, -1)), E, f"{OP}, output 1, tensor -1", "no such"),
    ("op_tensors_exist", with_op(intermediates=(7,)), E, f"{OP}, intermediate 0", "no such"),
    ("subgraph_tensors_exist", with_graph(inputs=(0, 4)), E, "subgraph input 1, tensor 4", "no"),
    ("subgraph_tensors_exist", with_graph(outputs=(3, -1)), E, "subgraph output 1", "no such"),
    (
        "subgraph_tensors_differ",
        with_graph(inputs=(0, 0)),
        E,
        "subgraph input 1, tensor 0 'x'",
        "already an earlier input",
    ),
    (
        "subgraph_tensors_differ",
        with_graph(outputs=(3, 3)),
        W,
        "subgraph output 1, tensor 3 'y'",
        "already an earlier output",
    ),
    (
        "inputs_not_constant",
        with_graph(inputs=(0, 1)),
        E,
        "subgraph input 1, tensor 1 'w'",
        "a constant cannot be an input",
    ),
    ("outputs_writable", with_op(outputs=(3, 1)), E, f"{OP}, output 1, tensor 1", "a constant"),
    ("outputs_writable", with_op(outputs=(3, 0)), E, f"{OP}, output 1, tensor 0", "an input of"),
    ("one_writer", with_op(outputs=(3, 3)), E, f"{OP}, output 1, tensor 3", "op 0 writes this"),
    ("written_before_read", with_op(inputs=(3, 1)), E, f"{OP}, input 0, tensor 3 'y'", "nothing"),
    ("outputs_written", with_op(outputs=()), E, "subgraph output 0, tensor 3 'y'", "nothing"),
    (
        "model_tensor_names_differ",
        lambda m: with_graph(inputs=(0, 3), operators=())(with_tensor(3, name="x")(m)),
        E,
        "input, tensor 3 'x'",
        "tensor 0, also an input, has the same name",
    ),
]

CASES = FILE_CASES + TENSOR_CASES + OPERATOR_CASES


@pytest.mark.parametrize(("rule", "change", "severity", "where", "message"), CASES)
def test_a_broken_rule_is_told(
    rule: str, change: Callable[[Model], Model], severity: str, where: str, message: str
) -> None:
    found = [p for p in verify(broken_model(change)) if p.rule == rule]
    assert len(found) == 1
    assert found[0].severity == severity
    assert str(found[0].where).startswith(where)
    assert message in found[0].message


def test_a_sound_model_breaks_no_rule() -> None:
    assert verify(load(sound().finish())) == []


def test_all_findings_come_at_once_and_in_the_order_of_the_rules() -> None:
    model = broken_model(with_tensor(3, shape=(1, -1), buffer=99, type_code=5))
    found = verify(replace(model, version=1))
    names = [p.rule for p in found]
    assert names == ["schema_version", "tensor_types_supported", "shapes_fit", "buffers_exist"]


def test_a_rule_tells_a_bounded_number_of_findings() -> None:
    many = tuple(range(1000, 1000 + 2 * MAX_PER_RULE))
    found = verify(broken_model(with_op(intermediates=many)))
    assert len(found) == MAX_PER_RULE + 1
    assert "only the first 100" in found[-1].message


def test_misalignment_is_a_warning() -> None:
    data = moved_to_odd_place(sound().finish(), 2, flat.MODEL_BUFFERS, [1], flat.BUFFER_DATA)
    (warning,) = verify(load(data))
    assert (warning.rule, warning.severity) == ("aligned", "warning")


def tensor(**fields: Any) -> list[Problem]:
    """Findings about tensor 1 (the constant w) with some fields changed."""
    return verify(broken_model(with_tensor(1, **fields)))


def test_quantisation_that_converters_write_is_accepted() -> None:
    one_zero_point = quantization([1, 2], 0)
    assert tensor(quantization=one_zero_point) == []
    # A bias of rank 1 that names the weights' dimension, as in person_detect.
    bias = quantization([0.1, 0.2], [0, 0], axis=3)
    assert verify(broken_model(with_tensor(2, quantization=bias))) == []
    # Integers that are not quantised at all, but carry a scale of 0.
    assert verify(broken_model(with_tensor(2, quantization=quantization(0, 0)))) == []
    # Float tensors with left-over quantisation: TFLM does not look at it.
    for odd in (quantization(np.nan, 999), quantization([1] * 5, 0, axis=7)):
        change = with_tensor(3, type_code=0, quantization=odd)
        assert verify(broken_model(change)) == []


def test_limits_of_shapes_are_exact() -> None:
    """int32 bytes: 2^31 - 1 fit, 2^31 do not."""
    fits, does_not = (2**31 - 1,), (2**31,)
    assert verify(broken_model(with_tensor(3, shape=fits))) == []
    (problem,) = verify(broken_model(with_tensor(3, shape=does_not)))
    assert problem.rule == "shapes_fit"
    floats = with_tensor(3, shape=(2**29,), type_code=0)
    assert [p.rule for p in verify(broken_model(floats))] == ["shapes_fit"]
    assert verify(broken_model(with_tensor(3, shape=(2**29 - 1,), type_code=0))) == []


def test_zero_points_at_the_limits_are_accepted() -> None:
    for zero_point in (-128, 127):
        assert tensor(quantization=quantization(1, zero_point)) == []


def test_odd_int4_constants_are_packed_two_in_a_byte() -> None:
    packed = with_tensor(1, shape=(11,), type_code=17, quantization=None)
    assert verify(broken_model(packed)) == []


def test_rule_texts_are_the_docstrings() -> None:
    texts = rule_texts()
    assert len({rule.__name__ for rule in RULES}) == len(RULES)
    assert texts["schema_version"] == "The schema version is 3, the only one in use."
    assert all(text and text.splitlines()[0].endswith(".") for text in texts.values())


def test_every_rule_has_a_case() -> None:
    elsewhere = {
        "aligned",
        "compression_sound",  # test_compression_rules.py
        "called_subgraphs_exist",  # test_verify_calls.py
        "no_recursion",
        "calls_bounded",
    }
    assert {rule for rule, *_ in CASES} | elsewhere == {rule.__name__ for rule in RULES}


def test_sparsity_is_seen_in_the_file() -> None:
    builder = flatbuffers.Builder(64)
    tflite.SparsityParametersStart(builder)
    sparsity = tflite.SparsityParametersEnd(builder)
    tflite.TensorStart(builder)
    tflite.TensorAddSparsity(builder, sparsity)
    graph = subgraph(builder, [tflite.TensorEnd(builder)])
    model = load(model_with(builder, subgraphs=[graph], buffers=[]))
    assert "no_sparse_tensors" in [problem.rule for problem in verify(model)]


@pytest.mark.parametrize("name", WAKE_WORDS)
def test_wake_word_models_have_no_problems(name: str) -> None:
    assert verify(load(model_bytes(name))) == []


def test_shared_models_have_no_problems() -> None:
    names = sorted(path.name for path in SHARED_MODELS.glob("*.tflite"))
    problems = {name: verify(load(shared_model(name))) for name in names or ["any"]}
    assert len(problems) == 12
    assert not any(problems.values()), problems


def test_tensor_places_name_the_subgraph() -> None:
    b = sound()
    second = b.subgraph("second")
    second.output(second.tensor("t", (-1,), "int8"))
    found = verify(load(b.finish()))
    assert [str(p.where) for p in found] == [
        "subgraph 1, tensor 0 't'",
        "subgraph 1, subgraph output 0, tensor 0 't'",
    ]


def test_names_with_escapes_stay_printable() -> None:
    b, g, _x, _y = one_op()
    evil = g.tensor("\x1b[31m\n" + "long" * 100, (-1,), "int8")
    assert evil == 2
    (problem,) = [p for p in verify(load(b.finish())) if p.rule == "shapes_fit"]
    assert "\x1b" not in str(problem)
    assert "\n" not in str(problem.where)


def test_a_dimension_in_the_file_is_read_as_signed() -> None:
    data = sound().finish()
    shape = flat.target(data, flat.MODEL_SUBGRAPHS, [0], flat.SUBGRAPH_TENSORS, [3], 0)
    model = load(put(data, shape + 4, 2**32 - 1))
    changed: FileTensor = model.subgraphs[0].tensors[3]
    assert changed.shape == (-1, 2)
    assert [p.rule for p in verify(model)] == ["shapes_fit"]

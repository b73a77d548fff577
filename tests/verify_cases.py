"""Ways to break each rule of verify: a change of a sound model, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from microinterp.model import Model, Quantization, load
from microinterp.model_builder import ModelBuilder
from microinterp.rules.common import Rule

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


def broken_model(change: Callable[[Model], Model]) -> Model:
    return change(load(sound().finish()))


@cache
def sound_model() -> Model:
    return load(sound().finish())


def told(rule: Rule, model: Model) -> list[str]:
    """All that one rule finds, as people read it: severity, place, message and hint."""
    return [f"{found.severity}: {found}" for found in rule(model)]


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

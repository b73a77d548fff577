"""Real models read with model.load and written again call by call: nothing that counts is lost."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tflite

from microinterp import tensor_types
from microinterp.model import FileTensor, Model, Operator, load
from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from microinterp.runtimes.tflm import TflmRuntime
from microinterp.schema import TABLES, UNIONS

from .conftest import SHARED_MODELS, require_or_skip, shared_model

WAKE_WORDS = ["alexa", "hey_jarvis", "hey_mycroft", "okay_nabu"]
SHARED = [
    "ad01_int8",
    "audio_preprocessor_int8",
    "dtln",
    "hello_world_int8",
    "ic_resnet8_float",
    "keyword_scrambled_8bit",
    "kws_int8",
    "person_detect",
]
OP_NAMES = {code: name for name, code in vars(tflite.BuiltinOperator).items() if name[0] != "_"}


def wake_word(name: str) -> bytes:
    spec = importlib.util.find_spec("pymicro_wakeword")
    if spec is None or spec.origin is None:
        require_or_skip("pymicro-wakeword", "pip install pymicro-wakeword")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "models" / f"{name}.tflite").read_bytes()


def rebuilt(model: Model) -> ModelBuilder:
    old = not any(code.raw_builtin_code for code in model.operator_codes)
    b = ModelBuilder(model.description, old_op_codes=old)
    for graph in model.subgraphs:
        g = b.subgraph(graph.name)
        for tensor in graph.tensors:
            add_tensor(g, model, tensor)
        for op in graph.operators:
            add_op(g, model, op)
        for number in graph.inputs:
            g.as_input(number)
        for number in graph.outputs:
            g.output(number)
    for entry in model.metadata:
        b.metadata(entry.name, bytes(model.buffers[entry.buffer] or b""))
    for entry in model.signatures:
        b.signature(entry.key, dict(entry.inputs), dict(entry.outputs), entry.subgraph)
    return b


def add_tensor(g: SubGraphBuilder, model: Model, tensor: FileTensor) -> None:
    dtype = tensor_types.name_of(tensor.type_code)
    data, q = model.buffers[tensor.buffer], tensor.quantization
    quantization = (q.scale, q.zero_point, q.axis) if q else (None, None, 0)
    if data is None:
        g.tensor(tensor.name, tensor.shape, dtype, *quantization, tensor.is_variable)
    else:
        g.constant(tensor.name, bytes(data), dtype, *quantization, shape=tensor.shape)


def add_op(g: SubGraphBuilder, model: Model, op: Operator) -> None:
    code = model.operator_codes[op.opcode_index]
    if code.custom_code is not None:
        data = op.custom_options
        g.custom_op(code.custom_code, op.inputs, op.outputs, data, version=code.version)
        return
    name = OP_NAMES[code.code]
    rest = {"version": code.version, "intermediates": op.intermediates}
    with_options = op.options_type != 0
    g.op(name, op.inputs, op.outputs, with_options=with_options, **rest, **options_of(op))


def options_of(op: Operator) -> dict[str, Any]:
    """Fields of the options table as keywords, read with the package's own accessors."""
    if not op.options_type:
        return {}
    name = UNIONS["BuiltinOptions"][op.options_type]
    table = getattr(tflite, name)()
    table.Init(op.options.Bytes, op.options.Pos)
    values = {}
    for field in TABLES[name]:
        camel = "".join(part.capitalize() for part in field.name.split("_"))
        if field.kind == "vector":
            if not getattr(table, f"{camel}IsNone")():
                length = getattr(table, f"{camel}Length")()
                values[field.name] = [getattr(table, camel)(i) for i in range(length)]
        else:
            value = getattr(table, camel)()
            values[field.name] = value.decode() if isinstance(value, bytes) else value
    return {key: value for key, value in values.items() if value is not None}


def facts(model: Model) -> list[Any]:
    """Everything in the file but the numbering of buffers and op codes."""
    codes, buffers = model.operator_codes, model.buffers

    def data(number: int) -> bytes:
        return bytes(buffers[number] or b"")

    def quantization(tensor: FileTensor) -> Any:
        q = tensor.quantization
        return None if q is None else (q.scale.tolist(), q.zero_point.tolist(), q.axis)

    graphs = [
        (
            [
                (t.name, t.shape, t.type_code, t.is_variable, data(t.buffer), quantization(t))
                for t in g.tensors
            ],
            [
                (codes[op.opcode_index], op.inputs, op.outputs, op.intermediates, op.options_type,
                 options_of(op), op.custom_options)
                for op in g.operators
            ],
            (g.name, g.inputs, g.outputs),
        )
        for g in model.subgraphs
    ]  # fmt: skip
    metadata = [(entry.name, data(entry.buffer)) for entry in model.metadata]
    return [graphs, metadata, model.signatures, model.description, model.version]


def check_rebuilt(tflm: TflmRuntime, data: bytes) -> None:
    model = load(data)
    again = rebuilt(model).finish()
    assert facts(load(again)) == facts(model)
    samples, keys = random_samples(model), computed(model)
    want, have = tflm.run(data, samples, keys), tflm.run(again, samples, keys)
    assert [list(map(bytes_of, sample)) for sample in have.outputs] == [
        list(map(bytes_of, sample)) for sample in want.outputs
    ]
    for key in keys:
        assert [bytes_of(t[key]) for t in have.tensors] == [bytes_of(t[key]) for t in want.tensors]
    assert any(len({bytes_of(t[key]) for t in have.tensors}) > 1 for key in keys)


def bytes_of(array: np.ndarray[Any, Any]) -> bytes:
    return array.tobytes()


def computed(model: Model) -> list[tuple[int, int]]:
    """The tensors that ops of the main subgraph write; TFLM cannot hand out resource handles."""
    graph = model.subgraphs[0]
    written = [number for op in graph.operators for number in op.outputs]
    resource = tflite.TensorType.RESOURCE
    return [(0, number) for number in written if graph.tensors[number].type_code != resource]


def random_samples(model: Model) -> list[list[np.ndarray[Any, Any]]]:
    rng = np.random.default_rng(5)
    graph = model.subgraphs[0]
    samples = []
    for _ in range(4):
        arrays = []
        for number in graph.inputs:
            tensor = graph.tensors[number]
            entry = tensor_types.BY_CODE[tensor.type_code]
            values = rng.integers(-128, 128, tensor.shape)
            arrays.append(values.astype(np.dtype(entry.dtype)))
        samples.append(arrays)
    return samples


@pytest.mark.parametrize("name", WAKE_WORDS)
def test_wake_word_models(tflm: TflmRuntime, name: str) -> None:
    check_rebuilt(tflm, wake_word(name))


@pytest.mark.parametrize("name", SHARED)
def test_shared_models(tflm: TflmRuntime, name: str) -> None:
    check_rebuilt(tflm, shared_model(f"{name}.tflite"))


def test_the_list_of_shared_models_names_files_that_are_there() -> None:
    if not SHARED_MODELS.exists():
        pytest.skip("the folder ../shared/models with real models is absent")
    assert set(SHARED) <= {path.stem for path in SHARED_MODELS.glob("*.tflite")}

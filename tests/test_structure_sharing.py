"""The bounds-checked walk over files that no converter writes: shared tables, data outside."""

from __future__ import annotations

import time

import flatbuffers
import numpy as np
import tflite

from microinterp.model import load
from microinterp.structure import check_structure
from tests.flat import model_with, subgraph


def test_external_data_is_refused() -> None:
    """A buffer, or a tensor, that says that its data lies outside of the FlatBuffer."""
    builder = flatbuffers.Builder(64)
    tflite.BufferStart(builder)
    tflite.BufferAddOffset(builder, 4096)
    tflite.BufferAddSize(builder, 16)
    data = model_with(builder, buffers=[tflite.BufferEnd(builder)])
    (problem,) = check_structure(data)
    assert problem.rule == "data_in_file"
    assert problem.message.startswith("buffers[0].offset: 4096 refers to data outside")

    builder = flatbuffers.Builder(64)
    builder.StartObject(11)
    builder.PrependUint32Slot(10, 1, 0)  # external_buffer, newer than the generated code
    tensor = builder.EndObject()
    (problem,) = check_structure(model_with(builder, subgraphs=[subgraph(builder, [tensor])]))
    assert problem.rule == "data_in_file"
    assert str(problem.where).startswith("tensor 0, byte")


def test_offset_1_means_no_external_data() -> None:
    """Converters leave a 1 there: the field counts only if it is greater (schema.fbs)."""
    builder = flatbuffers.Builder(64)
    tflite.BufferStart(builder)
    tflite.BufferAddOffset(builder, 1)
    tflite.BufferAddSize(builder, 1)
    assert check_structure(model_with(builder, buffers=[tflite.BufferEnd(builder)])) == []


def shared_tensor(builder: flatbuffers.Builder, dims: int) -> int:
    shape = builder.CreateNumpyVector(np.ones(dims, np.int32))
    tflite.TensorStart(builder)
    tflite.TensorAddShape(builder, shape)
    return int(tflite.TensorEnd(builder))


def test_tables_shared_many_times_over_are_refused() -> None:
    """3000 references to a subgraph that has 3000 references to a tensor: 9 million tensors."""
    builder = flatbuffers.Builder(64)
    graph = subgraph(builder, [shared_tensor(builder, 1)] * 3000)
    data = model_with(builder, subgraphs=[graph] * 3000)
    assert len(data) < 25_000
    start = time.process_time()
    (problem,) = check_structure(data)
    assert time.process_time() - start < 1
    assert problem.rule == "sharing_bounded"


def test_long_vectors_shared_many_times_over_are_refused() -> None:
    builder = flatbuffers.Builder(64)
    graph = subgraph(builder, [shared_tensor(builder, 10_000)] * 1000)
    (problem,) = check_structure(model_with(builder, subgraphs=[graph]))
    assert problem.rule == "sharing_bounded"


def test_modest_sharing_is_sound() -> None:
    """One quantisation table for all tensors, as a frugal writer would have it."""
    builder = flatbuffers.Builder(64)
    scale = builder.CreateNumpyVector(np.ones(1, np.float32))
    zero_point = builder.CreateNumpyVector(np.zeros(1, np.int64))
    tflite.QuantizationParametersStart(builder)
    tflite.QuantizationParametersAddScale(builder, scale)
    tflite.QuantizationParametersAddZeroPoint(builder, zero_point)
    quantization = tflite.QuantizationParametersEnd(builder)
    tensors = []
    for i in range(100):
        name = builder.CreateString(f"tensor{i}")
        tflite.TensorStart(builder)
        tflite.TensorAddName(builder, name)
        tflite.TensorAddQuantization(builder, quantization)
        tensors.append(tflite.TensorEnd(builder))
    data = model_with(builder, subgraphs=[subgraph(builder, tensors)])
    assert check_structure(data) == []
    assert len(load(data).subgraphs[0].tensors) == 100


def test_buffer_data_may_be_shared_by_any_number_of_buffers() -> None:
    """It is never copied, so it costs nothing."""
    builder = flatbuffers.Builder(64)
    content = builder.CreateNumpyVector(np.zeros(10_000, np.uint8))
    buffers = []
    for _ in range(100):
        tflite.BufferStart(builder)
        tflite.BufferAddData(builder, content)
        buffers.append(tflite.BufferEnd(builder))
    data = model_with(builder, buffers=buffers)
    assert check_structure(data) == []
    assert len(load(data).buffers) == 100

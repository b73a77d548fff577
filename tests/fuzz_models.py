"""The models that the fuzz tests damage: some built here, and real ones where they are at hand."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

import numpy as np

from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from tests.flow_models import compressed_model, control_flow_model, decode_model
from tests.models import conv_model

SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"
SHARED_MODELS = {
    "hello_world": "hello_world_int8.tflite",
    "kws": "kws_int8.tflite",
    "micro_speech": "micro_speech_int8.tflite",
    "ic_resnet8": "ic_resnet8_int8.tflite",
}
WAKE_WORDS = ("okay_nabu", "alexa", "hey_jarvis", "hey_mycroft")


def stateful_model() -> bytes:
    """A sum over invokes in a variable that a subgraph starts, and ops that move data around."""
    b = ModelBuilder()
    main, start = b.subgraph("main"), b.subgraph("start")
    initial = start.constant("initial", np.arange(8, dtype=np.int8).reshape(1, 8))
    start.op("ASSIGN_VARIABLE", [_handle(start), initial], [])

    x = main.input("x", (1, 2, 2, 1), "int8", scale=0.5, zero_point=1)
    quantised = {"scale": 0.5, "zero_point": 1}
    flat = main.tensor("flat", (1, 4), "int8", **quantised)
    old = main.tensor("old", (1, 8), "int8", **quantised)
    kept = main.tensor("kept", (1, 4), "int8", **quantised)
    new = main.tensor("new", (1, 8), "int8", **quantised)
    padded = main.tensor("padded", (3, 10), "int8", **quantised)
    main.op("CALL_ONCE", [], [], init_subgraph_index=start.index)
    handle = _handle(main)
    main.op("READ_VARIABLE", [handle], [old])
    shape = main.constant("shape", np.array([1, 4], np.int32))
    main.op("RESHAPE", [x, shape], [flat], new_shape=[1, 4])
    edges = [main.constant(f"edge{i}", np.array(v, np.int32)) for i, v in enumerate(_EDGES)]
    main.op("STRIDED_SLICE", [old, *edges], [kept])
    main.op("CONCATENATION", [kept, flat], [new], axis=1)
    main.op("ASSIGN_VARIABLE", [handle, new], [])
    pads = main.constant("pads", np.array([[1, 1], [0, 2]], np.int32))
    main.op("PAD", [new, pads], [padded])
    main.output(padded)
    return b.finish()


_EDGES = ([0, 4], [1, 8], [1, 1])  # begin, end, strides of the strided slice


def _handle(graph: SubGraphBuilder) -> int:
    handle = graph.tensor("handle", (), "resource")
    graph.op("VAR_HANDLE", [], [handle], container="", shared_name="sum")
    return handle


def index_model() -> bytes:
    """Places that are found at run time: rows looked up, summed, put into a box and mirrored."""
    b = ModelBuilder()
    g = b.subgraph("main")
    rng = np.random.default_rng(3)

    def ints(name: str, *values: int | tuple[int, ...]) -> int:
        return g.constant(name, np.array(values, np.int32))

    quant = {"scale": 0.5, "zero_point": 1}
    x = g.input("x", (2, 4), "int8", **quant)
    places = g.tensor("places", (2,), "int32")
    table = g.constant("table", rng.integers(-128, 128, (4, 3)).astype(np.int8), **quant)
    rows = g.tensor("rows", (2, 3), "int8", **quant)
    sums = g.tensor("sums", (2, 3), "int8", scale=2.0, zero_point=-5)
    board = g.constant("board", rng.integers(-128, 128, (5, 6)).astype(np.int8))
    boxed = g.tensor("boxed", (5, 6), "int8")
    turned = g.tensor("turned", (5, 6), "int8")
    mirrored = g.tensor("mirrored", (7, 8), "int8")
    g.op("ARG_MAX", [x, ints("axis", 1)], [places], output_type="int32")
    g.op("GATHER", [table, places], [rows])
    g.op("CUMSUM", [rows, ints("along", 1)], [sums])
    g.op("DYNAMIC_UPDATE_SLICE", [board, sums, places], [boxed])
    g.op("REVERSE_V2", [boxed, ints("axes", 0, 1)], [turned])
    pads = ints("pads", (1, 1), (2, 0))
    g.op("MIRROR_PAD", [turned, pads], [mirrored], mode="REFLECT")
    g.output(mirrored)
    return b.finish()


def recurrent_model() -> bytes:
    """An LSTM and an SVDF with states, a product, an int4 filter, a transposed convolution."""
    b = ModelBuilder()
    g = b.subgraph("main")
    rng = np.random.default_rng(4)
    quant = {"scale": 0.05, "zero_point": 1}
    weights = {"scale": 0.01, "zero_point": 0}

    def filters(*shape: int, dtype: str = "int8") -> int:
        values = rng.integers(-8, 8, shape) * (1 if dtype == "int4" else 16)
        return g.constant(f"w{shape}", values, dtype, **weights)

    def zeros(count: int, scale: float) -> int:
        return g.constant(f"bias{count}", np.zeros(count, np.int32), scale=scale, zero_point=0)

    def tensor(*shape: int) -> int:
        return g.tensor(f"t{shape}", shape, "int8", **quant)

    def shape(*sizes: int) -> int:
        return g.constant("shape", np.array(sizes, np.int32))

    x = g.input("x", (1, 2, 4), "int8", **quant)
    hidden = g.tensor("hidden", (1, 3), "int8", scale=2.0**-7, zero_point=0, is_variable=True)
    cell = g.tensor("cell", (1, 3), "int16", scale=2.0**-11, zero_point=0, is_variable=True)
    steps, product, rows = tensor(1, 2, 3), tensor(1, 2, 4), tensor(2, 4)
    gates = [filters(3, 4) for _ in range(4)] + [filters(3, 3) for _ in range(4)]
    biases = [zeros(3, 0.0005) for _ in range(4)]
    absent = [None] * 4
    lstm = [x, *gates, *absent[:3], *biases, *absent[:2], hidden, cell, *absent]
    tanh = {"fused_activation_function": "TANH"}
    g.op("UNIDIRECTIONAL_SEQUENCE_LSTM", lstm, [steps], cell_clip=0.5, **tanh)
    g.op("BATCH_MATMUL", [steps, filters(4, 3)], [product], adj_y=True)
    g.op("RESHAPE", [product, shape(2, 4)], [rows])
    state = g.tensor("state", (2, 18), "int8", **quant, is_variable=True)
    summed, dense, image = tensor(2, 3), tensor(2, 4), tensor(1, 2, 2, 2)
    g.op("SVDF", [rows, filters(6, 4), filters(6, 3), zeros(3, 0.0005), state], [summed], rank=2)
    g.op("FULLY_CONNECTED", [summed, filters(4, 3, dtype="int4"), zeros(4, 0.0005)], [dense])
    g.op("RESHAPE", [dense, shape(1, 2, 2, 2)], [image])
    large = tensor(1, 4, 4, 1)
    upwards = {"padding": "SAME", "stride_h": 2, "stride_w": 2}
    g.op("TRANSPOSE_CONV", [shape(1, 4, 4, 1), filters(1, 3, 3, 2), image], [large], **upwards)
    g.output(large)
    return b.finish()


BUILT_MODELS = {
    "conv": conv_model,
    "stateful": stateful_model,
    "index": index_model,
    "recurrent": recurrent_model,
    "control_flow": control_flow_model,
    "decode": decode_model,
    "compressed": compressed_model,
}
ALL_MODELS = (*BUILT_MODELS, *SHARED_MODELS, *WAKE_WORDS)


def model_names() -> list[str]:
    """Those at hand: real ones from ../shared/models if it is there, else the wake words alone."""
    shared = [name for name, file in SHARED_MODELS.items() if (SHARED / file).exists()]
    return [*BUILT_MODELS, *shared, *(WAKE_WORDS[:1] if shared else WAKE_WORDS)]


def model_bytes(name: str) -> bytes:
    """Contents of a model by its name in ALL_MODELS."""
    if name in BUILT_MODELS:
        return BUILT_MODELS[name]()
    if name in SHARED_MODELS:
        return (SHARED / SHARED_MODELS[name]).read_bytes()
    models = importlib.resources.files("pymicro_wakeword") / "models"
    return (models / f"{name}.tflite").read_bytes()

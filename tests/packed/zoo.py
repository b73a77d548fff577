"""One model whose packed form has every kind of step."""

from __future__ import annotations

import numpy as np

from microinterp.model_builder import ModelBuilder, SubGraphBuilder

Q = {"scale": 0.5, "zero_point": -3}


class Zoo:
    """A chain of ops over int8 tensors of one quantisation."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(8)
        self.builder = ModelBuilder(description="one of each")
        self.graph: SubGraphBuilder = self.builder.subgraph("main")
        self.tensors = 0

    def int8(self, *shape: int, **quantization: float) -> int:
        self.tensors += 1
        return self.graph.tensor(f"t{self.tensors}", shape, "int8", **(quantization or Q))

    def op(self, name: str, inputs: list[int], *shape: int, **options: object) -> int:
        out = self.int8(*shape)
        self.graph.op(name, inputs, [out], **options)
        return out

    def weights(self, *shape: int) -> int:
        values = self.rng.integers(-127, 128, shape).astype(np.int8)
        return self.graph.constant("w", values, scale=0.002, zero_point=0)

    def bias(self, size: int) -> int:
        values = self.rng.integers(-99, 99, size).astype(np.int32)
        return self.graph.constant("b", values, scale=0.001, zero_point=0)

    def numbers(self, *values: object) -> int:
        return self.graph.constant("numbers", np.array(values, np.int32))


def every_step() -> bytes:
    """int8 [1, 6, 6, 4] in; float32 [1, 4] and int8 [1, 6, 6, 4] (a sum over invokes) out."""
    z = Zoo()
    g = z.graph
    window = {"padding": "SAME", "stride_w": 1, "stride_h": 1}
    x = g.input("x", (1, 6, 6, 4), "int8", **Q)
    g.op("CALL_ONCE", [], [], init_subgraph_index=1)
    handle = g.tensor("handle", (), "resource")
    g.op("VAR_HANDLE", [], [handle], shared_name="sum")
    kept = z.op("READ_VARIABLE", [handle], 1, 6, 6, 4)
    total = z.op("ADD", [x, kept], 1, 6, 6, 4)
    g.op("ASSIGN_VARIABLE", [handle, total], [])
    y = z.op("CONV_2D", [total, z.weights(4, 3, 3, 2), z.bias(4)], 1, 6, 6, 4, **window)
    filters = [y, z.weights(1, 3, 3, 4), z.bias(4)]
    y = z.op("DEPTHWISE_CONV_2D", filters, 1, 6, 6, 4, depth_multiplier=1, **window)
    y = z.op("PAD", [y, z.numbers([0, 0], [1, 1], [1, 1], [0, 0])], 1, 8, 8, 4)
    pooling = {"padding": "VALID", "filter_width": 2, "filter_height": 2, "stride_w": 2}
    a = z.op("MAX_POOL_2D", [y], 1, 4, 4, 4, stride_h=2, **pooling)
    b = z.op("AVERAGE_POOL_2D", [y], 1, 4, 4, 4, stride_h=2, **pooling)
    y = z.op("MUL", [a, b], 1, 4, 4, 4)
    y = z.op("RELU", [y], 1, 4, 4, 4)
    y = z.op("TRANSPOSE", [y, z.numbers(0, 3, 1, 2)], 1, 4, 4, 4)
    y = z.op("MEAN", [y, z.numbers(1, 2)], 1, 4)
    y = z.op("FULLY_CONNECTED", [y, z.weights(4, 4), z.bias(4)], 1, 4)
    soft = z.int8(1, 4, scale=1 / 256, zero_point=-128)
    g.op("SOFTMAX", [y], [soft], beta=0.1)
    real = g.tensor("real", (1, 4), "float32")
    g.op("DEQUANTIZE", [soft], [real])
    g.output(real)
    g.output(total)
    init = z.builder.subgraph("init")
    own = init.tensor("handle", (), "resource")
    init.op("VAR_HANDLE", [], [own], shared_name="sum")
    start = init.constant("start", z.rng.integers(-9, 9, (1, 6, 6, 4)).astype(np.int8), **Q)
    init.op("ASSIGN_VARIABLE", [own, start], [])
    return z.builder.finish()

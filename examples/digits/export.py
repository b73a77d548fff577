"""Write the network as a .tflite file, float32 or int8: one operator per layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import network
import numpy as np
from network import Array, Layer

from microinterp.model_builder import ModelBuilder

# LiteRT wants to know since which version an operator can do what is asked of it.
INT8_VERSIONS = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "MAX_POOL_2D": 2,
    "AVERAGE_POOL_2D": 2,
    "FULLY_CONNECTED": 4,
    "SOFTMAX": 2,
}


class Quantisation(NamedTuple):
    """How an int8 activation stands for real numbers: real = scale * (q - zero_point)."""

    scale: float
    zero_point: int


class Constant(NamedTuple):
    """Weights or bias of a layer; int8 and int32 ones have one scale per channel along `axis`."""

    name: str
    values: Array
    scale: list[float] | None = None
    axis: int = 0


def tflite_file(
    layers: list[Layer],
    constants: Sequence[Sequence[Constant]],
    activations: Sequence[Quantisation] | None,
    description: str,
) -> bytes:
    """A .tflite file.

    Args:
        layers: the network.
        constants: of each layer, in the order in which its operator takes them.
        activations: of the image and of each layer's output; None for float32.
        description: goes into the file.
    """
    builder = ModelBuilder(description=description)
    graph = builder.subgraph("main")
    dtype = "float32" if activations is None else "int8"
    shapes = [(1, *shape) for shape in network.shapes(layers)]

    def quantisation(i: int) -> dict[str, float | int]:
        return {} if activations is None else activations[i]._asdict()

    image = tensor = graph.input("image", shapes[0], dtype, **quantisation(0))
    for i, layer in enumerate(layers):
        inputs, options = [tensor], dict(layer.options)
        for name, values, scale, axis in constants[i]:
            zero_point = None if scale is None else 0
            full_name = f"{layer.name}/{name}"
            inputs.append(
                graph.constant(full_name, values, scale=scale, zero_point=zero_point, axis=axis)
            )
        if layer.op == "RESHAPE":
            shape = np.array(shapes[i + 1], np.int32)
            inputs.append(graph.constant(f"{layer.name}/shape", shape))
            options["new_shape"] = shape.tolist()
        tensor = graph.tensor(layer.name, shapes[i + 1], dtype, **quantisation(i + 1))
        version = 1 if activations is None else INT8_VERSIONS.get(layer.op, 1)
        graph.op(layer.op, inputs, [tensor], version=version, **options)
    graph.output(tensor)
    builder.signature("serving_default", {"image": image}, {layers[-1].name: tensor})
    return builder.finish()


def float_file(layers: list[Layer]) -> bytes:
    """The network as it was trained, a float32 .tflite file."""
    constants = [
        [Constant(name, values) for name, values in layer.parameters.items()] for layer in layers
    ]
    return tflite_file(layers, constants, None, "float32 digits classifier: image = pixel / 16")

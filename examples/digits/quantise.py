"""Turn the trained float network into int8, the way TensorFlow Lite specifies it.

    python quantise.py

Reads digits_float.npz, writes digits_int8.tflite, digits_float.tflite and quantise.log next to
itself. A real number is scale * (q - zero_point), with q an int8:
* weights: one scale per output channel (one for all in the fully connected layer), zero point 0,
  q from -127 to 127;
* biases: int32, scale = input scale * weight scale;
* activations: scale and zero point from the range that the train images reach (calibration);
  pooling and reshaping keep those of their input; probabilities always have 1/256 and -128.
"""

from __future__ import annotations

from pathlib import Path

import dataset
import network
import numpy as np
from export import Constant, Quantisation, float_file, tflite_file
from network import Array, Layer
from train import accuracy, write_log

from microinterp.errors import RuntimeUnavailableError
from microinterp.runtimes.tflm import TflmRuntime

HERE = Path(__file__).resolve().parent


# The network takes pixel / 16. A step of 1/240 gives every pixel value 0..16 an int8 of its own
# without rounding, q = 15 * pixel - 128, and uses -128..112 of the range.
IMAGE = Quantisation(float(np.float32(1 / 240)), -128)
PROBABILITIES = Quantisation(1 / 256, -128)


def from_range(low: float, high: float) -> Quantisation:
    """256 steps from `low` to `high`, stretched so that 0 is a step: padding is zeros."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / 255))  # a .tflite file holds float32
    return Quantisation(scale, round(-128 - low / scale))


def quantise_image(images: Array) -> Array:
    """What the int8 network takes, int8 [n, 8, 8, 1], for images uint8 [n, 8, 8, 1]."""
    steps = np.rint(dataset.to_real(images) / IMAGE.scale)
    return (steps + IMAGE.zero_point).astype(np.int8)


def calibrate(layers: list[Layer], images: Array) -> list[Quantisation]:
    """Quantisation of the image and of each layer's output, from what `images` make of them.

    In float64, whose rounding errors are too small to reach the float32 scales: every machine gets
    the same file.
    """
    found = [IMAGE]
    x = dataset.to_real(images).astype(np.float64)
    for layer in layers:
        x = layer.forward(x)
        if layer.op == "SOFTMAX":
            found.append(PROBABILITIES)
        elif layer.is_ranged:
            found.append(from_range(x.min(), x.max()))
        else:
            found.append(found[-1])
    return found


def quantise_parameters(layer: Layer, input_scale: float) -> list[Constant]:
    """Weights and bias of a layer as int8 and int32 constants; none for a layer without."""
    if not layer.parameters:
        return []
    weights, bias = layer.parameters["weights"], layer.parameters["bias"]
    axis = layer.channel_axis
    others = tuple(i for i in range(weights.ndim) if i != axis)
    largest = np.abs(weights).max(axis=others, keepdims=True)
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    int_weights = np.rint(weights / scales.astype(np.float64)).astype(np.int8)
    bias_scales = input_scale * scales.ravel().astype(np.float64)
    int_bias = np.rint(bias / bias_scales).astype(np.int32)
    return [
        Constant("weights", int_weights, scales.ravel().tolist(), axis or 0),
        Constant("bias", int_bias, bias_scales.tolist()),
    ]


def quantise(layers: list[Layer], images: Array) -> bytes:
    """An int8 .tflite file of the network, calibrated with `images`."""
    activations = calibrate(layers, images)
    constants = [
        quantise_parameters(layer, given.scale)
        for layer, given in zip(layers, activations, strict=False)
    ]
    description = "int8 digits classifier: image real 0..1 = pixel / 16, q = 15 * pixel - 128"
    return tflite_file(layers, constants, activations, description)


def run_int8(model: bytes, images: Array) -> Array:
    """Outputs int8 [n, 10] of TensorFlow Lite Micro for images uint8 [n, 8, 8, 1]."""
    inputs = quantise_image(images)
    with TflmRuntime() as tflm:
        outputs = tflm.run(model, [[image[None]] for image in inputs]).outputs
    return np.concatenate([sample[0] for sample in outputs])


def main() -> None:
    """Quantise, write both files, test once."""
    layers = network.load_weights(HERE / "digits_float.npz", np.float64)
    images, labels = dataset.load(dataset.TRAIN)
    int8_model = quantise(layers, images)
    (HERE / "digits_int8.tflite").write_bytes(int8_model)
    float_model = float_file(network.load_weights(HERE / "digits_float.npz"))
    (HERE / "digits_float.tflite").write_bytes(float_model)
    lines = [
        f"digits_int8.tflite: {len(int8_model)} bytes",
        f"digits_float.tflite: {len(float_model)} bytes",
    ]
    try:
        on_train = run_int8(int8_model, images)
        test_images, test_labels = dataset.load(dataset.TEST)
        on_test = run_int8(int8_model, test_images)
        lines += [
            f"int8 in TensorFlow Lite Micro, train part: {accuracy(on_train, labels)}",
            f"int8 in TensorFlow Lite Micro, test part: {accuracy(on_test, test_labels)}",
        ]
    except RuntimeUnavailableError as error:
        lines.append(f"not tested: {error}")
    write_log(HERE / "quantise.log", lines)


if __name__ == "__main__":
    main()

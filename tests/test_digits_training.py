"""The digits example's arithmetic: gradients, distortions, Adam, the quantiser's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.digits import script

network = script("network")
quantise = script("quantise")
train = script("train")
dataset = script("dataset")

STEP = 1e-6


def loss(layers: list[Any], x: Any, target: Any) -> float:
    """Cross-entropy, the function whose gradient `backward` claims to give."""
    return float(-np.sum(target * np.log(network.forward(layers, x))))


def slope(layers: list[Any], x: Any, target: Any, array: Any, index: tuple[int, ...]) -> float:
    """Central difference of the loss along one element of `array`."""
    kept = array[index]
    array[index] = kept + STEP
    above = loss(layers, x, target)
    array[index] = kept - STEP
    below = loss(layers, x, target)
    array[index] = kept
    return (above - below) / (2 * STEP)


@pytest.fixture
def problem() -> tuple[list[Any], Any, Any]:
    """The network in float64 with biases that are not zero, three images, three targets."""
    rng = np.random.default_rng(5)
    layers = network.digits_network(seed=5)
    for layer in layers:
        for key, w in layer.parameters.items():
            layer.parameters[key] = w + rng.normal(0, 0.1, w.shape)
    return layers, rng.random((3, 8, 8, 1)), np.eye(10)[[7, 0, 4]]


def test_gradients_are_slopes_of_the_loss(problem: Any) -> None:
    layers, x, target = problem
    dx = network.backward(layers, network.forward(layers, x) - target)
    rng = np.random.default_rng(0)
    arrays = [(x, dx)]
    arrays += [(w, a.gradients[k]) for a in layers for k, w in a.parameters.items()]
    for array, gradient in arrays:
        assert gradient.shape == array.shape
        steepest = np.unravel_index(np.abs(gradient).argmax(), array.shape)
        others = [tuple(rng.integers(0, array.shape)) for _ in range(4)]
        for index in [steepest, *others]:
            want = slope(layers, x, target, array, index)
            assert gradient[index] == pytest.approx(want, rel=1e-4, abs=1e-7)
        assert abs(gradient[steepest]) > 1e-3


def test_equal_pixels_of_a_pool_share_the_gradient() -> None:
    pool = network.MaxPool("pool")
    image = np.array([[3.0, 3, 1, 2], [0, 3, 4, 0]]).reshape(1, 2, 4, 1)
    assert pool.forward(image).ravel().tolist() == [3, 4]
    dx = pool.backward(np.array([6.0, 5.0]).reshape(1, 1, 2, 1))
    assert dx[0, ..., 0].tolist() == [[2, 2, 0, 0], [0, 2, 5, 0]]


def test_first_step_of_adam_by_hand() -> None:
    layer = network.FullyConnected("scores", 1, 1, np.random.default_rng(0))
    layer.parameters = {"weights": np.array([[2.0]]), "bias": np.array([1.0])}
    adam = train.Adam([layer])
    layer.gradients = {"weights": np.array([[-0.3]]), "bias": np.array([5.0])}
    adam.step(0.1)
    # the first step is the sign of the gradient; weights also decay by rate * 0.05 * weight
    assert layer.parameters["weights"][0, 0] == pytest.approx(2 + 0.1 - 0.1 * 0.05 * 2, abs=1e-7)
    assert layer.parameters["bias"][0] == pytest.approx(1 - 0.1, abs=1e-7)


def test_distortions_keep_the_range_and_depend_on_the_seed_only() -> None:
    images = np.random.default_rng(0).random((20, 8, 8, 1)).astype(np.float32)
    first, again, other = (dataset.distort(images, np.random.default_rng(s)) for s in (1, 1, 2))
    assert first.shape == images.shape
    assert first.dtype == np.float32
    assert first.min() >= 0
    assert first.max() <= 1
    assert first.tobytes() == again.tobytes()
    assert np.all(np.any(first != other, axis=(1, 2, 3)))


def test_sampling_by_hand() -> None:
    image = np.array([[0.0, 8], [4, 0]])[None]
    x = np.array([[0, 1, 0.5, 0.25, -0.5, -3, 9]])
    y = np.array([[0, 0, 0.0, 0.50, 1.00, -3, 0]])
    #  corners 0 and 8; between them 4; (0.75 * 0 + 0.25 * 8 + 0.75 * 4 + 0.25 * 0) / 2 = 2.5;
    #  half of 4 beside the edge; nothing outside
    assert dataset._sample(image, x, y).tolist() == [[0, 8, 4, 2.5, 2, 0, 0]]


def test_training_is_reproducible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "EPOCHS", 2)
    rng = np.random.default_rng(3)
    images = rng.integers(0, 17, (64, 8, 8, 1)).astype(np.uint8)
    labels = rng.integers(0, 10, 64)
    once, again, other = (train.train(images, labels, seed) for seed in (1, 1, 2))
    for a, b, c in zip(once, again, other, strict=True):
        for key in a.parameters:
            assert a.parameters[key].tobytes() == b.parameters[key].tobytes()
            assert a.parameters[key].tobytes() != c.parameters[key].tobytes()


def test_every_pixel_value_has_an_int8_of_its_own() -> None:
    pixels = np.arange(17, dtype=np.uint8)
    assert quantise.quantise_image(pixels).tolist() == [15 * p - 128 for p in range(17)]


@pytest.mark.parametrize(
    ("low", "high", "scale", "zero_point"),
    [
        (0.0, 51.0, 0.2, -128),  # after a ReLU
        (-51.0, 0.0, 0.2, 127),
        (-25.4, 25.6, 0.2, -1),
        (-10.2, 40.8, 0.2, -77),
        (10.0, 25.5, 0.1, -128),  # 0 is always within
    ],
)
def test_range_to_scale_and_zero_point(
    low: float, high: float, scale: float, zero_point: int
) -> None:
    found = quantise.from_range(low, high)
    assert found.scale == float(np.float32(scale))
    assert found.zero_point == zero_point


def test_weights_and_bias_by_hand() -> None:
    layer = network.Conv("conv", 1, 2, 3, np.random.default_rng(0))
    weights = [[12.7, -6.35], [-0.5, 0.127], [0, 0]]
    layer.parameters = {
        "weights": np.array(weights).reshape(3, 1, 1, 2),
        "bias": np.array([1.0, -0.02, 3]),
    }
    found_weights, found_bias = quantise.quantise_parameters(layer, input_scale=0.5)
    assert found_weights.values.dtype == np.int8
    # scales 0.1 (a little more in float32, so -6.35 is just above -63.5 steps), 0.5 / 127, and 1
    # for a channel of zeros
    assert found_weights.values.reshape(3, 2).tolist() == [[127, -63], [-127, 32], [0, 0]]
    assert found_weights.scale == [float(np.float32(s)) for s in (0.1, 0.5 / 127, 1)]
    assert found_weights.axis == 0
    assert found_bias.values.dtype == np.int32
    assert found_bias.values.tolist() == [20, -10, 6]  # 1 / 0.05, -0.02 / 0.00197 = -10.16, 3 / 0.5
    assert found_bias.scale == [0.5 * s for s in found_weights.scale]


def test_depthwise_channels_and_the_single_scale_of_fully_connected() -> None:
    rng = np.random.default_rng(0)
    depthwise = network.DepthwiseConv("depthwise", 3, 4, rng)
    weights, _ = quantise.quantise_parameters(depthwise, 1.0)
    assert (len(weights.scale), weights.axis) == (4, 3)
    assert np.abs(weights.values).max(axis=(0, 1, 2)).tolist() == [127] * 4
    dense = network.FullyConnected("scores", 6, 5, rng)
    weights, bias = quantise.quantise_parameters(dense, 1.0)
    assert len(weights.scale) == len(bias.scale) == 1
    assert np.abs(weights.values).max() == 127

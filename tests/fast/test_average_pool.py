"""AVERAGE_POOL_2D by sums over rows: every geometry, every sum, every clamp."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.runtimes.tflm import TflmRuntime
from tests.fast.comparison import assert_same, node_of, tiles_of
from tests.ops.movement import Input, op_model, run_one
from tests.ops.strategies import ACTIVATIONS
from tests.spec_ops import conv as spec
from tests.spec_ops.conv import Axis

Rng = np.random.Generator


def pool(
    shape: tuple[int, ...],
    axes: tuple[Axis, Axis],
    zero_point: int = 0,
    activation: str = "NONE",
    scale: float = 0.05,
) -> bytes:
    rows, columns = axes
    options: dict[str, Any] = {"padding": rows.padding, "fused_activation_function": activation}
    options |= {"filter_height": rows.size, "filter_width": columns.size}
    options |= {"stride_h": rows.stride, "stride_w": columns.stride}
    y = Input(spec.output_shape(shape, shape[3], axes), "int8", scale, zero_point)
    return op_model("AVERAGE_POOL_2D", [Input(shape, "int8", scale, zero_point)], [y], **options)


def inputs(rng: Rng, shape: tuple[int, ...]) -> Any:
    """All ends, ends mixed, nearly equal numbers, whose means are ties often, and random ones."""
    ends = [np.full(shape, value) for value in (-128, 127, 0)]
    mixed = rng.choice((-128, 127), shape)
    near = [rng.integers(v, v + 2, shape) for v in (-128, -1, 0, 126)]
    return np.stack([*ends, mixed, *near, rng.integers(-128, 128, shape)]).astype(np.int8)


def random_pool(rng: Rng) -> tuple[bytes, tuple[int, ...]]:
    """A pool whose windows lie inside the image, most of the time, as they must."""
    axes = []
    sides = []
    padding = "VALID" if rng.integers(4) else "SAME"
    for _ in range(2):
        axis = Axis(int(rng.integers(1, 6)), int(rng.integers(1, 5)), 1, padding)
        axes.append(axis)
        sides.append(axis.size + int(rng.integers(0, 8)))
    shape = int(rng.integers(1, 4)), *sides, int(rng.integers(1, 6))
    numbers = int(rng.choice((-128, 127, 0, 17))), str(rng.choice(ACTIVATIONS))
    return pool(shape, (axes[0], axes[1]), *numbers, scale=float(rng.choice((0.05, 0.01)))), shape


def check_pools(count: int, seed: int, tflm: TflmRuntime | None = None) -> Counter[str]:
    """Compare random pools; says how many had a twin, or why they had none."""
    seen: Counter[str] = Counter()
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        data, shape = random_pool(rng)
        batch = inputs(rng, shape)
        with tiles_of(None if rng.integers(2) else int(2 ** rng.uniform(0, 9))):
            node, outputs = assert_same(data, batch, rng)
        seen["twin" if node.fast else node.why] += 1
        if tflm is not None:
            theirs = tflm.run(data, [[sample] for sample in batch]).outputs
            assert np.stack([found[0] for found in theirs]).tobytes() == outputs.tobytes()
    print(f"\n{dict(seen)}")
    return seen


def test_random_pools(tflm: TflmRuntime) -> None:
    seen = check_pools(40, 1)
    assert seen["twin"] >= 25
    assert check_pools(30, 2, tflm)["twin"] >= 18


@pytest.mark.thorough
def test_many_random_pools(tflm: TflmRuntime) -> None:
    seen = check_pools(1000, 3)
    assert seen["twin"] >= 750
    assert seen["means of fewer pixels at the edges"] >= 50
    assert check_pools(150, 4, tflm)["twin"] >= 100


def test_every_pair_of_numbers() -> None:
    """Two pixels, 65,536 windows: sums of both parities and signs."""
    values = np.arange(-128, 128, dtype=np.int8)
    x = np.stack(np.broadcast_arrays(values[:, None], values), axis=-1).reshape(1, 1, -1, 1)
    data = pool(x.shape, (Axis(1, 1, 1, "VALID"), Axis(2, 2, 1, "VALID")))
    want = np.array([mean(int(a) + int(b), 2) for a in values for b in values])
    assert (run_one(data, x).ravel() == want).all()
    assert node_of(Interpreter.from_bytes(data)).fast is not None


def mean(total: int, count: int) -> int:
    """To nearest, halves away from zero."""
    return (total + count // 2) // count if total > 0 else -((-total + count // 2) // count)


@pytest.mark.parametrize("side", [1, 2, 3, 5, 8, 16, 49])
def test_one_window_over_the_whole_image(side: int) -> None:
    rng = np.random.default_rng(side)
    shape = 1, side, side, 2
    axis = Axis(side, side, 1, "VALID")
    node, outputs = assert_same(pool(shape, (axis, axis)), inputs(rng, shape), rng)
    assert node.fast is not None
    assert {-128, 127} <= set(outputs.ravel().tolist())


def test_windows_with_padding_stay_plain() -> None:
    axis = Axis(3, 1, 1, "SAME")
    assert node_of(Interpreter.from_bytes(pool((1, 4, 4, 1), (axis, axis)))).fast is None
    # SAME that pads nothing is as good as VALID.
    axis = Axis(2, 2, 1, "SAME")
    assert node_of(Interpreter.from_bytes(pool((1, 4, 4, 1), (axis, axis)))).fast is not None


def test_sums_beyond_2_to_the_24_stay_plain() -> None:
    """2^17 pixels of -128 are the most that float32 holds."""
    for width, is_fast in ((512, True), (513, False)):
        shape = 1, 256, width, 1
        axes = Axis(256, 1, 1, "VALID"), Axis(width, 1, 1, "VALID")
        interpreter = Interpreter.from_bytes(pool(shape, axes))
        assert (node_of(interpreter).fast is not None) == is_fast
        x = np.full(shape, -128, np.int8)
        x[0, 0, 0, 0] = 127
        interpreter.set_input(x, 0)
        interpreter.invoke()
        assert interpreter.get_output(0).item() == -128


def test_worked_by_hand() -> None:
    # 1 + 2 + 3 + 4 = 10, 10 / 4 = 2.5: 3. -1 - 2 - 3 - 4: -3. 1 + 0 + 0 + 0 = 1: 0.
    axes = Axis(2, 2, 1, "VALID"), Axis(2, 2, 1, "VALID")
    x = np.array([[1, 2, -1, -2, 1, 0], [3, 4, -3, -4, 0, 0]], np.int8).reshape(1, 2, 6, 1)
    assert run_one(pool(x.shape, axes), x).ravel().tolist() == [3, -3, 0]
    # RELU with a zero point of 1 leaves nothing below 1.
    assert run_one(pool(x.shape, axes, 1, "RELU"), x).ravel().tolist() == [3, 1, 1]

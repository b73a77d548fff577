"""Random MEAN and SUM models."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.differential.case import Case as Row
from tests.ops.movement import Constant, Input, numbers, op_model
from tests.ops.strategies import scales, shapes, zero_points
from tests.ops.values import (
    ValueCase,
)
from tests.spec_ops import reduce as spec

OPS = ("MEAN", "SUM")


@st.composite
def axis_lists(draw: st.DrawFn, rank: int, most: int) -> Constant:
    """None, some or all axes; negative ones and repeats among them; a scalar or a list."""
    if rank == 0:
        return numbers(*draw(st.lists(st.integers(-5, 5), max_size=2)))
    axes = draw(st.lists(st.integers(-rank, rank - 1), max_size=most))
    if len(axes) == 1 and draw(st.booleans()):
        return Constant(np.array(axes[0], np.int32))
    return numbers(*axes)


@st.composite
def cases(draw: st.DrawFn, op: str, dtypes: tuple[str, ...]) -> ValueCase:
    """Any rank up to 8, sides up to 7, and scales near those that spread the result."""
    dtype, shape = draw(st.sampled_from(dtypes)), draw(shapes(0, draw(st.sampled_from((3, 5, 8)))))
    if len(shape) > 5:
        shape = tuple(min(side, 2) for side in shape)
    axis = draw(axis_lists(len(shape), 4 if dtype == "float32" else 6))
    axes, keep_dims = axis.values.reshape(-1).tolist(), draw(st.booleans())
    out_shape = spec.reduced_shape(shape, axes, keep_dims)
    groups = spec.groups(shape, axes)
    if dtype == "float32":
        data = op_model(
            op, [Input(shape, dtype), axis], [Input(out_shape, dtype)], keep_dims=keep_dims
        )
        return ValueCase(data, lambda inputs: [spec.reduce_float(inputs[0], g, op) for g in groups])
    zeros = [
        draw(zero_points("int8") if dtype == "int8" else st.sampled_from((0, 0, 100, -20000)))
        for _ in range(2)
    ]
    scale = draw(scales(1e-4, 1.0))
    gain = np.sqrt(len(groups[0])) ** (1 if op == "SUM" else -1)
    out_scale = float(np.float32(scale * gain * draw(st.floats(0.3, 3.0))))
    if draw(st.integers(0, 7)) == 0:
        out_scale = draw(scales(1e-8, 1e6))
    data = op_model(
        op,
        [Input(shape, dtype, scale, zeros[0]), axis],
        [Input(out_shape, dtype, out_scale, zeros[1])],
        keep_dims=keep_dims,
    )
    real = scale / out_scale
    return ValueCase(
        data,
        lambda inputs: [
            spec.reduce_quantized(inputs[0], g, real, (zeros[0], zeros[1]), dtype, op)
            for g in groups
        ],
    )


CASES = tuple(
    Row(op, types, cases(op, (types,)).map(lambda c: c.data))
    for op in ("MEAN", "SUM")
    for types in ("float32", "int8", "int16")
)

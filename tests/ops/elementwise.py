"""Random models of element-wise ops on one, two or more tensors that broadcast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.graph import Graph, Tensor
from microinterp.runtimes.tflm import Sample
from tests.ops.movement import Constant, Input, op_model
from tests.ops.strategies import scales, seeds, shapes
from tests.ops.values import EXTREME_FLOATS, SPECIAL_FLOATS, Number

MAX_RANK = 6
Shape = tuple[int, ...]
Array = npt.NDArray[Any]
Fill = Callable[[np.random.Generator, Shape, str], Array]


@dataclass(frozen=True)
class Kind:
    """Element type and quantisation of one tensor."""

    dtype: str
    scale: float | None = None
    zero_point: int | None = None

    @property
    def quantised(self) -> tuple[float, int]:
        """Scale and zero point of a tensor that has them."""
        assert self.scale is not None
        assert self.zero_point is not None
        return self.scale, self.zero_point

    def tensor(self, shape: Shape) -> Input:
        return Input(shape, self.dtype, self.scale, self.zero_point)


@dataclass(frozen=True)
class Elementwise:
    """A model of one op; `kinds` are of the inputs and then of the output.

    Attributes:
        constants: flat elements of each constant input, None for inputs of the model.
    """

    op: str
    shapes: tuple[Shape, ...]
    kinds: tuple[Kind, ...]
    options: dict[str, Any]
    constants: tuple[list[Any] | None, ...]
    data: bytes

    def each(self, inputs: list[list[Any]], element: Callable[..., Number]) -> list[Number]:
        """`element` of the elements of all operands that make an output, for each output."""
        given = iter(inputs)
        operands = [next(given) if c is None else c for c in self.constants]
        places = product(*(range(size) for size in np.broadcast_shapes(*self.shapes)))
        return [
            element(*(x[_offset(place, s)] for x, s in zip(operands, self.shapes, strict=True)))
            for place in places
        ]


def _offset(place: Sequence[int], shape: Shape) -> int:
    offset = 0
    for index, size in zip(place[len(place) - len(shape) :], shape, strict=True):
        offset = offset * size + (index if size > 1 else 0)
    return offset


@st.composite
def operand_shapes(
    draw: st.DrawFn, count: int, min_rank: int = 0, max_rank: int = MAX_RANK
) -> tuple[Shape, ...]:
    """Shapes that broadcast: equal, or some axes are 1 or left out at the front."""
    full = draw(shapes(min_rank, max_rank, draw(st.sampled_from((2, 5, 5)))))
    if count == 1 or draw(st.integers(0, 2)) == 0:
        return (full,) * count
    sides = []
    for _ in range(count):
        kept = draw(st.lists(st.booleans(), min_size=len(full), max_size=len(full)))
        side = tuple(size if keep else 1 for size, keep in zip(full, kept, strict=True))
        sides.append(side[draw(st.integers(0, len(side))) :])
    return tuple(sides)


@st.composite
def elementwise(
    draw: st.DrawFn,
    op: str,
    kinds: st.SearchStrategy[tuple[Kind, ...]],
    ranks: tuple[int, int] = (0, MAX_RANK),
    fill: Fill | None = None,
    depths: st.SearchStrategy[int] | None = None,
    broadcasts: bool = True,
    options: dict[str, st.SearchStrategy[Any]] | None = None,
) -> Elementwise:
    """A random model of `op`.

    Args:
        kinds: of the inputs and the output.
        ranks: least and greatest of the operands' common shape.
        fill: makes constants, which only ops of two and more operands have.
        depths: of the last axis, for ops that work along it.
        broadcasts: False for operands of one shape.
        options: the op's, a strategy each.
    """
    drawn = draw(kinds)
    count = len(drawn) - 1
    sides = draw(operand_shapes(count, *ranks))
    if depths is not None:
        sides = ((*sides[0][:-1], draw(depths)),) * count
    if not broadcasts:
        sides = (sides[0],) * count
    settings = {name: draw(value) for name, value in (options or {}).items()}
    operands: list[Input | Constant] = [k.tensor(s) for k, s in zip(drawn, sides, strict=False)]
    constants: list[list[Any] | None] = [None] * count
    place = draw(st.sampled_from((None, None, *range(count)))) if count > 1 else None
    if place is not None:
        rng, kind = np.random.default_rng(draw(seeds())), drawn[place]
        values = (fill or random_values)(rng, sides[place], kind.dtype)
        operands[place] = Constant(values, kind.scale, kind.zero_point)
        constants[place] = values.reshape(-1).tolist()
    out = drawn[-1].tensor(np.broadcast_shapes(*sides))
    data = op_model(op, operands, [out], **settings)
    return Elementwise(op, sides, drawn, settings, tuple(constants), data)


def plain(*dtypes: str) -> st.SearchStrategy[tuple[Kind, ...]]:
    """Tensors without quantisation."""
    return st.just(tuple(Kind(dtype) for dtype in dtypes))


def any_zero(dtype: str) -> st.SearchStrategy[int]:
    """Zero points anywhere in the type."""
    info = np.iinfo(dtype)
    return st.integers(int(info.min), int(info.max))


def near(scale: float, low: float, high: float) -> st.SearchStrategy[float]:
    """Scales of an output that is spread over its type at `scale`; now and then far off."""
    factors = st.one_of(*(st.floats(low, high) for _ in range(7)), scales(1e-4, 1e4))
    return factors.map(lambda f: float(np.float32(max(scale * f, 1e-30))))


def random_values(rng: np.random.Generator, shape: Shape, dtype: str) -> Array:
    """Integers over the whole type or near 0; floats of all sizes, special ones among them."""
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype == "float32":
        return _floats(rng, shape)
    info = np.iinfo(dtype)
    whole = rng.integers(info.min, info.max, shape, np.dtype(dtype), endpoint=True)
    small = rng.integers(max(info.min, -3), 4, shape).astype(dtype)
    return np.where(rng.random(shape) < 0.7, whole, small)


def _floats(rng: np.random.Generator, shape: Shape) -> Array:
    usual = rng.standard_normal(shape) * 2
    wide = rng.standard_normal(shape) * np.exp(rng.uniform(-30, 30, shape))
    halves = rng.integers(-9, 10, shape) / 2
    special = rng.choice(SPECIAL_FLOATS + EXTREME_FLOATS, shape)
    pick = rng.choice(4, shape, p=(0.5, 0.2, 0.2, 0.1))
    return np.choose(pick, (usual, wide, halves, special)).astype(np.float32)


def drawn_by(
    fill: Fill,
) -> Callable[[np.random.Generator, Graph, int], list[Sample]]:
    """What makes the samples of a Case from a Fill."""

    def draw(rng: np.random.Generator, graph: Graph, count: int) -> list[Sample]:
        def one(tensor: Tensor) -> Array:
            return np.asarray(fill(rng, tensor.shape, tensor.type_name))

        return [[one(tensor) for tensor in graph.main.inputs] for _ in range(count)]

    return draw


any_values = drawn_by(random_values)


def require_spec(model: Elementwise, fill: Fill, seed: int, element: Callable[..., Number]) -> None:
    """Our run of `model` on random inputs gives `element` of each element."""
    inputs = inputs_of(model, fill, seed)
    have = run_model(model, inputs).reshape(-1)
    want = model.each([x.reshape(-1).tolist() for x in inputs], element)
    same_numbers(have, np.array(want).astype(have.dtype))


def require_rows(
    model: Elementwise, fill: Fill, seed: int, row: Callable[[list[Any]], list[int]]
) -> None:
    """Our run of `model` on random inputs gives `row` of each row of its input."""
    (x,) = inputs_of(model, fill, seed)
    have = run_model(model, [x]).reshape(-1, x.shape[-1])
    want = [row(values) for values in x.reshape(-1, x.shape[-1]).tolist()]
    same_numbers(have, np.array(want).astype(have.dtype))


def inputs_of(model: Elementwise, fill: Fill, seed: int) -> list[Array]:
    """Random contents for the inputs of `model`."""
    rng = np.random.default_rng(seed)
    parts = zip(model.shapes, model.kinds, model.constants, strict=False)
    return [fill(rng, shape, kind.dtype) for shape, kind, constant in parts if constant is None]


def run_model(model: Elementwise, inputs: Sequence[Array]) -> Array:
    """The output of one invoke."""
    interpreter = Interpreter.from_bytes(model.data)
    for i, array in enumerate(inputs):
        interpreter.set_input(array, i)
    interpreter.invoke()
    return interpreter.get_output(0)


def same_numbers(have: Array, want: Array) -> None:
    """Equal, NaN like NaN, and 0.0 told from -0.0."""
    np.testing.assert_array_equal(have, want)
    known = have == have
    if have.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(have[known]), np.signbit(want[known]))

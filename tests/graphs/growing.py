"""A random graph under construction: the values there are, and ways to pick and to add some."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from tests.encoders import Entry

ItemT = TypeVar("ItemT")
Shape = tuple[int, ...]
QUANTIZED: Mapping[str, Sequence[tuple[float, int]]] = {
    "int8": ((0.5, 3), (0.06, -7), (0.25, 0)),
    "int16": ((0.004, 0), (0.03, 0)),
}
"""Scales and zero points to choose from: few, so that ops which want equal ones find partners."""
MAX_ELEMENTS = 300
MAX_DEPTH = 3
"""How deep subgraphs are nested."""


class NoFitError(Exception):
    """There is no value that the op could take: another one is tried."""


@dataclass(frozen=True)
class Kind:
    """What a tensor is."""

    dtype: str
    shape: Shape
    scale: float | None = None
    zero_point: int | None = None

    @property
    def elements(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def rank(self) -> int:
        return len(self.shape)

    def shaped(self, *shape: int) -> Kind:
        """The same in another shape."""
        return replace(self, shape=shape)

    def numbers(self, scale: float, zero_point: int = 0) -> Kind:
        """The same with another quantisation."""
        return replace(self, scale=scale, zero_point=zero_point)

    def of(self, dtype: str) -> Kind:
        """An unquantised one of another type."""
        return Kind(dtype, self.shape)


Fits = Callable[[Kind], bool]


@dataclass(frozen=True)
class Signature:
    """A finished subgraph, which other ops may run too."""

    inputs: tuple[Kind, ...]
    outputs: tuple[Kind, ...]
    index: int


@dataclass
class Shared:
    """What the subgraphs of one model have in common.

    Attributes:
        table: one small function per operator, by name.
        variables: names of the resource variables, which all hold a `variable`.
        finished: subgraphs that are complete.
        compressed: tensors of the main graph that the metadata calls compressed.
        tensors: how many have a name.
    """

    draw: st.DrawFn
    rng: np.random.Generator
    builder: ModelBuilder
    table: Mapping[str, Callable[[Growing], None]]
    variables: tuple[str, ...] = ()
    variable: Kind = field(default_factory=lambda: Kind("int8", (2, 4), 0.5, 3))
    finished: list[Signature] = field(default_factory=list)
    compressed: list[Entry] = field(default_factory=list)
    tensors: int = 0


class Growing:
    """One subgraph under construction.

    Attributes:
        values: what each tensor is.
        calm: floats known to lie within [-127, 127], which squares and casts need.
    """

    def __init__(self, shared: Shared, g: SubGraphBuilder, depth: int = 0) -> None:
        self.shared, self.g, self.depth = shared, g, depth
        self.rng, self.draw = shared.rng, shared.draw
        self.values: dict[int, Kind] = {}
        self.calm: set[int] = set()

    def integer(self, low: int, high: int) -> int:
        """A number from low to high."""
        return self.draw(st.integers(low, high))

    def chance(self, one_in: int) -> bool:
        """True about once in so many times."""
        return self.integer(1, one_in) == one_in

    def choose(self, items: Sequence[ItemT]) -> ItemT:
        """One of the items."""
        if not items:
            raise NoFitError
        return items[self.integer(0, len(items) - 1)]

    def pick(self, *dtypes: str, fits: Fits = lambda kind: True, calm: bool = False) -> int:
        """A value of one of the types that fits; the youngest ones are taken more often."""
        fitting = [
            number
            for number, kind in self.values.items()
            if (not dtypes or kind.dtype in dtypes) and fits(kind)
            if not calm or kind.dtype != "float32" or number in self.calm
        ]
        if dtypes == () and not calm:
            fitting = [number for number in fitting if self.values[number].dtype != "resource"]
        return self.choose(fitting[-4:] if self.integer(0, 2) else fitting)

    def like(self, number: int) -> int:
        """A value of exactly the same kind, perhaps the same one."""
        return self.pick(self.values[number].dtype, fits=lambda kind: kind == self.values[number])

    def random(self, kind: Kind) -> npt.NDArray[Any]:
        """Random contents."""
        dtype = np.dtype("int32" if kind.dtype == "resource" else kind.dtype)
        if dtype.kind == "f":
            return self.rng.standard_normal(kind.shape).astype(dtype)
        if dtype.kind == "b":
            return self.rng.integers(0, 2, kind.shape).astype(dtype)
        reach = 99 if dtype.itemsize > 1 else 128
        return self.rng.integers(-reach, reach, kind.shape).astype(dtype)

    def constant(self, array: Any, dtype: str | None = None, **quantization: Any) -> int:
        """A constant that is no value which ops may pick."""
        return self.g.constant("constant", np.asarray(array), dtype, **quantization)

    def ints(self, *numbers: int) -> int:
        """An int32 constant."""
        return self.constant(np.array(numbers, np.int32))

    def known(self, kind: Kind) -> int:
        """A constant of that kind."""
        return self.constant(self.random(kind), **quantization(kind))

    def tensor(self, kind: Kind, **more: Any) -> int:
        """A tensor that is no value yet."""
        self.shared.tensors += 1
        return self.g.tensor(
            f"t{self.shared.tensors}", kind.shape, kind.dtype, **quantization(kind), **more
        )

    def value(self, kind: Kind) -> int:
        """A tensor that ops may pick from now on."""
        number = self.tensor(kind)
        self.values[number] = kind
        return number

    def input(self, kind: Kind) -> int:
        """The next input of the subgraph."""
        number = self.value(kind)
        self.g.as_input(number)
        return number

    def requantised(self, kind: Kind, dtype: str | None = None) -> Kind:
        """The kind with any quantisation that its type may have."""
        plain = kind.of(dtype or kind.dtype)
        choices = QUANTIZED.get(plain.dtype)
        return plain.numbers(*self.choose(choices)) if choices else plain

    def op(
        self,
        name: str,
        inputs: Sequence[int | None],
        *kinds: Kind,
        calm: bool = False,
        **options: Any,
    ) -> int:
        """Add an op that makes values of those kinds; its first output."""
        if any(kind.elements > MAX_ELEMENTS or kind.elements == 0 for kind in kinds):
            raise NoFitError
        outputs = [self.value(kind) for kind in kinds]
        self.g.op(name, inputs, outputs, **options)
        if calm:
            self.calm.update(outputs)
        return outputs[0] if outputs else -1

    def grow(self, ops: int, table: Sequence[str] | None = None) -> None:
        """Add about so many ops."""
        names = table or tuple(self.shared.table)
        for _ in range(ops):
            for _ in range(9):
                try:
                    self.shared.table[self.choose(names)](self)
                    break
                except NoFitError:
                    continue

    def subgraph(self, inputs: Sequence[Kind]) -> Growing:
        """Another subgraph, with inputs of those kinds."""
        if self.depth >= MAX_DEPTH:
            raise NoFitError
        inner = Growing(self.shared, self.shared.builder.subgraph("inner"), self.depth + 1)
        for kind in inputs:
            inner.input(kind)
        return inner

    def finish(self, outputs: Sequence[Kind]) -> int:
        """Make values of those kinds the outputs: computed, an input or a constant; its number."""
        for kind in outputs:
            try:
                self.g.output(self.pick(kind.dtype, fits=lambda other, kind=kind: other == kind))
            except NoFitError:
                self.g.output(self.known(kind))
        return self.g.index


def quantization(kind: Kind) -> dict[str, Any]:
    """A kind's scale and zero point as the builder takes them."""
    return {} if kind.scale is None else {"scale": kind.scale, "zero_point": kind.zero_point}

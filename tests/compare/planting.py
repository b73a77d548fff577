"""Faults planted by hand: chains of layers, run one by one, of which one may be another layer.

A chain is one model, and so many models of one op. The faulty side runs the single models, so a
fault in one layer's description (a zero point, a bias, a clamp, a filter) is in that op alone,
and the bytes between ops are those of the other runtime. Nothing here uses microinterp.compare but
its records.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from microinterp import Interpreter
from microinterp.compare import Account, Comparison, Told, compare
from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from microinterp.sides import Observed, Place

Array = np.ndarray[Any, Any]
Spec = tuple[tuple[int, ...], str, float | None, int | None]
"""Shape, type, scale, zero point of a tensor."""
Run = Callable[[Array], Array]
"""One layer: [n, *shape] to [n, *shape]."""


@dataclass(frozen=True)
class Constant:
    """A tensor with data; None among a layer's inputs is one left out."""

    values: Array
    scale: Any = None
    zero_point: Any = None
    axis: int = 0


@dataclass(frozen=True)
class Layer:
    """One op of a chain: what goes in (`x`), constants and variables behind it, what comes out.

    Attributes:
        others: inputs after x: constants, None, or the Spec of a variable.
        first: inputs before x.
    """

    op: str
    x: Spec
    out: Spec
    others: tuple[Constant | Spec | None, ...] = ()
    first: tuple[Constant, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def change(self, position: int, **values: Any) -> Layer:
        """With another constant: its fields, behind x from 0."""
        old = self.others[position]
        assert isinstance(old, Constant)
        new = replace(old, **values)
        return replace(self, others=(*self.others[:position], new, *self.others[position + 1 :]))

    def without_last(self) -> Layer:
        """With the last constant left out: the bias."""
        return replace(self, others=self.others[:-1])

    def with_options(self, **options: Any) -> Layer:
        """With other options."""
        return replace(self, options={**self.options, **options})

    def add(self, g: SubGraphBuilder, x: int) -> int:
        """Add the op to a model; returns its output's number."""
        ends = [_constant(g, each) for each in self.first], [_constant(g, e) for e in self.others]
        out = g.tensor(f"{self.op.lower()}_out", *self.out)
        g.op(self.op, [*ends[0], x, *ends[1]], [out], **self.options)
        return out


def zero(spec: Spec, zero_point: int) -> Spec:
    """A tensor with another zero point."""
    return (*spec[:3], zero_point)


def _constant(g: SubGraphBuilder, each: Constant | Spec | None) -> int | None:
    if each is None:
        return None
    if isinstance(each, tuple):
        return g.tensor("variable", *each, is_variable=True)
    return g.constant("constant", each.values, None, each.scale, each.zero_point, each.axis)


def chain(layers: Sequence[Layer]) -> bytes:
    """The model of all layers, one after the other."""
    b = ModelBuilder()
    g = b.subgraph("main")
    tensor = g.input("x", *layers[0].x)
    for layer in layers:
        tensor = layer.add(g, tensor)
    g.output(tensor)
    return b.finish()


def places(model: bytes) -> tuple[Place, ...]:
    """What each op of a chain writes."""
    nodes = Interpreter.from_bytes(model).graph.main.nodes
    return tuple((0, node.index, node.outputs[0].index) for node in nodes)


def runner(layer: Layer, profile: str = "tflm") -> Run:
    """The layer alone; its state goes on from call to call."""
    interpreter = Interpreter.from_bytes(chain([layer]), profile=profile)

    def run(x: Array) -> Array:
        rows = []
        for each in x:
            interpreter.set_input(each, 0)
            interpreter.invoke()
            rows.append(interpreter.get_output(0).copy())
        return np.stack(rows)

    return run


def observed(model: bytes, runs: Sequence[Run], x: Array) -> Observed:
    """What the layers give one after the other, each fed with what the one before has written."""
    tensors = {}
    for place, run in zip(places(model), runs, strict=True):
        x = run(x)
        tensors[place] = x
    return Observed((x,), tensors)


def told(seen: Observed, x: Sequence[Array | None], samples: int) -> Account:
    """Everything, as values."""
    return Account(
        "planted",
        "a runtime with a fault",
        samples,
        x,
        [Told(array) for array in seen.outputs],
        {place: Told(array) for place, array in seen.tensors.items()},
    )


def crcs(account: Account) -> Account:
    """The same as a bundle of checksums tells it: outputs as values, tensors as CRC32s."""
    sums = {place: Told(crcs=crc32s(t.values)) for place, t in account.tensors.items()}
    return replace(account, tensors=sums)


def crc32s(values: Array | None) -> Array:
    """Of each sample."""
    assert values is not None
    return np.array([zlib.crc32(np.ascontiguousarray(v).tobytes()) for v in values], np.uint32)


def outputs_only(account: Account) -> Account:
    """The same as a user's file tells it that holds the model's outputs."""
    return replace(account, tensors={}, inputs=[None] * len(account.inputs))


def some_ops(account: Account, ops: Sequence[int]) -> Account:
    """The same as a dump of a few ops tells it."""
    tensors = {place: each for place, each in account.tensors.items() if place[1] in ops}
    return replace(account, tensors=tensors)


@dataclass(frozen=True)
class Plant:
    """A sound chain, and the faulty one: layers or functions in place of some of its layers."""

    layers: Sequence[Layer]
    faults: Mapping[int, Layer | Run]
    x: Array
    profile: str = "tflm"

    @property
    def model(self) -> bytes:
        """The sound one."""
        return chain(self.layers)

    def account(self) -> Account:
        """What the faulty side tells."""
        runs = []
        for i, layer in enumerate(self.layers):
            fault = self.faults.get(i, layer)
            runs.append(runner(fault, self.profile) if isinstance(fault, Layer) else fault)
        return told(observed(self.model, runs, self.x), [self.x], len(self.x))

    def compare(self, account: Account | None = None) -> Comparison:
        """Our side against the faulty one."""
        return compare(self.model, account or self.account(), [self.x])


def names(result: Comparison) -> list[str]:
    """Causes found."""
    return [finding.name for finding in result.findings]


def details(result: Comparison, name: str) -> list[str]:
    """Details with which a cause was found."""
    return [finding.detail for finding in result.findings if finding.name == name]

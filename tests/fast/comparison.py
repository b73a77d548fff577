"""Layers in plain and in fast kernels, alone and in batches: the same bytes, or a failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.kernels.fast import matrix, windows
from microinterp.prepare import PreparedNode
from microinterp.runtimes.tflm import TflmRuntime
from tests.fast.layers import Array, Rng, inputs_for, random_layer


def node_of(interpreter: Interpreter) -> PreparedNode:
    """The first op of the main graph."""
    return interpreter.prepared.subgraphs[0][0]


@contextmanager
def tiles_of(floats: int | None) -> Iterator[None]:
    """Tiles of so few floats that small layers have many, while interpreters are made and run."""
    with pytest.MonkeyPatch.context() as patch:
        if floats is not None:
            for module in (windows, matrix):
                patch.setattr(module, "TILE_FLOATS", floats)
        yield


@dataclass
class Tally:
    """What a run over many layers has shown.

    Attributes:
        layers, bytes: how many were compared.
        why: forms of twins, and reasons for plain kernels, cut to what does not depend on shapes.
        varied: layers whose outputs take more than one value.
    """

    layers: int = 0
    bytes: int = 0
    why: Counter[str] = field(default_factory=Counter)
    varied: int = 0

    def add(self, node: PreparedNode, outputs: Array) -> None:
        """Count a layer."""
        self.layers += 1
        self.bytes += outputs.nbytes
        self.varied += bool(outputs.min() != outputs.max())
        self.why["twin" if node.fast else "plain"] += 1
        self.why.update(part for part in WHYS if part in node.why)


WHYS = (
    "float32",
    "float64",
    "one rounding",
    "two roundings",
    "floats would round",
    "may overflow int32",
    "multiply_real",
    "float32 holds",
)


def run_each(interpreter: Interpreter, batch: Array) -> Array:
    """Output 0 of one invoke after the other."""
    found = []
    for sample in batch:
        interpreter.set_input(sample, 0)
        interpreter.invoke()
        found.append(interpreter.get_output(0))
    return np.stack(found)


def assert_same(
    data: bytes, batch: Array, rng: Rng, profile: str = "tflm"
) -> tuple[PreparedNode, Array]:
    """Plain, fast, and fast in batches: the same bytes. Returns the fast node and the outputs."""
    plain = Interpreter.from_bytes(data, profile=profile, kernels="plain")
    fast = Interpreter.from_bytes(data, profile=profile)
    want = run_each(plain, batch)
    assert run_each(fast, batch).tobytes() == want.tobytes(), node_of(fast).why
    per_sample = max(1, fast.arena.head_bytes)
    splits = (1, None), (2, 1), (2, int(rng.integers(2, 9)) * per_sample)
    for number, (threads, max_bytes) in enumerate(splits):
        # in another order each time, as memory that is free may hold the answers of the last one
        order = np.roll(np.arange(len(batch)), number)
        (have,) = fast.run_batch(batch[order], threads=threads, max_bytes=max_bytes)
        assert have.tobytes() == want[order].tobytes(), (node_of(fast).why, threads, max_bytes)
    return node_of(fast), want


PROFILES = ("tflm", "tflm", "single", "cmsis-nn", "litert-ref")


def check_layers(op: str, count: int, seed: int, tflm: TflmRuntime | None = None) -> Tally:
    """Compare `count` random layers; a failure names the seed that draws its layer again.

    Args:
        tflm: gives the same bytes too, in its own profile.
    """
    tally = Tally()
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        layer = random_layer(rng, op)
        floats = None if rng.integers(2) else int(2 ** rng.uniform(0, 10))
        profile = "tflm" if tflm is not None else str(rng.choice(PROFILES))
        data, batch = layer.data(), inputs_for(rng, layer)
        try:
            with tiles_of(floats):
                node, outputs = assert_same(data, batch, rng, profile)
            if tflm is not None:
                theirs = tflm.run(data, [[sample] for sample in batch]).outputs
                assert np.stack([found[0] for found in theirs]).tobytes() == outputs.tobytes()
        except AssertionError as error:
            raise AssertionError(f"layer {(seed, number)}, {profile}: {error}") from None
        tally.add(node, outputs)
    print(f"\n{op}: {tally}")
    return tally

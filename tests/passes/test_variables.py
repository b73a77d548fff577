"""Variables among the layers that passes cut and fold: what an invoke leaves behind stays.

A tensor that is a variable is read before it is written, written by layers that could be cut, and
changed between an op and the reader that the op could be folded into.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from microinterp.passes import NAMES, run_passes
from microinterp.passes.patches import Grid, patches, splits
from tests.passes.checking import (
    check_passed,
    check_pieces,
    prepared_of,
    samples_for,
    usual_outputs,
)
from tests.passes.nets import ImageNet

Size = tuple[int, int, int]
SIDE = 8


def _started() -> tuple[ImageNet, int, int, Size]:
    """A net, its first layer, a variable of the same size, and the size."""
    net = ImageNet((SIDE, SIDE, 3))
    first = net.conv(4, 3)
    return net, first, net.variable(), net.size


def _finished(net: ImageNet) -> bytes:
    net.conv(4, 3)
    net.conv(2, 3, 2)
    return net.finish()


def delay() -> bytes:
    """Each invoke adds what the one before has seen."""
    net, first, memory, size = _started()
    total = net.add(memory)
    net.write(memory, "RELU", [first], size)
    net.go(total, size)
    return _finished(net)


def running_sum() -> bytes:
    """An op reads and writes the variable."""
    net, first, memory, size = _started()
    total = net.add(memory)
    net.write(memory, "ADD", [first, memory], size)
    net.go(total, size)
    return _finished(net)


def convolved() -> bytes:
    """A convolution of the variable writes another value into it."""
    net, first, memory, size = _started()
    net.go(memory, size)
    seen = net.conv(4, 3)
    net.go(first, size)
    net.conv(4, 3, into=memory)
    net.go(seen, size)
    net.add(first)
    return _finished(net)


def padded() -> bytes:
    """The variable changes between the PAD and the convolution that reads the padded image."""
    net, first, memory, size = _started()
    net.go(memory, size)
    image = net.pad(1, 1)
    wide = net.size
    net.write(memory, "RELU", [first], size)
    net.go(image, wide)
    net.conv(4, 3, 1, "VALID")
    return _finished(net)


def first_layer_is_kept() -> bytes:
    """The first layer writes the variable and nobody reads it until the next invoke."""
    net = ImageNet((SIDE, SIDE, 3))
    memory, size = net.variable(), net.size
    net.go(memory, size)
    seen = net.relu()
    net.go(0, size)
    net.conv(3, 3, into=memory)
    net.go(seen, size)
    return _finished(net)


MODELS = (delay, running_sum, convolved, padded, first_layer_is_kept)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_state_is_carried_as_without_passes(model: Callable[[], bytes]) -> None:
    """Six invokes with a reset between; each pass by itself, all of them, and those of auto."""
    data = model()
    prepared, samples = prepared_of(data), samples_for(data, 7)
    samples[3] = None
    wanted = usual_outputs(data, samples)
    assert wanted[0] != wanted[1]
    for names in ([name] for name in NAMES):
        check_passed(run_passes(prepared, names, max_extra_macs=3.0), samples, wanted)
    for choice in ("auto", NAMES):
        check_passed(run_passes(prepared, choice, max_extra_macs=3.0), samples, wanted)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_patches_end_before_a_variable_is_written(model: Callable[[], bytes]) -> None:
    data = model()
    prepared, samples = prepared_of(data), samples_for(data, 4)
    wanted = usual_outputs(data, samples)
    writer = next(
        i for i, item in enumerate(prepared.subgraphs[0]) if item.node.output().is_variable
    )
    found = splits(prepared)
    assert all(split <= writer for split in found)
    for split in found:
        for grid in (Grid(split, 1, 1), Grid(split, 2, 1), Grid(split, 3, 2)):
            check_pieces(patches(prepared, grid), samples, wanted)


def test_parts_of_a_variable_take_no_memory_of_their_own() -> None:
    """Each patch reads a part of the variable; the arena has one place for all of it."""
    data = delay()
    prepared, samples = prepared_of(data), samples_for(data, 2)
    found = [split for split in splits(prepared) if split > 1]
    assert found == []  # the sum is read behind the op that writes the variable
    net, _, memory, _ = _started()
    net.add(memory)
    data = _finished(net)
    prepared, samples = prepared_of(data), samples_for(data, 2)
    made = patches(prepared, Grid(2, 4, 2))
    check_pieces(made, samples, usual_outputs(data, samples))
    assert [t.name for t in made.graph.main.tensors if t.is_variable] == ["v2"]

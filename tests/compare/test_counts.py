"""Counts of a comparison against brute force, on every kind of model and type."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from microinterp.compare import Account, Comparison, Told, compare
from microinterp.inputs import random_samples
from microinterp.model_builder import ModelBuilder
from microinterp.sides import places_of
from microinterp.sides.host import HostSide
from tests.compare.nets import DEPTHWISE, picture_net, pictures
from tests.compare.planting import Array, Plant, chain, crc32s, outputs_only, places
from tests.flow_models import control_flow_model
from tests.ops.movement import Input, op_model


def told_by_host(model: bytes, x: Sequence[Array], samples: int) -> Account:
    """Everything, as this package has it."""
    host = HostSide(model)
    seen = host.run(x, places_of(host.interpreter.prepared))
    tensors = {place: Told(array.copy()) for place, array in seen.tensors.items()}
    outputs = [Told(array.copy()) for array in seen.outputs]
    return Account("copy", "a copy", samples, list(x), outputs, tensors)


def changed(account: Account, rng: np.random.Generator, share: float) -> Account:
    """Some elements of every tensor become others."""

    def other(told: Told | None) -> Told | None:
        if told is None or told.values is None:
            return told
        values = told.values.copy()
        flat = values.reshape(-1)
        for at in np.flatnonzero(rng.random(flat.size) < share):
            if flat.dtype.kind == "b":
                flat[at] = not flat[at]
            else:
                flat[at] ^= rng.integers(1, 5)
        return Told(values)

    tensors = {place: other(told) for place, told in account.tensors.items()}
    return replace(account, tensors=tensors, outputs=[other(told) for told in account.outputs])


def check_rows(model: bytes, mine: Account, theirs: Account, result: Comparison) -> int:
    """Each row's numbers again, element by element in Python; returns how many differ."""
    total, elements, first = 0, 0, None
    for row in result.rows:
        place = (row.subgraph, row.index, row.tensor)
        a, b = mine.tensors[place].values, theirs.tensors[place].values
        pairs = list(zip(a.reshape(-1).tolist(), b.reshape(-1).tolist(), strict=True))
        differing = sum(p != q for p, q in pairs)
        assert row.differing == differing
        assert row.elements == len(pairs)
        assert row.differing_samples == sum(
            p.tobytes() != q.tobytes() for p, q in zip(a, b, strict=True)
        )
        assert row.max_difference == max((abs(p - q) for p, q in pairs), default=0)
        total, elements = total + differing, elements + len(pairs)
        if differing and first is None:
            first = row.subgraph, row.index, row.name
    assert (result.differing_elements, result.compared_elements) == (total, elements)
    found = result.first_op
    assert first == (found and (found.subgraph, found.index, found.name))
    return total


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5])
def test_rows_against_brute_force(share: float) -> None:
    model, x = chain(picture_net()), [pictures()]
    mine = told_by_host(model, x, len(x[0]))
    theirs = changed(mine, np.random.default_rng(3), share)
    theirs = replace(theirs, outputs=[theirs.tensors[places(model)[-1]]])
    result = compare(model, theirs, x)
    assert bool(check_rows(model, mine, theirs, result)) == bool(share)
    assert result.equal == (share == 0)


def test_a_difference_made_in_one_op_is_that_ops_alone() -> None:
    """Behind it every op runs on with it: they differ, but not by themselves."""
    layers = picture_net()
    plant = Plant(layers, {DEPTHWISE: layers[DEPTHWISE].without_last()}, pictures())
    rows = {row.index: row for row in plant.compare().rows}
    assert [rows[i].differing > 0 for i in rows] == [False, True, True, True, True]
    assert [rows[i].isolated_differing > 0 for i in rows] == [False, True, False, False, False]
    assert rows[DEPTHWISE].isolated_differing == rows[DEPTHWISE].differing
    assert [rows[i].isolated_max_difference for i in (0, 2, 3, 4)] == [0, 0, 0, 0]


def test_by_itself_is_against_our_op_on_their_numbers() -> None:
    """Two faults: the second op's count is that of a run of our op on what theirs was fed."""
    layers = picture_net()
    faulty = layers[DEPTHWISE].without_last()
    plant = Plant(layers, {0: layers[0].without_last(), DEPTHWISE: faulty}, pictures())
    account = plant.account()
    fed = account.tensors[places(plant.model)[0]].values
    ours = Plant([layers[DEPTHWISE]], {}, fed).account().outputs[0].values
    theirs = account.tensors[places(plant.model)[1]].values
    row = plant.compare(account).rows[1]
    assert row.isolated_differing == int((ours != theirs).sum())
    assert row.isolated_max_difference == int(np.abs(ours.astype(int) - theirs).max())


def test_checksums_count_samples() -> None:
    model, x = chain(picture_net()), [pictures()]
    theirs = told_by_host(model, x, len(x[0]))
    at = places(model)[1]
    values = theirs.tensors[at].values
    values[2, 0, 0, 0, 0] ^= 1
    values[5, 0, 0, 0, 0] ^= 1
    sums = {place: Told(crcs=crc32s(t.values)) for place, t in theirs.tensors.items()}
    result = compare(model, replace(theirs, tensors=sums), x)
    row = result.rows[1]
    assert (row.told, row.differing, row.differing_samples) == ("crc", None, 2)
    assert result.differing_elements == 2
    assert row.isolated_differing == 2
    assert result.rows[2].isolated_differing is None  # its inputs are known by checksum alone


def test_an_output_that_no_op_writes_counts_once() -> None:
    """One output is the input passed through, one belongs to an op, one is told alone."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 4), "int8", 0.5, 0)
    y, z = g.tensor("y", (1, 4), "int8", 0.5, 0), g.tensor("z", (1, 4), "int8", 0.5, 0)
    g.op("RELU", [x], [y])
    g.op("RELU6", [y], [z])
    for tensor in (x, y, z):
        g.output(tensor)
    model = b.finish()
    data = np.arange(-6, 6, dtype=np.int8).reshape(3, 1, 4)
    account = told_by_host(model, [data], 3)
    result = compare(model, account, [data])
    assert (result.equal, result.compared_elements) == (True, 3 * 12)
    account.outputs[0].values[0, 0, 0] += 1
    account.outputs[1].values[1, 0, :2] += 1
    result = compare(model, account, [data])
    assert not result.equal
    assert [row.differing for row in result.outputs] == [1, 2, 0]
    assert result.differing_elements >= 1
    assert compare(model, outputs_only(account), [data]).differing_elements == 3


def float_model() -> bytes:
    return op_model("NEG", [Input((1, 6), "float32")], [Input((1, 6), "float32")])


def test_floats_differ_by_their_bits() -> None:
    """-0.0 is not 0.0; a NaN is a NaN if its bits are the same, and infinitely far from others."""
    model = float_model()
    x = np.array([[[0.0, 1.0, np.inf, np.nan, 2.0, 1e30]]], np.float32)
    account = told_by_host(model, [x], 1)
    assert compare(model, account, [x]).equal
    told = account.outputs[0].values
    tensor = next(iter(account.tensors.values())).values
    for values in (told, tensor):
        values[0, 0, 0] = 0.0
        values[0, 0, 1] = np.nextafter(np.float32(-1), np.float32(-2))
    result = compare(model, account, [x])
    assert (result.equal, result.rows[0].differing) == (False, 2)
    assert result.rows[0].max_difference == float(np.spacing(np.float32(1)))
    assert any("last place" in line for line in result.evidence)
    for values in (told, tensor):
        values[0, 0, 4] = np.nan
    result = compare(model, account, [x])
    assert (result.rows[0].differing, result.rows[0].max_difference) == (3, math.inf)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("int8", -128, 127),
        ("uint8", 0, 255),
        ("int16", -(2**15), 2**15 - 1),
        ("int32", -(2**31), 2**31 - 1),
        ("int64", -(2**63), 2**63 - 1),
        ("bool", 0, 1),
    ],
)
def test_the_largest_difference_of_each_type(dtype: str, low: int, high: int) -> None:
    model = op_model(
        "RESHAPE", [Input((4,), dtype, None, None)], [Input((2, 2), dtype)], new_shape=[2, 2]
    )
    x = np.full((1, 4), low).astype(dtype)
    account = told_by_host(model, [x], 1)
    ends = np.array([low, low, high, high]).astype(dtype).reshape(1, 2, 2)
    theirs = replace(
        account,
        tensors={place: Told(ends) for place in account.tensors},
        outputs=[Told(ends)],
    )
    result = compare(model, theirs, [x])
    (row,) = result.rows
    assert (row.differing, row.max_difference) == (2, float(high - low))
    assert dtype == "bool" or f"each of them by {high - low:+d}" in result.evidence


def test_control_flow_and_variables() -> None:
    """Subgraphs that run several times, not at all, or once for ever; handles are no tensors."""
    model = control_flow_model()
    host = HostSide(model)
    x = list(random_samples(host.interpreter.graph.main.inputs, 6, 2))
    mine = told_by_host(model, x, 6)
    assert compare(model, mine, x).equal
    theirs = changed(mine, np.random.default_rng(1), 0.3)
    result = compare(model, theirs, x)
    check = {(row.subgraph, row.index, row.tensor): row for row in result.rows}
    assert set(check) == set(mine.tensors)
    for place, row in check.items():
        a, b = mine.tensors[place].values, theirs.tensors[place].values
        assert row.differing == int((a != b).sum())
        assert row.isolated_differing is None or row.subgraph == 0
    assert result.cause is None
    order = [(row.subgraph, row.index) for row in result.rows]
    loop = max(i for s, i in order if s == 0)
    assert order.index((0, loop)) > max(order.index(o) for o in order if o[0] in (1, 2))


@pytest.mark.parametrize("side", ["tflm", "host"])
def test_control_flow_in_a_real_runtime(side: str) -> None:
    from microinterp.sides import open_side

    if side == "tflm":
        pytest.importorskip("tflite_micro")
    model = control_flow_model()
    x = list(random_samples(HostSide(model).interpreter.graph.main.inputs, 5, 3))
    with open_side(side, model) as other:
        result = compare(model, other, x)
    assert result.equal, result.first_op
    assert result.compared_elements > 0


def test_a_model_without_inputs() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    one = g.constant("one", np.array([3, -4], np.int8), "int8", 0.5, 0)
    y = g.tensor("y", (2,), "int8", 0.5, 0)
    g.op("RELU", [one], [y])
    g.output(y)
    model = b.finish()
    account = told_by_host(model, [], 1)
    assert compare(model, account, []).equal
    account.outputs[0].values[0, 0] += 1
    account.tensors[0, 0, 1].values[0, 0] += 1
    result = compare(model, account, [])
    assert (result.samples, result.differing_elements, result.cause) == (1, 1, None)


def test_several_outputs_of_one_op() -> None:
    """A row for each; the first that differs is told, and causes must give all of them."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 6), "int8", 0.5, 0)
    axis = g.constant("axis", np.array([1], np.int32))
    parts = [g.tensor(f"p{i}", (1, 2), "int8", 0.5, 0) for i in range(3)]
    g.op("SPLIT", [axis, x], parts, num_splits=3)
    for part in parts:
        g.output(part)
    model = b.finish()
    data = np.arange(12, dtype=np.int8).reshape(2, 1, 6)
    account = told_by_host(model, [data], 2)
    account.tensors[0, 0, parts[1]].values[1, 0, 1] += 3
    result = compare(model, account, [data])
    assert [(row.tensor, row.differing) for row in result.rows] == [
        (parts[0], 0), (parts[1], 1), (parts[2], 0),
    ]  # fmt: skip
    assert result.first_op is not None
    assert result.evidence[1] == "each of them by +3"


def test_a_batch_dimension_above_one() -> None:
    """[2, 4] in one sample; three samples of it."""
    model = op_model("RELU", [Input((2, 4), "int8", 0.5, 3)], [Input((2, 4), "int8", 0.5, 3)])
    x = np.random.default_rng(2).integers(-128, 128, (3, 2, 4)).astype(np.int8)
    account = told_by_host(model, [x], 3)
    for told in (account.outputs[0], next(iter(account.tensors.values()))):
        told.values[2, 1, 3] ^= 1
    result = compare(model, account, [x])
    assert result.rows[0].elements == 24
    assert "sample 2, element [1, 3]: " in " ".join(result.evidence)

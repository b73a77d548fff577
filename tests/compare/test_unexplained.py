"""Faults that nobody knows are not explained: no name, and evidence in which numbers are true."""

from __future__ import annotations

import re
from collections.abc import Sequence

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings

from microinterp import Interpreter
from microinterp.binding import Step
from microinterp.compare import Account, Comparison, Told, compare
from microinterp.inputs import random_samples
from microinterp.sides import places_of
from microinterp.sides.host import HostSide, Keeper
from tests.compare.nets import CONV, DENSE, DEPTHWISE, picture_net, pictures
from tests.compare.planting import Array, Layer, Plant, crcs, names, outputs_only
from tests.random_graphs import random_graphs
from tests.spec_ops.conv import Axis, convolve
from tests.spec_ops.scales import requantised

NET = picture_net()


def flipped_weight(op: int) -> Layer:
    """One bit of one weight."""
    values = NET[op].others[0].values.copy()
    values.reshape(-1)[7] ^= 64
    return NET[op].change(0, values=values)


def padded_with_zeros(x: Array) -> Array:
    """CONV_2D that takes 0 for padding, not the input's zero point, in plain loops."""
    layer = NET[CONV]
    w, bias = layer.others
    zero, out_zero = layer.x[3], layer.out[3]
    rows = []
    for sample in x:
        wide = np.zeros((1, 8, 7, 3), int)
        wide[:, 1:7, 1:6] = sample
        sums = convolve(
            (wide - zero).reshape(-1).tolist(),
            wide.shape,
            w.values.reshape(-1).tolist(),
            w.values.shape,
            (Axis(3, 1, 1, "VALID"), Axis(3, 1, 1, "VALID")),
            lambda s, p, q: s + p * q,
        )
        scales = [
            float(np.float32(layer.x[2])) * float(np.float32(s)) / float(np.float32(layer.out[2]))
            for s in w.scale
        ]
        top = out_zero + round(6 / layer.out[2])
        rows.append(
            [
                requantised(int(s) + int(bias.values[i % 4]), 32, scales[i % 4], out_zero,
                            out_zero, top)
                for i, s in enumerate(sums)
            ]
        )  # fmt: skip
    return np.array(rows, np.int8).reshape(len(x), *layer.out[0])


def shifted_filter() -> Layer:
    """All taps one to the left."""
    values = np.roll(NET[DEPTHWISE].others[0].values, 1, axis=2)
    return NET[DEPTHWISE].change(0, values=values)


FAULTS = {
    "a weight's bit": (CONV, flipped_weight(CONV)),
    "a weight's bit further on": (DENSE, flipped_weight(DENSE)),
    "padding with 0": (CONV, padded_with_zeros),
    "a filter that is shifted": (DEPTHWISE, shifted_filter()),
    "another stride in a filter": (
        CONV, NET[CONV].change(0, values=np.flip(NET[CONV].others[0].values, 0).copy()),
    ),
    "a scale off by 1%": (
        CONV, NET[CONV].change(0, scale=[s * 1.01 for s in NET[CONV].others[0].scale]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_outside_the_list(fault: str) -> None:
    op, layer = FAULTS[fault]
    plant = Plant(NET, {op: layer}, pictures())
    account = plant.account()
    result = plant.compare(account)
    assert (result.cause, result.findings) == (None, ())
    assert result.first_op is not None
    assert result.first_op.index == op
    check_evidence(result, plant, account, op)
    for told in (crcs(account), outputs_only(account)):
        other = plant.compare(told)
        assert other.cause is None
        assert other.equal or other.evidence


def check_evidence(result: Comparison, plant: Plant, account: Account, op: int) -> None:
    """Each sentence again by brute force."""
    place = next(p for p in account.tensors if p[1] == op)
    theirs = account.tensors[place].values
    ours = Plant(plant.layers, {}, plant.x).account().tensors[place].values
    differing = [
        (index, int(ours[index]), int(theirs[index]))
        for index in np.ndindex(ours.shape)
        if ours[index] != theirs[index]
    ]
    apart = [b - a for _, a, b in differing]
    lines = list(result.evidence)
    share = f"{100 * len(differing) / ours.size:.2f}%"
    assert lines[0].startswith(f"{len(differing):,} of {ours.size:,} elements of int8[")
    assert lines[0].endswith(f"differ ({share})")
    if min(apart) != max(apart):
        ones = sum(abs(a) == 1 for a in apart) / len(apart)
        assert lines[1] == (
            f"theirs - ours is {min(apart):+d} to {max(apart):+d}; {100 * ones:.1f}% of the "
            "differences are one step"
        )
    shown = [line for line in lines if line.startswith("sample ")]
    assert shown == [
        f"sample {index[0]}, element {list(index[1:])}: ours {a}, theirs {b}"
        for index, a, b in differing[:5]
    ]
    channels = {index[-1] for index, *_ in differing}
    said = [line for line in lines if "channels" in line]
    for line in said:
        count, of, listed = re.fullmatch(
            r"only in (\d+) of (\d+) channels: ([\d, .]+)", line
        ).groups()
        assert (int(count), int(of)) == (len(channels), ours.shape[-1])
        assert [int(n) for n in listed.replace(", ...", "").split(", ")] == sorted(channels)[:4]
    samples = sorted({index[0] for index, *_ in differing})
    of_samples = [line for line in lines if line.startswith("in ")]
    assert bool(of_samples) == (len(samples) < len(ours))


def test_padding_is_told_by_where_it_differs() -> None:
    result = Plant(NET, {CONV: padded_with_zeros}, pictures()).compare()
    assert "only at the picture's border: padding?" in result.evidence


def test_one_channel_is_told() -> None:
    result = Plant(NET, {CONV: flipped_weight(CONV)}, pictures()).compare()
    assert "only in 1 of 4 channels: 0" in result.evidence


def test_a_crc_is_evidence_of_samples() -> None:
    plant = Plant(NET, {DENSE: flipped_weight(DENSE)}, pictures(9))
    full = plant.compare()
    result = plant.compare(crcs(plant.account()))
    row = next(r for r in full.rows if r.index == DENSE)
    assert result.evidence[0].startswith(f"the CRC32 differs in {row.differing_samples} samples")


class Noise(Keeper):
    """A runtime in which something writes into one op's output, behind its back."""

    def __init__(self, graph: object, places: Sequence[tuple[int, int, int]], count: int, at: int,
                 rng: np.random.Generator) -> None:  # fmt: skip
        super().__init__(graph, places, count)  # type: ignore[arg-type]
        self._at, self._rng = at, rng

    def after(self, step: Step) -> None:
        """A few elements become anything."""
        if step.node.node.index == self._at:
            out = step.arrays.outputs[0].reshape(-1)
            hit = self._rng.random(out.size) < self._rng.choice([0.1, 0.5, 1.0])
            hit[self._rng.integers(out.size)] = True
            noise = self._rng.integers(-128, 128, out.size).astype(np.int8)
            out[hit] = noise[hit]
        super().after(step)


def noisy(model: bytes, seed: int) -> tuple[Account, list[Array]] | None:
    """A run with noise in an op of at least 12 elements; None if the model has none."""
    rng = np.random.default_rng(seed)
    interpreter = Interpreter.from_bytes(model, kernels="plain")
    nodes = [n for n in interpreter.graph.main.nodes if n.outputs[0].elements >= 12]
    if not nodes:
        return None
    count = 3
    x = list(random_samples(interpreter.graph.main.inputs, count, seed))
    places = places_of(interpreter.prepared)
    node = nodes[rng.integers(len(nodes))]
    keeper = Noise(interpreter.graph, places, count, node.index, rng)
    outputs = []
    for sample in range(count):
        keeper.sample = sample
        for i, array in enumerate(x):
            interpreter.set_input(array[sample], i)
        interpreter.invoke(keeper)
        outputs.append(
            [interpreter.get_output(i) for i in range(len(interpreter.graph.main.outputs))]
        )
    told = {place: Told(array) for place, array in keeper.tensors.items()}
    columns = [Told(np.stack(column)) for column in zip(*outputs, strict=True)]
    return Account("noise", "", count, x, columns, told), x


def models(count: int) -> list[bytes]:
    found: list[bytes] = []

    @hypothesis.seed(8)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(random_graphs())
    def draw(model: bytes) -> None:
        found.append(model)

    draw()
    return found


def check_noise(count: int) -> int:
    """No name for noise, however it is told; return how many models differed."""
    different = 0
    for seed, model in enumerate(models(count)):
        made = noisy(model, seed)
        if made is None:
            continue
        account, x = made
        full = compare(model, account, x)
        if full.equal:
            continue
        different += 1
        for told in (account, crcs(account), outputs_only(account)):
            result = compare(model, told, x)
            assert result.cause is None, (seed, result.cause, result.first_op)
            assert result.equal or result.evidence
    return different


def test_noise_has_no_name() -> None:
    assert check_noise(12) > 6


@pytest.mark.thorough
def test_noise_has_no_name_in_hundreds_of_models() -> None:
    assert check_noise(400) > 300


def test_evidence_of_what_one_op_does_with_the_other_sides_inputs() -> None:
    """Two faults: each op by itself shows its own one alone."""
    plant = Plant(NET, {CONV: flipped_weight(CONV), DENSE: flipped_weight(DENSE)}, pictures())
    result = plant.compare()
    assert result.cause is None
    rows = {row.index: row for row in result.rows}
    assert rows[CONV].isolated_differing == rows[CONV].differing
    assert rows[DEPTHWISE].isolated_differing == 0
    assert 0 < rows[DENSE].isolated_differing <= rows[DENSE].elements


def test_a_known_cause_behind_an_unknown_one_is_told_in_its_row() -> None:
    """What comes first is not explained; the later op's row still names its own cause."""
    plant = Plant(
        NET,
        {CONV: flipped_weight(CONV), DENSE: NET[DENSE].without_last()},
        pictures(),
    )
    result = plant.compare()
    assert (result.cause, names(result)) == (None, [])
    rows = {row.index: row for row in result.rows}
    assert rows[CONV].causes == ()
    assert rows[DENSE].causes == ("bias-left-out",)


def test_sides_that_agree_have_neither() -> None:
    plant = Plant(NET, {}, pictures())
    result = plant.compare()
    assert result.equal
    assert (result.cause, result.findings, result.evidence, result.first_op) == (None, (), (), None)
    assert result.differing_elements == 0


def test_no_diagnosis_is_none_at_all() -> None:
    plant = Plant(NET, {CONV: NET[CONV].without_last()}, pictures())
    host = HostSide(plant.model)
    result = compare(plant.model, plant.account(), [plant.x], diagnosis=False)
    assert not result.equal
    assert (result.findings, result.evidence) == ((), ())
    assert host.version == result.ours


@pytest.mark.parametrize(("count", "is_few"), [(3, True), (40, False)])
def test_few_numbers_fit_by_chance_and_that_is_said(count: int, is_few: bool) -> None:
    """A name that two numbers bear out is a guess: more samples, and it is one no more."""
    x = pictures(count)
    plant = Plant(NET, {DEPTHWISE: NET[DEPTHWISE].without_last()}, x)
    result = plant.compare(outputs_only(plant.account()))
    assert "bias-left-out" in names(result)
    few = [note for note in result.notes if "by chance" in note]
    assert len(few) == is_few
    if is_few:
        assert few[0].startswith(f"only {result.differing_elements} numbers are told to differ")

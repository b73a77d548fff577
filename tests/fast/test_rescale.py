"""Requantisation in floats: every accepted form equals the integers, every wrong one is found."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from microinterp.fast_path import Workspace
from microinterp.kernels.fast.proof import THRESHOLDS, Sums, sums_of
from microinterp.kernels.fast.rescale import Rescale, Staircase, prove, prove_mean
from microinterp.kernels.filters import Quant
from microinterp.kernels.scaling import requantised
from microinterp.quant import fixedpoint
from microinterp.quant.fixedpoint_ref import rounding_divide_by_pot

Ints = npt.NDArray[np.int64]
Rng = np.random.Generator


def random_sums(rng: Rng, channels: int, bits: float) -> Sums:
    """Bounds of up to 2^bits; now and then all sums lie on one side of 0."""
    low, high = (rng.integers(0, int(2**bits) - 1, channels) for _ in range(2))
    side = rng.integers(6)
    low, high = (0 * low if side == 0 else low), (0 * high if side == 1 else high)
    return Sums(-low, high, np.zeros(channels, np.int64))


def random_quant(rng: Rng, sums: Sums) -> Quant:
    """Outputs that step many times within the sums, mostly; few bits of a multiplier give ties."""
    channels = len(sums.low)
    factor = 256.0 / (sums.high - sums.low + 1) * 2.0 ** rng.uniform(-2, 4, channels)
    if rng.integers(8) == 0:
        factor = 2.0 ** rng.uniform(-33, 12, channels)
    fraction, shift = np.frexp(factor)
    multiplier = np.minimum((fraction * 2**31).astype(np.int64), (1 << 31) - 1)
    bits = rng.choice((31, 31, 3, 1, 1))  # of the multiplier
    multiplier = multiplier >> (31 - bits) << (31 - bits)
    extreme = rng.random(channels) < 0.05
    multiplier[extreme] = rng.choice((0, 1 << 30, (1 << 31) - 1))
    zero = int(rng.choice((-128, 127, 0, 0, rng.integers(-128, 128))))
    limits = [*([(-128, 127)] * 6), (zero, 127), (zero, zero), (-1, 6), (120, 127)]
    low, high = limits[rng.integers(len(limits))]
    rounding = (fixedpoint.multiply_double, fixedpoint.multiply_single)[rng.integers(3) // 2]
    shift = np.clip(shift.astype(np.int64), -31, 30)
    return Quant(0, np.int32, rounding, multiplier, shift, zero, low, high)


def random_bias(rng: Rng, sums: Sums) -> Ints:
    """Anything within the reach of the sums, or what puts their middle near 0."""
    reach = np.maximum(sums.high, -sums.low) + 1
    middle = (sums.low + sums.high) // 2
    return rng.integers(-reach, reach + 1) if rng.integers(2) else rng.integers(-9, 9) - middle


def staircase_of(quant: Quant, sums: Sums, bias: Ints) -> Staircase:
    levels = np.arange(quant.low + 1, quant.high + 1)[:, None]
    thresholds = THRESHOLDS[quant.requantise]
    wanted = levels - quant.output_zero_point
    return Staircase(levels, thresholds(quant.multiplier, quant.shift, wanted) - bias, sums)


def every_sum(sums: Sums) -> Ints:
    """[sums, channels]; channels with fewer sums repeat their greatest one."""
    count = int((sums.high - sums.low).max()) + 1
    return np.minimum(sums.low + np.arange(count)[:, None], sums.high)


def around_steps(rng: Rng, staircase: Staircase) -> Ints:
    """Two sums on either side of each step, both ends, and sums in between."""
    sums, steps = staircase.sums, staircase.steps
    near = [steps + d for d in (-2, -1, 0, 1)]
    between = rng.integers(sums.low, sums.high + 1, (4000, len(sums.low)))
    return np.clip(np.concatenate([*near, between]), sums.low, sums.high)


def differs(quant: Quant, bias: Ints, form: Rescale, sums: Ints) -> npt.NDArray[np.bool_]:
    """Channels in which the bytes of the form are not the integers', at some of these sums."""
    want = requantised(sums + bias, quant, np.int8)
    have = np.empty_like(want)
    for call in form.bind(sums.astype(np.float64), have, Workspace()):
        call()
    result: npt.NDArray[np.bool_] = (have != want).any(axis=0)
    return result


@pytest.mark.parametrize(("bits", "two_roundings"), [(4, 0), (9, 1), (15, 8)])
def test_forms_equal_the_integers_at_every_sum(bits: int, two_roundings: int) -> None:
    rng, seen = np.random.default_rng(bits), Counter[str]()
    for _ in range(150):
        sums = random_sums(rng, int(rng.integers(1, 5)), rng.uniform(1, bits))
        quant, bias = random_quant(rng, sums), random_bias(rng, sums)
        form = prove(quant, sums, bias)
        seen[form if isinstance(form, str) else form.how] += 1
        if not isinstance(form, str):
            assert not differs(quant, bias, form, every_sum(sums)).any(), (quant, sums, bias)
    print(f"\n{dict(seen)}")
    assert seen["one rounding"] >= 120
    assert seen["two roundings"] >= two_roundings
    assert seen.total() == seen["one rounding"] + seen["two roundings"]  # none is refused


@pytest.mark.parametrize("bits", [20, 24, 31])
def test_forms_equal_the_integers_around_every_step(bits: int) -> None:
    rng, seen = np.random.default_rng(bits), Counter[str]()
    for _ in range(100):
        sums = random_sums(rng, int(rng.integers(1, 40)), bits - 1)
        quant, bias = random_quant(rng, sums), random_bias(rng, sums)
        form = prove(quant, sums, bias)
        seen[form if isinstance(form, str) else form.how] += 1
        if not isinstance(form, str):
            at = around_steps(rng, staircase_of(quant, sums, bias))
            assert not differs(quant, bias, form, at).any(), (quant, sums, bias)
    print(f"\n{dict(seen)}")
    assert seen["one rounding"] >= 40
    assert seen["two roundings"] >= 8


def mutated(rng: Rng, form: Rescale, quant: Quant) -> Rescale:
    """The form with a constant of one channel off by an ulp, a unit, or anything in between."""
    names = ("scale", "offset") if form.second is None else ("scale", "offset", "second")
    name, channel = str(rng.choice(names)), rng.integers(len(form.scale))
    values = getattr(form, name).copy()
    sign, size = rng.choice((1, -1)), 2.0 ** -rng.integers(0, 56)
    if name == "offset":
        values[channel] += sign * max(size, np.spacing(abs(values[channel])))
    else:
        values[channel] *= 1 + sign * max(min(size, 0.5), 2.0**-52)
    # both clamps, and a wide integer: outputs may now leave what the form was made for
    ends = quant.low + form.raised, quant.high + form.raised
    return replace(form, **{name: values}, low=ends[0], high=ends[1], whole=np.int32)


def test_a_form_is_found_wrong_if_and_only_if_some_sum_shows_it() -> None:
    """Constants off by an ulp or more, each verdict compared with all the sums."""
    rng, verdicts = np.random.default_rng(9), Counter[tuple[str, bool]]()
    for _ in range(120):
        sums = random_sums(rng, int(rng.integers(1, 4)), rng.uniform(6, 13))
        quant, bias = random_quant(rng, sums), random_bias(rng, sums)
        form = prove(quant, sums, bias)
        if isinstance(form, str):
            continue
        staircase, everything = staircase_of(quant, sums, bias), every_sum(sums)
        assert not staircase.wrong(form).any()
        for _ in range(12):
            other = mutated(rng, form, quant)
            wrong = staircase.wrong(other)
            assert (wrong == differs(quant, bias, other, everything)).all(), (quant, sums, other)
            verdicts[form.how, bool(wrong.any())] += 1
    print(f"\n{dict(verdicts)}")
    for how in ("one rounding", "two roundings"):
        assert verdicts[how, True] >= 50
        assert verdicts[how, False] >= 50


def test_ulps_matter_where_sums_are_great() -> None:
    """Near 2^53 / 2^31 the last bits of the constants decide: a few ulps more are refused."""
    rng, refused = np.random.default_rng(10), Counter[int]()
    for _ in range(60):
        sums = random_sums(rng, 3, 29)
        quant = replace(random_quant(rng, sums), low=-128, high=127, output_zero_point=0)
        bias = 0 * sums.low
        form = prove(quant, sums, bias)
        if isinstance(form, str):
            continue
        staircase = staircase_of(quant, sums, bias)
        at = around_steps(rng, staircase)
        for ulps in (1, 8, 64, 1 << 20):
            other = replace(form, scale=form.scale * (1 + ulps * 2.0**-52))
            wrong = staircase.wrong(other)
            refused[ulps] += bool(wrong.any())
            assert (wrong | ~differs(quant, bias, other, at)).all()
    print(f"\n{dict(refused)}")
    assert refused[1 << 20] > refused[8]
    assert refused[1 << 20] >= 20


def test_the_wrong_channel_is_named_wherever_it_lies() -> None:
    """Channels are checked in blocks: the first, the last of a block, and the last of all."""
    channels = 67
    sums = sums_of(np.full((4, channels), 100), -128, 127)
    quant = one_channel(1 << 30, -8, (-128, 127), channels)
    form = prove(quant, sums, np.zeros(channels, np.int64))
    assert isinstance(form, Rescale)
    staircase = staircase_of(quant, sums, np.zeros(channels, np.int64))
    for channel in (0, 31, 32, 63, 64, 66):
        scale = form.scale.copy()
        scale[channel] *= 1.01
        wrong = staircase.wrong(replace(form, scale=scale))
        assert np.flatnonzero(wrong).tolist() == [channel]


def one_channel(
    multiplier: int, shift: int, limits: tuple[int, int], channels: int = 1, zero: int = 0
) -> Quant:
    """A quant of one channel, or of many equal ones."""
    return Quant(
        0,
        np.int32,
        fixedpoint.multiply_double,
        np.full(channels, multiplier),
        np.full(channels, shift),
        zero,
        *limits,
    )


def outputs(form: Rescale | str, sums: list[int]) -> list[int]:
    assert isinstance(form, Rescale), form
    out = np.empty((len(sums), 1), np.int8)
    for call in form.bind(np.array(sums, np.float32)[:, None], out, Workspace()):
        call()
    return out.ravel().tolist()


def test_quarters_worked_by_hand() -> None:
    """As in test_proof: 1 / 4 is 1, since it is rounded twice, -1 / 4 is 0, but -2 / 4 is -1."""
    sums = Sums(np.array([-6]), np.array([6]), np.array([0]))
    form = prove(one_channel(1 << 30, -1, (-128, 127)), sums, np.array([0]))
    assert outputs(form, [-6, -5, -2, -1, 0, 1, 4, 5, 6]) == [-2, -1, -1, 0, 0, 1, 1, 2, 2]
    # With a bias of 2, zero point 10, and a clamp to 10 and 11: 3 is 5 / 4, so 12, clamped.
    form = prove(one_channel(1 << 30, -1, (10, 11), zero=10), sums, np.array([2]))
    assert outputs(form, [-6, -3, -2, -1, 2, 3, 6]) == [10, 10, 10, 11, 11, 11, 11]


def test_clamps_that_leave_one_level() -> None:
    for level in (-128, 0, 127):
        sums = Sums(np.array([-1000]), np.array([1000]), np.array([0]))
        form = prove(one_channel(1 << 30, 0, (level, level)), sums, np.array([5]))
        assert outputs(form, [-1000, -1, 0, 1, 1000]) == [level] * 5


def test_a_multiplier_of_zero_gives_the_zero_point() -> None:
    sums = Sums(np.array([-(1 << 24)]), np.array([1 << 24]), np.array([0]))
    for zero in (-128, 3, 127):
        form = prove(one_channel(0, 0, (-128, 127), zero=zero), sums, np.array([1 << 30]))
        assert outputs(form, [-(1 << 24), 0, 1 << 24]) == [zero] * 3


@pytest.mark.parametrize("value", [-40_000, -(1 << 28), 40_000, 1 << 28])
@pytest.mark.parametrize("limits", [(-128, 127), (100, 127), (-128, -100), (0, 0)])
def test_dead_channels_are_clamped(value: int, limits: tuple[int, int]) -> None:
    """Outputs far beyond the clamp, in all channels or in all but one."""
    for channels in (1, 3):
        sums = Sums(np.full(channels, -500), np.full(channels, 500), np.zeros(channels, np.int64))
        bias = np.full(channels, value)
        bias[1:2] = 0
        quant = one_channel(1 << 30, 1, limits, channels)
        form = prove(quant, sums, bias)
        assert isinstance(form, Rescale), form
        assert not differs(quant, bias, form, every_sum(sums)).any()


@pytest.mark.parametrize("value", [-(1 << 28), 1 << 28])
def test_a_dead_channel_beside_one_that_takes_two_roundings(value: int) -> None:
    sums = Sums(np.full(2, -5000), np.full(2, 5000), np.zeros(2, np.int64))
    quant, bias = one_channel(1 << 30, -3, (-128, 127), 2, zero=-9), np.array([value, 0])
    form = prove(quant, sums, bias)
    assert isinstance(form, Rescale), form
    assert (form.how, form.whole) == ("two roundings", np.int16)
    assert not differs(quant, bias, form, every_sum(sums)).any()


@pytest.mark.parametrize("lowest", [-32_400, -32_511, -32_513, -32_700, -32_767, -33_000])
def test_outputs_at_the_end_of_int16(lowest: int) -> None:
    """From there to -50; raised, the least ones are 0 or more, and the greatest fit as well."""
    sums = Sums(np.array([0]), np.array([-50 - lowest]), np.array([0]))
    quant, bias = one_channel(1 << 30, 1, (-128, 127)), np.array([lowest])
    form = prove(quant, sums, bias)
    assert isinstance(form, Rescale), form
    assert not differs(quant, bias, form, every_sum(sums)).any()


@pytest.mark.parametrize(
    ("bias", "shift", "fits"),
    [
        (2**31 - 1 - 127, 0, True),
        (2**31 - 127, 0, False),
        (-(2**31) + 1 + 128, 0, True),
        (-(2**31) + 127, 0, False),
        (2**27 - 1 - 127, 4, True),
        (2**27 - 127, 4, False),
        (2**31 - 1 - 127, -5, True),
    ],
)
def test_sums_that_may_overflow_int32_are_refused(bias: int, shift: int, fits: bool) -> None:
    """One weight of 1: sums from -128 to 127; the clamp hides how large the outputs are."""
    sums = sums_of(np.array([[1]]), -128, 127)
    form = prove(one_channel(1 << 30, shift, (-128, 127)), sums, np.array([bias]))
    assert isinstance(form, Rescale) == fits or "round" in str(form)
    assert ("overflow int32" in str(form)) == (not fits)


def test_a_rounding_without_thresholds_is_refused() -> None:
    quant = replace(one_channel(1 << 52, -30, (-128, 127)), requantise=fixedpoint.multiply_real)
    form = prove(quant, sums_of(np.array([[1]]), -128, 127), np.array([0]))
    assert form == "its rounding (multiply_real) has no fast form"


@pytest.mark.parametrize("bits", [25, 26, 28])
def test_a_layer_that_no_form_fits_is_refused(bits: int) -> None:
    """Halves, whose ties a nudge of 2^-32 breaks: at sums so great a float64 has no room for it."""
    sums = Sums(np.array([-(1 << bits)]), np.array([1 << bits]), np.array([0]))
    bias = np.array([7])
    form = prove(one_channel(1 << 30, -1, (-128, 127)), sums, bias)
    assert form == "floats would round some output differently"
    # With outputs of one sign, one rounding does, and it needs no nudge.
    assert isinstance(prove(one_channel(1 << 30, -1, (0, 127)), sums, bias), Rescale)


@pytest.mark.parametrize("bits", [16, 20, 24])
def test_single_rounding_takes_one_rounding(bits: int) -> None:
    """Whatever the multipliers, shifts and signs of the outputs."""
    rng = np.random.default_rng(bits)
    for _ in range(60):
        sums = random_sums(rng, 8, bits - 1)
        quant = replace(random_quant(rng, sums), requantise=fixedpoint.multiply_single)
        quant = replace(quant, shift=np.minimum(quant.shift, 0))
        form = prove(quant, sums, random_bias(rng, sums))
        assert isinstance(form, Rescale), form
        assert form.how == "one rounding"


def mean(total: int, count: int) -> int:
    """To nearest, halves away from zero, as TFLM's AVERAGE_POOL_2D rounds."""
    magnitude = (abs(total) + count // 2) // count
    return magnitude if total > 0 else -magnitude


@pytest.mark.parametrize("limits", [(-128, 127), (0, 127), (-3, 50), (7, 7)])
def test_means_equal_the_integers_at_every_sum(limits: tuple[int, int]) -> None:
    for count in (*range(1, 40), 49, 64, 81, 100, 255, 256, 625):
        sums = sums_of(np.ones((count, 1), np.int64), -128, 127)
        totals = list(range(-128 * count, 127 * count + 1))
        want = [min(max(mean(t, count), limits[0]), limits[1]) for t in totals]
        assert outputs(prove_mean(count, *limits, sums), totals) == want


def test_means_worked_by_hand() -> None:
    sums = sums_of(np.ones((4, 1), np.int64), -128, 127)
    form = prove_mean(4, -128, 127, sums)
    # 2 / 4 is 1 and -2 / 4 is -1, away from zero; 1 / 4 is 0
    assert outputs(form, [-512, -6, -2, -1, 0, 1, 2, 5, 6, 508]) == [
        -128,
        -2,
        -1,
        0,
        0,
        0,
        1,
        1,
        2,
        127,
    ]
    assert rounding_divide_by_pot(-6, 2) == -2


def test_a_layer_proved_once_is_known_by_its_content() -> None:
    sums, bias = (
        Sums(np.array([-9000, -500]), np.array([9000, 800]), np.zeros(2, np.int64)),
        np.array([3, -9]),
    )
    multiplier, shift = np.array([1 << 30, 3 << 29]), np.array([-6, -3])
    quant = Quant(0, np.int32, fixedpoint.multiply_double, multiplier, shift, -128, -128, 127)
    first = prove(quant, sums, bias)
    assert isinstance(first, Rescale)
    assert prove(replace(quant, shift=shift.copy()), replace(sums), bias.copy()) is first
    for other in (
        (replace(quant, low=-127), sums, bias),
        (replace(quant, high=126), sums, bias),
        (replace(quant, output_zero_point=-127), sums, bias),
        (replace(quant, shift=shift - 1), sums, bias),
        (replace(quant, multiplier=multiplier + 1), sums, bias),
        (replace(quant, requantise=fixedpoint.multiply_single), sums, bias),
        (quant, replace(sums, high=sums.high + 1), bias),
        (quant, replace(sums, low=sums.low - 1), bias),
        (quant, sums, bias + 1),
    ):
        assert prove(*other) is not first

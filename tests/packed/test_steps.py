"""Codes, arguments and numbers of steps, as the file has them and schemas/steps.md tells."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from microinterp.packed import records
from microinterp.packed import steps as s
from microinterp.packed.steps import Step
from tests.packed.steps_at_bounds import ADD, CONV, DEPTHWISE, IN_PLACE, MEAN, MUL, POOL

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "steps.md"
NUMBERED: list[Any] = [
    s.Copy(1, 2, 3),
    s.Move(*range(1, 19)),
    s.Fill(1, 2, 3, 4),
    s.Lut(1, 2, 3, 4),
    CONV,
    DEPTHWISE,
    s.AveragePool(*POOL),
    POOL,
    MEAN,
    ADD,
    MUL,
    s.Softmax(1, 2, 3, 4, 5),
    s.Dequantize(1, 2, 3, 4, 5, 6, 7),
    s.CallOnce(1, 2),
    IN_PLACE,
]
"""In the order of their codes, without what may be left out."""
LEFT_OUT = {
    s.Conv: ("order", "wide"),
    s.Depthwise: ("order", "wide", "patch"),
    s.AveragePool: ("order",),
    s.MaxPool: ("order",),
    s.DepthwiseInPlace: ("wide", "patch"),
}


def name_of(step: Step) -> str:
    return type(step).__name__


def test_codes_are_those_of_the_schema() -> None:
    """Its names have capitals and underscores."""
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", SCHEMA.read_text(encoding="utf-8"), re.M)
    assert [int(code) for code, _ in rows] == list(range(1, 16))
    for (code, name), step in zip(rows, NUMBERED, strict=True):
        kind = type(step)
        assert s.STEP_TYPES[int(code)] is kind
        assert s.CODES[kind] == int(code)
        assert kind.__name__.upper() == name.replace("_", "")
    assert len(s.STEP_TYPES) == len(s.CODES) == 15


@pytest.mark.parametrize("step", NUMBERED, ids=name_of)
def test_last_arguments_are_left_out_where_they_are_0(step: Any) -> None:
    kind, names = type(step), LEFT_OUT.get(type(step), ())
    least, most = len(step) - len(names), len(step)
    plain = tuple(step)[:least]
    assert s.arguments(step) == plain
    for i, name in enumerate(names):
        changed = step._replace(**{name: 1})
        wanted = (*plain, *[0] * i, 1)
        assert s.arguments(changed) == wanted
        assert s.step_of(kind, wanted) == changed
    if names:
        full = (*plain, *range(5, 5 + len(names)))
        made = s.step_of(kind, full)
        assert made is not None
        assert s.arguments(made) == full
        assert [getattr(made, name) for name in names] == list(range(5, 5 + len(names)))
    zeros = kind(*[0] * most)
    assert s.arguments(zeros) == (0,) * least  # no more is left out


@pytest.mark.parametrize("step", NUMBERED, ids=name_of)
def test_too_few_or_too_many_arguments_make_no_step(step: Any) -> None:
    kind, most = type(step), len(step)
    least = most - len(LEFT_OUT.get(kind, ()))
    for count in range(most + 3):
        made = s.step_of(kind, list(range(1, count + 1)))
        if least <= count <= most:
            assert made == (*range(1, count + 1), *[0] * (most - count))
            assert type(made) is kind
        else:
            assert made is None


def test_moves_have_five_dimensions() -> None:
    step = s.Move(*range(1, 19))
    assert (step.x, step.dst, step.esize) == (1, 2, 3)
    assert step.counts == (4, 5, 6, 7, 8)
    assert step.source_strides == (9, 10, 11, 12, 13)
    assert step.strides == (14, 15, 16, 17, 18)


@pytest.mark.parametrize(
    ("kh", "kw", "ic", "groups", "taps"), [(3, 2, 6, 1, 36), (3, 2, 6, 3, 12), (1, 5, 8, 8, 5)]
)
def test_taps(kh: int, kw: int, ic: int, groups: int, taps: int) -> None:
    assert CONV._replace(kh=kh, kw=kw, ic=ic, groups=groups).taps == taps


def test_split() -> None:
    """31 bits: the lower 15 go to lo."""
    for multiplier, halves in (
        (0, (0, 0)),
        (1, (0, 1)),
        (32767, (0, 32767)),
        (32768, (1, 0)),
        (32769, (1, 1)),
        (0x40000000, (32768, 0)),
        (0x7FFFFFFF, (65535, 32767)),
        (0x55555555, (43690, 21845)),
    ):
        assert s.split(multiplier) == halves


def test_limits() -> None:
    """Those that the schema tells, in its words."""
    text = SCHEMA.read_text(encoding="utf-8")
    assert s.MAX_NUMBER == 536870912
    assert "below 2^29, as are positions" in text
    assert s.MAX_WORK == 268435456
    assert "at most 2^28 units of work" in text
    assert s.MAX_MEAN_SUM == 536870912
    assert "`(128 * reduce + |zn|) << max(shift, 0)` is below 2^29" in text
    assert s.MAX_MUL_SHIFT == 13
    assert "shift is -31..13" in text
    assert s.MAX_SOFTMAX_DEPTH == 2047
    assert "depth is at most 2047" in text


def test_what_was_read_is_not_changed() -> None:
    """Records are frozen: those who share one see the same."""
    kinds = [each for each in vars(records).values() if dataclasses.is_dataclass(each)]
    assert len(kinds) == 6
    for kind in kinds:
        names = [field.name for field in dataclasses.fields(kind)]
        record = kind(*names)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, names[0], 1)

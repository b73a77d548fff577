"""A side that has run other inputs than ours: said, even where everything it tells is equal."""

from __future__ import annotations

import numpy as np

from microinterp.compare import Account, Told, compare
from microinterp.sides import open_side, places_of
from microinterp.sides.host import HostSide
from tests.models import conv_model

MODEL = conv_model()


def account(inputs: list[np.ndarray], told: list[np.ndarray]) -> Account:
    """Ours for `inputs`, telling other ones."""
    side = HostSide(MODEL)
    seen = side.run(inputs, places_of(side.interpreter.prepared))
    tensors = {place: Told(array) for place, array in seen.tensors.items()}
    return Account("dump", "them", 3, told, [Told(a) for a in seen.outputs], tensors)


def test_other_inputs_are_said() -> None:
    ours = [np.zeros((3, 1, 4, 4, 1), np.int8)]
    other = ours[0].copy()
    other[1, 0, 0, 0, 0] = 1
    result = compare(MODEL, account(ours, [other]), ours)
    assert result.equal
    assert result.notes == ("the other side ran other numbers in input 0, in 1 of 3 samples",)


def test_equal_inputs_need_no_words() -> None:
    ours = [np.zeros((3, 1, 4, 4, 1), np.int8)]
    assert compare(MODEL, account(ours, ours), ours).notes == ()
    with open_side("host", MODEL) as side:
        assert compare(MODEL, side, ours).notes == ()

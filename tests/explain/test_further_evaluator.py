"""The evaluator sees wrong numbers in the steps of kinds.py too, and has no code of the package."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp.explain import explain
from microinterp.explain.kinds import FURTHER, ROWS
from tests.explain import evaluator, fourier, further
from tests.explain.test_butterflies import fft
from tests.explain.test_evaluator import places
from tests.explain.test_families_by_hand import i8, quantized, unit_lstm
from tests.ops.custom import custom_model
from tests.ops.movement import Input, numbers, op_model

WRONG = (AssertionError, IndexError, OverflowError, StopIteration, ValueError)


def one_op(op: str, size: int, out: tuple[float, int], **options: Any) -> bytes:
    return op_model(op, [quantized((size,), 0.1, 3)], [quantized((size,), *out)], **options)


def random(dtype: str, size: int) -> Any:
    reach = np.iinfo(dtype).max // 2
    return np.random.default_rng(5).integers(-reach, reach, (1, size), dtype)


def printed(name: str) -> Any:
    int16 = Input((3,), "int16", 0.001, 0), Input((3,), "int16", 1 / 32768, 0)
    row = Input((3,), "int16")
    found = {
        "SOFTMAX": (one_op("SOFTMAX", 4, (1 / 256, -128), beta=1.0), (2,), i8(7, 3, -9, 20)),
        "SOFTMAX of int16": (
            op_model("SOFTMAX", int16[:1], int16[1:], beta=1.0),
            (1,),
            np.array([[500, -900, 3000]], np.int16),
        ),
        "LOG_SOFTMAX": (one_op("LOG_SOFTMAX", 4, (1 / 16, 127)), (1,), i8(3, 9, 2, -1)),
        "HARD_SWISH": (one_op("HARD_SWISH", 1, (0.1, 3)), (0,), i8(-20)),
        "ELU": (one_op("ELU", 1, (0.1, 3)), (0,), i8(-20)),
        "L2_NORMALIZATION": (one_op("L2_NORMALIZATION", 2, (1 / 128, 0)), (0,), i8(13, 14)),
        "ARG_MAX": (
            op_model("ARG_MAX", [Input((4,)), numbers(0)], [Input((), "int32")]),
            (),
            i8(3, 9, 9, -1),
        ),
        "LSTM": (unit_lstm(), (0, 1, 0), np.full((1, 1, 2, 1), 16, np.int8)),
        "SignalFftAutoScale": (
            custom_model("SignalFftAutoScale", [row], [row, Input((), "int32")]),
            (1,),
            np.array([[5, -70, 300]], np.int16),
        ),
        "SignalRfft": (fft("SignalRfft", "int16", 20), (7,), random("int16", 20)),
        "SignalIrfft": (fft("SignalIrfft", "int32", 12), (7,), random("int32", 14)),
    }
    data, index, x = found[name]
    return json.loads(json.dumps(explain(data, 0, index, [x]).as_dict()))


def is_seen(right: Any, number: int, part: str, name: Any) -> bool:
    """True if the evaluator objects to one changed number."""
    wrong = copy.deepcopy(right)
    step = wrong["steps"][number]
    if part == "result":
        step["result"] += 1
    elif part == "operands":
        step["operands"][name] += 1 if name in ("bits", "exponent", "shift", "part") else 1000
    elif name[1] == "result":
        step["terms"][name[0]]["result"] += 1
    else:
        step["terms"][name[0]]["numbers"][name[1]] += 1000
    try:
        evaluator.evaluate(wrong)
    except WRONG:
        return True
    return False


@pytest.mark.parametrize(
    "name",
    [
        "SOFTMAX",
        "SOFTMAX of int16",
        "LOG_SOFTMAX",
        "HARD_SWISH",
        "ELU",
        "L2_NORMALIZATION",
        "ARG_MAX",
        "LSTM",
        "SignalFftAutoScale",
        "SignalRfft",
        "SignalIrfft",
    ],
)
def test_it_sees_wrong_numbers(name: str) -> None:
    """Every wrong result; of what goes in, all but limits and what rounding swallows."""
    right = printed(name)
    evaluator.evaluate(right)
    outcomes = {place: is_seen(right, *place) for place in places(right["steps"])}
    results = [
        place
        for place in outcomes
        if place[1] == "result" or (place[1] == "terms" and place[2][1] == "result")
    ]
    assert results
    assert all(outcomes[place] for place in results)
    assert sum(outcomes.values()) > 0.75 * len(outcomes)


def test_every_kind_is_written_anew() -> None:
    assert set(FURTHER) | set(ROWS) == set(further.FORMULAS) | set(further.WITH_STEP)


@pytest.mark.parametrize("module", [fourier, further])
def test_it_shares_no_code_with_the_package(module: Any) -> None:
    source = Path(module.__file__).read_text()
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert imports
    assert not any("microinterp" in line for line in imports)

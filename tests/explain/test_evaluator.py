"""The evaluator sees a wrong number anywhere in an explanation."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from microinterp.explain import explain
from tests.explain import evaluator
from tests.explain.test_by_hand import X, pointwise


def printed() -> Any:
    return json.loads(json.dumps(explain(pointwise(), 0, (0, 0, 1, 1), [X]).as_dict()))


def places(steps: list[dict[str, Any]]) -> Iterator[tuple[int, str, Any]]:
    """Every number that goes into a step or comes out of it."""
    for number, step in enumerate(steps):
        yield number, "result", None
        for name in step["operands"]:
            yield number, "operands", name
        for row, term in enumerate(step.get("terms", ())):
            yield number, "terms", (row, "result")
            for column in range(len(term["numbers"])):
                yield number, "terms", (row, column)


def test_it_passes_what_is_right() -> None:
    assert evaluator.evaluate(printed()) == 2


@pytest.mark.parametrize("place", list(places(printed()["steps"])), ids=str)
def test_it_sees_a_wrong_number(place: tuple[int, str, Any]) -> None:
    number, part, name = place
    wrong = copy.deepcopy(printed())
    step = wrong["steps"][number]
    change = 1000  # more than any rounding or clamp swallows
    if part == "result":
        step["result"] += change
    elif part == "operands":
        step["operands"][name] += change * (1 << 20 if name == "b" else 1)
    else:
        row, column = name
        if column == "result":
            step["terms"][row]["result"] += change
        else:
            step["terms"][row]["numbers"][column] += change
    if (part, name) == ("operands", "high"):
        assert evaluator.evaluate(wrong) == 2  # the other limit holds
        return
    with pytest.raises((AssertionError, ValueError)):
        evaluator.evaluate(wrong)


def test_it_sees_a_step_that_leads_nowhere() -> None:
    wrong = printed()
    wrong["steps"][1]["from"] = {}
    with pytest.raises(AssertionError):
        evaluator.evaluate(wrong)


def test_it_sees_wrong_bits() -> None:
    wrong = printed()
    wrong["steps"][3]["rounding"]["cut_binary"] = "11"
    with pytest.raises(AssertionError):
        evaluator.evaluate(wrong)


def test_it_shares_no_code_with_the_package() -> None:
    source = Path(evaluator.__file__).read_text()
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert imports
    assert not any("microinterp" in line for line in imports)

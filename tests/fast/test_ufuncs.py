"""MAXIMUM, MINIMUM, LOGICAL_AND and LOGICAL_OR straight into the output."""

from __future__ import annotations

import numpy as np
import pytest

from tests.differential.case import Case
from tests.fast.twins import cases_of, check_case, check_twin, fast_twin, only_node, random_run
from tests.ops.movement import Constant, Input, op_model, random_constant

OPS = ("LOGICAL_AND", "LOGICAL_OR", "MAXIMUM", "MINIMUM")


@pytest.mark.parametrize("case", cases_of(*OPS), ids=lambda case: case.name)
def test_random_models(case: Case) -> None:
    seen = check_case(case)
    if case.types == "float32":
        assert seen == {"NumPy's extremes of floats take NaN and -0.0 otherwise": 20}
    else:
        assert seen["twins"] == 20, seen


@pytest.mark.parametrize("constant", [None, 0, 1])
@pytest.mark.parametrize("op", OPS)
def test_large_operands_that_broadcast(op: str, constant: int | None) -> None:
    rng = np.random.default_rng(4)
    dtype = "bool" if op.startswith("LOGICAL") else "int8"
    sides: list[Input | Constant] = [Input((1, 60, 50, 8), dtype), Input((8,), dtype)]
    if constant is not None:
        side = sides[constant]
        assert isinstance(side, Input)
        sides[constant] = Constant(random_constant(rng, side.shape, dtype))
    node = only_node(op_model(op, sides, [Input((1, 60, 50, 8), dtype)]))
    for samples in ((), (1,), (4,)):
        runs = random_run(node, rng, samples), random_run(node, rng, samples)
        (out,) = check_twin(node, fast_twin(node), *runs, shift=1)
        assert len(np.unique(out)) > 1

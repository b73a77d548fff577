"""The table of fast types is what choosing says: listed ones get twins, the others never do."""

from __future__ import annotations

from importlib import import_module

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from microinterp.interpreter import prepare_model
from microinterp.kernels import default_registry
from microinterp.kernels.fast import CHOOSERS, INEXACT_CHOOSERS
from microinterp.kernels.fast.coverage import fast_types
from tests.differential.case import Case
from tests.differential.cases import all_cases

FAST = {(op.name, types) for op in default_registry() for types in fast_types(op)}
LISTED = [case for case in all_cases() if (case.op, case.types) in FAST]
OTHERS = [case for case in all_cases() if (case.op, case.types) not in FAST]


def has_twin(case: Case, models: int) -> bool:
    """Whether a node of the operator has a twin in one of so many random models."""
    found = []

    @hypothesis.seed(models)
    @settings(
        max_examples=models,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=case.models)
    def look(data: bytes) -> None:
        nodes = prepare_model(data).nodes()
        found.extend(n for n in nodes if n.node.name == case.op and n.fast is not None)

    look()
    return bool(found)


def test_every_chooser_and_every_plain_kernel_named_exist() -> None:
    for plain, chooser in {**CHOOSERS, **INEXACT_CHOOSERS}.items():
        for package, name in (
            ("microinterp.kernels", plain),
            ("microinterp.kernels.fast", chooser),
        ):
            module, function = name.split(".")
            assert callable(getattr(import_module(f"{package}.{module}"), function)), name


def test_every_listed_type_is_one_of_the_operator() -> None:
    assert len(LISTED) == len(FAST) > 100


@pytest.mark.parametrize("case", LISTED, ids=lambda case: case.name)
def test_listed_types_get_twins(case: Case) -> None:
    assert any(has_twin(case, models) for models in (2, 10, 200))


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case.name)
def test_other_types_get_none(case: Case) -> None:
    assert not has_twin(case, models=2)

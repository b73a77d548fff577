"""What is explained: each operator in one family, all types but float32."""

from __future__ import annotations

from microinterp.explain.ops import FAMILIES
from tests.differential.cases import all_cases
from tests.explain.readding import has_integers

NO_NUMBERS = {"ASSIGN_VARIABLE", "CALL_ONCE", "IF", "VAR_HANDLE", "WHILE"}
"""Operators without elements that they compute."""


def test_no_operator_is_in_two_families() -> None:
    names = [name for family in FAMILIES.values() for name in family]
    assert len(names) == len(set(names))


def test_all_that_is_not_explained_is_float_or_has_no_numbers() -> None:
    left = [case for case in all_cases() if not has_integers(case)]
    assert {case.op for case in left if "float32" not in case.types} == NO_NUMBERS
    assert all(
        set(case.types.replace(" x ", " ").replace(" -> ", " ").split()) == {"float32"}
        for case in left
        if case.op not in NO_NUMBERS
    )

"""The table of operators: complete, honest about bounds, and the page made from it is fresh."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from microinterp import operator_table
from microinterp.kernels import default_registry
from tests.cli import good
from tests.conftest import require_or_skip
from tests.differential.cases import all_cases

PAGE = Path(__file__).resolve().parents[1] / "docs" / "SUPPORTED_OPS.md"
LIBM = "exact with glibc; a device libm may differ"


def test_every_operator_of_tflm_is_there() -> None:
    assert len(operator_table.TFLM_BUILTINS) == 100
    assert len(operator_table.TFLM_CUSTOM) == 18
    assert operator_table.missing() == []
    assert len(operator_table.rows()) == 118


def test_custom_names_are_those_of_the_wheel() -> None:
    spec = find_spec("tflite_micro")
    if spec is None or spec.origin is None:
        require_or_skip("the TFLM wheel", "pip install 'microinterp[oracle]' (Linux x86-64)")
        return
    libraries = Path(spec.origin).parent.rglob("*.so")
    code = b"".join(path.read_bytes() for path in libraries)
    for name in operator_table.TFLM_CUSTOM - {"ethos-u"}:  # its name is in a vendor's build
        assert name.encode() in code, name


def test_only_ethos_u_is_refused() -> None:
    refused = {row.name: row.refused for row in operator_table.rows() if row.refused}
    assert refused.keys() == {"ethos-u"}
    assert "command stream" in refused["ethos-u"]


def test_integers_are_exact() -> None:
    for op in default_registry():
        if not op.refused:
            assert op.exactness == "exact" or op.exactness.startswith(LIBM), op.name
            assert op.int16_exactness == "" or op.int16_exactness.startswith(LIBM), op.name


@pytest.mark.parametrize("row", operator_table.rows(), ids=lambda row: row.name)
def test_every_type_has_a_differential_test(row: operator_table.Row) -> None:
    cases = {case.types for case in all_cases() if case.op == row.name}
    assert cases == (set() if row.refused else set(row.types))
    assert bool(row.test) != bool(row.refused)


def test_float_bounds_are_those_that_tests_hold() -> None:
    for op in default_registry():
        ulps = max((case.ulps for case in all_cases() if case.op == op.name), default=0)
        assert ulps == 0 or f"{ulps} ulp" in op.all_exactness, op.name


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text() == operator_table.markdown(), "run `make ops-table`"


def test_the_command_prints_the_page() -> None:
    assert good("ops", "--markdown") == operator_table.markdown()

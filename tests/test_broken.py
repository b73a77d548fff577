"""benchmarks/broken.py sees what a broken promise does to a test, and its list is not stale."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.broken import DRAWN, ROOT, Entry, entries, verdict

HALF = "def half(x: int) -> int:\n    return x // 2\n"
TESTS = """
import pytest
from product import half

def test_both_ways():
    assert half(3) == 1

def test_one_way():
    assert half(4) == 2

def test_failing():
    assert half(4) == 3

def test_refusal():
    with pytest.raises(TypeError):
        half("4")
"""
BOTH = Entry("test_product.py::test_both_ways", "Halves go down.", "product.py", "//", "+")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one function and its tests, for a pytest that starts quickly."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "product.py").write_text(HALF)
    (folder / "test_product.py").write_text(TESTS)
    return folder


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        (replace(BOTH, after="-1 +"), "failed: AssertionError"),
        (replace(BOTH, test="test_product.py::test_one_way", after="-"), "STILL PASSES"),
        (replace(BOTH, after="/ 0 *"), "FAILS OTHERWISE: ZeroDivisionError"),
        (replace(BOTH, after="/ 0 *", error="ZeroDivisionError"), "failed: ZeroDivisionError"),
        (replace(BOTH, error="ZeroDivisionError", after="-1 +"), "FAILS OTHERWISE: AssertionError"),
        (replace(BOTH, test="test_product.py::test_refusal", after="*"), "failed: DID NOT RAISE"),
        (replace(BOTH, after="("), "FAILS OTHERWISE: collection failure"),
        (replace(BOTH, test="test_product.py::test_failing"), "DOES NOT PASS as it is"),
        (replace(BOTH, test="test_product.py::test_missing"), "DOES NOT PASS as it is"),
        (replace(BOTH, before="x"), "STALE: 2 places"),
        (replace(BOTH, before="%"), "STALE: 0 places"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_verdicts(tree: Path, entry: Entry, wanted: str) -> None:
    assert verdict(tree, entry).startswith(wanted)
    assert (tree / "product.py").read_text() == HALF


def test_the_list_is_of_tests_and_places_that_are_there() -> None:
    listed = entries()
    assert len({entry.test for entry in listed}) == len(listed) == DRAWN
    for entry in listed:
        path, _, name = entry.test.partition("::")
        functions = {
            node.name
            for node in ast.parse((ROOT / path).read_text()).body
            if isinstance(node, ast.FunctionDef)
        }
        assert name in functions, entry.test
        assert entry.promise.endswith("."), entry.test
        assert (ROOT / entry.file).read_text().count(entry.before) == 1, entry.test

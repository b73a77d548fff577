"""docs/profiles.md names every profile and every rule, and nothing that is not one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from microinterp.kernels import default_registry
from microinterp.quant.profile import PROFILES, get_profile
from microinterp.quant.rules import CMSIS_NN, RULES

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "profiles.md").read_text()


def rows() -> list[str]:
    """What stands in the first column of its tables, in code."""
    return re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE, re.MULTILINE)


def test_the_page_names_every_profile_and_rule_once() -> None:
    assert sorted(rows()) == sorted([*PROFILES, *RULES])


def test_catalogue() -> None:
    names = {op.name for op in default_registry()}
    for rule in CMSIS_NN:
        assert RULES[rule.name] is rule
        assert rule.description
        assert ".c" in rule.source or ".h" in rule.source
        assert set(rule.ops) <= names
    assert len(RULES) == len(CMSIS_NN)


def test_who_follows_them() -> None:
    for name in RULES:
        assert [p.name for p in PROFILES.values() if p.follows(name)] == ["cmsis-nn"]
    with pytest.raises(KeyError):
        get_profile("cmsis-nn").follows("lstm-stateles")

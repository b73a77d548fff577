"""Dependencies: the decision's tables are pyproject.toml's and the metadata's; lowest; audit."""

from __future__ import annotations

import json
import os
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

pytest.importorskip("packaging", reason="pip install packaging")

from benchmarks import audit, licences
from benchmarks.dependencies import (
    Dependency,
    constraints,
    npm_dependencies,
    python_dependencies,
)

ROOT = Path(__file__).resolve().parents[1]
DECISION = ROOT / "docs" / "decisions" / "0004-dependencies.md"
PAGE = ROOT / "docs" / "licences.md"
ELSEWHERE = ("tomli", "setuptools")  # for another Python; in the environment of a build
EVERYTHING_IS_INSTALLED = os.environ.get("CI") == "true" and sys.platform == "linux"


def tables(path: Path) -> list[list[list[str]]]:
    """Tables of a page: rows of cells, without the head."""
    blocks = re.findall(r"(?:^\|.*\n)+", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [
        [
            [cell.strip() for cell in line.strip("|\n").split(" | ")]
            for line in block.splitlines()[2:]
        ]
        for block in blocks
    ]


def asked_for() -> dict[str, tuple[str, str]]:
    """By package: the groups that ask for it, and the versions."""
    found: dict[str, tuple[str, str]] = {}
    for each in [*python_dependencies(), *npm_dependencies()]:
        groups, versions = found.get(each.name, ("", each.versions))
        assert versions == each.versions, f"{each.name} has two ranges of versions"
        if each.group not in groups.split(", "):
            groups = f"{groups}, {each.group}" if groups else each.group
        found[each.name] = groups, versions
    return found


def metadata_licences() -> dict[str, str]:
    """Of every direct dependency that is installed."""
    found = licences.npm_licences()
    for name in {each.name for each in python_dependencies()}:
        try:
            found[name] = licences.told_licence(distribution(name))
        except PackageNotFoundError:
            assert name in ELSEWHERE or not EVERYTHING_IS_INSTALLED, f"{name} is not installed"
    return found


def test_the_decision_has_every_dependency() -> None:
    rows = tables(DECISION)[0]
    assert {row[0]: (row[1], row[2]) for row in rows} == asked_for()
    assert len({row[0] for row in rows}) == len(rows)
    for row in rows:
        assert len(row) == 6
        assert all(row), row[0]


def test_licences_are_those_of_the_metadata() -> None:
    written = {row[0]: row[5] for row in tables(DECISION)[0]}
    told = metadata_licences()
    assert told.keys() >= {"numpy", "tflite", "pytest", "esbuild"}
    assert {name: written[name] for name in told} == told


def test_what_is_not_permissive_has_a_reason() -> None:
    reasons = {row[0]: row[1] for row in tables(DECISION)[1]}
    assert all(len(row) == 3 and row[2] for row in tables(DECISION)[1])
    told = {
        name: licences.told_licence(package) for name, (package, _) in licences.closure().items()
    }
    told |= licences.npm_licences()
    needed = {
        name: licence for name, licence in told.items() if not licences.is_permissive(licence)
    }
    assert {name: reasons.get(name) for name in needed} == needed
    assert reasons.keys() - needed.keys() <= {name for name in reasons if name not in told}
    listed = {row[0]: row[1] for row in tables(PAGE)[0]}
    assert {n for n, each in listed.items() if not licences.is_permissive(each)} == reasons.keys()


def test_the_list_of_licences_has_every_direct_dependency() -> None:
    """The packages that these bring along change without us; `make licences` takes them up."""
    head, _, _ = licences.markdown().partition("\n| package |")
    assert PAGE.read_text(encoding="utf-8").startswith(head), "run `make licences`"
    listed = {row[0]: (row[1], row[2]) for row in tables(PAGE)[0]}
    for name, licence in metadata_licences().items():
        assert listed[name][0] == licence, "run `make licences`"
        assert listed[name][1].startswith(asked_for()[name][0]), "run `make licences`"


@pytest.mark.parametrize(
    ("licence", "good"),
    [
        ("MIT", True),
        ("Apache-2.0 OR GPL-3.0", True),
        ("MIT AND GPL-3.0", False),
        ("(MIT OR LGPL) AND BSD", True),
        ("Apache-2.0 WITH an exception", False),
        (licences.NOT_TOLD, False),
        ("", False),
    ],
)
def test_permissive(licence: str, good: bool) -> None:
    assert licences.is_permissive(licence) == good


def test_constraints_are_the_lowest_versions() -> None:
    lines = constraints(
        [
            Dependency("a", "run time", ">=1.2"),
            Dependency("b", "oracle", "==3", 'sys_platform == "linux"'),
            Dependency("pytest", "test", ">=8"),
            Dependency("a", "labs", ">=1.2"),
        ]
    )
    assert lines == ["a==1.2", 'b==3; sys_platform == "linux"']


@pytest.mark.parametrize("versions", ["", ">1", ">=1,<2", "~=1.1"])
def test_a_lowest_version_must_be_there_and_no_cap(versions: str) -> None:
    with pytest.raises(ValueError, match=r"a.*: wanted >= or =="):
        constraints([Dependency("a", "run time", versions)])


def test_every_dependency_of_users_has_a_constraint() -> None:
    lines = constraints(python_dependencies())
    names = {line.partition("==")[0] for line in lines}
    assert names >= {"numpy", "flatbuffers", "tflite", "typer", "matplotlib", "dask"}
    assert not names & {"pytest", "ruff", "setuptools", "mkdocs-material"}


def pip_answer(*packages: dict[str, object]) -> str:
    return json.dumps({"dependencies": [{"name": "microinterp", "skip_reason": "ours"}, *packages]})


ASKED = {"name": "a", "version": "1", "vulns": []}
FAULTY = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}]}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (pip_answer(ASKED), audit.CLEAN),
        (pip_answer(ASKED, FAULTY, SKIPPED), audit.VULNERABLE),
        (pip_answer(ASKED, SKIPPED), audit.UNKNOWN),
        (pip_answer(), audit.UNKNOWN),
        ("", audit.UNKNOWN),
        ("Traceback", audit.UNKNOWN),
    ],
)
def test_audit_of_python(answer: str, status: int) -> None:
    assert audit.pip_verdict(answer)[0] == status


def test_audit_names_faults_and_what_was_passed_over() -> None:
    lines = audit.pip_verdict(pip_answer(ASKED, FAULTY, SKIPPED))[1]
    assert lines == [
        "PyPI: 2 of 3 packages asked about, 1 known faults",
        "b 2: CVE-1, fixed in 2.1",
        "no answer about 1 packages: c",
    ]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ('{"metadata": {"vulnerabilities": {"total": 0}}}', audit.CLEAN),
        ('{"metadata": {"vulnerabilities": {"total": 2}}}', audit.VULNERABLE),
        ('{"error": {"summary": "refused"}}', audit.UNKNOWN),
        ("", audit.UNKNOWN),
    ],
)
def test_audit_of_npm(answer: str, status: int) -> None:
    assert audit.npm_verdict(answer)[0] == status

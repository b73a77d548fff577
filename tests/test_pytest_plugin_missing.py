"""A runtime that is not here: skipped on a user's machine, failed in CI."""

from __future__ import annotations

import pytest

from microinterp.runtimes import tflm
from microinterp.testing import availability
from microinterp_boards import ports
from tests.golden_projects import Project

PORT = "board:/dev/no such board"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(pytester, monkeypatch)


@pytest.fixture(autouse=True)
def no_boards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this machine's own, none is to be seen."""
    monkeypatch.setattr(ports, "ports", lambda: [])


@pytest.mark.parametrize(
    ("runtime", "reason"),
    [
        (PORT, "no board at /dev/no such board: plug it in, *board list*"),
        ("board", "there is no board: plug one in, or start `microinterp board virtual unix`"),
        ("tflm", "TFLM's wheel is missing: pip install 'microinterp[[]oracle]' *"),
        ("litert-ref", "LiteRT is missing: pip install ai-edge-litert"),
    ],
)
def test_skipped_or_failed(
    project: Project, monkeypatch: pytest.MonkeyPatch, runtime: str, reason: str
) -> None:
    monkeypatch.setattr(tflm, "version", lambda: None)
    monkeypatch.setattr(availability, "find_spec", without("ai_edge_litert"))
    project.toml(f'runtimes = ["{runtime}", "host"]')
    result = project.run("-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED [[]1] sums.golden.toml:1: {reason}"])
    project.run("--golden-strict").assert_outcomes(passed=1, failed=1)
    monkeypatch.setenv("CI", "true")
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([reason])


def without(name: str) -> object:
    return lambda module: None if module == name else object()


def test_without_the_package_of_boards(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "find_spec", without("microinterp_boards"))
    project.toml(f'runtimes = ["{PORT}"]')
    result = project.run("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED *boards need the package microinterp_boards*"])


def test_from_python_the_line_of_the_call_is_told(project: Project) -> None:
    project.pytester.makepyfile(
        f"""
        def test_board(assert_golden):
            assert_golden("sums.tflite", "sums.golden", runtime="{PORT}")
        """
    )
    result = project.run("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED [[]1] test_from_python*.py:2: no board at *"])


def test_an_update_needs_who_recorded(project: Project) -> None:
    project.rename_runtime(PORT)
    before = project.bundle.read_bytes()
    project.toml()
    project.change_model()
    result = project.run("--golden-update", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED *sums.golden is recorded by {PORT}: no board at *"])
    assert project.bundle.read_bytes() == before


def test_a_runtime_that_is_here_and_fails_is_a_failure(project: Project) -> None:
    """No terminal of this name can be a board, but it is there."""
    project.toml('runtimes = ["board:/dev/null"]')
    result = project.run("-rs")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["sums: */dev/null*"])


def test_boards_can_be_left_out(project: Project) -> None:
    project.toml(f'runtimes = ["{PORT}", "board", "host"]')
    project.run("--golden-strict", "-m", "not golden_board").assert_outcomes(passed=1, deselected=2)

"""The pytest plugin with a board: a virtual one, which only one worker at a time may open."""

from __future__ import annotations

from pathlib import Path

import pytest

from microinterp.testing import availability
from microinterp_boards import Board
from tests.golden_projects import Project


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, port: str) -> Project:
    """The model is on the board."""
    project = Project(pytester, monkeypatch)
    with Board(port) as board:
        board.deploy(project.model)
    return project


def test_passing_by_port_and_as_the_only_board(project: Project, port: str) -> None:
    project.toml(f'runtimes = ["board:{port}", "board"]')
    result = project.run("-v", "--golden-strict", "-m", "golden_board")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([f"sums.golden.toml::sums[[]board:{port}[]] PASSED*"])


def test_a_failure_names_the_board(project: Project, port: str) -> None:
    project.toml(f'runtimes = ["board:{port}"]')
    wanted, got = project.flip_output(sample=4)
    result = project.run()
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert f"+++ got: board:{port} " in text
    assert f"@@ sample 4, output 0, tensor 2 'y' @@\n-[0, 1] {wanted}\n+[0, 1] {got}\n" in text
    assert f"golden check sums.tflite sums.golden --runtime board:{port}" in text


def test_a_model_that_is_not_deployed_fails(project: Project, port: str) -> None:
    project.toml(f'runtimes = ["board:{port}"]')
    project.change_model()
    project.record(project.bundle)
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*microinterp board deploy*"])


def test_several_boards_must_be_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "_boards", lambda: ["/dev/a", "/dev/b"])
    project.toml('runtimes = ["board"]')
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the only board there is; there are: /dev/a, /dev/b"])


def test_workers_take_turns(project: Project, port: str, tmp_path: Path) -> None:
    """An open port is refused to everybody else: without the lock, one would fail."""
    pytest.importorskip("xdist")
    link = tmp_path / "a link"
    link.symlink_to(port)
    for number, name in enumerate((port, str(link), port, str(link))):
        project.toml(
            f'name = "t{number}"',
            f'runtimes = ["board:{name}"]',
            name=f"t{number}.golden.toml",
        )
    project.spawn("-n2", "--dist=loadfile").assert_outcomes(passed=4)


def test_a_board_records_anew(project: Project, port: str) -> None:
    project.record(project.bundle, runtime=f"board:{port}")
    project.toml(f'runtimes = ["board:{port}", "host"]')
    project.run().assert_outcomes(passed=2)
    project.change_model()
    with Board(port) as board:
        board.deploy(project.model)
    result = project.run("--golden-update")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["sums.golden: it has another model; *"])

"""What a benchmark's result tells of the repository and the host that it was made on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import numpy as np
import pytest

from microinterp_boards.results import environment
from microinterp_boards.results.environment import git_state

COMMITTER = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *COMMITTER, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One with a commit of the file `model`, on the branch `work`."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    git(folder, "checkout", "--quiet", "-b", "work")
    (folder / "model").write_text("1")
    git(folder, "add", "model")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def test_a_commit_and_its_branch(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert git_state(repository) == {"commit": commit, "branch": "work", "changed": False}
    (repository / "notes").write_text("git does not know it")
    below = repository / "below"
    below.mkdir()
    assert git_state(below) == {"commit": commit, "branch": "work", "changed": False}


@pytest.mark.parametrize("staged", [False, True])
def test_a_changed_file(repository: Path, staged: bool) -> None:
    (repository / "model").write_text("2")
    if staged:
        git(repository, "add", "model")
    state = git_state(repository)
    assert state is not None
    assert state["changed"]


def test_no_branch(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "--detach")
    state = git_state(repository)
    assert state is not None
    assert state["branch"] is None
    assert state["commit"] == git(repository, "rev-parse", "HEAD")


def test_no_repository_no_commit_no_git_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert git_state(tmp_path / "none") is None
    assert git_state(tmp_path) is None
    git(tmp_path, "init", "--quiet")
    assert git_state(tmp_path) is None
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    assert git_state(tmp_path) is not None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) is None


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a shell script")
def test_a_program_in_the_repositorys_settings_is_not_started(repository: Path) -> None:
    marker = repository.parent / "was started"
    program = repository.parent / "monitor"
    program.write_text(f"#!/bin/sh\ntouch '{marker}'\n")
    program.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(program))
    git(repository, "status")
    assert marker.exists()  # git itself would
    os.remove(marker)
    assert git_state(repository) is not None
    assert not marker.exists()


@pytest.mark.parametrize(
    ("text", "cpu"),
    [
        (
            "processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\nmodel name\t: Other\n",
            "Some CPU @ 3 GHz",
        ),
        ("processor\t: 0\nBogoMIPS\t: 108.00\n", "arm"),  # 64-bit Arm names no model
        ("model name\t:\n", None),
        (None, "arm"),  # there is no such file outside of Linux
    ],
)
def test_the_hosts_processor(
    text: str | None, cpu: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def opened(path: str, **options: str) -> TextIO:
        assert path == "/proc/cpuinfo"
        return (tmp_path / "cpuinfo").open(**options)  # type: ignore[call-overload, no-any-return]

    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(environment, "open", opened, raising=False)
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    assert environment.host()["cpu"] == cpu


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert environment._version("microinterp-no-such-package") is None
    assert environment._version("numpy") == np.__version__


def test_tools_and_host() -> None:
    tools = environment.tools()
    assert tools["python"] == platform.python_version()
    assert set(tools) == {"microinterp", "python", "numpy", "pyserial"}
    assert all(tools.values())
    host = environment.host()
    assert (host["system"], host["machine"]) == (platform.system(), platform.machine())
    if Path("/proc/cpuinfo").exists() and platform.machine() == "x86_64":
        assert host["cpu"]
        assert f": {host['cpu']}\n" in Path("/proc/cpuinfo").read_text()

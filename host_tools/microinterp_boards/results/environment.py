"""Where a benchmark is made: versions of tools, the host, the state of the git repository."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import TypedDict

import microinterp

_GIT = (
    "git",
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",  # a program that the repository's own settings would start
    "status",
    "--porcelain=v2",
    "--branch",
    "--untracked-files=no",
)
_PATIENCE = 10.0  # seconds: a repository on a slow disk; a benchmark does not fail for git


class GitState(TypedDict):
    """The repository that a folder is in.

    branch is None where no branch is checked out; changed says whether a file that git knows
    differs from the commit.
    """

    commit: str
    branch: str | None
    changed: bool


def git_state(folder: str | os.PathLike[str] = ".") -> GitState | None:
    """None outside of a repository, before its first commit, and where there is no git."""
    try:
        done = subprocess.run(
            [*_GIT],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return _state(done.stdout.decode(errors="backslashreplace").splitlines())


def _state(lines: list[str]) -> GitState | None:
    facts = dict(line.split(" ", 2)[1:] for line in lines if line.startswith("# branch."))
    commit, branch = facts.get("branch.oid", "(initial)"), facts.get("branch.head", "(detached)")
    if commit == "(initial)":
        return None
    changed = any(not line.startswith("# ") for line in lines)
    return {
        "commit": commit,
        "branch": None if branch == "(detached)" else branch,
        "changed": changed,
    }


def tools() -> dict[str, str | None]:
    """Versions of what takes part in a benchmark on the host; None for a package without one."""
    return {
        "microinterp": microinterp.__version__,
        "python": platform.python_version(),
        "numpy": _version("numpy"),
        "pyserial": _version("pyserial"),
    }


def host() -> dict[str, str | None]:
    """The host's system; its processor's name is None where the system does not tell it."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "cpu": _cpu(),
    }


def _cpu() -> str | None:
    try:
        with open("/proc/cpuinfo", errors="backslashreplace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip() or None
    except OSError:
        pass
    return platform.processor() or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

"""The plugin at the start of pytest: it is cheap, and found once however it is named."""

from __future__ import annotations

import statistics
import sys

import pytest

from tests.processes import python

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from tests.golden_projects import ROOT, Project

HEAVY = ("numpy", "tflite", "flatbuffers", "typer", "rich", "serial", "tomllib", "tomli")
MOST_MILLISECONDS = 20.0


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(pytester, monkeypatch)


@pytest.fixture
def installed(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """As `pip install` leaves it: with the entry point of pyproject.toml."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = [f"{name} = {module}\n" for name, module in points["pytest11"].items()]
    info = project.path / "site" / "microinterp_test-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: microinterp-test\nVersion: 1\n")
    (info / "entry_points.txt").write_text("".join(["[pytest11]\n", *lines]))
    monkeypatch.setenv("PYTHONPATH", f"{info.parent}:{ROOT}:{ROOT / 'host_tools'}")
    return project


def loaded_by_pytest(project: Project, *arguments: str) -> set[str]:
    """Modules in a process in which pytest has run."""
    code = "import sys, pytest; pytest.main(sys.argv[1:]); print('LOADED', *sys.modules)"
    options = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments)
    printed = python(code, *options, cwd=project.path)
    return set(printed.rpartition("LOADED")[2].split())


def test_without_golden_tests_nothing_heavy_is_loaded(project: Project) -> None:
    project.pytester.makepyfile("def test_nothing(): pass")
    plain = loaded_by_pytest(project, "-p", "no:microinterp")
    assert "microinterp" not in plain
    loaded = loaded_by_pytest(project, "-p", "microinterp.pytest_plugin")
    assert "microinterp.pytest_plugin" in loaded
    assert not [name for name in HEAVY if name in loaded - plain]
    project.toml()
    loaded = loaded_by_pytest(project, "-p", "microinterp.pytest_plugin", "--collect-only")
    assert "numpy" not in loaded - plain


def test_importing_it_takes_no_time() -> None:
    """On top of pytest itself; the first below the limit, since others use this machine too."""
    code = (
        "import time, pytest; start = time.perf_counter(); import microinterp.testing,"
        " microinterp.pytest_plugin; print(1e3 * (time.perf_counter() - start))"
    )
    times: list[float] = []
    while len(times) < 15 and min(times, default=MOST_MILLISECONDS) >= MOST_MILLISECONDS:
        times.append(float(python(code)))
    print(f"{min(times):.1f} ms, median {statistics.median(times):.1f} ms")
    assert min(times) < MOST_MILLISECONDS


def test_the_entry_point_finds_it(installed: Project) -> None:
    installed.toml()
    result = installed.pytester.runpytest_subprocess("-v")
    result.assert_outcomes(passed=1)
    assert "--golden-update" in installed.pytester.runpytest_subprocess("--help").stdout.str()


@pytest.mark.parametrize("name", ["microinterp.pytest_plugin", "microinterp"])
def test_naming_it_too_is_no_harm(installed: Project, name: str) -> None:
    installed.toml()
    installed.pytester.runpytest_subprocess("-p", name).assert_outcomes(passed=1)


def test_a_conftest_may_name_it(installed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    installed.toml()
    installed.pytester.makeconftest('pytest_plugins = ["microinterp.pytest_plugin"]')
    installed.pytester.runpytest_subprocess().assert_outcomes(passed=1)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    installed.pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_it_can_be_switched_off(installed: Project) -> None:
    installed.toml()
    result = installed.pytester.runpytest_subprocess("-p", "no:microinterp")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_package_still_has_its_interpreter() -> None:
    """It is loaded when it is asked for."""
    code = (
        "import sys, microinterp\n"
        "assert 'numpy' not in sys.modules\n"
        "assert microinterp.Interpreter is microinterp.interpreter.Interpreter\n"
        "from microinterp import *\n"
        "assert Interpreter is microinterp.Interpreter\n"
        "assert not hasattr(microinterp, 'interpreters')\n"
    )
    python(code)

"""The pytest plugin: *.golden.toml files become tests, and the fixture `assert_golden`.

See docs/ci.md. This module is imported at every start of pytest where microinterp is installed:
what it needs for a test is loaded when a golden test runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from microinterp.errors import MicrointerpError

if TYPE_CHECKING:
    from microinterp.registry import Registry
    from microinterp.testing.settings import Case

SUFFIX = ".golden.toml"
MARKS = {
    "golden": "holds a model to a golden bundle (microinterp)",
    "golden_board": "a golden test that needs a board",
}
_CHANGED = "golden_update"
"""Name of the property in which a test tells what --golden-update has changed."""
_RUN = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the plugin."""
    group = parser.getgroup("golden", "golden bundles (microinterp)")
    group.addoption(
        "--golden-update",
        action="store_true",
        help="record the bundles of the tests that run anew, by the runtimes that recorded them, "
        "where the models give other bytes; say what has changed",
    )
    group.addoption(
        "--golden-strict",
        action="store_true",
        default=os.environ.get("CI", "").lower() in ("true", "1"),
        help="fail where a board or a runtime is missing, and do not skip; default where CI=true",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tell of the marks; name the run, so that the workers of xdist know each other."""
    for mark, meaning in MARKS.items():
        config.addinivalue_line("markers", f"{mark}: {meaning}")
    worker: dict[str, Any] = getattr(config, "workerinput", {})
    config.stash[_RUN] = worker.get("testrunuid") or os.urandom(16).hex()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the tests of a *.golden.toml."""
    if not file_path.name.endswith(SUFFIX):
        return None
    made: GoldenFile = GoldenFile.from_parent(parent, path=file_path)
    return made


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List what --golden-update has changed."""
    changes = [
        text
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, text in report.user_properties
        if name == _CHANGED
    ]
    if changes:
        terminalreporter.ensure_newline()
        terminalreporter.section("golden bundles recorded anew")
        for text in changes:
            terminalreporter.write_line(text)


@pytest.fixture
def assert_golden(request: pytest.FixtureRequest) -> Callable[..., None]:
    """A function that holds a model to a golden bundle.

        def test_digits(assert_golden):
            assert_golden("models/digits.tflite", "models/digits.golden", runtime="tflm")

    Its arguments: model and bundle, paths relative to the test file's folder; runtime, as in a
    .golden.toml; profile, that the bundle must have been recorded in; registry, of a model with
    custom operators (microinterp.registry.Registry). It fails with the first difference, and skips
    where the runtime is missing.
    """

    def check(
        model: str | os.PathLike[str],
        bundle: str | os.PathLike[str],
        runtime: str = "host",
        *,
        profile: str | None = None,
        registry: Registry | None = None,
    ) -> None:
        __tracebackhide__ = True
        from microinterp.testing.settings import Case, runtime_problem

        if problem := runtime_problem(runtime):
            pytest.fail(problem)
        folder = request.path.parent
        case = Case(Path(bundle).stem, folder / model, folder / bundle, runtime, profile)
        _hold(request.node, case, registry)

    return check


class GoldenFile(pytest.File):
    """A *.golden.toml: a test for each of its models and runtimes."""

    def collect(self) -> Iterable[pytest.Item]:
        """Read the file. Raises CollectError with one message if it cannot be used."""
        from microinterp.testing.settings import read_cases

        try:
            cases = read_cases(self.path)
        except MicrointerpError as error:
            raise self.CollectError(str(error)) from None
        for case in cases:
            item: GoldenItem = GoldenItem.from_parent(
                self, name=f"{case.name}[{case.runtime}]", case=case
            )
            yield item


class GoldenItem(pytest.Item):
    """One model held to one bundle by one runtime."""

    def __init__(self, *, case: Case, **others: Any) -> None:
        """Mark it, so that -m can choose."""
        super().__init__(**others)
        self.case = case
        self.add_marker("golden")
        if case.runtime.startswith("board"):
            self.add_marker("golden_board")

    def runtest(self) -> None:
        """Check; with --golden-update, record before."""
        __tracebackhide__ = True
        try:
            _hold(self, self.case, None)
        except pytest.skip.Exception as skipped:
            skipped._use_item_location = True  # and not a line of pytest's own
            raise

    def repr_failure(  # type: ignore[override]
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> Any:
        """The text of a failure alone: there is no code of the user's to show."""
        if isinstance(excinfo.value, pytest.fail.Exception):
            return excinfo.getrepr(style="value")
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where a report says that the test is."""
        return self.path, self.case.line, f"golden: {self.name}"


def _hold(node: pytest.Item, case: Case, registry: Registry | None) -> None:
    """Fail, skip or return. Our frames are hidden: a failure shows the user's line alone."""
    __tracebackhide__ = True
    from microinterp.testing.holding import hold

    config = node.config
    run = config.stash[_RUN] if config.getoption("golden_update") else None
    try:
        held = hold(case, registry, update_in=run)
    except MicrointerpError as error:
        text = f"{case.name}: {error}"
    else:
        if held.changed:
            node.user_properties.append((_CHANGED, held.changed))
        if held.missing and not config.getoption("golden_strict"):
            pytest.skip(held.missing)
        text = held.missing or held.failure
    if text:
        pytest.fail(text)

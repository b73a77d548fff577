"""The plugin under pytest-xdist: items, updates and locks of several processes."""

from __future__ import annotations

import multiprocessing
import re
import time
from pathlib import Path

import numpy as np
import pytest

from microinterp import golden
from microinterp.errors import InputError
from microinterp.testing.locks import alone
from tests.cli import sums_model
from tests.golden_projects import SAMPLES, SECOND, Project

pytest.importorskip("xdist")
ENTRIES = 8


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(pytester, monkeypatch)


def many(project: Project, bundle: str = "sums.golden") -> None:
    """Items that all name one bundle."""
    entry = f'[[golden]]\nname = "t{{}}"\nmodel = "sums.tflite"\nbundle = "{bundle}"\n'
    (project.path / "many.golden.toml").write_text("".join(entry.format(i) for i in range(ENTRIES)))


def test_items_pass_and_fail_in_workers(project: Project) -> None:
    many(project)
    project.spawn("-n2").assert_outcomes(passed=ENTRIES)
    project.spawn("-n2", "--dist=loadgroup").assert_outcomes(passed=ENTRIES)
    project.change_model()
    result = project.spawn("-n2")
    result.assert_outcomes(failed=ENTRIES)
    text = result.stdout.str()
    assert text.count("@@ sample 0, op 0 FULLY_CONNECTED, tensor 2 'y' @@") == ENTRIES
    names = set(re.findall(r"^FAILED many.golden.toml::(t\d)\[host\]", text, re.MULTILINE))
    assert len(names) == ENTRIES


@pytest.mark.slow
def test_many_updates_of_one_bundle(project: Project) -> None:
    """One worker records, the others wait and find it done."""
    inputs = golden.load(project.bundle).inputs[0]
    many(project)
    project.change_model()
    result = project.spawn("-n2", "--golden-update")
    result.assert_outcomes(passed=ENTRIES)
    assert result.stdout.str().count("sums.golden: it has another model") == 1
    after = golden.load(project.bundle)
    assert np.array_equal(after.inputs[0], inputs)
    assert len(after.outputs[0]) == SAMPLES
    assert {path.name for path in project.path.glob("*sums.golden*")} == {"sums.golden"}
    project.spawn("-n2").assert_outcomes(passed=ENTRIES)


def test_two_models_of_one_bundle_in_two_workers(project: Project) -> None:
    (project.path / "second.tflite").write_bytes(sums_model(SECOND))
    for name in ("sums", "second"):
        (project.path / f"{name}.golden.toml").write_text(
            f'[[golden]]\nname = "{name}"\nmodel = "{name}.tflite"\nbundle = "sums.golden"\n'
        )
    result = project.spawn("-n2", "--dist=loadfile", "--golden-update")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*two tests of this run hold 'sums.golden' against*"])


def hold(name: str, log: str) -> None:
    """Write a line when inside, and one when leaving."""
    for _ in range(5):
        with alone(name), open(log, "a") as file:
            file.write("in\n")
            file.flush()
            time.sleep(0.01)
            file.write("out\n")


def test_a_lock_lets_one_process_in(tmp_path: Path) -> None:
    log = tmp_path / "log"
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=hold, args=("a port", str(log))) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert log.read_text() == "in\nout\n" * 15


def test_a_lock_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with alone("a"), alone("b"):
        pass
    (folder,) = tmp_path.iterdir()
    folder.chmod(0o777)
    with pytest.raises(InputError, match="somebody else can write to it"), alone("a"):
        pass
    folder.chmod(0o700)
    for file in folder.iterdir():
        file.unlink()
        file.mkdir()
    with pytest.raises(InputError, match="Is a directory"), alone("a"):
        pass

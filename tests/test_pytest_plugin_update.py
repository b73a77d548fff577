"""`pytest --golden-update`: bundles are recorded anew on purpose, whole, and from one model."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest

from microinterp import golden
from microinterp.golden_bundle import BundleReader
from tests.cli import copying_model, sums_model
from tests.golden_projects import SAMPLES, SECOND, Project, require_wheel


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(pytester, monkeypatch)


def files(folder: Path) -> set[str]:
    """Of the project; not what pytest keeps for itself."""
    return {path.name for path in folder.iterdir() if path.is_file()}


def test_an_update_says_what_changed_and_then_all_passes(project: Project) -> None:
    project.toml('runtimes = ["host"]')
    before, there = golden.load(project.bundle), files(project.path)
    project.change_model()
    (first,) = project.differences()
    result = project.run("--golden-update")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*= golden bundles recorded anew =*",
            f"sums.golden: it has another model; * of {SAMPLES} samples differ, *; "
            "first: sample 0, op 0 FULLY_CONNECTED, tensor 2 'y': CRC32 * became *",
        ]
    )
    after = golden.load(project.bundle)
    assert np.array_equal(before.inputs[0], after.inputs[0])
    assert after.outputs[0][(first.sample, *(first.element or ()))] == first.got
    assert after.header.runtime == "host"
    assert files(project.path) == there
    project.run().assert_outcomes(passed=1)


def test_what_is_as_recorded_is_not_written(project: Project) -> None:
    project.toml()
    before = project.bundle.stat()
    result = project.run("--golden-update")
    result.assert_outcomes(passed=1)
    assert "recorded anew" not in result.stdout.str()
    after = project.bundle.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_nothing_is_written_without_the_option(project: Project) -> None:
    project.toml()
    project.change_model()
    before = {path: path.stat().st_mtime_ns for path in (project.path, *project.path.iterdir())}
    project.run("-p", "no:cacheprovider").assert_outcomes(failed=1)
    now = {path: path.stat().st_mtime_ns for path in (project.path, *project.path.iterdir())}
    assert now == before


def test_only_the_chosen_are_updated(project: Project) -> None:
    other = project.path / "other.golden"
    project.record(other)
    project.toml()
    (project.path / "x.golden.toml").write_text(
        '[[golden]]\nmodel = "sums.tflite"\nbundle = "other.golden"\n'
    )
    kept = other.read_bytes()
    project.change_model()
    project.run("--golden-update", "-k", "not other").assert_outcomes(passed=1, deselected=1)
    assert other.read_bytes() == kept


def test_the_fixture_updates_too(project: Project) -> None:
    project.pytester.makepyfile(
        """
        def test_sums(assert_golden):
            assert_golden("sums.tflite", "sums.golden")
        """
    )
    project.change_model()
    result = project.run("--golden-update")
    result.assert_outcomes(passed=1)
    assert result.stdout.str().count("sums.golden: it has another model") == 1
    project.run().assert_outcomes(passed=1)


@pytest.mark.parametrize("tensors", golden.TENSORS)
def test_what_a_bundle_keeps_stays(project: Project, tensors: str) -> None:
    project.record(project.bundle, tensors=tensors, seed=5)
    project.bundle.chmod(0o640)
    project.toml()
    project.change_model()
    project.run("--golden-update").assert_outcomes(passed=1)
    with BundleReader(project.bundle) as reader:
        header = reader.header
    assert header.has_tensors == (tensors == "bytes")
    assert bool(header.checks) == (tensors != "none")
    assert header.seed == 5
    assert stat.S_IMODE(project.bundle.stat().st_mode) == 0o640


def test_who_recorded_records_again(project: Project) -> None:
    """Whoever checks it: the order of the tests must not matter."""
    require_wheel()
    project.record(project.bundle, runtime="tflm")
    project.toml('runtimes = ["host", "tflm"]')
    project.change_model()
    project.run("--golden-update").assert_outcomes(passed=2)
    assert golden.load(project.bundle).header.runtime == "tflm"


def test_a_link_stays_a_link(project: Project) -> None:
    real = project.path / "real.golden"
    project.bundle.rename(real)
    project.bundle.symlink_to(real.name)
    project.toml()
    project.change_model()
    project.run("--golden-update").assert_outcomes(passed=1)
    assert project.bundle.is_symlink()
    project.run().assert_outcomes(passed=1)


def test_a_profile_is_changed_on_purpose(project: Project) -> None:
    project.toml('profile = "single"')
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["sums: 'sums.golden' is recorded in profile tflm, wanted single", "*--golden-update"]
    )
    result = project.run("--golden-update")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["sums.golden: profile tflm became single; *"])
    assert golden.load(project.bundle).header.profile == "single"
    project.run().assert_outcomes(passed=1)


def test_a_model_with_other_outputs(project: Project) -> None:
    project.toml()
    project.change_model(((1, 2, 3, 4), (0, 0, 0, 1), (1, 0, 0, 0)))
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["sums: *do not have the model's shapes and types*"])
    result = project.run("--golden-update")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["sums.golden: *do not have the model's shapes and types*"])
    assert golden.load(project.bundle).outputs[0].shape == (SAMPLES, 1, 3)


def test_a_model_with_other_inputs_needs_new_ones(project: Project) -> None:
    project.toml()
    before, there = project.bundle.read_bytes(), files(project.path)
    project.model.write_bytes(copying_model((1, 5)))
    result = project.run("--golden-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["sums: *takes samples of*"])
    assert project.bundle.read_bytes() == before
    assert files(project.path) == there


def test_two_models_cannot_share_a_bundle(project: Project) -> None:
    """Each would overwrite the other's: refused in one file, and across files."""
    (project.path / "second.tflite").write_bytes(sums_model(SECOND))
    entry = '[[golden]]\nname = "{0}"\nmodel = "{0}.tflite"\nbundle = "sums.golden"\n'
    both = project.path / "both.golden.toml"
    both.write_text(entry.format("sums") + entry.format("second"))
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*names the bundle '*sums.golden' for two models*"])
    both.write_text(entry.format("sums"))
    (project.path / "second.golden.toml").write_text(entry.format("second"))
    before = project.bundle.read_bytes()
    result = project.run("--golden-update")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["second: two tests of this run hold 'sums.golden' against*"])
    assert project.bundle.read_bytes() == before


def test_a_damaged_bundle_is_left_alone(project: Project) -> None:
    project.toml()
    data = project.bundle.read_bytes()
    project.bundle.write_bytes(data[:-20])
    project.change_model()
    there = files(project.path)
    project.run("--golden-update").assert_outcomes(failed=1)
    assert project.bundle.read_bytes() == data[:-20]
    assert files(project.path) == there

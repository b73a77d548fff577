"""The pytest plugin: tests from .golden.toml and from Python pass, fail like a diff, or skip."""

from __future__ import annotations

import pytest

from tests.cli import sums_model
from tests.golden_projects import Project, require_wheel
from tests.marks import slow


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(pytester, monkeypatch)


def test_passing(project: Project) -> None:
    require_wheel()
    project.toml('runtimes = ["host", "tflm"]')
    result = project.spawn("-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["sums.golden.toml::sums[[]host[]] PASSED*", "sums.golden.toml::sums[[]tflm[]] PASSED*"]
    )


def test_one_can_be_chosen(project: Project) -> None:
    project.toml('name = "first"')
    project.toml('name = "other"', name=".golden.toml")
    project.run().assert_outcomes(passed=2)
    project.run("sums.golden.toml::first[host]").assert_outcomes(passed=1)
    project.run(".golden.toml").assert_outcomes(passed=1)
    project.run("-k", "other").assert_outcomes(passed=1, deselected=1)
    project.run("-m", "not golden", "--strict-markers").assert_outcomes(deselected=2)


def test_a_changed_model_reads_like_a_diff(project: Project) -> None:
    """Weight [1, 3] became 1: op 0 writes another second element, in samples with x[3] != 3."""
    project.toml()
    before = project.bundle.read_bytes()
    project.change_model()
    result = project.run()
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "sums: sums.tflite is not the model that the bundle was recorded from" in text
    assert " of 7 samples differ, " in text
    assert "--- wanted: sums.golden, recorded by host" in text
    assert "+++ got: host" in text
    assert "@@ sample 0, op 0 FULLY_CONNECTED, tensor 2 'y' @@" in text
    assert "@@ sample 0, output 0, tensor 2 'y' @@" in text
    (first,) = project.differences()
    assert f"-[0, 1] {first.wanted}" in text
    assert f"+[0, 1] {first.got}" in text
    assert "look closer: microinterp compare sums.tflite --with sums.golden" in text
    assert "microinterp golden check sums.tflite sums.golden --any-model" in text
    assert "pytest --golden-update" in text
    assert "FAILED sums.golden.toml::sums[host] - Failed: sums: sums.tflite is not" in text
    assert len(text.splitlines()) < 40
    assert project.bundle.read_bytes() == before


def test_a_retrained_model_with_equal_outputs_fails_too(project: Project) -> None:
    project.toml()
    project.model.write_bytes(sums_model(name="renamed"))
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*is not the model*", "its outputs are the same"])


def test_a_flipped_output_is_placed(project: Project) -> None:
    """The model is the recorded one: the runtime, or the bundle, is not."""
    project.toml('runtimes = ["host"]')
    wanted, got = project.flip_output(sample=4)
    result = project.run()
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "sums: 1 of 7 samples differ, 1 element of outputs\n" in text
    assert f"@@ sample 4, output 0, tensor 2 'y' @@\n-[0, 1] {wanted}\n+[0, 1] {got}\n" in text


def test_from_python(project: Project) -> None:
    folder = project.path / "some tests"
    folder.mkdir()
    (folder / "test_sums.py").write_text(
        "def test_sums(assert_golden):\n"
        "    assert_golden('../sums.tflite', '../sums.golden')  # my line\n"
    )
    project.run().assert_outcomes(passed=1)
    project.change_model()
    result = project.run()
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert ">       assert_golden('../sums.tflite', '../sums.golden')  # my line" in text
    assert "E       Failed: sums: sums.tflite is not the model" in text
    assert "E       @@ sample 0, op 0 FULLY_CONNECTED" in text
    assert "test_sums.py:2: Failed" in text


def test_from_python_with_bad_arguments(project: Project) -> None:
    project.pytester.makepyfile(
        """
        def test_profile(assert_golden):
            assert_golden("sums.tflite", "sums.golden", profile="single")

        def test_runtime(assert_golden):
            assert_golden("sums.tflite", "sums.golden", runtime="fly")

        def test_no_model(assert_golden):
            assert_golden("none.tflite", "sums.golden")

        def test_no_bundle(assert_golden):
            assert_golden("sums.tflite", "sums.tflite")
        """
    )
    result = project.run()
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            "E * sums: 'sums.golden' is recorded in profile tflm, wanted single",
            "E * there is no runtime 'fly'; there are: host, tflm, *",
            "E * sums: cannot read *none.tflite*",
            "E * sums: *it is no golden bundle*",
        ]
    )


def test_a_damaged_bundle_fails_with_its_place(project: Project) -> None:
    project.toml()
    data = bytearray(project.bundle.read_bytes())
    data[-30] ^= 1
    project.bundle.write_bytes(data)
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["sums: byte 0x*: cannot read *sums.golden': *"])


@pytest.mark.parametrize(
    "name",
    ["größe", 'a\'b "c" $HOME', slow("key words"), slow("x,y/z"), slow("日本")],
)
def test_names(project: Project, name: str) -> None:
    """Commands in a failure can be pasted; ids can be chosen."""
    shown = name.replace("/", "-")
    model, bundle = project.path / f"{shown}.tflite", project.path / f"{shown}.golden"
    model.write_bytes(sums_model())
    project.record(bundle, model)
    quoted = [part.replace('"', '\\"') for part in (name, model.name, bundle.name)]
    (project.path / f"{shown}.golden.toml").write_text(
        '[[golden]]\nname = "{}"\nmodel = "{}"\nbundle = "{}"\n'.format(*quoted), "utf-8"
    )
    project.run().assert_outcomes(passed=1)
    project.run(f"{shown}.golden.toml::{name}[host]").assert_outcomes(passed=1)
    model.write_bytes(sums_model(((1, 2, 3, 4), (0, 0, 0, 0))))
    result = project.run()
    result.assert_outcomes(failed=1)
    commands = project.pasted(result, "golden check")
    assert commands == ["microinterp", "golden", "check", model.name, bundle.name, "--any-model"]


def test_in_a_subfolder_paths_are_from_the_toml(project: Project) -> None:
    folder = project.path / "tests" / "deep"
    folder.mkdir(parents=True)
    (folder / "x.golden.toml").write_text(
        '[[golden]]\nmodel = "../../sums.tflite"\nbundle = "../../sums.golden"\n'
    )
    project.run("tests").assert_outcomes(passed=1)


def test_other_toml_files_are_none_of_ours(project: Project) -> None:
    (project.path / "other.toml").write_text("= no toml")
    (project.path / "golden.toml").write_text("= no toml")
    assert project.run().ret == pytest.ExitCode.NO_TESTS_COLLECTED

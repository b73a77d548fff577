"""What a failing golden test says of a result, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from microinterp.golden import CheckResult, Difference
from microinterp.golden_bundle import BundleHeader
from microinterp.testing.settings import Case
from microinterp.testing.words import changes, failure

HEADER = BundleHeader("ab" * 32, "tflm", "tflm", "wheel 1", (), ())
CASE = Case("n", Path("/m.tflite"), Path("/my b.golden"))
BYTES = Difference(
    sample=1234,
    subgraph=2,
    op_index=5,
    op_name="ADD\x1b",
    tensor=9,
    tensor_name="t\n@@",
    element=(0, 1),
    wanted=-1,
    got=2,
    more=(((0, 3), 4, 5),),
    differing=1500,
    elements=2000,
)
OUTPUT = Difference(1234, None, None, None, 3, "y", output=0, element=(), wanted=0.5, got=-0.0)


def result(**fields: object) -> CheckResult:
    return CheckResult(False, True, "host", "here", 2000, **fields)  # type: ignore[arg-type]


def test_everything_there_is_to_say() -> None:
    found = result(
        differing_samples=1,
        differing_elements=1,
        differing_tensors=1200,
        compared_crcs=7,
        first=BYTES,
        first_output=OUTPUT,
    )
    assert failure(CASE, HEADER, "host", found).splitlines() == [
        "n: 1 of 2,000 samples differ, 1 element of outputs, 1,200 tensors that ops write",
        "--- wanted: /my b.golden, recorded by tflm wheel 1",
        "+++ got: host here",
        "@@ sample 1234, op 2/5 ADD\\x1b, tensor 9 't\\n@@' @@",
        "-[0, 1] -1",
        "-[0, 3] 4",
        "+[0, 1] 2",
        "+[0, 3] 5",
        " ... 1,500 of 2,000 elements differ",
        "@@ sample 1234, output 0, tensor 3 'y' @@",
        "-[] 0.5",
        "+[] -0.0",
        "look closer: microinterp compare /m.tflite --with '/my b.golden'",
        "once more:   microinterp golden check /m.tflite '/my b.golden'",
        "if the change is meant: pytest --golden-update",
    ]


def test_a_runtime_without_tensors_is_what_to_look_at() -> None:
    found = result(differing_samples=3, differing_elements=4, first=OUTPUT, first_output=OUTPUT)
    lines = failure(CASE, HEADER, "board:/dev/a b", found).splitlines()
    assert lines[0] == (
        "n: 3 of 2,000 samples differ, 4 elements of outputs, outputs alone were compared"
    )
    assert [line for line in lines if line.startswith("@@")] == [
        "@@ sample 1234, output 0, tensor 3 'y' @@"
    ]
    assert lines[-3:-1] == [
        "look closer: microinterp compare /m.tflite --with 'board:/dev/a b'",
        "once more:   microinterp golden check /m.tflite '/my b.golden' --runtime 'board:/dev/a b'",
    ]


def test_the_profile_is_in_the_command() -> None:
    lines = failure(CASE, HEADER, "host", result(profile="single", first=OUTPUT)).splitlines()
    assert lines[-3].endswith("--profile single")


def test_another_model_names_what_is_not_there() -> None:
    found = CheckResult(True, False, "host", "here", 5, changed_op="op 3 is gone")
    lines = failure(CASE, HEADER, "tflm", found).splitlines()
    assert lines == [
        "n: /m.tflite is not the model that the bundle was recorded from (sha256 abababababab...)",
        "op 3 is gone",
        "its outputs are the same",
        "look closer: microinterp compare /m.tflite --with '/my b.golden'",
        "once more:   microinterp golden check /m.tflite '/my b.golden' --runtime tflm --any-model",
        "if the change is meant: pytest --golden-update",
    ]


def test_nothing_to_say() -> None:
    assert failure(CASE, HEADER, "host", CheckResult(True, True, "host", "here", 5)) == ""


@pytest.mark.parametrize(
    ("found", "profile", "told"),
    [
        (CheckResult(True, False, "host", "", 5), "tflm", "it has another model; every sample"),
        (CheckResult(True, True, "host", "", 5), "single", "profile tflm became single; every"),
        (
            result(differing_samples=1, compared_crcs=1, first=BYTES),
            "tflm",
            "1 of 2,000 samples differ; first: sample 1234, op 2/5 ADD\\x1b, tensor 9 't\\n@@': "
            "[0, 1] -1 became 2",
        ),
    ],
)
def test_what_an_update_changes(found: CheckResult, profile: str, told: str) -> None:
    assert changes(HEADER, profile, found).startswith(told)

"""Damaged models end in our errors or run: never another exception, a hang, or a lot of memory."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from microinterp.errors import ModelError
from microinterp.structure import check_structure
from tests import fuzz
from tests.fuzz_models import WAKE_WORDS, model_bytes, model_names
from tests.marks import slow_but
from tests.mutations import MUTATIONS, Mutator, change_value, layout_of

QUICK, THOROUGH = 120, 3000
MODEL = WAKE_WORDS[0]


def report_failures(report: fuzz.Report, folder: Path) -> str:
    """Save the mutants that failed and say how to run them again."""
    lines = []
    for failure in report.failures:
        path = folder / f"{failure.model}-{failure.seed}-{failure.number}.tflite"
        path.write_bytes(Mutator(model_bytes(failure.model)).mutant(failure.seed, failure.number))
        lines.append(f"{failure}\n  saved: {path}")
    return "\n".join(lines)


@pytest.mark.parametrize("name", slow_but(model_names(), *model_names()[:3], "okay_nabu"))
def test_damaged_models_end_in_our_errors(name: str, tmp_path: Path) -> None:
    report = fuzz.fuzz(name, seed=0, count=QUICK)
    assert not report.failures, report_failures(report, tmp_path)
    assert sum(report.outcomes.values()) == QUICK
    assert report.outcomes["ModelError"] > QUICK / 10, "the mutations do no damage"
    assert report.outcomes["ran"] > QUICK / 20, "the mutations leave nothing to run"


@pytest.mark.thorough
@pytest.mark.parametrize("name", model_names())
def test_many_damaged_models_end_in_our_errors(name: str, tmp_path: Path) -> None:
    report = fuzz.fuzz(name, seed=1, count=THOROUGH)
    assert not report.failures, report_failures(report, tmp_path)
    assert sum(report.outcomes.values()) == THOROUGH


def test_mutants_are_reproducible_and_differ() -> None:
    data = model_bytes(MODEL)
    first, again = Mutator(data), Mutator(data)
    mutants = [first.mutant(3, number) for number in range(100)]
    assert mutants == [again.mutant(3, number) for number in range(100)]
    assert len({data, *mutants}) > 95
    assert mutants[:10] != [first.mutant(4, number) for number in range(10)]


def test_structural_mutations_stay_out_of_buffers() -> None:
    data = model_bytes(MODEL)
    layout = layout_of(data)
    assert 0 < len(layout.bytes) < len(data)
    assert set(layout.words) <= set(layout.bytes)
    assert set(layout.halves) <= set(layout.bytes)
    assert {position for position, _ in layout.values} <= set(layout.bytes)
    assert data[4:8] == b"TFL3"
    assert set(range(8)) <= set(layout.bytes)


def test_changed_values_leave_the_structure_whole() -> None:
    data = model_bytes(MODEL)
    layout = layout_of(data)
    refused = 0
    for number in range(200):
        mutant = bytearray(data)
        change_value(mutant, layout, random.Random(number))
        refused += bool(check_structure(bytes(mutant)))
    assert refused < 20  # the type of a union, an offset to data outside


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.__name__)
def test_every_mutation_changes_the_file(mutation: Callable[..., None]) -> None:
    data = model_bytes(MODEL)
    layout = layout_of(data)
    mutants = set()
    for number in range(20):
        mutant = bytearray(data)
        mutation(mutant, layout, random.Random(number))
        mutants.add(bytes(mutant))
    assert len(mutants - {data}) >= 5


# Targets that misbehave on one mutant each, to see that the harness notices.
BAD = 3
CPU_SECONDS = 0.5


def raises(data: bytes, rng: random.Random) -> str:
    if rng.random() == random.Random(BAD).random():
        raise IndexError("not one of ours")
    return "ran"


def dies(data: bytes, rng: random.Random) -> str:
    if rng.random() == random.Random(BAD).random():
        os._exit(66)
    return "ran"


def works_too_long(data: bytes, rng: random.Random) -> str:
    if rng.random() == random.Random(BAD).random():
        end = time.process_time() + CPU_SECONDS + 0.1
        while time.process_time() < end:
            pass
    return "ran"


def hangs(data: bytes, rng: random.Random) -> str:
    if rng.random() == random.Random(BAD).random():
        time.sleep(3600)
    return "ran"


def swells(data: bytes, rng: random.Random) -> str:
    if rng.random() == random.Random(BAD).random():
        return f"ran {len(bytes(2 * fuzz.MEGABYTES * 2**20))}"
    return "ran"


def grows(data: bytes, rng: random.Random) -> str:
    """Stays below the limit of the allocator, but not with what the process has already."""
    if rng.random() == random.Random(BAD).random():
        return f"ran {len(bytearray(b'x') * ((fuzz.MEGABYTES - 20) * 2**20))}"
    return "ran"


def refuses(data: bytes, rng: random.Random) -> str:
    return fuzz._refused(ModelError(""))


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("raises", "IndexError: not one of ours"),
        ("dies", "the process died with status 66"),
        ("works_too_long", "takes 0.6 s (ran)"),
        ("hangs", "hangs for more than 2 s"),
        ("swells", "MemoryError"),
        ("grows", "MB of memory"),
    ],
)
def test_the_harness_notices(
    target: str, what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if target == "hangs":
        monkeypatch.setattr(fuzz, "WALL_SECONDS", 2.0)
    target = f"tests.test_fuzz:{target}"
    limit = CPU_SECONDS if target.endswith("works_too_long") else fuzz.CPU_SECONDS
    report = fuzz.fuzz(MODEL, seed=0, count=6, target=target, cpu_seconds=limit)
    (failure,) = report.failures
    assert failure.number == BAD
    assert what in failure.what
    assert report.outcomes == {"ran": 5, "FAILED": 1}
    text = report_failures(report, tmp_path)
    assert f"python -m tests.fuzz {MODEL} --seed 0 --number {BAD}" in text
    assert (tmp_path / f"{MODEL}-0-{BAD}.tflite").exists()


def test_an_error_without_a_message_is_a_failure() -> None:
    report = fuzz.fuzz(MODEL, seed=0, count=2, target="tests.test_fuzz:refuses")
    assert [failure.number for failure in report.failures] == [0, 1]


def test_the_harness_gives_up_after_many_failures() -> None:
    target = "tests.test_fuzz:refuses"
    report = fuzz.fuzz(MODEL, seed=0, count=50, target=target, max_failures=4)
    assert len(report.failures) == 4

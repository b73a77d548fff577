"""Interpreters with passes: reports, batches, long models."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.passes import NAMES, run_passes
from tests.marks import slow
from tests.oracle import random_samples
from tests.passes.checking import check_passed, prepared_of, samples_for, usual_outputs
from tests.passes.nets import ImageNet
from tests.passes.random_nets import random_net

WORSE = 8
"""A random net that in-place-depthwise would give a larger head."""


def image_model() -> bytes:
    net = ImageNet((16, 14, 3))
    net.conv(8, 3, 2, "PAD")
    start = net.at
    net.depthwise(3, padding="PAD")
    net.conv(8)
    net.add(start)
    net.conv(4, 3, 2)
    return net.finish()


@pytest.mark.parametrize("passes", ["auto", list(NAMES)])
def test_batches_are_single_runs(passes: str | list[str]) -> None:
    data = image_model()
    interpreter = Interpreter.from_bytes(data, passes=passes)
    samples = random_samples(np.random.default_rng(1), interpreter.graph, 5)
    singles = []
    for sample in samples:
        assert sample is not None
        interpreter.set_input(sample[0], 0)
        interpreter.invoke()
        singles.append(interpreter.get_output(0))
    batch = np.stack([sample[0] for sample in samples if sample is not None])
    (found,) = interpreter.run_batch(batch)
    assert found.tobytes() == np.stack(singles).tobytes()
    assert [[output.tobytes()] for output in singles] == usual_outputs(data, samples)


@pytest.mark.parametrize("data", [image_model(), random_net(WORSE)], ids=["image", "worse"])
def test_reports_add_up(data: bytes) -> None:
    """Each pass starts where the one before has left off; the last one is the head."""
    interpreter = Interpreter.from_bytes(data, passes=list(NAMES), max_extra_macs=1.0)
    passed = interpreter.passed
    assert passed is not None
    reports = passed.reports
    assert passed.names == ("best", *NAMES)
    for one, other in pairwise(reports):
        assert one.head_after == other.head_before
        assert one.extra_macs <= other.extra_macs <= 1.0
    assert reports[-1].head_after == interpreter.arena.head_bytes == passed.plan.head_bytes
    assert reports[-1].extra_macs == passed.extra_macs
    assert reports[0].head_before == Interpreter.from_bytes(data).arena.head_bytes


def test_reports_tell_what_patches_cost_and_what_does_not_help() -> None:
    """The models of test_reports_add_up have both."""
    costly, worse = (
        run_passes(prepared_of(data), list(NAMES), max_extra_macs=1.0)
        for data in (image_model(), random_net(WORSE))
    )
    assert 0.5 < costly.extra_macs <= 1.0
    last = {report.name: report for report in worse.reports}["in-place-depthwise"]
    assert (last.how, last.head_after) == ("does not help", last.head_before)


def test_details_are_those_of_the_file() -> None:
    """Who reads names, shapes and numbers sees no difference."""
    usual = Interpreter.from_bytes(image_model())
    passed = Interpreter.from_bytes(image_model(), passes="auto")
    for get in ("get_input_details", "get_output_details"):
        have, want = getattr(passed, get)(0), getattr(usual, get)(0)
        assert have.keys() == want.keys()
        assert (have["name"], have["index"], have["dtype"]) == (
            want["name"],
            want["index"],
            want["dtype"],
        )
        assert have["shape"].tolist() == want["shape"].tolist()


def test_the_same_result_every_time() -> None:
    """Searches depend on no clock and no order of hashes."""
    plans = []
    for _ in range(3):
        passed = run_passes(prepared_of(image_model()), "auto", max_extra_macs=1.0)
        plans.append((passed.plan.tensors, passed.plan.scratch, passed.reports))
    assert plans[0] == plans[1] == plans[2]


LONG = 700


def long_model() -> bytes:
    """More ops in a row than Python lets functions call each other, if each did."""
    net = ImageNet((4, 4, 4))
    for i in range(LONG):
        if i % 3 == 2:
            net.depthwise(3)
        else:
            net.relu()
    return net.finish()


@pytest.mark.parametrize(
    "passes", [slow("auto"), slow(["in-place", "in-place-depthwise"]), ["patches"]]
)
def test_long_models(passes: str | list[str]) -> None:
    data = long_model()
    passed, samples = run_passes(prepared_of(data), passes), samples_for(data, 1)
    check_passed(passed, samples, usual_outputs(data, samples))
    if "in-place" in passes:
        assert passed.plan.head_bytes == 64 + 16

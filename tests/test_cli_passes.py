"""`microinterp plan --passes`: figures, limits, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from microinterp import Interpreter
from tests.cli import call, good, good_json
from tests.passes.nets import ImageNet


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 16x16 image that is padded, convolved and pooled."""
    net = ImageNet((16, 16, 2))
    net.conv(8, 3, 1, "PAD")
    net.depthwise(3)
    net.conv(8)
    net.pool("MAX_POOL_2D", 2, 2)
    path = tmp_path_factory.mktemp("passes") / "net.tflite"
    path.write_bytes(net.finish())
    return path


def test_figures_are_the_interpreters(model: Path) -> None:
    told = good_json("plan", model, "--passes", "auto")
    it = Interpreter.from_file(model, passes="auto")
    assert it.passed is not None
    assert told["head_bytes"] == it.arena.head_bytes < told["tflm_head_bytes"]
    assert told["extra_macs"] == pytest.approx(it.passed.extra_macs)
    assert [p["name"] for p in told["passes"]] == list(it.passed.names)
    assert told["passes"][0]["head_before"] == told["tflm_head_bytes"]
    assert told["passes"][-1]["head_after"] == told["head_bytes"]


def test_without_passes_there_are_none(model: Path) -> None:
    told = good_json("plan", model)
    assert (told["passes"], told["extra_macs"]) == ([], 0)
    assert told["head_bytes"] == told["tflm_head_bytes"]


def test_the_cheapest_that_fits_is_taken(model: Path) -> None:
    overlapped = good_json("plan", model, "--passes", "fold-pad,overlap")["head_bytes"]
    told = good_json("plan", model, "--passes", "auto", "--ram", str(overlapped))
    assert told["extra_macs"] == 0
    assert told["head_bytes"] <= overlapped


def test_what_does_not_fit_exits_with_1_and_says_by_how_much(model: Path) -> None:
    least = good_json("plan", model, "--passes", "auto")["head_bytes"]
    done = call("plan", model, "--passes", "auto", "--ram", str(least - 16), "--no-map")
    assert done.exit_code == 1
    assert "the head is 16 bytes larger than --ram" in done.stderr


def test_a_table_tells_each_pass(model: Path) -> None:
    told = good("plan", model, "--passes", "fold-pad,patches,overlap", "--no-map", "--no-table")

    for word in ("pass", "before", "after", "extra MACs", "fold-pad", "does not help"):
        assert word in told


@pytest.mark.parametrize(
    "wrong",
    [
        ("--passes", "squeeze"),
        ("--passes", "overlap", "--embed", "out.tflite"),
        ("--passes", "overlap", "--regions", "fast=1K"),
        ("--passes", "overlap", "--target", "x86_64-wheel"),
        ("--passes", "patches", "--max-extra-macs", "-1"),
        ("--ram", "64 kilobytes"),
    ],
)
def test_bad_use(model: Path, wrong: tuple[str, ...]) -> None:
    assert call("plan", model, *wrong).exit_code == 2

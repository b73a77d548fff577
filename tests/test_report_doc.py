"""docs/report.md and docs/health.md: complete tables, the thresholds of the code."""

from __future__ import annotations

import re
from pathlib import Path

from microinterp.health import RULES, activations, layers, model
from tests.cli import good_json

ROOT = Path(__file__).resolve().parents[1]
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("report", "health")}
DIGITS = ROOT / "examples" / "digits"


def test_the_digits_model_is_healthy() -> None:
    """On 899 pictures, too."""
    images = f"{DIGITS / 'test_images.npz'}:images"
    made = good_json(
        *("report", DIGITS / "digits_int8.tflite", "-i", images, "--image-range", "0:15.9375")
    )
    assert made["samples"]["count"] == 899
    assert made["health"] == []


def test_keys() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGES["report"], re.MULTILINE)
    told = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    made = good_json("report", DIGITS / "digits_int8.tflite")
    assert told == [*made] or set(told) == made.keys()


def test_rules_are_all_told() -> None:
    told = re.findall(r"^\| `([\w-]+)` \| (\w+) \|", PAGES["health"], re.MULTILINE)
    assert told == [(rule.name, rule.severity) for rule in RULES.values()]


def test_thresholds_are_those_of_the_code() -> None:
    said = dict(re.findall(r"^\| `([\w-]+)` \| \w+ \| (.*) \|$", PAGES["health"], re.M))
    assert f"over {layers.OUTLIER:.0f} times" in said["channel-scale-outlier"]
    coarse = layers.COARSE - 1
    assert f"-{coarse} to {coarse} only" in said["coarse-channels"]
    assert layers.COARSE_SHARE == 1 / 4
    assert f"over {layers.SATURATED:.0%}".replace("%", " %") in said["saturated-weights"]
    assert f"and {layers.SATURATED_COUNT} of them" in said["saturated-weights"]
    assert layers.LARGE_BIAS == 2**31 * 3 / 4
    assert f"more than {layers.BIAS_SCALE_ERROR:.0%}".replace("%", " %") in said["bias-scale"]
    assert f"over {256 * model.RELU_LOST:.0f} of the 256" in said["relu-zero-point"]
    assert f"over {activations.SATURATING:.0%}".replace("%", " %") in said["saturating-range"]
    assert activations.BARELY_USED == 1 / 4
    few = f"{activations.ENOUGH_SAMPLES} samples or more give {activations.ENOUGH_VALUES} values"
    assert few in PAGES["health"]
    assert layers.LARGEST_FACTOR == 2**30
    assert layers.LARGEST_FACTOR_INT64 == 2**14

"""docs/report.md and docs/health.md: their commands and code run, their tables are complete."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from microinterp.health import RULES, activations, layers, model
from tests.cli import good, good_json

ROOT = Path(__file__).resolve().parents[1]
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("report", "health")}
COMMANDS = [
    line
    for page in PAGES.values()
    for block in re.findall(r"```\n(.*?)```", page, re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(command)
    assert words[0] == "microinterp"
    page = tmp_path / "report.html"
    shown = good(*(str(page) if word == "report.html" else word for word in words[1:]))
    assert shown
    assert page.exists() is ("report.html" in words)


def test_python(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    (block,) = re.findall(r"```python\n(.*?)```", PAGES["health"], re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out == "0 findings\n"


def test_the_digits_model_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """On 899 pictures, too."""
    monkeypatch.chdir(ROOT)
    command = next(each for each in COMMANDS if "health" not in each and "-i" in each)
    words = [word for word in shlex.split(command)[1:] if word not in ("-o", "report.html")]
    made = good_json(*words)
    assert made["samples"]["count"] == 899
    assert made["health"] == []


def test_keys() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGES["report"], re.MULTILINE)
    told = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    made = good_json("report", ROOT / "examples" / "digits" / "digits_int8.tflite")
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

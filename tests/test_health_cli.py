"""Quantisation health in `inspect`: text, JSON, and names that a terminal would act on."""

from __future__ import annotations

from pathlib import Path

import pytest

from microinterp.model_builder import ModelBuilder
from tests.cli import HOSTILE, good, good_json, stored
from tests.health_models import CHANNELS, conversions, dense, sound_weights, unary
from tests.models import conv_model


def test_a_sound_model_has_no_block(tmp_path: Path) -> None:
    path = stored(tmp_path, conv_model())
    assert good_json("inspect", path)["health"] == []
    assert "->" not in good("inspect", path)


def test_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    weights = sound_weights()
    weights[[1, 6]] = 0
    lines = good("inspect", stored(tmp_path, dense(weights, out_scale=0.0002))).splitlines()
    at = lines.index("note multiplier-above-one")
    assert lines[at + 1] == (
        "  op 0 FULLY_CONNECTED: 6 of 8 requantisation factors are 1 or more, up to 2.5"
    )
    assert lines[at + 2].startswith("  -> Calibrate the output's range with more samples")
    assert lines[at + 3] == "note dead-channels"
    assert lines[at + 4].endswith(f"2 of {CHANNELS} channels have only weights of 0")


def test_json(tmp_path: Path) -> None:
    (found,) = good_json("inspect", stored(tmp_path, unary("RELU", 0.1, 0)))["health"]
    assert found.keys() == {"rule", "severity", "message", "where", "figures", "remedy"}
    assert found["rule"] == "relu-zero-point"
    assert found["figures"] == {"zero_point": 0, "lost_codes": 128}
    assert (found["where"]["op_index"], found["where"]["tensor_name"]) == (0, "y")


def test_a_rule_that_is_broken_often_is_told_in_short(tmp_path: Path) -> None:
    path = stored(tmp_path, conversions(*([0.1, 0.2] * 6)))
    assert len(good_json("inspect", path)["health"]) == 10
    shown = good("inspect", path)
    assert shown.count("QUANTIZE of what op") == 6
    assert "and 4 more (--json)" in shown


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_names_do_nothing(tmp_path: Path, name: str) -> None:
    """An operator of that name is refused, and named."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (4,), "int8", scale=1.0, zero_point=0)
    y = g.tensor("y", (4,), "int8", scale=1.0, zero_point=0)
    g.custom_op(name, [x], [y])
    g.output(y)
    path = stored(tmp_path, b.finish())
    shown = good("inspect", path)
    block = shown[shown.index("error refused-op") :]
    assert block.splitlines()[1].startswith("  op 0 ")
    assert not {"\x1b", "\x00", "\r", "\u202e"} & set(shown)
    assert max(map(len, block.splitlines())) < 300
    (found,) = good_json("inspect", path)["health"]
    assert found["where"]["op_name"]

"""`microinterp pack`: for each tier of kernels, and for none that does not exist."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from microinterp import Interpreter, packed
from microinterp.packed.tiers import TIERS
from tests.cli import good, good_json, refused
from tests.digits import DIGITS

MODEL = DIGITS / "digits_int8.tflite"


@pytest.mark.parametrize("tier", TIERS)
def test_each_tier(tier: str, tmp_path: Path) -> None:
    """The file names its tier, has the bytes that are told, and computes the same."""
    to = tmp_path / "digits.mipk"
    told = good_json("pack", MODEL, "-o", to, "--tier", tier)
    model = packed.load(to.read_bytes())
    assert told["tier"] == model.tier == tier
    parts = ("weights_bytes", "steps_bytes", "text_bytes", "structure_bytes")
    assert sum(told[part] for part in parts) == told["file_bytes"] == to.stat().st_size
    arena = ("head_bytes", "state_bytes", "scratch_bytes")
    assert sum(told[part] for part in arena) == told["arena_bytes"] == model.arena_bytes
    it, whole = packed.PackedInterpreter(to.read_bytes()), Interpreter.from_file(MODEL)
    shape, rng = whole.graph.main.inputs[0].shape, np.random.default_rng(1)
    for _ in range(3):
        digit = rng.integers(-128, 128, shape).astype(np.int8)
        for each in (it, whole):
            each.set_input(digit, 0)
            each.invoke()
        assert np.array_equal(it.get_output(0), whole.get_output(0))
    assert f"constants, tables, biases: {tier}" in good("pack", MODEL, "-o", to, "--tier", tier)


@pytest.mark.parametrize("name", ["", "bytecode", "viper"])
def test_portable_and_its_other_names(name: str, tmp_path: Path) -> None:
    wanted, to = tmp_path / "portable.mipk", tmp_path / "other.mipk"
    good("pack", MODEL, "-o", wanted, "--tier", "portable")
    told = good_json("pack", MODEL, "-o", to, *(("--tier", name) if name else ()))
    assert told["tier"] == "portable"
    assert to.read_bytes() == wanted.read_bytes()


@pytest.mark.parametrize("name", ["", "armv8m", "ARMV7M", "viper-armv7m", "\x1b[31m"])
def test_no_such_tier(name: str, tmp_path: Path) -> None:
    to = tmp_path / "no.mipk"
    said = refused("pack", MODEL, "-o", to, "--tier", name)
    assert said.startswith("there is no tier '")
    assert "portable, armv6m, armv7m, armv7em" in said
    assert "\x1b" not in said
    assert not to.exists()

"""The example in docs/custom_ops.md: its own tests pass, and it follows profiles and LiteRT's API.

tests/docs runs the page's commands.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter, litert
from microinterp.errors import PrepareError
from microinterp.model_builder import ModelBuilder
from microinterp.operators_file import registry_with
from microinterp.registry import Registry
from tests.docs.blocks import ROOT, blocks_of

PAGE = "docs/custom_ops.md"
TESTS = ("test_by_hand", "test_a_batch_equals_single_runs", "test_a_refusal_names_the_op")


def squares(options: bytes, dtype: str = "int8") -> bytes:
    """x of scale 0.5 and zero point 3; y of scale 0.25 and zero point -10."""
    model = ModelBuilder()
    g = model.subgraph()
    x = g.input("x", (1, 4), dtype, 0.5, 3 if dtype == "int8" else 0)
    y = g.tensor("y", (1, 4), dtype, 0.25, -10 if dtype == "int8" else 0)
    g.custom_op("SQUARE_PLUS", [x], [y], options)
    g.output(y)
    return model.finish()


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page's Python has defined, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    for block in blocks_of(PAGE, (ROOT / PAGE).read_text()):
        if block.language != "python":
            continue
        if (name := block.note("file")) is not None:
            Path(name).write_text(block.text)
        else:
            exec(compile(block.text, block.where, "exec", dont_inherit=True), found)
    return found


@pytest.fixture
def registry(names: dict[str, Any]) -> Registry:
    return registry_with("square_plus.py")


@pytest.mark.parametrize("test", TESTS)
def test_the_pages_own_tests(names: dict[str, Any], test: str) -> None:
    assert {name for name in names if name.startswith("test_")} == set(TESTS)
    names[test]()


def test_the_drop_in_for_litert_gives_the_same(registry: Registry) -> None:
    model = squares(struct.pack("<f", -1.5))
    it = Interpreter.from_bytes(model, registry=registry)
    drop_in = litert.Interpreter(model_content=model, registry=registry, num_threads=1)
    drop_in.allocate_tensors()
    for sample in np.random.default_rng(0).integers(-20, 20, (7, 1, 4)).astype(np.int8):
        it.set_input(sample, 0)
        it.invoke()
        drop_in.set_tensor(0, sample)
        drop_in.invoke()
        assert drop_in.get_tensor(1).tobytes() == it.get_output(0).tobytes()


def test_the_profile_reaches_it(registry: Registry) -> None:
    model = squares(struct.pack("<f", 0.0))
    functions = {
        Interpreter.from_bytes(model, registry=registry, profile=profile)
        .prepared.subgraphs[0][0]
        .kernel.params.requantise
        for profile in ("tflm", "single")
    }
    assert len(functions) == 2


def test_refusals_name_the_tensor(registry: Registry) -> None:
    with pytest.raises(PrepareError, match=r"input 0.*takes int8 only"):
        Interpreter.from_bytes(squares(struct.pack("<f", 1.0), "int16"), registry=registry)

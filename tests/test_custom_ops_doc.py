"""The example in docs/custom_ops.md runs as it stands: single, batched, refused."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter, litert
from microinterp.errors import PrepareError
from microinterp.model_builder import ModelBuilder

PAGE = Path(__file__).resolve().parents[1] / "docs" / "custom_ops.md"


def squares(options: bytes, dtype: str = "int8") -> bytes:
    """x of scale 0.5 and zero point 3; y of scale 0.25 and zero point -10; then y + y."""
    model = ModelBuilder()
    g = model.subgraph()
    x = g.input("x", (1, 4), dtype, 0.5, 3 if dtype == "int8" else 0)
    y = g.tensor("y", (1, 4), dtype, 0.25, -10 if dtype == "int8" else 0)
    g.custom_op("SQUARE_PLUS", [x], [y], options)
    g.output(y)
    return model.finish()


def example(model: bytes) -> dict[str, Any]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {"model": model}
    exec(compile(code, str(PAGE), "exec", dont_inherit=True), names)
    return names


def test_the_example_by_hand() -> None:
    """x = (5 - 3) / 2 = 1: 1 * 1 + 2 = 3 is 12 steps of 0.25, and -10: 2. The last one clips."""
    it: Interpreter = example(squares(struct.pack("<f", 2.0)))["it"]
    it.set_input(np.array([[5, 3, 1, 40]], np.int8), 0)
    it.invoke()
    assert it.get_output(0).tolist() == [[2, -2, 2, 127]]


def test_a_batch_equals_single_runs() -> None:
    names = example(squares(struct.pack("<f", -1.5)))
    it = names["it"]
    batch = np.random.default_rng(0).integers(-20, 20, (7, 1, 4)).astype(np.int8)
    (batched,) = it.run_batch(batch)
    drop_in = litert.Interpreter(
        model_content=names["model"], registry=names["registry"], num_threads=1
    )
    drop_in.allocate_tensors()
    for sample, outputs in zip(batch, batched, strict=True):
        it.set_input(sample, 0)
        it.invoke()
        assert it.get_output(0).tobytes() == outputs.tobytes()
        drop_in.set_tensor(0, sample)
        drop_in.invoke()
        assert drop_in.get_tensor(1).tobytes() == outputs.tobytes()


def test_the_profile_reaches_it() -> None:
    names = example(squares(struct.pack("<f", 0.0)))
    functions = {
        Interpreter.from_bytes(names["model"], registry=names["registry"], profile=profile)
        .prepared.subgraphs[0][0]
        .kernel.params.requantise
        for profile in ("tflm", "single")
    }
    assert len(functions) == 2


def test_refusals_name_the_op_and_the_tensor() -> None:
    with pytest.raises(PrepareError, match=r"SQUARE_PLUS.*options are not one float32"):
        example(squares(b"\0"))
    with pytest.raises(PrepareError, match=r"input 0.*takes int8 only"):
        example(squares(struct.pack("<f", 1.0), "int16"))

"""docs/compare.md: it names every cause that there is, its dump is one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from microinterp.compare.input_causes import INPUT_CAUSES
from microinterp.compare.op_diagnosis import OP_CAUSES
from microinterp.compare.run_causes import RUN_CAUSES
from microinterp.compare.sources import read_dump
from microinterp.compare.tell_causes import NCHW, UNSIGNED
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.quant.rules import RULES
from tests.cli import call

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "compare.md").read_text()


def test_the_page_names_every_cause() -> None:
    table = PAGE[PAGE.index("| cause |") : PAGE.index("## LiteRT")]
    named = set(re.findall(r"`([a-z0-9:-]+)`", table.replace("cmsis-nn:RULE", "")))
    causes = {cause.name for cause in (*OP_CAUSES, *INPUT_CAUSES, *RUN_CAUSES, UNSIGNED, NCHW)}
    rules = {f"cmsis-nn:{name}" for name in RULES}
    assert rules < causes
    assert causes - rules <= named
    assert named <= causes | {f"{name}" for name in RULES}


def dense_model() -> bytes:
    """int8 [1, 640] -> FULLY_CONNECTED -> int8 [1, 640]; the output is tensor 3."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 640), "int8", scale=0.1, zero_point=0)
    w = g.constant("w", np.ones((640, 640), np.int8), scale=0.01, zero_point=0)
    bias = g.constant("bias", np.zeros(640, np.int32), scale=0.001, zero_point=0)
    y = g.tensor("y", (1, 640), "int8", scale=0.5, zero_point=0)
    g.op("FULLY_CONNECTED", [x, w, bias], [y])
    g.output(y)
    return b.finish()


def test_the_dump_is_one(tmp_path: Path) -> None:
    """Its first lines, with the elided bytes filled in, told of a model of those shapes."""
    (block,) = re.findall(r"```text\n(# microinterp dump.*?)```", PAGE, re.DOTALL)
    first = re.search(r"input 0 int8 1,640 ([0-9a-f]+)\n\+ ([0-9a-f]+)\n", block)
    assert first is not None
    head = bytes.fromhex(first[1] + first[2])
    rest = bytes(640 - len(head)).hex()
    lines = block.replace(first[2] + "\n", f"{first[2]}\n+ {rest}\n")
    lines = lines.replace("op 3 FULLY_CONNECTED tensor 24", "op 0 - tensor 3")
    lines = lines.replace("int8 1,128 80808a93...", "int8 1,640 " + bytes(640).hex())
    lines = lines.replace("0f11...", "0f11" + bytes(638).hex())
    path = tmp_path / "dump.txt"
    path.write_text(lines)
    account = read_dump(path, prepare_model(dense_model(), kernels="plain"))
    assert account.version == "my firmware 1.2"
    assert account.samples == 1
    told = account.inputs[0]
    assert told is not None
    assert told.tobytes()[: len(head)] == head
    output = account.outputs[0]
    assert output is not None
    assert output.values is not None
    assert output.values.ravel()[:3].tolist() == [15, 17, 0]
    assert set(account.tensors) == {(0, 0, 3)}
    np.testing.assert_array_equal(account.tensors[0, 0, 3].values, np.zeros((1, 1, 640), np.int8))


def test_the_json_keys_are_told() -> None:
    section = PAGE[PAGE.index("`--json` prints") : PAGE.index("## The diagnosis")]
    told = set(re.findall(r"`(\w+)`", section))
    model = str(ROOT / "examples" / "digits" / "digits_int8.tflite")
    result = call("compare", model, "--with", "host", "--samples", "2", "--json")
    document = json.loads(result.stdout)
    assert document["ops"]
    assert document["findings"]
    parts = (document["ops"][0], document["outputs"][0], document["findings"][0])
    keys = set().union(document, document["first_op"], *parts)
    assert keys <= told

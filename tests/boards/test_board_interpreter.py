"""The board's class Interpreter in MicroPython: its methods, state, sub-graphs, per-op hook."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.boards.packed_builder import INT8, Packed, Subgraph, build
from tests.boards.unix_port import SETS, run_script

FLOAT32, UINT8, INT16 = 0, 3, 7


@pytest.fixture(params=SETS)
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def on_board(script: str, packed: Packed, tier: str, folder: Path, heap: str = "1M") -> Any:
    """What the script's variable `answer` holds; the model is in the file m.mipk."""
    (folder / "m.mipk").write_bytes(build(packed))
    path = folder / "script.py"
    head = "import json\nfrom microinterp import Interpreter, ModelError\n"
    path.write_text(f"{head}{script}\nprint(json.dumps(answer))\n")
    return json.loads(run_script(path, [], tier, folder, heap))


def inverter() -> Packed:
    """out[i] = 255 - in[i] for 4 bytes, by LUT."""
    table = bytes(255 - i for i in range(256))
    step = ("LUT", [0, 16, 4, ~0])
    op = (7, "LOGISTIC", 0, 1, [(2, 16, 4)])
    return Packed(32, [Subgraph([step], [op])], table, [(0, 4, INT8)], [(16, 4, INT8)])


def test_in_and_out(tier: str, tmp_path: Path) -> None:
    script = """
from array import array
it = Interpreter.from_file("m.mipk")
answer = []
for data in (bytes([1, 2, 3, 4]), bytearray([1, 2, 3, 4]), array("b", [1, 2, 3, 4]),
             memoryview(bytes([0, 1, 2, 3, 4]))[1:]):
    it.set_input(bytes(4), 0)
    it.set_input(data, 0)
    it.invoke()
    answer.append(list(it.get_output(0)))
it.input_view(0)[3] = 255
it.invoke()
answer.append(list(bytes(it.output_view(0))))
"""
    answer = on_board(script, inverter(), tier, tmp_path)
    assert answer == [[-2, -3, -4, -5]] * 4 + [[254, 253, 252, 0]]


def test_details(tier: str, tmp_path: Path) -> None:
    script = """
it = Interpreter.from_file("m.mipk")
answer = [it.get_input_details(0), it.get_output_details(0)]
"""
    quantization = {"scales": [0.5], "zero_points": [-7], "quantized_dimension": 0}
    details = {
        "name": "tensor 0",
        "index": 0,
        "shape": [1, 4],
        "dtype": "int8",
        "quantization_parameters": quantization,
    }
    assert on_board(script, inverter(), tier, tmp_path) == [details, details]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("set_input(bytes(3), 0)", "input 0 takes 4 bytes, got 3"),
        ("set_input(b'', 0)", "input 0 takes 4 bytes, got 0"),
        ("set_input(array('h', [1, 2, 3, 4]), 0)", "input 0 takes 4 bytes, got 8"),
        ("set_input(bytes(4), 1)", "no input 1: the model has 1"),
        ("set_input(bytes(4), -1)", "no input -1: the model has 1"),
        ("get_output(2)", "no output 2: the model has 1"),
        ("get_input_details(1)", "no input 1: the model has 1"),
        ("get_output_details(1)", "no output 1: the model has 1"),
    ],
)
def test_wrong_use(call: str, text: str, tmp_path: Path) -> None:
    script = f"""
from array import array
it = Interpreter.from_file("m.mipk")
try:
    it.{call}
    answer = "no error"
except ValueError as error:
    answer = str(error)
"""
    assert on_board(script, inverter(), "bytecode", tmp_path) == text


def test_types_of_outputs(tmp_path: Path) -> None:
    value = struct.pack("<f", 1.5)
    kinds = [(0, 4, FLOAT32), (0, 4, UINT8), (0, 4, INT16), (0, 4, INT8)]
    packed = Packed(4, [Subgraph([("COPY", [~0, 0, 4])])], value, [], kinds)
    script = """
it = Interpreter.from_file("m.mipk")
it.invoke()
answer = [list(it.get_output(i)) for i in range(4)]
"""
    expected = [list(struct.unpack(f, value)) for f in ("<f", "4B", "<2h", "4b")]
    assert on_board(script, packed, "bytecode", tmp_path) == expected


def stateful() -> Packed:
    """Byte 8 of the arena counts invokes, by a table; sub-graph 1 adds 100 to it, once."""
    plus = [bytes((i + n) % 256 for i in range(256)) for n in (1, 100)]
    main = [("CALL_ONCE", [1, 9]), ("LUT", [8, 8, 1, ~0]), ("COPY", [8, 0, 1])]
    ops = [(0, "CALL_ONCE", 0, 1, []), (1, "ADD", 1, 2, [(3, 8, 1), (4, 0, 1)])]
    once = Subgraph([("LUT", [8, 8, 1, ~256])], [(5, "ASSIGN", 0, 1, [(6, 8, 1)])])
    state = [(8, 1, 40, True), (9, 1, 0, False)]
    return Packed(16, [Subgraph(main, ops), once], b"".join(plus), [], [(0, 1, UINT8)], state)


def test_state_and_call_once(tier: str, tmp_path: Path) -> None:
    script = """
it = Interpreter.from_file("m.mipk")
answer = []
for i in range(4):
    if i == 2:
        it.reset()
    it.invoke()
    answer += list(it.get_output(0))
"""
    assert on_board(script, stateful(), tier, tmp_path) == [141, 142, 41, 42]


def test_per_op(tier: str, tmp_path: Path) -> None:
    script = """
it = Interpreter.from_file("m.mipk")
answer = []
for _ in range(2):
    it.invoke_ops(lambda *told: answer.append(told))
"""
    told = on_board(script, stateful(), tier, tmp_path)
    crc = {value: zlib.crc32(bytes([value])) for value in (140, 141, 142)}
    expected = [
        [1, 5, "ASSIGN", [[6, crc[140]]]],
        [0, 0, "CALL_ONCE", []],
        [0, 1, "ADD", [[3, crc[141]], [4, crc[141]]]],
        [0, 0, "CALL_ONCE", []],
        [0, 1, "ADD", [[3, crc[142]], [4, crc[142]]]],
    ]
    assert [row[:3] + row[4:] for row in told] == expected
    assert all(0 <= row[3] < 1_000_000 for row in told)


def test_ops_that_do_not_match_the_steps(tmp_path: Path) -> None:
    packed = inverter()
    packed.subgraphs[0].ops = [(0, "X", 0, 2, [])]
    script = """
it = Interpreter.from_file("m.mipk")
try:
    it.invoke_ops(print)
except ModelError as error:
    answer = str(error)
"""
    text = "subgraph 0: ops do not match the steps"
    assert on_board(script, packed, "bytecode", tmp_path) == text


def test_invoke_allocates_nothing_and_this_would_be_noticed(tier: str, tmp_path: Path) -> None:
    script = """
import gc
import micropython
it = Interpreter.from_file("m.mipk")
answer = []
gc.collect()
before = gc.mem_alloc()
gc.disable()
it.invoke()
after = gc.mem_alloc()
answer = [after - before]
micropython.heap_lock()
try:
    it.invoke()
    bytearray(1)
except MemoryError:
    pass
else:
    after = -1
micropython.heap_unlock()
answer.append(after)
"""
    allocated, after = on_board(script, stateful(), tier, tmp_path)
    assert allocated == 0
    assert after != -1


def test_only_the_kernels_of_the_model_stay_in_memory(tier: str, tmp_path: Path) -> None:
    script = """
import sys
import microinterp
it = Interpreter.from_file("m.mipk")
it.invoke()
answer = [sorted(name for name in sys.modules if "microinterp" in name), dir(microinterp)]
"""
    modules, names = on_board(script, inverter(), tier, tmp_path)
    kept = ["microinterp", "microinterp._flat", "microinterp._move", "microinterp._tier"]
    assert modules == kept
    assert "_load" not in names
    assert "_move" in names

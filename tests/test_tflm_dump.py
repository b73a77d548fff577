"""examples/tflm_dump/dump.h: what a C program prints is read as the tensors that it was given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp.compare.sources import read_dump
from microinterp.errors import InputError
from microinterp.inputs import random_samples
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.sides import Observed, open_side, places_of
from tests.c_programs import compiled, printed
from tests.digits import DIGITS

FOLDER = DIGITS.parent / "tflm_dump"
MODEL = (DIGITS / "digits_int8.tflite").read_bytes()
CODES = {"float32": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9}
_INCLUDE = (f"-I{FOLDER}",)
_NOISE = 'printf("I (12) app: sample done\\nop 3 of nothing\\n");'


def dumped(folder: Path, main: str, standard: str = "c99") -> Path:
    """The file that a program with this body of main() prints."""
    source = f'#include <stdio.h>\n#include "dump.h"\nint main(void) {{\n{main}\n}}\n'
    told = folder / "dump.txt"
    told.write_bytes(printed(folder, source, standard=standard, options=_INCLUDE))
    return told


def array(name: str, values: Any) -> str:
    """C code of an array's bytes, aligned for any type."""
    data = ",".join(map(str, np.ascontiguousarray(values).tobytes()))
    shape = ",".join(map(str, values.shape)) or "0"
    union = f"union {{unsigned char b[{values.nbytes}]; double d;}}"
    return (
        f"static const {union} {name} = {{{{{data}}}}}; static const int {name}_s[] = {{{shape}}};"
    )


def call(function: str, name: str, values: Any, tensor: Any, *before: Any) -> str:
    """C code that dumps an array, made before with `array`."""
    code, rank = CODES[tensor.dtype.name], values.ndim
    arguments = ", ".join(map(str, (*before, code, f"{name}_s", rank, f"{name}.b")))
    return f"mi_dump_{function}({arguments});"


def lines(model: bytes, inputs: Sequence[Any], seen: Observed) -> Iterator[str]:
    """main() of a firmware that dumps all that a side has told."""
    graph = prepare_model(model).graph
    yield 'mi_dump_start("firmware \\"x\\" 1.2, \\\\ 100 %");'
    for sample in range(len(inputs[0])):
        yield f"mi_dump_sample({sample});"
        for i, tensor in enumerate(graph.main.inputs):
            yield array(f"x{sample}_{i}", inputs[i][sample])
            yield call("input", f"x{sample}_{i}", inputs[i][sample], tensor, i)
        for n, ((subgraph, op, number), values) in enumerate(seen.tensors.items()):
            place = subgraph, op, f'"{graph.subgraphs[subgraph].nodes[op].name}"', number
            tensor = graph.subgraphs[subgraph].tensors[number]
            yield array(f"t{sample}_{n}", values[sample])
            yield call("op", f"t{sample}_{n}", values[sample], tensor, *place)
            yield _NOISE
        for i, tensor in enumerate(graph.main.outputs):
            yield array(f"y{sample}_{i}", seen.outputs[i][sample])
            yield call("output", f"y{sample}_{i}", seen.outputs[i][sample], tensor, i)


def same_bytes(told: Any, wanted: Any) -> bool:
    return bool(told.dtype == wanted.dtype and told.tobytes() == wanted.tobytes())


@pytest.mark.parametrize("standard", ["c99", "c++11"])
def test_every_tensor_of_digits(standard: str, tmp_path: Path) -> None:
    prepared = prepare_model(MODEL)
    inputs = random_samples(prepared.graph.main.inputs, 2, 0)
    with open_side("host", MODEL) as side:
        seen = side.run(inputs, places_of(prepared))
    path = dumped(tmp_path, "\n".join(lines(MODEL, inputs, seen)), standard)
    text = path.read_text()
    ours = [line for line in text.splitlines() if line.startswith("mi> ")]
    assert "I (12) app" in text
    assert max(map(len, ours)) < 2 * 64 + 70
    assert any(line.startswith("mi> + ") for line in ours)
    account = read_dump(path, prepared)
    assert account.version == 'firmware "x" 1.2, \\ 100 %'
    assert account.samples == 2
    assert account.inputs[0] is not None
    assert same_bytes(account.inputs[0], inputs[0])
    assert account.outputs[0] is not None
    assert same_bytes(account.outputs[0].values, seen.outputs[0])
    assert list(account.tensors) == list(seen.tensors)
    assert len(account.tensors) == 10
    for place, told in account.tensors.items():
        assert same_bytes(told.values, seen.tensors[place])


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(2, 3), (1, 70), ()], ids=str)
def test_every_type_and_shape(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    builder = ModelBuilder()
    graph = builder.subgraph("main")
    x = graph.input("x", shape, dtype)
    y = graph.tensor("y", (1, *shape), dtype)
    wide = graph.constant("wide", np.array((1, *shape), np.int32))
    graph.op("RESHAPE", [x, wide], [y])
    graph.output(y)
    model = builder.finish()
    prepared = prepare_model(model)
    inputs = random_samples(prepared.graph.main.inputs, 2, 1)
    seen = Observed((inputs[0].reshape(2, 1, *shape),), {})
    path = dumped(tmp_path, "\n".join(lines(model, inputs, seen)))
    account = read_dump(path, prepared)
    assert account.inputs[0] is not None
    assert same_bytes(account.inputs[0], inputs[0])
    assert account.inputs[0].shape == (2, *shape)
    assert account.outputs[0] is not None
    assert same_bytes(account.outputs[0].values, seen.outputs[0])
    assert not account.outputs[0].type_name  # the model's own


def test_a_big_endian_chip_prints_the_same(tmp_path: Path) -> None:
    """The branch for such chips, taken by force, on numbers turned round beforehand."""
    text = (FOLDER / "dump.h").read_text()
    line = "const int is_little = *(const char *)&one;"
    assert line in text
    values = np.array([[1, -2, 300]], np.int16)
    calls = 'mi_dump_start("x"); mi_dump_sample(0);' + array("v", values.byteswap())
    calls += "mi_dump_output(0, 7, v_s, 2, v.b);"
    (tmp_path / "dump.h").write_text(text.replace(line, "const int is_little = !one;"))
    told = dumped(tmp_path, calls).read_text()
    assert told.splitlines()[-1] == f"mi> output 0 int16 1,3 {values.astype('<i2').tobytes().hex()}"


@pytest.mark.parametrize("standard", ["c99", "c++11"])
def test_handles_of_variables_are_left_out(standard: str, tmp_path: Path) -> None:
    body = 'static const int s[] = {1}; mi_dump_op(0, 0, "VAR_HANDLE", 1, 14, s, 1, s);'
    assert dumped(tmp_path, body, standard).read_bytes() == b""


def test_bytes_that_the_line_lost_are_told(tmp_path: Path) -> None:
    prepared = prepare_model(MODEL)
    inputs = random_samples(prepared.graph.main.inputs, 1, 0)
    with open_side("host", MODEL) as side:
        seen = side.run(inputs, places_of(prepared))
    path = dumped(tmp_path, "\n".join(lines(MODEL, inputs, seen)))
    text = path.read_text()
    start = text.index("mi> op 0/3")
    path.write_text(text[: start + 60] + text[start + 62 :])
    with pytest.raises(InputError, match=r"line \d+: \d+ bytes, wanted \d+"):
        read_dump(path, prepared)


def test_the_readme_compiles(tmp_path: Path) -> None:
    (code,) = re.findall(r"```c\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    compiled(tmp_path, code, options=(*_INCLUDE, "-c"))


def test_firmware_of_tflm_on_a_cortex_m4() -> None:
    """Its dump, recorded under QEMU, is what the host computes, tensor by tensor."""
    prepared = prepare_model(MODEL)
    account = read_dump(FOLDER / "digits_cortex_m4.txt", prepared)
    assert re.fullmatch(r"TFLM \w+, CMSIS-NN of .+, Cortex-M4 under QEMU", account.version)
    assert account.samples == 2
    inputs = [array for array in account.inputs if array is not None]
    places = places_of(prepared)
    with open_side("host", MODEL) as side:
        seen = side.run(inputs, places)
    assert len({array.tobytes() for array in inputs[0]}) == 2
    assert set(account.tensors) == set(places)
    for place, told in account.tensors.items():
        assert same_bytes(told.values, seen.tensors[place]), place
    assert account.outputs[0] is not None
    assert same_bytes(account.outputs[0].values, seen.outputs[0])

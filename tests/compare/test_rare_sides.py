"""Small models whose other side tells odd things: damaged dumps, noise, checksums alone, floats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp import golden
from microinterp.compare import Account, Told, compare
from microinterp.compare.float_original import matched
from microinterp.compare.rows import largest
from microinterp.compare.sources import dump as dumping
from microinterp.compare.sources import read_dump, read_npz_account, write_dump
from microinterp.compare.sources.bundle import read_account
from microinterp.errors import InputError
from microinterp.golden_bundle import BundleReader, BundleWriter
from microinterp.graph import Graph, build
from microinterp.interpreter import prepare_model
from microinterp.model import load
from microinterp.model_builder import ModelBuilder
from microinterp.sides import places_of
from microinterp.sides.bytewise import crcs_of
from microinterp.sides.host import HostSide
from tests.bundles import change_bundle
from tests.compare.planting import Constant, Layer, Plant
from tests.flow_models import control_flow_model

X = np.array([[[4, 3, 2, 1]], [[9, -5, 0, 7]]], np.int8)


def relu_chain(outer: str = "NEG", dtype: str = "int8") -> bytes:
    """x [1, 4] -> RELU -> `outer`."""
    b = ModelBuilder()
    g = b.subgraph("main")
    numbers: dict[str, Any] = {} if dtype == "float32" else {"scale": 0.5, "zero_point": 0}
    x = g.input("x", (1, 4), dtype, **numbers)
    a, y = (g.tensor(name, (1, 4), dtype, **numbers) for name in ("a", "y"))
    g.op("RELU", [x], [a])
    g.op(outer, [a], [y])
    g.output(y)
    return b.finish()


MODEL = relu_chain("RELU6")


def account(model: bytes = MODEL, x: Any = X) -> Account:
    """What this package tells of the model, as another side's."""
    host = HostSide(model)
    seen = host.run([x], places_of(host.interpreter.prepared))
    tensors = {place: Told(array) for place, array in seen.tensors.items()}
    return Account("host", host.version, len(x), [x], [Told(a) for a in seen.outputs], tensors)


def dumped(folder: Path, told: Account) -> Path:
    path = folder / "a.txt"
    with path.open("w") as file:
        write_dump(file, prepare_model(MODEL, kernels="plain"), told, [X])
    return path


@pytest.mark.parametrize(
    ("line", "other", "words"),
    [
        ("input 0 int8 1,4", "input 1 int8 1,4", "the model has 1 inputs"),
        ("output 0 int8 1,4", "output 3 int8 1,4", "the model has 1 outputs"),
        ("input 0 int8 1,4", "input 0 int8 1,5", r"shape \[1, 5\], wanted \[1, 4\]"),
        ("input 0 int8 1,4", "input 0 int32 1,4", "type 'int32', wanted int8"),
        ("op 0 RELU tensor 1", "op 0 RELU tensor 2", "op 0 of the model does not write tensor 2"),
        ("op 0 RELU tensor 1", "op 0 NEG tensor 1", "op 0 is RELU, not NEG"),
        ("04030201", "0403020", "the bytes are not hexadecimal"),
        ("04030201", "040302", "3 bytes, wanted 4"),
    ],
)
def test_a_damaged_dump_is_refused_with_its_line(
    tmp_path: Path, line: str, other: str, words: str
) -> None:
    path = dumped(tmp_path, account())
    text = path.read_text()
    assert line in text
    number = 1 + next(i for i, each in enumerate(text.splitlines()) if line in each)
    path.write_text(text.replace(line, other, 1))
    with pytest.raises(InputError, match=words) as told:
        read_dump(path, prepare_model(MODEL, kernels="plain"))
    assert f"line {number}" in str(told.value)


def test_a_dump_without_end_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dumped(tmp_path, account())
    size = path.stat().st_size
    monkeypatch.setattr(dumping, "MAX_BYTES", size)
    read_dump(path, prepare_model(MODEL, kernels="plain"))
    monkeypatch.setattr(dumping, "MAX_BYTES", size - 1)
    with pytest.raises(InputError, match=f"it has more than {size - 1:,} bytes"):
        read_dump(path, prepare_model(MODEL, kernels="plain"))


def test_what_is_told_by_checksums_is_not_dumped(tmp_path: Path) -> None:
    told = account()
    place, values = next(iter(told.tensors.items()))
    assert values.values is not None
    sums = Told(crcs=crcs_of(values.values))
    path = dumped(tmp_path, replace(told, tensors={**told.tensors, place: sums}, outputs=[None]))
    read = read_dump(path, prepare_model(MODEL, kernels="plain"))
    assert read.tensors.keys() == told.tensors.keys() - {place}
    assert "output 0" not in path.read_text()


def test_inputs_that_differ_by_noise_are_evidence() -> None:
    other = X.copy()
    other[1, 0, 2] ^= 1
    told = replace(account(x=other), inputs=[other])
    result = compare(MODEL, told, [X])
    assert result.findings == ()
    assert any("in 1 of 2 samples: 1" in line for line in result.evidence)


def test_outputs_by_checksums_that_no_cause_explains() -> None:
    told = account()
    noise = np.array([[[1, 2, 3, 4]], [[4, 3, 2, 1]]], np.int8)
    sums = [Told(crcs=crcs_of(noise))]
    result = compare(MODEL, replace(told, tensors={}, outputs=sums, inputs=[None]), [X])
    assert not result.equal
    assert result.evidence == ("the CRC32 of output 0 differs",)
    fair = [Told(crcs=crcs_of(t.values)) for t in told.outputs if t and t.values is not None]
    assert compare(MODEL, replace(told, tensors={}, outputs=fair, inputs=[None]), [X]).equal


FLOATS = ((1, 4), "float32", None, None)


def added(activation: str) -> Layer:
    """2 x, with an activation fused."""
    return Layer(
        "MUL",
        FLOATS,
        FLOATS,
        (Constant(np.full((1, 4), 2, np.float32)),),
        options={"fused_activation_function": activation},
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "detail"),
    [
        ("RELU", "NONE", "no clamp"),
        ("NONE", "RELU6", "the clamp of RELU6"),
        ("RELU6", "RELU_N1_TO_1", "the clamp of RELU_N1_TO_1"),
    ],
)
def test_another_clamp_of_floats_is_named(ours: str, theirs: str, detail: str) -> None:
    x = np.array([[[-4, 0.25, 2, 9]]], np.float32)
    result = Plant([added(ours)], {0: added(theirs)}, x).compare()
    assert detail in [finding.detail for finding in result.findings]


def named(*ops: tuple[str, str]) -> Graph:
    """A chain of ops, each with its output's name."""
    b = ModelBuilder()
    g = b.subgraph("main")
    tensor = g.input("x", (4,), "float32")
    for op, name in ops:
        after = g.tensor(name, (4,), "float32")
        g.op(op, [tensor], [after])
        tensor = after
    g.output(tensor)
    return build(load(b.finish()))


def test_ops_are_matched_by_order_and_else_by_name() -> None:
    mine = named(("NEG", "a"), ("ABS", "b"), ("EXP", "c"))
    same = named(("NEG", "k"), ("ABS", "l"), ("EXP", "m"))
    assert [(a.index, b.index) for a, b in matched(mine, same)] == [(0, 0), (1, 1), (2, 2)]
    longer = named(("ABS", "b"), ("NEG", "a"), ("SQRT", "c"), ("EXP", "d"))
    assert [(a.index, b.index) for a, b in matched(mine, longer)] == [(0, 1), (1, 0)]


def test_the_largest_difference() -> None:
    none = np.zeros((0,), np.int8)
    assert largest(none, none) == 0.0
    assert largest(np.array([-128], np.int8), np.array([127], np.int8)) == 255
    assert largest(np.array([np.nan]), np.array([1.0])) == np.inf


def test_a_bundle_without_samples_is_no_side(tmp_path: Path) -> None:
    path, empty = tmp_path / "a.golden", tmp_path / "empty.golden"
    golden.record(MODEL, [X], path, tensors="bytes")
    with BundleReader(path) as reader, BundleWriter(empty, reader.header):
        header = reader.header
    graph = build(load(MODEL))
    with pytest.raises(InputError, match=r"empty\.golden' holds no samples"):
        read_account(empty, graph, 9)
    assert read_account(path, graph, 9).tensors.keys() == {(0, 0, 1), (0, 1, 2)}
    first, second = header.checks
    change_bundle(path, checks=(replace(first, op=9), second))  # an op that this model has not
    assert read_account(path, graph, 9).tensors.keys() == {(0, 1, 2)}
    change_bundle(path, checks=(first, replace(second, subgraph=1)))
    assert read_account(path, graph, 9).tensors.keys() == {(0, 0, 1)}


def test_wider_floats_are_rounded_to_the_tensor_s(tmp_path: Path) -> None:
    model = relu_chain("NEG", "float32")
    x = np.array([[[0.1, -2, 3, 4]]], np.float32)
    path = str(tmp_path / "a.npz")
    np.savez(path, y=-np.maximum(x, 0).astype(np.float64))
    told = read_npz_account(path, prepare_model(model, kernels="plain"))
    (output,) = told.outputs
    assert output is not None
    assert output.type_name == "float64"
    assert compare(model, told, [x]).equal


def test_numbers_of_tensors_and_ops_are_the_main_subgraph_s(tmp_path: Path) -> None:
    """The branch of an IF has an op 0 and tensors of the same numbers."""
    model = control_flow_model()
    prepared = prepare_model(model, kernels="plain")
    places = places_of(prepared)
    assert any(place[0] for place in places)
    main = next(place for place in places if place[0] == 0)
    tensor = prepared.graph.main.tensors[main[2]]
    path = str(tmp_path / "a.npz")
    np.savez(path, **{f"op_{main[1]}": np.zeros((2, *tensor.shape), tensor.dtype)})
    told = read_npz_account(path, prepared)
    assert list(told.tensors) == [main]
    beyond = max(place[1] for place in places if place[0] == 0) + 1
    np.savez(path, **{f"op_{beyond}": np.zeros(2)})
    with pytest.raises(InputError, match=f"nothing called 'op_{beyond}'"):
        read_npz_account(path, prepared)

"""What a check finds: every change, counted, and the first one placed by sample, op and element."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp import golden
from microinterp.errors import InputError
from microinterp.golden import CheckResult, Difference
from microinterp.golden_bundle import BundleTensor, BundleWriter, Check, read_bundle
from microinterp.inputs import random_samples
from microinterp.model_builder import ModelBuilder
from tests.bundles import change_bundle
from tests.cli import copying_model, sums_model
from tests.conftest import require_or_skip
from tests.digits import DIGITS
from tests.models import conv_model

INPUTS = (np.int8([[[4, 3, 3, 3]], [[10, 5, 0, 0]], [[3, 3, 3, 9]]]),)
DIGITS_MODEL = DIGITS / "digits_int8.tflite"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Outputs by hand: [[1, 1], [3, 5], [6, 0]]."""
    path = tmp_path / "a.golden"
    golden.record(sums_model(), INPUTS, path)
    return path


def chain_model(scales: tuple[float, float] = (0.5, 0.25), second: str = "RELU") -> bytes:
    """int8 [1, 8] -> QUANTIZE -> RELU -> QUANTIZE."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 8), "int8", scale=0.25, zero_point=0)
    a = g.tensor("a", (1, 8), "int8", scale=scales[0], zero_point=0)
    c = g.tensor("c", (1, 8), "int8", scale=scales[0], zero_point=0)
    y = g.tensor("y", (1, 8), "int8", scale=scales[1], zero_point=3)
    g.op("QUANTIZE", [x], [a])
    g.op(second, [a], [c])
    g.op("QUANTIZE", [c], [y])
    g.output(y)
    return b.finish()


def first_of(result: CheckResult) -> Difference:
    assert not result.equal
    assert result.first is not None
    return result.first


def test_outputs(path: Path) -> None:
    change_bundle(path, outputs=[(0, (1, 0, 1)), (0, (2, 0, 0)), (0, (2, 0, 1))])
    result = golden.check(sums_model(), path)
    assert (result.differing_samples, result.differing_elements) == (2, 3)
    assert result.differing_tensors == 0
    assert first_of(result) == Difference(
        sample=1,
        subgraph=None,
        op_index=None,
        op_name=None,
        tensor=2,
        tensor_name="y",
        output=0,
        element=(0, 1),
        wanted=4,
        got=5,
        differing=1,
        elements=2,
    )
    assert result.first_output == result.first


def test_the_first_difference_may_be_in_a_later_output(tmp_path: Path) -> None:
    model, path = copying_model((1, 2), count=2), tmp_path / "a"
    inputs = (np.int8([[[1, 2]], [[3, 4]]]), np.int8([[[5, 6]], [[7, 8]]]))
    golden.record(model, inputs, path)
    outputs = golden.load(path).outputs
    assert [output.tolist() for output in outputs] == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    change_bundle(path, outputs=[(0, (1, 0)), (1, (0, 1))])
    first = first_of(golden.check(model, path))
    assert (first.sample, first.output, first.element) == (0, 1, (1,))
    assert (first.wanted, first.got) == (7, 6)


def test_crcs(path: Path) -> None:
    change_bundle(path, crcs=[(2, 0)])
    result = golden.check(sums_model(), path)
    first = first_of(result)
    assert (first.sample, first.subgraph, first.op_index, first.op_name) == (
        2,
        0,
        0,
        "FULLY_CONNECTED",
    )
    assert (first.tensor, first.tensor_name, first.element, first.differing) == (2, "y", None, None)
    assert first.wanted_crc is not None
    assert first.got_crc == first.wanted_crc ^ 1
    assert result.first_output is None
    assert (result.differing_samples, result.differing_tensors, result.differing_elements) == (
        1,
        1,
        0,
    )


@pytest.mark.parametrize("tensors", ["crc", "bytes"])
def test_every_op_of_a_real_model_is_named(tmp_path: Path, tensors: str) -> None:
    data = DIGITS_MODEL.read_bytes()
    ops = golden.sound_graph(data).main.nodes
    inputs = random_samples(golden.sound_graph(data).main.inputs, 4, 5)
    for number, node in enumerate(ops):
        path = tmp_path / str(number)
        golden.record(data, inputs, path, tensors=tensors)
        if tensors == "crc":
            change_bundle(path, crcs=sorted({(3, number), (3, 9)}))
        else:
            place = (3, *(0 for _ in node.outputs[0].shape))
            change_bundle(path, tensors=[(number, place), (9, (3, 0, 2))])
        result = golden.check(data, path)
        first = first_of(result)
        assert (first.sample, first.op_index, first.op_name) == (3, number, node.name)
        assert (result.differing_samples, result.differing_tensors) == (1, 1 + (number != 9))
        if tensors == "bytes":
            assert first.element == (0,) * len(node.outputs[0].shape)
            assert first.differing == (1 if number != 9 else 2)
            assert isinstance(first.wanted, int)
            assert first.got == first.wanted ^ 1


def test_all_elements_that_differ_are_counted_and_eight_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a"
    x = (np.int8([[range(8)], [range(8, 16)]]),)
    golden.record(chain_model(), x, path, tensors="bytes")
    golden.record(chain_model(), x, path, append=True, tensors="bytes")
    other = chain_model(scales=(0.125, 0.25))
    result = golden.check(other, path, any_model=True)
    first = first_of(result)
    assert (first.sample, first.op_index, first.tensor_name) == (0, 0, "a")
    assert (first.differing, first.elements) == (7, 8)  # of 0, 1, ... only 0 stays what it is
    assert (first.element, first.wanted, first.got) == ((0, 1), 1, 2)  # 0.5 rounds up
    assert [(at, got) for at, _, got in first.more] == [((0, i), 2 * i) for i in range(2, 8)]
    assert result.differing_samples == 4
    assert not result.model_matches


def test_another_model_is_not_run(path: Path) -> None:
    result = golden.check(sums_model(((1, 1, 1, 1), (1, -1, 0, 1))), path)
    assert (result.equal, result.model_matches, result.compared_bytes) == (False, False, 0)
    assert (result.version, result.samples) == ("", 3)


def test_another_model_may_be_run(path: Path) -> None:
    """One weight changed: x0 - x1 + (x3 - 3) is another where x3 is not 3."""
    other = sums_model(((1, 1, 1, 1), (1, -1, 0, 1)))
    result = golden.check(other, path, any_model=True)
    assert not result.model_matches
    assert result.changed_op is None
    first = first_of(result)
    assert (first.op_name, result.differing_elements) == ("FULLY_CONNECTED", 2)
    assert (first.sample, result.differing_samples) == (1, 2)
    renamed = golden.check(sums_model(name="z"), path, any_model=True)
    assert (renamed.equal, renamed.model_matches) == (True, False)


def test_a_changed_op_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a"
    x = (np.random.default_rng(1).integers(-128, 128, (9, 1, 8)).astype(np.int8),)
    golden.record(chain_model(), x, path)
    result = golden.check(chain_model(second="ABS"), path, any_model=True)
    assert result.changed_op == (
        "op 1 RELU, tensor 2 int8[1, 8] in the bundle is op 1 ABS, tensor 2 int8[1, 8] here"
    )
    first = first_of(result)
    assert (first.op_index, first.op_name) == (2, "QUANTIZE")  # the op behind it is the first
    assert result.compared_crcs == 2 * 9 < result.recorded_crcs


def test_a_bundle_without_samples_is_no_success(path: Path) -> None:
    header = read_bundle(path).header
    with BundleWriter(path, header):
        pass
    with pytest.raises(InputError, match="has no samples"):
        golden.check(sums_model(), path)


def test_another_model_with_other_ends_is_refused(path: Path) -> None:
    with pytest.raises(InputError, match="inputs do not have the model's shapes") as caught:
        golden.check(conv_model(), path, any_model=True)
    assert "int8[1, 4], the model has int8[1, 4, 4, 1]" in caught.value.message
    assert caught.value.hint == "record a new bundle"


def test_a_bundle_whose_header_lies_is_damaged(path: Path) -> None:
    y = BundleTensor("y", 2, 9, (2, 1), 2)
    golden_outputs = golden.load(path).outputs
    assert golden_outputs[0].shape == (3, 1, 2)
    change_header(path, outputs=(y,))
    with pytest.raises(InputError, match="outputs do not have the model's shapes and types") as e:
        golden.check(sums_model(), path)
    assert "damaged" in e.value.hint


def change_header(path: Path, **fields: Any) -> None:
    bundle = read_bundle(path)
    header = replace(bundle.header, **fields)
    outputs = [
        array.reshape(-1, *tensor.shape)
        for array, tensor in zip(bundle.outputs, header.outputs, strict=True)
    ]
    with BundleWriter(path, header) as writer:
        writer.add(bundle.inputs, outputs, bundle.crcs)


def test_checks_of_ops_that_are_not_there(path: Path) -> None:
    change_header(path, checks=(Check(7, 3, "CONV_2D", 99, 9, (1, 2), 2),))
    with pytest.raises(InputError, match="of this model, yet subgraph 7 op 3 CONV_2D, tensor 99"):
        golden.check(sums_model(), path)
    result = golden.check(sums_model(name="z"), path, any_model=True)
    assert (result.equal, result.compared_crcs, result.recorded_crcs) == (True, 0, 3)
    assert result.changed_op is not None
    assert "is not there" in result.changed_op


@pytest.mark.parametrize(
    ("runtime", "op"),
    [("litert", "CONV_2D"), ("litert-ref", None), ("litert-noxnn", "FULLY_CONNECTED")],
)
def test_litert(tmp_path: Path, runtime: str, op: str | None) -> None:
    """It repeats itself; the chip's numbers part from it where the rounding is another."""
    if find_spec("ai_edge_litert") is None:
        require_or_skip("LiteRT", "pip install ai-edge-litert (Linux x86-64)")
    data, path = DIGITS_MODEL.read_bytes(), tmp_path / "a"
    inputs = random_samples(golden.sound_graph(data).main.inputs, 20, 2)
    made = golden.record(data, inputs, path, runtime=runtime, tensors="bytes")
    assert (made.runtime, made.profile) == (runtime, "tflm")
    assert made.version.startswith("ai-edge-litert ")
    again = golden.check(data, path, runtime)
    assert again.equal
    assert again.compared_crcs > 0
    if op is None:
        assert golden.check(data, path).equal
        return
    first = first_of(golden.check(data, path))
    assert first.op_name == op
    assert isinstance(first.wanted, int)
    assert isinstance(first.got, int)
    assert abs(first.wanted - first.got) == 1


def test_a_flipped_weight_is_found_and_placed(tmp_path: Path) -> None:
    """A byte of the model file: the first op that it reaches is named."""
    data = bytearray(DIGITS_MODEL.read_bytes())
    path = tmp_path / "a"
    graph = golden.sound_graph(bytes(data))
    golden.record(bytes(data), random_samples(graph.main.inputs, 3, 2), path)
    for number in (0, 2, 5, 8):
        node = graph.main.nodes[number]
        weights = node.inputs[1]
        assert weights is not None
        assert weights.data is not None
        start = bytes(data).index(weights.data.tobytes())
        changed = bytearray(data)
        changed[start + weights.nbytes // 2] ^= 0x40
        assert not golden.check(bytes(changed), path).model_matches
        first = first_of(golden.check(bytes(changed), path, any_model=True))
        assert (first.sample, first.op_index, first.op_name) == (0, number, node.name)

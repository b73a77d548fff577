"""Golden bundles: what is kept, what a check finds, which files are refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import microinterp
from microinterp import golden
from microinterp.errors import InputError, ModelError, UnsupportedError
from microinterp.golden_bundle import BundleWriter, describe
from microinterp.graph import build
from microinterp.model import load
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import TflmRuntime
from tests.cli import copying_model, sums_model
from tests.models import conv_model

INPUTS = (np.int8([[[4, 3, 3, 3]], [[10, 5, 0, 0]], [[3, 3, 3, 9]]]),)


def recorded() -> golden.Golden:
    """Outputs by hand: [sum of all - 12, x0 - x1]."""
    return golden.record(sums_model(), INPUTS)


def with_output(change: dict[tuple[int, ...], Any]) -> golden.Golden:
    bundle = recorded()
    output = bundle.outputs[0].copy()
    for place, value in change.items():
        output[place] = value
    return replace(bundle, outputs=(output,))


def test_record() -> None:
    bundle = recorded()
    assert bundle.outputs[0].tolist() == [[[1, 1]], [[3, 5]], [[6, 0]]]
    assert bundle.header == golden.Header(
        format="microinterp golden 1",
        model_sha256=hashlib.sha256(sums_model()).hexdigest(),
        profile="tflm",
        runtime="host",
        version=microinterp.__version__,
        samples=3,
    )


def test_check_of_what_was_recorded() -> None:
    result = golden.check(recorded(), sums_model())
    assert result == golden.CheckResult(
        equal=True,
        model_matches=True,
        runtime="host",
        version=microinterp.__version__,
        samples=3,
        compared_bytes=6,
    )


def test_differences_are_counted_and_the_first_is_placed() -> None:
    result = golden.check(with_output({(1, 0, 1): 7, (2, 0, 0): 0, (2, 0, 1): 1}), sums_model())
    assert not result.equal
    assert (result.differing_samples, result.differing_elements) == (2, 3)
    assert result.first == golden.Difference(sample=1, output=0, element=(0, 1), wanted=7, got=5)


def test_the_first_difference_may_be_in_a_later_output() -> None:
    model = copying_model((1, 2), count=2)
    inputs = (np.int8([[[1, 2]], [[3, 4]]]), np.int8([[[5, 6]], [[7, 8]]]))
    bundle = golden.record(model, inputs)
    assert [output.tolist() for output in bundle.outputs] == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    second = bundle.outputs[1].copy()
    second[0, 1] = -6
    first = bundle.outputs[0].copy()
    first[1, 0] = -3
    result = golden.check(replace(bundle, outputs=(first, second)), model)
    assert result.first == golden.Difference(0, 1, (1,), -6, 6)


def test_floats_are_compared_by_their_bytes() -> None:
    model = copying_model((1, 2), "float32", None, None)
    bundle = golden.record(model, (np.float32([[[0.0, np.nan]]]),))
    assert golden.check(bundle, model).equal
    negative = replace(bundle, outputs=(np.float32([[-0.0, np.nan]]),))
    result = golden.check(negative, model)
    assert result.differing_elements == 1
    assert result.first is not None
    assert result.first.element == (0,)


def test_another_model_is_not_run() -> None:
    result = golden.check(recorded(), sums_model(((1, 1, 1, 1), (1, -1, 0, 1))))
    assert (result.equal, result.model_matches, result.compared_bytes) == (False, False, 0)


def test_more_samples_than_a_chunk_and_progress() -> None:
    inputs = (np.random.default_rng(4).integers(-20, 20, (150, 1, 4)).astype(np.int8),)
    told: list[int] = []
    bundle = golden.record(sums_model(), inputs, progress=told.append)
    assert told[-1] == 150
    assert len(told) > 1
    x = inputs[0].astype(int)[:, 0]
    assert bundle.outputs[0][:, 0, 1].tolist() == (x[:, 0] - x[:, 1]).clip(-128, 127).tolist()


def counting_model() -> bytes:
    """A variable that grows by the input at each invoke; the output is its new value."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 2), "int8", scale=1.0, zero_point=0)
    handle = g.tensor("handle", (1,), "resource")
    old = g.tensor("old", (1, 2), "int8", scale=1.0, zero_point=0)
    new = g.tensor("new", (1, 2), "int8", scale=1.0, zero_point=0)
    g.op("VAR_HANDLE", [], [handle], shared_name="count")
    g.op("READ_VARIABLE", [handle], [old])
    g.op("ADD", [old, x], [new])
    g.op("ASSIGN_VARIABLE", [handle, new], [])
    g.output(new)
    return b.finish()


def test_state_goes_on_from_sample_to_sample() -> None:
    inputs = (np.ones((100, 1, 2), np.int8),)
    bundle = golden.record(counting_model(), inputs)
    assert bundle.outputs[0][:, 0, 0].tolist() == list(range(1, 101))
    assert golden.check(bundle, counting_model()).equal


def test_tflm_and_host_check_each_other(tflm: TflmRuntime) -> None:
    inputs = (np.random.default_rng(4).integers(-128, 128, (5, 1, 4, 4, 1)).astype(np.int8),)
    by_tflm = golden.record(conv_model(), inputs, "tflm")
    assert by_tflm.header.runtime == "tflm"
    assert by_tflm.header.version.startswith("0.dev")
    assert golden.check(by_tflm, conv_model(), "host").equal
    by_host = golden.record(conv_model(), inputs)
    assert golden.check(by_host, conv_model(), "tflm").equal
    assert len(np.unique(by_tflm.outputs[0])) > 20
    counted = golden.record(counting_model(), (np.ones((4, 1, 2), np.int8),), "tflm")
    assert counted.outputs[0][:, 0, 0].tolist() == [1, 2, 3, 4]


def test_profile_of_the_bundle_is_used() -> None:
    bundle = golden.record(sums_model(), INPUTS, profile="single")
    assert bundle.header.profile == "single"
    assert golden.check(bundle, sums_model()).equal
    with pytest.raises(UnsupportedError, match="profile tflm, not single"):
        golden.check(bundle, sums_model(), "tflm")


def test_bad_arguments() -> None:
    with pytest.raises(UnsupportedError, match="no runtime 'fly'"):
        golden.record(sums_model(), INPUTS, "fly")
    for wrong in (
        (),
        (np.zeros((3, 1, 5), np.int8),),
        (np.zeros((3, 1, 4), np.int16),),
        (np.int8(0),),
        INPUTS * 2,
    ):
        for runtime in golden.RUNTIMES:
            with pytest.raises(InputError):
                golden.record(sums_model(), wrong, runtime)
    with pytest.raises(InputError):
        golden.record(
            copying_model((1, 2), count=2),
            (np.zeros((2, 1, 2), np.int8), np.zeros((3, 1, 2), np.int8)),
        )
    with pytest.raises(ModelError):
        golden.record(b"garbage", INPUTS)


def test_sound_graph_takes_models_that_lack_operators() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 4), "int8", scale=0.5, zero_point=0)
    y = g.tensor("y", (1, 4), "int8", scale=0.5, zero_point=0)
    g.op("TILE", [x], [y])
    g.output(y)
    assert golden.sound_graph(b.finish()).main.inputs[0].name == "x"
    with pytest.raises(ModelError):
        golden.sound_graph(sums_model()[:-100])


class TestFiles:
    def saved(self, folder: Path, **changes: Any) -> Path:
        """A bundle's file with some arrays exchanged; None leaves one out."""
        path = folder / "g.npz"
        golden.save(recorded(), path)
        with np.load(path) as loaded:
            arrays = {name: loaded[name] for name in loaded.files}
        arrays |= changes
        np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
        return path

    def header(self, **changes: Any) -> Any:
        values = asdict(recorded().header) | changes
        return np.frombuffer(
            json.dumps({k: v for k, v in values.items() if v != "gone"}).encode(), np.uint8
        )

    def test_round_trip(self, tmp_path: Path) -> None:
        bundle = recorded()
        golden.save(bundle, tmp_path / "a.npz")
        golden.save(bundle, tmp_path / "b.npz")
        assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
        again = golden.load(tmp_path / "a.npz")
        assert again.header == bundle.header
        assert again.inputs[0].tobytes() == bundle.inputs[0].tobytes()
        assert again.outputs[0].tobytes() == bundle.outputs[0].tobytes()
        assert golden.load(self.saved(tmp_path)).header == bundle.header

    def test_damaged(self, tmp_path: Path) -> None:
        path = self.saved(tmp_path)
        sound = path.read_bytes()
        for data in (b"", b"PK", sound[: len(sound) // 2], sound[:-1]):
            path.write_bytes(data)
            with pytest.raises(InputError, match="cannot read"):
                golden.load(path)

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"header": None}, "no golden bundle"),
            ({"header": np.zeros(3)}, "no golden bundle"),
            ({"header": np.frombuffer(b"{", np.uint8)}, "header is damaged"),
            ({"header": np.frombuffer(b"[" * 100_000, np.uint8)}, "header is damaged"),
            ({"header": np.frombuffer(b"\xff\xfe", np.uint8)}, "header is damaged"),
            ({"header": np.frombuffer(b"[]", np.uint8)}, "does not say"),
            ({"output_0": None}, "output_0"),
            ({"output_2": np.zeros((3, 1))}, "alone"),
            ({"more": np.zeros((3, 1))}, "alone"),
            ({"input_0": np.zeros((2, 1, 4), np.int8)}, "not every array has 3 samples"),
            ({"output_0": np.int8(3)}, "not every array has 3 samples"),
        ],
    )
    def test_wrong_arrays(self, tmp_path: Path, changes: dict[str, Any], match: str) -> None:
        with pytest.raises(InputError, match=match):
            golden.load(self.saved(tmp_path, **changes))

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"format": "microinterp golden 99"}, "does not say 'microinterp golden 1'"),
            ({"samples": "3"}, "wrong type"),
            ({"samples": True}, "wrong type"),
            ({"seed": 1.5}, "wrong type"),
            ({"runtime": "gone"}, "lacks a field"),
            ({"extra": 1}, "lacks a field"),
            ({"samples": -1}, "not every array has -1 samples"),
        ],
    )
    def test_wrong_headers(self, tmp_path: Path, changes: dict[str, Any], match: str) -> None:
        with pytest.raises(InputError, match=match):
            golden.load(self.saved(tmp_path, header=self.header(**changes)))

    def test_outputs_of_another_shape_are_damage(self, tmp_path: Path) -> None:
        bundle = golden.load(self.saved(tmp_path, output_0=np.zeros((3, 1, 3), np.int8)))
        with pytest.raises(InputError, match="shapes and types"):
            golden.check(bundle, sums_model())
        bundle = golden.load(
            self.saved(
                tmp_path,
                header=self.header(samples=0),
                input_0=np.zeros((0, 1, 4), np.int8),
                output_0=np.zeros((0, 1, 2), np.int8),
            )
        )
        with pytest.raises(InputError):
            golden.check(bundle, sums_model())

    def test_no_place_to_write(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot write"):
            golden.save(recorded(), tmp_path)


def test_a_stream_bundle_is_checked_like_an_npz(tmp_path: Path) -> None:
    bundle, model = recorded(), sums_model()
    path = tmp_path / "bundle.golden"
    header = describe(build(load(model)), "tflm", "host", "1.2.3", seed=4)
    with BundleWriter(path, header) as writer:
        writer.add(bundle.inputs, bundle.outputs)
    read = golden.load(path)
    assert (read.header.version, read.header.samples, read.header.seed) == ("1.2.3", 3, 4)
    assert golden.check(read, model).equal
    assert not golden.check(read, conv_model()).model_matches
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError):
        golden.load(path)

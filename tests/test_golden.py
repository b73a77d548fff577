"""Golden bundles: what is recorded, and that a check by any runtime finds it again."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import microinterp
from microinterp import golden
from microinterp.errors import InputError, ModelError, UnsupportedError
from microinterp.golden_bundle import BundleReader, read_bundle
from microinterp.inputs import random_samples
from microinterp.model_builder import ModelBuilder
from microinterp.registry import Registry
from microinterp.runtimes.tflm import TflmRuntime
from tests.bundles import change_bundle
from tests.cli import copying_model, sums_model
from tests.flow_models import control_flow_model, decode_model
from tests.models import conv_model
from tests.test_wakewords import wakeword

INPUTS = (np.int8([[[4, 3, 3, 3]], [[10, 5, 0, 0]], [[3, 3, 3, 9]]]),)
VERSION = f"microinterp {microinterp.__version__}, profile tflm"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.golden"


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


def ticking_model() -> bytes:
    """The same without inputs: it counts by ones."""
    b = ModelBuilder()
    g = b.subgraph("main")
    one = g.constant("one", np.ones((1, 2), np.int8), scale=1.0, zero_point=0)
    handle = g.tensor("handle", (1,), "resource")
    old = g.tensor("old", (1, 2), "int8", scale=1.0, zero_point=0)
    new = g.tensor("new", (1, 2), "int8", scale=1.0, zero_point=0)
    g.op("VAR_HANDLE", [], [handle], shared_name="count")
    g.op("READ_VARIABLE", [handle], [old])
    g.op("ADD", [old, one], [new])
    g.op("ASSIGN_VARIABLE", [handle, new], [])
    g.output(new)
    return b.finish()


def test_record(path: Path) -> None:
    """Outputs by hand: [sum of all - 12, x0 - x1]."""
    made = golden.record(sums_model(), INPUTS, path, seed=-3)
    sha256 = hashlib.sha256(sums_model()).hexdigest()
    assert made == golden.Recorded(
        path=str(path),
        model_sha256=sha256,
        profile="tflm",
        runtime="host",
        version=VERSION,
        samples=3,
        total_samples=3,
        output_bytes=6,
        tensors="crc",
        checks=1,
        seed=-3,
    )
    loaded = golden.load(path)
    assert loaded.header == golden.Header(sha256, "tflm", "host", VERSION, 3, -3)
    assert loaded.outputs[0].tolist() == [[[1, 1]], [[3, 5]], [[6, 0]]]
    assert loaded.inputs[0].tobytes() == INPUTS[0].tobytes()


def test_the_header_says_what_wrote_it(path: Path) -> None:
    golden.record(sums_model(), INPUTS, path)
    with BundleReader(path) as reader:
        assert reader.header.tool == (
            f"microinterp {microinterp.__version__}, numpy {np.__version__}, "
            f"python {platform.python_version()}"
        )


@pytest.mark.parametrize("tensors", golden.TENSORS)
def test_kinds_of_tensors(path: Path, tensors: str) -> None:
    inputs = random_samples(golden.sound_graph(conv_model()).main.inputs, 5, 1)
    made = golden.record(conv_model(), inputs, path, tensors=tensors)
    bundle = read_bundle(path)
    assert made.checks == len(bundle.header.checks) == (0 if tensors == "none" else 1)
    assert len(bundle.tensors) == (tensors == "bytes")
    if tensors == "bytes":
        assert bundle.tensors[0].tobytes() == bundle.outputs[0].tobytes()
    result = golden.check(conv_model(), path)
    assert result.equal
    assert result.compared_crcs == result.recorded_crcs == 5 * made.checks
    size = bundle.outputs[0].nbytes
    assert result.compared_tensor_bytes == (size if tensors == "bytes" else 0)
    assert len(np.unique(bundle.outputs[0])) > 20


def test_check_of_what_was_recorded(path: Path) -> None:
    golden.record(sums_model(), INPUTS, path)
    assert golden.check(sums_model(), path) == golden.CheckResult(
        equal=True,
        model_matches=True,
        runtime="host",
        version=VERSION,
        samples=3,
        compared_bytes=6,
        compared_crcs=3,
        recorded_crcs=3,
    )


def test_inputs_may_come_in_any_pieces(tmp_path: Path) -> None:
    x = np.random.default_rng(4).integers(-20, 20, (700, 1, 4)).astype(np.int8)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")

    def pieces() -> Iterator[tuple[Any, ...]]:
        for low in range(0, 700, 9):
            yield (x[low : low + 9],)
            yield (x[:0],)

    files = []
    for number, inputs in enumerate(((x,), (mapped,), pieces(), [(x[:1],), (x[1:],)])):
        told: list[int] = []
        path = tmp_path / str(number)
        assert golden.record(sums_model(), inputs, path, progress=told.append).samples == 700
        assert told == sorted(told)
        assert told[-1] == 700
        assert len(told) > 1
        files.append(path.read_bytes())
    assert len(set(files)) == 1
    wide = x.astype(int)[:, 0]
    wanted = (wide[:, 0] - wide[:, 1]).clip(-128, 127)
    assert golden.load(tmp_path / "0").outputs[0][:, 0, 1].tolist() == wanted.tolist()
    told = []
    assert golden.check(sums_model(), tmp_path / "0", progress=told.append).equal
    assert told[-1] == 700
    assert len(told) > 1


def test_state_goes_on_from_sample_to_sample(path: Path) -> None:
    golden.record(counting_model(), (np.ones((100, 1, 2), np.int8),), path)
    assert golden.load(path).outputs[0][:, 0, 0].tolist() == list(range(1, 101))
    assert golden.check(counting_model(), path).equal


@pytest.mark.parametrize("model", [sums_model, counting_model])
def test_what_is_appended_is_as_if_recorded_at_once(path: Path, tmp_path: Path, model: Any) -> None:
    """Also of a model with state, which goes on where the bundle ends."""
    tensors = golden.sound_graph(model()).main.inputs
    (x,) = random_samples(tensors, 50, 3)
    golden.record(model(), (x[:20],), path)
    made = golden.record(model(), (x[20:],), path, append=True)
    assert (made.samples, made.total_samples) == (30, 50)
    golden.record(model(), (x,), tmp_path / "whole")
    assert (
        golden.load(path).outputs[0].tobytes()
        == golden.load(tmp_path / "whole").outputs[0].tobytes()
    )
    assert golden.check(model(), path).equal


def test_appending_to_a_bundle_of_another_kind(path: Path) -> None:
    golden.record(sums_model(), INPUTS, path)
    before = path.read_bytes()
    for options in ({"tensors": "none"}, {"tensors": "bytes"}, {"profile": "single"}):
        with pytest.raises(InputError, match="it has another"):
            golden.record(sums_model(), INPUTS, path, append=True, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="it has another model"):
        golden.record(sums_model(((1, 1, 1, 1), (2, 2, 2, 2))), INPUTS, path, append=True)
    with pytest.raises(InputError, match="cannot read"):
        golden.record(sums_model(), INPUTS, path.with_name("none"), append=True)
    assert path.read_bytes() == before


def test_a_model_without_inputs(path: Path) -> None:
    assert golden.record(ticking_model(), (), path).samples == 1
    golden.record(ticking_model(), [(), ()], path, append=True)
    assert golden.load(path).outputs[0][:, 0, 0].tolist() == [1, 2, 3]
    assert golden.check(ticking_model(), path).equal
    assert list(golden.stored_inputs(path)) == [(), (), ()]


def test_a_model_without_inputs_in_the_wheel(path: Path, tflm: TflmRuntime) -> None:
    golden.record(ticking_model(), [(), (), ()], path, runtime="tflm")
    assert golden.load(path).outputs[0][:, 0, 0].tolist() == [1, 2, 3]
    assert golden.check(ticking_model(), path, "tflm").equal
    assert golden.check(ticking_model(), path).equal


def test_stored_inputs_record_the_bundle_anew(path: Path) -> None:
    golden.record(sums_model(), INPUTS, path, runtime="host")
    before = path.read_bytes()
    golden.record(sums_model(), golden.stored_inputs(path), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_floats_are_compared_by_their_bytes(path: Path) -> None:
    model = copying_model((1, 2), "float32", None, None)
    golden.record(model, (np.float32([[[0.0, np.nan]]]),), path)
    assert golden.check(model, path).equal
    change_bundle(path, outputs=[(0, (0, 1))])  # another NaN
    result = golden.check(model, path)
    assert result.differing_elements == 1
    assert result.first is not None
    assert result.first.element == (1,)


def test_tflm_and_host_check_each_other(path: Path, tflm: TflmRuntime) -> None:
    inputs = (np.random.default_rng(4).integers(-128, 128, (5, 1, 4, 4, 1)).astype(np.int8),)
    by_tflm = golden.record(conv_model(), inputs, path, runtime="tflm")
    assert by_tflm.runtime == "tflm"
    assert by_tflm.version.startswith("tflite-micro 0.dev")
    for runtime in ("host", "tflm"):
        result = golden.check(conv_model(), path, runtime)
        assert (result.equal, result.compared_crcs) == (True, 5)
    golden.record(conv_model(), inputs, path)
    assert golden.check(conv_model(), path, "tflm").compared_crcs == 5
    assert len(np.unique(golden.load(path).outputs[0])) > 20
    golden.record(counting_model(), (np.ones((4, 1, 2), np.int8),), path, runtime="tflm")
    assert golden.load(path).outputs[0][:, 0, 0].tolist() == [1, 2, 3, 4]
    change_bundle(path, crcs=[(2, 1)])
    first = golden.check(counting_model(), path, "tflm").first
    assert first is not None
    assert (first.sample, first.op_index, first.op_name) == (2, 2, "ADD")


@pytest.mark.parametrize("model", [control_flow_model, decode_model, lambda: wakeword("okay_nabu")])
def test_ops_that_may_not_have_run(path: Path, model: Any, tflm: TflmRuntime) -> None:
    """Whatever is run at a time, and by whom: what no op has written is not compared."""
    data = model()
    x = random_samples(golden.sound_graph(data).main.inputs, 40, 1)
    golden.record(data, ([a[i : i + 7] for a in x] for i in range(0, 40, 7)), path)
    golden.record(data, x, path, append=True)
    whole = golden.check(data, path)
    assert whole.equal
    assert whole.compared_crcs == whole.recorded_crcs > 80
    by_tflm = golden.check(data, path, "tflm")
    assert by_tflm.equal
    assert 0 < by_tflm.compared_crcs <= whole.compared_crcs
    golden.record(data, x, path, runtime="tflm", tensors="bytes")
    assert golden.check(data, path).compared_tensor_bytes > 0
    assert golden.check(data, path).equal
    assert golden.check(data, path, "tflm").equal


def test_profile_of_the_bundle_is_used(path: Path) -> None:
    golden.record(sums_model(), INPUTS, path, profile="single")
    assert golden.check(sums_model(), path).profile == "single"
    assert golden.check(sums_model(), path, profile="tflm").profile == "tflm"
    with pytest.raises(UnsupportedError, match="profile tflm, not single"):
        golden.check(sums_model(), path, "tflm")


def test_a_registry_of_the_callers(path: Path) -> None:
    with pytest.raises(UnsupportedError):
        golden.record(sums_model(), INPUTS, path, registry=Registry([]))


def test_bad_arguments(path: Path) -> None:
    with pytest.raises(InputError, match="no runtime 'fly'"):
        golden.record(sums_model(), INPUTS, path, runtime="fly")
    with pytest.raises(InputError, match="wanted crc, bytes, none"):
        golden.record(sums_model(), INPUTS, path, tensors="all")
    for wrong in (
        (),
        [()],
        (np.zeros((3, 1, 5), np.int8),),
        (np.zeros((3, 1, 4), np.int16),),
        (np.int8(0),),
        INPUTS * 2,
        [INPUTS, (np.zeros((3, 1, 5), np.int8),)],
        (np.zeros((0, 1, 4), np.int8),),
        iter(()),
    ):
        with pytest.raises(InputError):
            golden.record(sums_model(), wrong, path)
    with pytest.raises(InputError):
        golden.record(
            copying_model((1, 2), count=2),
            (np.zeros((2, 1, 2), np.int8), np.zeros((3, 1, 2), np.int8)),
            path,
        )
    with pytest.raises(ModelError):
        golden.record(b"garbage", INPUTS, path)
    with pytest.raises(InputError, match="cannot write"):
        golden.record(sums_model(), INPUTS, path.parent)
    with pytest.raises(InputError, match="cannot write"):
        golden.record(sums_model(), INPUTS, path / "no" / "folder")
    assert list(path.parent.iterdir()) == []


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

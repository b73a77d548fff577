"""Golden bundles and float originals as the other side."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from microinterp.compare import Comparison
from microinterp.compare.float_original import compare_with_original
from microinterp.inputs import random_samples
from microinterp.interpreter import prepare_model
from tests.bundles import change_bundle
from tests.cli import call, good, good_json, refused, stored
from tests.compare.nets import DEPTHWISE, picture_net
from tests.compare.planting import chain
from tests.conftest import shared_model

NET = picture_net()
MODEL = chain(NET)


def recorded(folder: Path, model: bytes, tensors: str, samples: int = 4) -> tuple[Path, Path]:
    """A model's file, and its bundle."""
    path, bundle = stored(folder, model), folder / "x.golden"
    good("golden", "record", path, "--samples", samples, "--tensors", tensors, "-o", bundle)
    return path, bundle


@pytest.mark.parametrize("tensors", ["crc", "bytes", "none"])
def test_a_bundle_of_the_model_is_equal(tmp_path: Path, tensors: str) -> None:
    model, bundle = recorded(tmp_path, MODEL, tensors)
    found = good_json("compare", model, "--with", bundle)
    assert found["equal"]
    assert found["samples"] == 4
    told = {"crc": "crc", "bytes": "values", "none": "no"}[tensors]
    assert {row["told"] for row in found["ops"]} == {told}


@pytest.mark.parametrize("tensors", ["crc", "bytes", "none"])
def test_a_bundle_of_a_model_with_a_mistake(tmp_path: Path, tensors: str) -> None:
    """Recorded from the other file: the cause is in this op; that the file is another is said."""
    faulty = NET[DEPTHWISE].with_options(fused_activation_function="RELU")
    others = [*NET[:DEPTHWISE], faulty, *NET[DEPTHWISE + 1 :]]
    _, bundle = recorded(tmp_path, chain(others), tensors)
    model = stored(tmp_path, MODEL, "sound.tflite")
    result = call("compare", model, "--with", bundle, "--json")
    assert result.exit_code == 1
    assert "[activation-clamp]" in result.stdout
    assert "recorded from another file" in result.stdout
    if tensors != "none":
        assert '"index": 1,' in result.stdout


def test_a_flipped_checksum_is_placed(tmp_path: Path) -> None:
    model, bundle = recorded(tmp_path, MODEL, "crc")
    change_bundle(bundle, crcs=[(2, 3)])
    result = call("compare", model, "--with", bundle, "--json")
    assert result.exit_code == 1
    assert '"name": "FULLY_CONNECTED"' in result.stdout.split('"cause"')[0]
    assert "the CRC32 differs in 1 samples, first in sample 2" in result.stdout


def test_samples_of_a_bundle_are_limited(tmp_path: Path) -> None:
    model, bundle = recorded(tmp_path, MODEL, "bytes", 15)
    assert good_json("compare", model, "--with", bundle)["samples"] == 10
    assert good_json("compare", model, "--with", bundle, "--samples", 15)["samples"] == 15
    assert good_json("compare", model, "--with", bundle, "--samples", 3)["samples"] == 3


def test_bundles_of_another_model_and_damaged_ones(tmp_path: Path) -> None:
    model, bundle = recorded(tmp_path, MODEL, "crc")
    (tmp_path / "b").mkdir()
    other, _ = recorded(tmp_path / "b", chain(NET[2:]), "crc")
    assert "is of another model" in refused("compare", other, "--with", bundle)
    data = bundle.read_bytes()
    for end in (8, 20, len(data) // 2, len(data) - 1):
        bundle.write_bytes(data[:end])
        refused("compare", model, "--with", bundle)
    for at in range(0, len(data), 37):
        damaged = bytearray(data)
        damaged[at] ^= 0x41
        bundle.write_bytes(bytes(damaged))
        assert call("compare", model, "--with", bundle).exit_code in (1, 2)


def check_norms(result: Comparison, ours: np.ndarray, real: np.ndarray) -> None:
    """The definitions once more, in plain sums."""
    (row,) = result.outputs
    a, b = real.reshape(-1).astype(float).tolist(), ours.reshape(-1).tolist()
    errors = [q - p for p, q in zip(a, b, strict=True)]
    n = len(errors)
    mean = math.fsum(errors) / n
    squares = math.fsum(e * e for e in errors)
    centre = math.fsum(a) / n
    expected = {
        "rmse": math.sqrt(squares / n),
        "mae": math.fsum(map(abs, errors)) / n,
        "l2r": math.sqrt(squares / math.fsum(p * p for p in a)),
        "mean": mean,
        "std": math.sqrt(math.fsum((e - mean) ** 2 for e in errors) / n),
        "nse": 1 - squares / math.fsum((p - centre) ** 2 for p in a),
        "cos": math.fsum(p * q for p, q in zip(a, b, strict=True))
        / math.sqrt(math.fsum(p * p for p in a) * math.fsum(q * q for q in b)),
    }
    for name, value in expected.items():
        assert getattr(row.norms, name) == pytest.approx(value, rel=1e-9, abs=1e-12), name
    classes = ours.reshape(len(ours), -1).argmax(1) == real.reshape(len(real), -1).argmax(1)
    assert row.norms.acc == pytest.approx(classes.mean())


@pytest.mark.parametrize("name", ["ic_resnet8", "vww_96"])
def test_float_originals_of_real_models(name: str) -> None:
    """Each layer of the quantised model is found in the float one; norms are what they say."""
    model, original = shared_model(f"{name}_int8.tflite"), shared_model(f"{name}_float.tflite")
    from microinterp.sides.host import HostSide

    prepared = prepare_model(model, "tflm", kernels="plain")
    x = random_samples(prepared.graph.main.inputs, 3, 1)
    result = compare_with_original(model, original, x)
    computing = [n for n in prepared.graph.main.nodes if n.name not in ("QUANTIZE", "DEQUANTIZE")]
    assert [row.index for row in result.rows] == [node.index for node in computing]
    assert all(row.norms.cos > 0.9 for row in result.rows if row.name == "CONV_2D")
    tensor, out = prepared.graph.main.inputs[0], prepared.graph.main.outputs[0]
    real_x = ((x[0].astype(np.float64) - tensor.zero_point) * float(tensor.scale)).astype("f4")
    real = HostSide(original).run([real_x]).outputs[0]
    ours = HostSide(model).run(x).outputs[0]
    numbers = (ours.astype(np.float64) - out.zero_point) * float(out.scale)
    check_norms(result, numbers, real)
    assert result.cause is None
    assert not result.equal


def test_an_original_of_another_network(tmp_path: Path) -> None:
    model = stored(tmp_path, MODEL)
    other = stored(tmp_path, shared_model("vww_96_float.tflite"), "other.tflite")
    assert "the float model that this one was quantised from" in refused(
        "compare", model, "--with", other
    )
    refused("compare", model, "--with", stored(tmp_path, b"TFL3" * 9, "bad.tflite"))


def test_a_model_as_its_own_original(tmp_path: Path) -> None:
    """Quantising what was dequantised loses nothing."""
    model = stored(tmp_path, MODEL)
    found = good_json("compare", model, "--with", model)
    assert (found["equal"], found["outputs"][0]["norms"]["rmse"]) == (True, 0.0)

"""An .npz that `golden export` has written tells what its bundle tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp import golden
from microinterp.compare import compare
from microinterp.compare.sources import read_bundle_account, read_npz_account
from microinterp.errors import InputError
from microinterp.inputs import random_samples
from microinterp.interpreter import prepare_model
from tests.cli import call, good_json
from tests.models import chain_model, conv_model

MODEL = chain_model(4, weight=3)
PREPARED = prepare_model(MODEL, kernels="plain")
INPUTS = random_samples(PREPARED.graph.main.inputs, 5, 1)


def exported(folder: Path, tensors: str) -> tuple[Path, Path]:
    """A bundle of MODEL, and the same as .npz."""
    bundle, npz = folder / "a.golden", folder / "a.npz"
    golden.record(MODEL, INPUTS, bundle, tensors=tensors)
    golden.export(bundle, npz)
    return bundle, npz


@pytest.mark.parametrize("tensors", golden.TENSORS)
def test_both_tell_the_same(tmp_path: Path, tensors: str) -> None:
    bundle, npz = exported(tmp_path, tensors)
    first = read_bundle_account(bundle, PREPARED.graph, 100)
    second = read_npz_account(str(npz), PREPARED)
    assert (first.version, first.samples, first.notes) == (
        second.version,
        second.samples,
        second.notes,
    )
    assert first.tensors.keys() == second.tensors.keys()
    assert len(first.tensors) == (0 if tensors == "none" else 4)
    for place, told in first.tensors.items():
        other = second.tensors[place]
        np.testing.assert_array_equal(told.values, other.values)
        np.testing.assert_array_equal(told.crcs, other.crcs)
        assert (told.values is None) == (tensors == "crc")
    assert compare(MODEL, second, INPUTS).equal


def test_a_change_is_placed(tmp_path: Path) -> None:
    _, npz = exported(tmp_path, "crc")
    arrays = dict(np.load(npz))
    arrays["crcs"][2, 1] ^= 1
    np.savez(npz, **arrays)
    result = compare(MODEL, read_npz_account(str(npz), PREPARED), INPUTS)
    assert result.first_op is not None
    assert result.first_op.index == 1
    assert result.rows[1].differing_samples == 1


def test_a_bundle_may_have_any_name(tmp_path: Path) -> None:
    model, bundle = tmp_path / "m.tflite", tmp_path / "bundle.npz"
    model.write_bytes(MODEL)
    golden.record(MODEL, INPUTS, bundle)
    assert good_json("compare", model, "--with", bundle)["equal"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"header": np.zeros(4, np.uint8)}, "its header is damaged"),
        ({"header": np.frombuffer(b"[]", np.uint8)}, "its header is damaged"),
        ({"header": np.frombuffer(b'{"checks": 1}', np.uint8)}, "its header is damaged"),
        ({"output_0": None}, "output_0 is missing"),
        ({"input_0": np.zeros((5, 3), np.int8)}, r"input_0 is int8\[5, 3\]"),
        ({"input_0": INPUTS[0][:4]}, r"it has arrays of \[4, 5\] samples"),
        ({"crcs": np.zeros((5, 3), np.uint32)}, r"crcs is uint32\[5, 3\]"),
        ({"crcs": np.zeros((5, 4), np.int64)}, r"crcs is int64\[5, 4\]"),
    ],
)
def test_damage_is_told(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    _, npz = exported(tmp_path, "crc")
    arrays = dict(np.load(npz)) | change
    np.savez(npz, **{key: array for key, array in arrays.items() if array is not None})
    with pytest.raises(InputError, match=message):
        read_npz_account(str(npz), PREPARED)


def test_fields_of_the_header_are_checked(tmp_path: Path) -> None:
    _, npz = exported(tmp_path, "crc")
    arrays = dict(np.load(npz))
    header = json.loads(arrays["header"].tobytes())
    for field in header:
        if field in ("first", "samples"):
            continue
        without = {key: value for key, value in header.items() if key != field}
        arrays["header"] = np.frombuffer(json.dumps(without).encode(), np.uint8)
        np.savez(npz, **arrays)
        with pytest.raises(InputError, match="its header is damaged"):
            read_npz_account(str(npz), PREPARED)


def test_another_model_is_refused(tmp_path: Path) -> None:
    _, npz = exported(tmp_path, "crc")
    model = tmp_path / "m.tflite"
    model.write_bytes(conv_model())
    result = call("compare", model, "--with", npz)
    assert result.exit_code == 2
    assert "is of another model" in result.stderr

"""An .npz as the other side: every way to name, shape and type its arrays; and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp.compare import Comparison, compare
from microinterp.compare.sources import read_npz_account
from microinterp.errors import InputError
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.sides import places_of
from microinterp.sides.host import HostSide
from tests.compare.nets import picture_net, pictures
from tests.compare.planting import Array, Plant, chain, names, places

NET = picture_net()
MODEL = chain(NET)
X = pictures(3)
OUT_SCALE, OUT_ZERO = np.float32(1 / 256), -128


@pytest.fixture(scope="module")
def ours() -> dict[int, Array]:
    """What each op has written."""
    seen = HostSide(MODEL).run([X], places(MODEL))
    return {place[1]: array for place, array in seen.tensors.items()}


def stored(folder: Path, **arrays: Any) -> str:
    path = folder / "their.npz"
    np.savez(path, **arrays)
    return str(path)


def read(path: str, model: bytes = MODEL, x: Array = X) -> Comparison:
    account = read_npz_account(path, prepare_model(model, "tflm", kernels="plain"))
    given = [mine if mine is not None else x for mine in account.inputs]
    return compare(model, account, given)


KEYS = {
    "output": lambda o: {"output_0": o[4]},
    "input and output": lambda o: {"input_0": X, "output_0": o[4]},
    "op": lambda o: {"op_0": o[0], "op_3": o[3]},
    "op's first output": lambda o: {"op_0_0": o[0], "op_4": o[4]},
    "tensor": lambda o: {f"tensor_{places(MODEL)[1][2]}": o[1]},
    "name": lambda o: {"conv_2d_out": o[0], "logistic_out": o[4]},
    "input's name": lambda o: {"x": X, "logistic_out": o[4]},
    "no batch of one": lambda o: {"output_0": o[4][:, 0], "op_0": o[0][:, 0]},
    "flat": lambda o: {"op_0": o[0].reshape(3, -1)},
    "wider": lambda o: {"output_0": o[4].astype(np.int64), "op_0": o[0].astype(np.int16)},
    "big-endian": lambda o: {"op_0": o[0].astype(">i4")},
    "Fortran order": lambda o: {"op_0": np.asfortranarray(o[0])},
    "real values": lambda o: {
        "output_0": (o[4].astype(np.float32) - OUT_ZERO) * OUT_SCALE,
        "op_3": (o[3].astype(np.float64) + 5) * float(np.float32(0.09)),
    },
    "half floats": lambda o: {
        "output_0": ((o[4].astype(np.float32) - OUT_ZERO) * OUT_SCALE).astype(np.float16)
    },
}


@pytest.mark.parametrize("key", KEYS)
def test_keys(key: str, tmp_path: Path, ours: dict[int, Array]) -> None:
    arrays = KEYS[key](ours)
    result = read(stored(tmp_path, **arrays))
    assert result.equal, (result.first_op, result.differing_elements)
    assert result.compared_elements == sum(a.size for n, a in arrays.items() if n[0] in "olct"
                                           or n == "logistic_out")  # fmt: skip


@pytest.mark.parametrize("key", ["output_0", "op_4", "logistic_out"])
def test_one_element_that_differs(key: str, tmp_path: Path, ours: dict[int, Array]) -> None:
    other = ours[4].copy()
    other[1, 0, 2] ^= 4
    result = read(stored(tmp_path, **{key: other}))
    assert (result.equal, result.differing_elements, result.cause) == (False, 1, None)
    (row,) = result.outputs
    assert (row.differing, row.differing_samples) == (1, 1)


def test_bytes_of_the_other_sign(tmp_path: Path, ours: dict[int, Array]) -> None:
    """uint8 for int8: the bits as they are, or 128 added, which is named."""
    same = stored(tmp_path, output_0=ours[4].view(np.uint8))
    assert read(same).equal
    apart = stored(tmp_path, output_0=(ours[4].astype(np.int16) + 128).astype(np.uint8))
    assert names(read(apart)) == ["int8-as-uint8"]


def test_outputs_alone_find_a_mistake_inside(tmp_path: Path) -> None:
    account = Plant(NET, {1: NET[1].without_last()}, X).account()
    result = read(stored(tmp_path, output_0=account.outputs[0].values))
    assert names(result) == ["bias-left-out"]
    assert result.findings[0].index == 1


def test_their_inputs_are_compared(tmp_path: Path, ours: dict[int, Array]) -> None:
    """Where the user also gives files, inputs that the .npz tells must be these."""
    turned = np.ascontiguousarray(X[..., ::-1])
    theirs = HostSide(MODEL).run([turned]).outputs[0]
    path = stored(tmp_path, input_0=turned, output_0=theirs)
    account = read_npz_account(path, prepare_model(MODEL, "tflm", kernels="plain"))
    result = compare(MODEL, account, [X])
    assert names(result) == ["rgb-bgr"]


def test_inputs_must_be_as_many_as_told(tmp_path: Path, ours: dict[int, Array]) -> None:
    path = stored(tmp_path, output_0=ours[4])
    with pytest.raises(InputError, match="tells 3 samples, the inputs are 2"):
        read(path, x=X[:2])


def test_a_sample_alone(tmp_path: Path, ours: dict[int, Array]) -> None:
    path = stored(tmp_path, input_0=X[1], output_0=ours[4][1])
    result = read(path)
    assert (result.equal, result.samples) == (True, 1)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a name": ({"outptu_0": X}, "nothing called 'outptu_0'"),
    "a number": ({"output_1": X}, "nothing called 'output_1'"),
    "an op": ({"op_17": X}, "nothing called 'op_17'"),
    "a second output": ({"op_0_1": X}, "nothing called 'op_0_1'"),
    "a constant": ({"tensor_1": X}, "nothing called 'tensor_1'"),
    "a shape": ({"output_0": np.zeros((3, 7), np.int8)}, "shape [3, 7], wanted [1, 6]"),
    "no shape": ({"output_0": np.int8(3)}, "shape []"),
    "numbers that do not fit": ({"output_0": np.full((3, 6), 200)}, "from 200 to 200"),
    "complex": ({"output_0": np.zeros((3, 6), complex)}, "complex"),
    "text": ({"output_0": np.full((3, 6), "a")}, ""),
    "objects": ({"output_0": np.full((3, 6), None)}, ""),
    "dates": ({"output_0": np.zeros((3, 6), "M8[s]")}, ""),
    "a structure": ({"output_0": np.zeros((3, 6), "i1,i1")}, ""),
    "unequal counts": (
        {"op_0": np.zeros((2, 1, 6, 5, 4), np.int8), "output_0": np.zeros((3, 1, 6), np.int8)},
        "[2, 3] samples",
    ),
    "no samples": ({"output_0": np.zeros((0, 1, 6), np.int8)}, ""),
    "nothing": ({}, ""),
    "markup": ({"[red]\x1b": X}, "nothing called"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refused(case: tuple[dict[str, Any], str], tmp_path: Path) -> None:
    arrays, message = case
    path = stored(tmp_path, **arrays)
    with pytest.raises(InputError, match=re.escape(message) if message else None) as caught:
        read(path)
    assert "\x1b" not in str(caught.value)


def test_not_a_number_is_refused_for_a_quantised_tensor(tmp_path: Path) -> None:
    values = np.zeros((3, 6), np.float32)
    values[1, 2] = np.nan
    with pytest.raises(InputError):
        read(stored(tmp_path, output_0=values))


def test_real_values_off_the_grid_are_told(tmp_path: Path, ours: dict[int, Array]) -> None:
    """What is lost by quantising them is said in steps."""
    real = (ours[4].astype(np.float64) - OUT_ZERO) * float(OUT_SCALE) + 0.3 * float(OUT_SCALE)
    result = read(stored(tmp_path, output_0=real))
    assert result.equal
    assert any("0.3 steps lost at most" in note for note in result.notes)


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    for content in (b"", b"PK\x03\x04 broken", b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.raises(InputError):
            read(str(path))
    with pytest.raises(InputError):
        read(str(tmp_path / "nowhere.npz"))


def test_a_float_model_keeps_its_bits(tmp_path: Path) -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x, y = g.input("x", (1, 4), "float32"), g.tensor("y", (1, 4), "float32")
    g.op("NEG", [x], [y])
    g.output(y)
    model = b.finish()
    data = np.array([[[0.0, 1.5, -2.0, np.nan]]], np.float32)
    assert read(stored(tmp_path, y=-data), model, data).equal
    assert not read(stored(tmp_path, y=np.abs(data)), model, data).equal
    assert places_of(HostSide(model).interpreter.prepared) == ((0, 0, 1),)

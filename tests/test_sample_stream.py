"""Samples chunk by chunk are the samples that are read, or drawn, at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from microinterp.errors import InputError
from microinterp.golden import sound_graph
from microinterp.graph import Tensor
from microinterp.input_files import NpyRows, read_npy
from microinterp.inputs import Reading, random_samples, read_samples
from microinterp.model_builder import ModelBuilder
from microinterp.sample_stream import SampleStream, chunk_samples, random_stream
from tests.cli import copying_model

DTYPES = ("int8", "uint8", "int16", "int32", "int64", "float32", "bool")


def model_with(*inputs: tuple[tuple[int, ...], str]) -> tuple[Tensor, ...]:
    """The inputs of a model that copies them."""
    b = ModelBuilder()
    g = b.subgraph("main")
    for number, (shape, dtype) in enumerate(inputs):
        x = g.input(f"x{number}", shape, dtype)
        y = g.tensor(f"y{number}", (int(np.prod(shape)),), dtype)
        form = g.constant(f"form{number}", np.array([int(np.prod(shape))], np.int32))
        g.op("RESHAPE", [x, form], [y])
        g.output(y)
    return sound_graph(b.finish()).main.inputs


def joined(chunks: Any) -> list[Any]:
    return [np.concatenate(arrays) for arrays in zip(*chunks, strict=True)]


def assert_same(stream: SampleStream, paths: list[str], inputs: Any, reading: Any = None) -> None:
    chunks = list(stream)
    wanted = read_samples(paths, inputs, reading)
    assert stream.notes == wanted.notes
    for have, want in zip(joined(chunks), wanted.arrays, strict=True):
        assert have.dtype == want.dtype
        np.testing.assert_array_equal(have, want)
    assert max(len(chunk[0]) for chunk in chunks) <= chunk_samples(inputs)
    if stream.count is not None:
        assert stream.count == len(wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1,), (3,), (1, 5, 2)])
@pytest.mark.parametrize("count", [1, 7, 1024, 5001])
def test_random_samples(dtype: str, shape: tuple[int, ...], count: int) -> None:
    """An odd number of elements before, so that no draw begins where NumPy's buffer does."""
    inputs = model_with(((3,), "int8"), (shape, dtype), ((1,), "int16"))
    chunks = list(random_stream(inputs, count, 7))
    assert len(chunks) == -(-count // chunk_samples(inputs))
    for have, want in zip(joined(chunks), random_samples(inputs, count, 7), strict=True):
        assert have.dtype == want.dtype
        assert have.tobytes() == want.tobytes()


def test_large_samples_come_in_small_chunks() -> None:
    inputs = model_with(((1 << 20,), "int8"))
    assert [len(x) for (x,) in random_stream(inputs, 5, 0)] == [4, 1]
    assert list(random_stream((), 3, 0)) == [(), (), ()]
    with pytest.raises(InputError, match="1 sample or more"):
        random_stream(inputs, 0, 0)


@pytest.mark.parametrize("dtype", ["int8", "float32", ">f4", "float64"])
@pytest.mark.parametrize("count", [1, 3, 3000])
def test_a_npy_file(tmp_path: Path, dtype: str, count: int) -> None:
    inputs = sound_graph(copying_model((1, 6), scale=0.5, zero_point=3)).main.inputs
    x = np.random.default_rng(1).normal(0, 60, (count, 6)).astype(dtype)
    path = str(tmp_path / "x.npy")
    for array in (x, x.reshape(count, 1, 6), np.asfortranarray(x)):
        np.save(path, array)
        assert_same(SampleStream([path], inputs), [path], inputs)
    np.save(path, x[0])
    assert_same(SampleStream([path], inputs), [path], inputs)


def test_clamped_values_are_noted_once_for_a_file(tmp_path: Path) -> None:
    inputs = sound_graph(copying_model((1, 6), scale=0.5, zero_point=3)).main.inputs
    path = str(tmp_path / "x.npy")
    np.save(path, np.full((5000, 6), 1e9, np.float32))
    stream = SampleStream([path], inputs)
    assert sum(len(x) for (x,) in stream) == 5000
    assert len(stream.notes) == 1
    assert "30000 of 30000 values lie outside" in stream.notes[0]


def test_files_of_every_kind(tmp_path: Path) -> None:
    inputs = sound_graph(copying_model((1, 4, 4, 1), scale=1.0, zero_point=-128)).main.inputs
    paths = []
    for number in range(3):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.new("L", (4, 4), number * 100).save(paths[-1])
    stream = SampleStream(paths, inputs)
    assert stream.count == 3
    assert_same(stream, paths, inputs)
    more = [*paths, *(str(tmp_path / name) for name in ("a.csv", "a.npz", "a.npy"))]
    np.savetxt(more[3], np.arange(32).reshape(2, 16), delimiter=",")
    np.savez(more[4], x0=np.zeros((5, 4, 4), np.int8))
    np.save(more[5], np.ones((2000, 4, 4, 1), np.float32))
    stream = SampleStream(more, inputs)
    assert stream.count is None
    assert_same(stream, more, inputs)
    assert_same(SampleStream([more[3]], inputs), [more[3]], inputs)


def test_several_inputs(tmp_path: Path) -> None:
    inputs = model_with(((2,), "int8"), ((3,), "float32"))
    arrays = random_samples(inputs, 2500, 4)
    paths = [str(tmp_path / "a.npy"), str(tmp_path / "b.npy")]
    for path, array in zip(paths, arrays, strict=True):
        np.save(path, array)
    assert_same(SampleStream(paths, inputs), paths, inputs)
    both = str(tmp_path / "both.npz")
    np.savez(both, x0=arrays[0], x1=arrays[1])
    assert_same(SampleStream([both], inputs), [both], inputs)
    np.save(paths[1], arrays[1][:7])
    with pytest.raises(InputError, match=r"different numbers of samples: \[7, 2500\]"):
        SampleStream(paths, inputs)


@pytest.mark.parametrize(
    ("array", "reading"),
    [
        (np.zeros((5, 7), np.int8), Reading()),
        (np.zeros((0, 6), np.int8), Reading()),
        (np.int8(3), Reading()),
        (np.zeros((5, 6), np.int32), Reading()),
        (np.full((5, 6), 1000), Reading(raw=True)),
        (np.full((5, 6), np.nan), Reading()),
        (np.zeros((5, 6), complex), Reading()),
        (np.array([None]), Reading()),
    ],
)
def test_what_does_not_fit_is_told_as_by_read_samples(
    tmp_path: Path, array: Any, reading: Reading
) -> None:
    inputs = sound_graph(copying_model((1, 6), scale=0.5, zero_point=3)).main.inputs
    path = str(tmp_path / "x.npy")
    np.save(path, array, allow_pickle=True)
    texts = []
    for read in (
        lambda: read_samples([path], inputs, reading),
        lambda: list(SampleStream([path], inputs, reading)),
    ):
        with pytest.raises(InputError) as caught:
            read()
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_numbers_of_files() -> None:
    one, none = model_with(((6,), "int8")), model_with()
    for paths, inputs in (
        ([], one),
        (["a.npy"], none),
        (["a.npy"] * 3, model_with(*[((2,), "int8")] * 2)),
    ):
        with pytest.raises(InputError, match="the model has"):
            SampleStream(paths, inputs)
    assert list(SampleStream([], none)) == [()]


def test_rows_of_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "x.npy")
    x = np.arange(60, dtype=">i2").reshape(10, 2, 3)
    np.save(path, x)
    rows = NpyRows(path)
    assert rows.shape == (10, 2, 3)
    assert rows.rows(3, 7).tolist() == x[3:7].tolist()
    assert rows.rows(3, 7).dtype == np.int16
    with open(path, "r+b") as file:
        file.truncate(150)
    with pytest.raises(InputError, match="shorter"):
        rows.rows(5, 10)
    with pytest.raises(InputError, match="does not fit"):
        NpyRows(path)
    with pytest.raises(InputError, match="does not fit"):
        read_npy(path)
    with pytest.raises(InputError, match="No such file"):
        NpyRows(str(tmp_path / "none.npy"))
    with pytest.raises(InputError, match="directory"):
        NpyRows(str(tmp_path))

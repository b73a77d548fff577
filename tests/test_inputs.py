"""Data files to a model's inputs: shapes, types, quantisation, refusals."""

from __future__ import annotations

import pickle
import wave
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp import input_files
from microinterp.errors import InputError
from microinterp.golden import sound_graph
from microinterp.graph import Tensor
from microinterp.inputs import Reading, Samples, dequantise, quantise, random_samples, read_samples
from microinterp.runtimes.tflm import TflmRuntime
from tests.cli import copying_model, quantising_model


def inputs_of(shape: tuple[int, ...], dtype: str = "int8", **more: Any) -> tuple[Tensor, ...]:
    return tuple(sound_graph(copying_model(shape, dtype, **more)).main.inputs)


def npy(folder: Path, values: Any, dtype: Any = None, name: str = "x.npy") -> str:
    np.save(folder / name, np.asarray(values, dtype))
    return str(folder / name)


def text(folder: Path, content: str | bytes) -> str:
    path = folder / "x.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def sound(folder: Path, frames: bytes, width: int = 2, channels: int = 1) -> str:
    with wave.open(str(folder / "x.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(16000)
        file.writeframes(frames)
    return str(folder / "x.wav")


def read(path: str, tensors: tuple[Tensor, ...], **options: Any) -> Samples:
    return read_samples([path], tensors, Reading(**options))


def values(path: str, tensors: tuple[Tensor, ...], **options: Any) -> Any:
    (array,) = read(path, tensors, **options).arrays
    assert array.dtype == tensors[0].dtype
    assert array.shape[1:] == tensors[0].shape
    return array.reshape(len(array), -1).tolist()


def fails(match: str, path: str, tensors: tuple[Tensor, ...], **options: Any) -> None:
    with pytest.raises(InputError, match=match):
        read(path, tensors, **options)


FOUR = inputs_of((1, 4), scale=0.5, zero_point=3)


def test_own_integers_are_taken_as_they_are(tmp_path: Path) -> None:
    assert values(npy(tmp_path, [-128, -1, 0, 127], "int8"), FOUR) == [[-128, -1, 0, 127]]


def test_real_values_are_quantised(tmp_path: Path) -> None:
    # x / 0.5 + 3, halves away from zero
    path = npy(tmp_path, [0.0, 1.0, 0.25, -0.25], "float32")
    assert values(path, FOUR) == [[3, 5, 4, 2]]
    path = npy(tmp_path, [0.0, 1.0, 0.24, -0.24], "float64")
    assert values(path, FOUR) == [[3, 5, 3, 3]]


def test_clamped_values_are_said(tmp_path: Path) -> None:
    got = read(npy(tmp_path, [1e9, -1e9, 1e300, 62.0]), FOUR)
    assert got.arrays[0].ravel().tolist() == [127, -128, 127, 127]
    (note,) = got.notes
    assert "3 of 4 values lie outside" in note
    assert "-65.5 to 62" in note


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_real_values_must_be_finite(tmp_path: Path, bad: float) -> None:
    fails("finite", npy(tmp_path, [0, 0, 0, bad]), FOUR)


def test_raw_numbers_are_the_models_own(tmp_path: Path) -> None:
    assert values(npy(tmp_path, [1.0, 2.0, -3.0, 127.0]), FOUR, raw=True) == [[1, 2, -3, 127]]
    assert values(npy(tmp_path, [1, 2, -3, -128], "int64"), FOUR, raw=True) == [[1, 2, -3, -128]]
    fails("integers that fit int8", npy(tmp_path, [1.5, 0, 0, 0]), FOUR, raw=True)
    fails("integers that fit int8", npy(tmp_path, [128, 0, 0, 0], "int16"), FOUR, raw=True)
    fails("finite", npy(tmp_path, [np.nan, 0, 0, 0]), FOUR, raw=True)


def test_integers_of_another_type_are_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="wanted int8, or real values as floats; got uint8") as got:
        read(npy(tmp_path, [1, 2, 3, 4], "uint8"), FOUR)
    assert "--raw" in got.value.hint
    assert got.value.where.tensor_name == "x0"


def test_unquantised_integers_are_exact_or_refused(tmp_path: Path) -> None:
    plain = inputs_of((4,), "int16", scale=None, zero_point=None)
    assert values(npy(tmp_path, [1, 2, 3, 300], "int64"), plain) == [[1, 2, 3, 300]]
    fails("integers that fit int16", npy(tmp_path, [0, 0, 0, 0.5]), plain)
    fails("integers that fit int16", npy(tmp_path, [0, 0, 0, 1 << 15], "int64"), plain)
    fails("integers that fit int16", npy(tmp_path, [0, 0, 0, 1e9]), plain)
    fails("finite numbers", npy(tmp_path, [0, 0, 0, np.nan]), plain)


def test_floats_take_any_numbers(tmp_path: Path) -> None:
    plain = inputs_of((1, 2), "float32", scale=None, zero_point=None)
    assert values(npy(tmp_path, [1, 200], "uint8"), plain) == [[1.0, 200.0]]
    assert values(npy(tmp_path, [0.1, 1e300]), plain) == [[float(np.float32(0.1)), np.inf]]


def test_byte_order_and_column_order(tmp_path: Path) -> None:
    square = inputs_of((1, 2, 2), "int16", zero_point=0)
    path = npy(tmp_path, np.asfortranarray([[1, 2], [3, 400]]), ">i2")
    assert values(path, square) == [[1, 2, 3, 400]]


@pytest.mark.parametrize(
    ("shape", "samples"),
    [((4,), 1), ((1, 4), 1), ((4, 1), 1), ((1, 1, 4), 1), ((3, 4), 3), ((3, 1, 4), 3)],
)
def test_shapes_that_fit(tmp_path: Path, shape: tuple[int, ...], samples: int) -> None:
    wanted = np.arange(4 * samples, dtype=np.int8).reshape(samples, 4)
    got = read(npy(tmp_path, wanted.reshape(shape)), FOUR)
    assert got.arrays[0].tolist() == wanted[:, np.newaxis].tolist()
    assert len(got) == samples


@pytest.mark.parametrize("shape", [(), (5,), (2, 2), (4, 3), (0, 4), (3, 3, 4)])
def test_shapes_that_do_not_fit(tmp_path: Path, shape: tuple[int, ...]) -> None:
    fails(r"wanted shape \[1, 4\], or \[N, ...\]", npy(tmp_path, np.zeros(shape, np.int8)), FOUR)


def test_one_number_per_sample(tmp_path: Path) -> None:
    one = inputs_of((1, 1), zero_point=0)
    assert values(npy(tmp_path, [1, 2, 3], "int8"), one) == [[1], [2], [3]]
    assert values(npy(tmp_path, 7, "int8"), one) == [[7]]


def test_files_are_samples_and_are_named(tmp_path: Path) -> None:
    one = npy(tmp_path, np.full((1, 4), 1, np.int8), name="a.npy")
    two = npy(tmp_path, np.full((2, 4), 2, np.int8), name="b.npy")
    got = read_samples([one, two], FOUR)
    assert got.names == (one, f"{two}[0]", f"{two}[1]")
    assert got.arrays[0][:, 0, 0].tolist() == [1, 2, 2]


class TestNpz:
    two = inputs_of((1, 2), scale=1.0, zero_point=0, count=2)

    def saved(self, folder: Path, **arrays: Any) -> str:
        np.savez(folder / "x.npz", **arrays)
        return str(folder / "x.npz")

    @pytest.mark.parametrize("names", [("x0", "x1"), ("input_0", "input_1"), ("arr_0", "arr_1")])
    def test_names(self, tmp_path: Path, names: tuple[str, str]) -> None:
        arrays = {names[1]: np.int8([3, 4]), names[0]: np.int8([1, 2])}
        got = read(self.saved(tmp_path, **arrays), self.two)
        assert [array.tolist() for array in got.arrays] == [[[[1, 2]]], [[[3, 4]]]]

    def test_wrong_names_are_listed(self, tmp_path: Path) -> None:
        path = self.saved(tmp_path, left=np.int8([1, 2]), x0=np.int8([1, 2]))
        fails("wanted an array named 'x1' or input_1; got 'left', 'x0'", path, self.two)

    def test_one_input_takes_the_only_array_or_the_named_one(self, tmp_path: Path) -> None:
        path = self.saved(tmp_path, any=np.int8([1, 2, 3, 4]))
        assert values(path, FOUR) == [[1, 2, 3, 4]]
        path = self.saved(tmp_path, a=np.int8([1, 2, 3, 4]), b=np.int8([5, 6, 7, 8]))
        fails("say which", path, FOUR)
        assert values(f"{path}:b", FOUR) == [[5, 6, 7, 8]]
        fails("wanted an array named 'c'; got 'a', 'b'", f"{path}:c", FOUR)

    def test_sample_counts_must_agree(self, tmp_path: Path) -> None:
        path = self.saved(tmp_path, x0=np.int8([[1, 2]]), x1=np.int8([[1, 2], [3, 4]]))
        fails(r"different numbers of samples: \[1, 2\]", path, self.two)

    def test_damaged_archives(self, tmp_path: Path) -> None:
        path = Path(self.saved(tmp_path, x=np.int8([1, 2, 3, 4])))
        sound = path.read_bytes()
        for cut in (0, 10, len(sound) // 2, len(sound) - 1):
            path.write_bytes(sound[:cut])
            fails("no sound .npz", str(path), FOUR)
        flipped = bytearray(sound)
        flipped[sound.index(b"NUMPY") + 130] ^= 1  # in the numbers: zip's checksum
        path.write_bytes(flipped)
        fails("no sound .npz", str(path), FOUR)

    def test_a_bomb_is_not_unpacked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(input_files, "MAX_BYTES", 10_000)
        path = tmp_path / "x.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", bytes(20_000))
        fails("unpacks to more than 10000 bytes", str(path), FOUR)

    def test_objects_are_refused(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", x=np.array([{}], object), allow_pickle=True)
        fails("pickled", str(tmp_path / "x.npz"), FOUR)


class Trap:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "sprung"
    np.save(tmp_path / "x.npy", np.array([Trap(mark)], object), allow_pickle=True)
    fails("pickled Python objects, which are never loaded", str(tmp_path / "x.npy"), FOUR)
    (tmp_path / "y.npy").write_bytes(pickle.dumps(Trap(mark)))
    fails("no sound .npy", str(tmp_path / "y.npy"), FOUR)
    assert not mark.exists()
    np.load(tmp_path / "x.npy", allow_pickle=True)
    assert mark.exists()  # so the trap works


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '|i1', 'fortran_order': False, 'shape': (9999999999,), }",
        b"{'descr': '|i1', 'fortran_order': False, 'shape': (-4,), }",
        b"{'descr': '|i1', 'fortran_order': False, 'shape': (-2, -2), }",
        b"{'descr': '|S4', 'fortran_order': False, 'shape': (1,), }",
        b"{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }",
        b"{'descr': '|i1', 'shape': (4,), }",
        b"(((((((((",
        b"\xff" * 20,
        b"[" * 9000,
    ],
)
def test_damaged_npy(tmp_path: Path, header: bytes) -> None:
    size = len(header).to_bytes(2, "little")
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + size + header + b"\1\2\3\4")
    fails("cannot read", str(tmp_path / "x.npy"), FOUR)


def test_the_same_header_when_sound(tmp_path: Path) -> None:
    header = b"{'descr': '|i1', 'fortran_order': False, 'shape': (4,), }"
    size = len(header).to_bytes(2, "little")
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + size + header + b"\1\2\3\4")
    assert values(str(tmp_path / "x.npy"), FOUR) == [[1, 2, 3, 4]]


def test_csv(tmp_path: Path) -> None:
    assert values(text(tmp_path, "0,1,0.5,-1\n\n 1 , 2,3,4\r\n"), FOUR) == [
        [3, 5, 4, 1],
        [5, 7, 9, 11],
    ]
    assert values(text(tmp_path, "\ufeff1,2,3,4"), FOUR, raw=True) == [[1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("a,b,c,d\n1,2,3,4", "line 1: 'a' is not a finite number"),
        ("1,2,3,4\n1,2,x,4", "line 2: 'x' is not"),
        ("1,2,3,nan", "'nan' is not"),
        ("1,2,3,1_0", "'1_0' is not"),
        ("1,2,3,", "'' is not"),
        ("1;2;3;4", "'1;2;3;4' is not"),
        ("1,2,3,4\n1,2,3", "line 2 has 3 columns, the rows before it 4"),
        ("1,2,3", "wanted 4 numbers per line; got 3 columns"),
        ("", "no numbers"),
        ("\n \n", "no numbers"),
        (b"\xff\xfe1,2", "not text"),
    ],
)
def test_bad_csv(tmp_path: Path, content: str | bytes, match: str) -> None:
    fails(match, text(tmp_path, content), FOUR)


class TestWav:
    frames = np.array([-32768, 0, 16384, 32767], "<i2").tobytes()

    def test_int16_inputs_take_the_samples(self, tmp_path: Path) -> None:
        own = inputs_of((1, 4), "int16", zero_point=0)
        assert values(sound(tmp_path, self.frames), own) == [[-32768, 0, 16384, 32767]]

    def test_others_take_real_values(self, tmp_path: Path) -> None:
        small = inputs_of((1, 4), "int8", scale=1 / 128, zero_point=0)
        assert values(sound(tmp_path, self.frames), small) == [[-128, 0, 64, 127]]
        plain = inputs_of((1, 4), "float32", scale=None, zero_point=None)
        assert values(sound(tmp_path, self.frames), plain) == [[-1.0, 0.0, 0.5, 32767 / 32768]]

    def test_stereo_and_length_must_fit(self, tmp_path: Path) -> None:
        own = inputs_of((1, 2, 2), "int16", zero_point=0)
        assert values(sound(tmp_path, self.frames, channels=2), own) == [[-32768, 0, 16384, 32767]]
        fails(r"wanted shape", sound(tmp_path, self.frames), own)

    def test_other_kinds_are_refused(self, tmp_path: Path) -> None:
        fails("8-bit samples of 1 channels", sound(tmp_path, self.frames, width=1), FOUR)
        fails("24-bit samples", sound(tmp_path, bytes(12), width=3), FOUR)
        fails("16-bit samples of 4 channels", sound(tmp_path, bytes(16), channels=4), FOUR)
        fails("no samples", sound(tmp_path, b""), FOUR)
        path = Path(sound(tmp_path, self.frames))
        for damaged in (b"", b"RIFF", path.read_bytes()[:20], b"x" * 100):
            path.write_bytes(damaged)
            fails("no sound PCM", str(path), FOUR)


class TestCounts:
    two = inputs_of((1, 2), scale=1.0, zero_point=0, count=2)

    def test_none(self) -> None:
        with pytest.raises(InputError, match="the model has 1 input, got no files") as got:
            read_samples([], FOUR)
        assert "'x0' int8[1, 4]" in got.value.hint

    def test_one_file_for_each_input(self, tmp_path: Path) -> None:
        a = npy(tmp_path, [1, 2], "int8", "a.npy")
        b = npy(tmp_path, [3, 4], "int8", "b.npy")
        arrays = read_samples([b, a], self.two).arrays
        assert [array.tolist() for array in arrays] == [[[[3, 4]]], [[[1, 2]]]]
        for paths in ([a], [a, b, a]):
            with pytest.raises(InputError, match="the model has 2 inputs, got"):
                read_samples(paths, self.two)

    def test_no_inputs_wanted(self, tmp_path: Path) -> None:
        assert len(read_samples([], ())) == 1
        with pytest.raises(InputError, match="the model has no inputs, got 1 file"):
            read_samples([npy(tmp_path, [1])], ())


def test_unknown_kinds_and_missing_files(tmp_path: Path) -> None:
    fails("of no kind that can be read", str(tmp_path / "x.txt"), FOUR)
    fails("of no kind that can be read", "x", FOUR)
    for suffix in ("npy", "npz", "csv", "wav"):
        fails("No such file", str(tmp_path / f"missing.{suffix}"), FOUR)
        (tmp_path / f"folder.{suffix}").mkdir()
        fails("Is a directory", str(tmp_path / f"folder.{suffix}"), FOUR)


def test_quantise_equals_tflms_operator(tflm: TflmRuntime) -> None:
    rng = np.random.default_rng(5)
    size = 4000
    for dtype, scale, zero_point in (("int8", 0.0235, -7), ("int16", 0.0003, 0), ("int8", 0.5, 3)):
        data = quantising_model(size, dtype, scale, zero_point)
        tensor = sound_graph(data).main.outputs[0]
        limit = np.iinfo(dtype).max * scale
        numbers = rng.uniform(-1.3 * limit, 1.3 * limit, size).astype(np.float32)
        numbers[:500] = (rng.integers(-100, 100, 500) + 0.5) * np.float32(scale)  # ties
        ((theirs,),) = tflm.run(data, [[numbers]]).outputs
        ours, clamped = quantise(numbers, tensor)
        assert ours.tolist() == theirs.ravel().tolist()
        assert clamped > 0


def test_dequantise() -> None:
    (tensor,) = FOUR
    assert dequantise(np.int8([-128, 3, 127]), tensor).tolist() == [-65.5, 0.0, 62.0]
    (plain,) = inputs_of((3,), "int32", scale=None, zero_point=None)
    assert dequantise(np.int32([-5, 0, 9]), plain).tolist() == [-5.0, 0.0, 9.0]


def test_random_samples() -> None:
    tensors = inputs_of((1, 500), scale=1.0, zero_point=0, count=2)
    one, two = random_samples(tensors, 3, 7)
    assert one.shape == (3, 1, 500)
    assert one.min() == -128
    assert one.max() == 127
    assert one.tobytes() != two.tobytes()
    assert one.tobytes() == random_samples(tensors, 3, 7)[0].tobytes()
    assert one.tobytes() != random_samples(tensors, 3, 8)[0].tobytes()
    for count, seed in ((0, 0), (1, -1)):
        with pytest.raises(InputError):
            random_samples(tensors, count, seed)

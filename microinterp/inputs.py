"""From data files to a model's inputs: shapes fitted, real values quantised, nothing guessed.

    samples = read_samples(["a.png", "b.png"], graph.main.inputs)
    outputs = interpreter.run_batch(*samples.arrays)

The rules:
- numbers that already have the input's integer type are taken as they are;
- other numbers are real values and are quantised by the input's scale and zero point, as TFLM's
  QUANTIZE does it; with `raw` they are the input's own integers;
- sound is a real value from -1 to 1, or the 16-bit samples themselves for an int16 input;
- the pixels of pictures follow `ImageRange`; so do uint8 arrays, where a range is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError, Where, printable, printable_path
from microinterp.graph import Tensor
from microinterp.images import ImageRange, holds_signed_bytes, read_image
from microinterp.input_files import read_csv, read_npy, read_npz, read_wav, suffix_of

Array = npt.NDArray[Any]

IMAGE_SUFFIXES = (".png", ".bmp", ".jpg", ".jpeg")
SUFFIXES = (".npy", ".npz", ".csv", ".wav", *IMAGE_SUFFIXES)
_PCM_FULL_SCALE = 32768.0


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read.

    Attributes:
        raw: numbers are the input's own integers, not real values.
        resize: pictures of another size are scaled.
        image_range: how pixels become numbers.
    """

    raw: bool = False
    resize: bool = False
    image_range: ImageRange = field(default_factory=lambda: ImageRange("auto"))


@dataclass(frozen=True)
class Samples:
    """Inputs ready for Interpreter.run_batch.

    Attributes:
        arrays: one per input, [N, *shape] of the input's dtype.
        names: N short texts that say where each sample comes from.
        notes: what a user should know of how the files were read.
    """

    arrays: tuple[Array, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


def read_samples(
    paths: Sequence[str], inputs: Sequence[Tensor], reading: Reading | None = None
) -> Samples:
    """Read the samples in files.

    A model with one input takes any number of files, each with one sample or more; one with
    several takes a file for each input in their order, or one .npz with an array for each. A
    .npz names its arrays as the inputs, or input_0, input_1, ...; `file.npz:name` takes one.

    Args:
        paths: files of SUFFIXES.
        inputs: the tensors to fill, in the model's order.
        reading: options; None takes the usual ones.

    Raises:
        InputError: a file cannot be read, or does not fit; says what was wanted and what is.
    """
    reader = SampleReader(reading or Reading())
    if len(paths) == 1 and len(inputs) > 1 and suffix_of(paths[0]) == ".npz":
        loaded = arrays_of_npz(paths[0], inputs)
        parts = [reader.numbers(a, t, paths[0]) for a, t in zip(loaded, inputs, strict=True)]
    elif len(inputs) == 1 and paths:
        pieces = [reader.file(path, inputs[0]) for path in paths]
        names = [
            name for path, piece in zip(paths, pieces, strict=True) for name in _name(path, piece)
        ]
        return Samples((np.concatenate(pieces),), tuple(names), reader.notes)
    elif len(paths) == len(inputs):
        parts = [reader.file(path, t) for path, t in zip(paths, inputs, strict=True)]
    else:
        raise misfit_of_files(len(paths), inputs)
    require_one_count(parts)
    names = _name(paths[0], parts[0]) if parts else ["(no input)"]
    return Samples(tuple(parts), tuple(names), reader.notes)


def random_samples(inputs: Sequence[Tensor], count: int, seed: int) -> tuple[Array, ...]:
    """Random contents [count, *shape] for each input, the same for the same seed.

    Integers are spread over their whole range, floats normally distributed around 0.

    Raises:
        InputError: count is below 1, or seed below 0.
    """
    if count < 1 or seed < 0:
        raise InputError(f"wanted 1 sample or more and a seed of 0 or more, got {count}, {seed}")
    rng = np.random.default_rng(seed)
    return tuple(draw(rng, tensor, count) for tensor in inputs)


def fit(array: Array, tensor: Tensor, name: str) -> Array:
    """[N, *tensor.shape], unconverted, from one sample or N of them; dimensions of 1 may differ.

    Raises:
        InputError: the shape is neither; `name` is what the error calls the array.
    """
    return array.reshape(count_in(array.shape, tensor, name), *tensor.shape)


def count_in(shape: tuple[int, ...], tensor: Tensor, name: str) -> int:
    """How many samples an array of a shape holds; see `fit`."""
    wanted = _without_ones(tensor.shape)
    if _without_ones(shape) == wanted:
        return 1
    if shape and shape[0] and _without_ones(shape[1:]) == wanted:
        return shape[0]
    fitting = f"{list(tensor.shape)}, or [N, ...] for N samples"
    raise _misfit(name, tensor, f"shape {fitting}", f"{list(shape)}")


def require_one_count(parts: Sequence[Sized]) -> None:
    """Raise InputError if inputs have different numbers of samples."""
    counts = {len(part) for part in parts}
    if len(counts) > 1:
        raise InputError(f"the inputs have different numbers of samples: {sorted(counts)}")


def misfit_of_files(files: int, inputs: Sequence[Tensor]) -> InputError:
    """The error, to raise, that says how many files a model takes."""
    return InputError(
        f"the model has {_count(len(inputs), 'input')}, got {_count(files, 'file')}",
        hint=_wanted(inputs),
    )


def convert(
    array: Array, tensor: Tensor, name: str, reading: Reading
) -> tuple[Array, tuple[str, ...]]:
    """Numbers of any type as samples [N, *tensor.shape] of the input's type, and notes.

    Raises:
        InputError: shape or type do not fit.
    """
    reader = SampleReader(reading)
    return reader.numbers(array, tensor, name), reader.notes


def quantise(values: Array, tensor: Tensor) -> tuple[Array, int]:
    """Real values to `tensor`'s integers, as TFLM's QUANTIZE operator does it.

    round(float32(x) / scale) + zero point, halves away from zero, clamped.

    Returns:
        The integers, and how many of them were clamped.
    """
    with np.errstate(over="ignore"):
        steps = (values.astype(np.float32) / tensor.scale).astype(np.float64)
    rounded = np.copysign(np.floor(np.abs(steps) + 0.5), steps) + tensor.zero_point
    info = np.iinfo(tensor.dtype)
    limited = np.clip(rounded, info.min, info.max)
    return limited.astype(tensor.dtype), int(np.count_nonzero(limited != rounded))


def dequantise(values: Array, tensor: Tensor) -> npt.NDArray[np.float64]:
    """The real values that `tensor`'s numbers stand for; unquantised ones as they are."""
    if tensor.quantization is None or tensor.dtype.kind not in "iu":
        return values.astype(np.float64)
    return (values.astype(np.float64) - tensor.zero_point) * float(tensor.scale)


@dataclass
class SampleReader:
    """Reads files one after the other, and gathers notes on all of them."""

    reading: Reading
    _notes: list[str] = field(default_factory=list)
    _clamped: dict[str, tuple[int, int, str]] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of how the files read so far were read."""
        clamped = (
            f"{printable_path(path)}: {count} of {total} values lie outside of what the input "
            f"holds, {limits}, and were clamped"
            for path, (count, total, limits) in self._clamped.items()
            if count
        )
        return (*self._notes, *clamped)

    def file(self, path: str, tensor: Tensor) -> Array:
        """Samples of one file for one input, [N, *shape]."""
        plain, named, key = path.rpartition(".npz:")
        archive = f"{plain}.npz" if named else path
        suffix = ".npz" if named else suffix_of(path)
        if suffix in IMAGE_SUFFIXES:
            return self._image(path, tensor)
        if suffix == ".wav":
            return self._sound(path, tensor)
        if suffix == ".npz":
            array = _one_array(archive, key if named else "", tensor)
            return self.numbers(array, tensor, path)
        if suffix == ".npy":
            return self.numbers(read_npy(path), tensor, path)
        if suffix == ".csv":
            rows = read_csv(path)
            if rows.shape[1] != tensor.elements:
                got = f"{rows.shape[1]} columns"
                raise _misfit(path, tensor, f"{tensor.elements} numbers per line", got)
            return self.numbers(rows.reshape(-1, *tensor.shape), tensor, path)
        raise InputError(
            f"'{printable_path(path)}' is of no kind that can be read",
            hint=f"inputs are {', '.join(SUFFIXES)} files",
        )

    def numbers(self, array: Array, tensor: Tensor, path: str) -> Array:
        """Fit the shape, then convert."""
        return self._convert(fit(array, tensor, path), tensor, path)

    def _convert(self, array: Array, tensor: Tensor, path: str) -> Array:
        if array.dtype == np.uint8 and self.reading.image_range.kind != "auto":
            return self._pixels(array, tensor, path)
        if array.dtype == tensor.dtype:
            return array
        if tensor.dtype.kind == "f":
            with np.errstate(over="ignore"):
                return array.astype(tensor.dtype)
        if self.reading.raw or not _is_quantised(tensor):
            return _exact(array, tensor, path)
        if array.dtype.kind != "f":
            pixels = "--image-range, if they are pixels; " if array.dtype == np.uint8 else ""
            raise _misfit(
                path,
                tensor,
                f"{tensor.dtype}, or real values as floats",
                str(array.dtype),
                f"{pixels}--raw, if they are the model's own integers; real values: save them as "
                "float32",
            )
        return self._quantised(array, tensor, path)

    def _quantised(self, array: Array, tensor: Tensor, path: str) -> Array:
        if not np.isfinite(array).all():
            raise _misfit(path, tensor, "finite numbers", "NaN or infinity")
        integers, clamped = quantise(array, tensor)
        info = np.iinfo(tensor.dtype)
        low, high = dequantise(np.array([info.min, info.max]), tensor)
        before, total, _ = self._clamped.get(path, (0, 0, ""))
        limits = f"{low:g} to {high:g}"
        self._clamped[path] = (before + clamped, total + array.size, limits)
        return integers

    def _sound(self, path: str, tensor: Tensor) -> Array:
        samples: Array = read_wav(path)
        if tensor.dtype != np.int16 and not self.reading.raw:
            samples = samples.astype(np.float32) / np.float32(_PCM_FULL_SCALE)
        return self.numbers(samples, tensor, path)

    def _image(self, path: str, tensor: Tensor) -> Array:
        shape = tensor.shape[1:] if tensor.rank == 4 and tensor.shape[0] == 1 else tensor.shape
        if len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape:
            raise _misfit(
                path, tensor, f"{tensor}", "a picture", "pictures fit [1, height, width, 1 or 3]"
            )
        height, width, channels = shape
        pixels = read_image(path, height, width, channels, self.reading.resize)
        return self._pixels(pixels, tensor, path).reshape(1, *tensor.shape)

    def _pixels(self, pixels: npt.NDArray[np.uint8], tensor: Tensor, path: str) -> Array:
        chosen = ImageRange("raw") if self.reading.raw else self.reading.image_range
        if chosen.kind == "real":
            real = chosen.low + pixels * ((chosen.high - chosen.low) / 255)
            return self._convert(real, tensor, path)
        if tensor.dtype.kind not in "iu" or tensor.dtype.itemsize > 2:
            raise _misfit(
                path,
                tensor,
                f"pixels as {tensor.dtype}",
                f"image range {chosen}",
                "say what 0 and 255 mean: --image-range 0:1, -1:1 or 0:255",
            )
        if chosen.kind == "raw":
            if tensor.dtype.itemsize != 1:
                raise _misfit(path, tensor, str(tensor.dtype), "8-bit pixels", "--raw needs bytes")
            return pixels.view(tensor.dtype)
        is_bmp = suffix_of(path) == ".bmp"
        if (
            chosen.kind == "auto"
            and is_bmp
            and tensor.dtype == np.int8
            and holds_signed_bytes(pixels)
        ):
            self._notes.append(
                f"{printable_path(path)}: its bytes are evidently signed (as in TFLM's test "
                "pictures) and were taken as they are; --image-range full reads them as usual "
                "pixels"
            )
            return pixels.view(np.int8)
        info = np.iinfo(tensor.dtype)
        spread = int(info.max) - int(info.min)
        return (pixels.astype(np.int64) * (spread // 255) + int(info.min)).astype(tensor.dtype)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _is_quantised(tensor: Tensor) -> bool:
    return tensor.quantization is not None and tensor.dtype.kind in "iu" and bool(tensor.scale > 0)


def _exact(array: Array, tensor: Tensor, path: str) -> Array:
    """The same integers in the tensor's type: none may change."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise _misfit(path, tensor, "finite numbers", "NaN or infinity")
    with np.errstate(invalid="ignore"):
        converted = array.astype(tensor.dtype)
    if not np.array_equal(converted, array):
        raise _misfit(path, tensor, f"integers that fit {tensor.dtype}", "other numbers")
    return converted


def _one_array(path: str, key: str, tensor: Tensor) -> Array:
    arrays = read_npz(path)
    for name in [key] if key else [tensor.name, "input_0", "arr_0", "0"]:
        if name in arrays:
            return arrays[name]
    if len(arrays) == 1 and not key:
        return next(iter(arrays.values()))
    wanted = f"an array named '{printable(key or tensor.name)}'"
    raise _misfit(path, tensor, wanted, _keys(arrays), f"say which: {printable_path(path)}:NAME")


def arrays_of_npz(path: str, inputs: Sequence[Tensor]) -> list[Array]:
    """The array of a .npz file for each input. Raises InputError if one is not there."""
    arrays = read_npz(path)
    found = []
    for number, tensor in enumerate(inputs):
        names = (tensor.name, f"input_{number}", f"arr_{number}", str(number))
        known = next((arrays[name] for name in names if name in arrays), None)
        if known is None:
            wanted = f"an array named '{printable(tensor.name)}' or input_{number}"
            raise _misfit(path, tensor, wanted, _keys(arrays))
        found.append(known)
    return found


def _keys(arrays: dict[str, Array]) -> str:
    shown = ", ".join(f"'{printable(name, 30)}'" for name in list(arrays)[:8])
    return f"{shown}{', ...' if len(arrays) > 8 else ''}" if arrays else "no arrays"


def _misfit(path: str, tensor: Tensor, wanted: str, got: str, hint: str = "") -> InputError:
    where = Where(role="input", tensor_index=tensor.index, tensor_name=tensor.name)
    return InputError(f"'{printable_path(path)}': wanted {wanted}; got {got}", where, hint)


def _wanted(inputs: Sequence[Tensor]) -> str:
    listed = ", ".join(f"'{printable(t.name)}' {t}" for t in inputs[:8])
    return f"give a file for each, or one .npz with all: {listed}" if inputs else ""


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _name(path: str, array: Array) -> list[str]:
    plain = printable_path(path)
    return [plain] if len(array) == 1 else [f"{plain}[{i}]" for i in range(len(array))]


def draw(rng: np.random.Generator, tensor: Tensor, count: int) -> Array:
    """Random contents [count, *shape] for an input. Raises InputError for complex numbers."""
    shape = (count, *tensor.shape)
    if tensor.dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if tensor.dtype.kind == "f":
        return rng.standard_normal(shape).astype(tensor.dtype)
    if tensor.dtype.kind == "c":
        raise InputError(f"no random numbers of type {tensor.dtype}", hint="give samples in files")
    info = np.iinfo(tensor.dtype)
    return rng.integers(info.min, info.max, shape, tensor.dtype, endpoint=True)

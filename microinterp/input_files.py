"""Data files as plain arrays: .npy, .npz, .csv and .wav, with bounds, and never unpickled."""

from __future__ import annotations

import io
import math
import os
import tokenize
import wave
import zipfile
import zlib
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from microinterp.errors import printable
from microinterp.files import MAX_BYTES, read_bytes, unreadable

Array = npt.NDArray[Any]

_MAX_NUMPY_HEADER = 10_000
# What NumPy's reader of headers raises for damaged ones, deep nesting included.
_HEADER_ERRORS = (
    ValueError,
    SyntaxError,
    tokenize.TokenError,
    TypeError,
    EOFError,
    MemoryError,
    RecursionError,
)
# zipfile's: damaged structure, unknown compression, encryption, damaged streams.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
)


def read_npy(path: str) -> Array:
    """The array of a .npy file. Raises InputError, also for pickled objects."""
    return _parse_npy(read_bytes(path), path)


def read_npz(path: str) -> dict[str, Array]:
    """The arrays of a .npz file by name, as np.savez writes them.

    Raises:
        InputError: the file is no .npz, is damaged, holds anything but arrays of numbers, or
            would unpack to more than MAX_BYTES.
    """
    data = read_bytes(path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MAX_BYTES:
                raise unreadable(path, f"it unpacks to more than {MAX_BYTES} bytes")
            # open().read(n) unpacks n bytes at most, whatever the directory promises
            contents = {m.filename: archive.open(m).read(m.file_size) for m in members}
    except _ZIP_ERRORS as error:
        raise unreadable(path, f"no sound .npz file ({error})") from None
    return {
        name.removesuffix(".npy"): _parse_npy(content, f"{path}:{name}")
        for name, content in contents.items()
    }


def _parse_npy(data: bytes, path: str) -> Array:
    """Read the .npy format (numpy.lib.format, versions 1 and 2) without trusting its header."""
    shape, by_columns, dtype, start = _npy_header(io.BytesIO(data), len(data), path)
    widest = math.prod(max(size, 1) for size in shape)  # a zero must not hide huge sizes
    if widest * dtype.itemsize > MAX_BYTES:
        raise unreadable(path, f"{dtype}{list(shape)} has more than {MAX_BYTES} bytes")
    array = _numbers_of(np.frombuffer(data, dtype, offset=start))
    return array.reshape(shape, order="F" if by_columns else "C")


def _npy_header(
    file: BinaryIO, size: int, path: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """(shape, whether columns come first, type, where the numbers begin) of a file of `size`."""
    try:
        version = np.lib.format.read_magic(file)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in readers:
            raise unreadable(path, f"version {version} of the .npy format holds no numbers")
        shape, by_columns, dtype = readers[version](file, max_header_size=_MAX_NUMPY_HEADER)
    except _HEADER_ERRORS as error:
        raise unreadable(path, f"no sound .npy file ({error})") from None
    if dtype.hasobject:
        hint = "save an array of numbers: np.save(path, array, allow_pickle=False)"
        raise unreadable(path, "it holds pickled Python objects, which are never loaded", hint)
    if dtype.kind not in "biuf":
        raise unreadable(path, f"it holds {dtype}, wanted numbers")
    left = size - file.tell()
    negative = any(side < 0 for side in shape)
    if negative or len(shape) > 32 or left != math.prod(shape) * dtype.itemsize:
        raise unreadable(path, f"{dtype}{list(shape)} does not fit {left} bytes")
    return shape, by_columns, dtype, size - left


def _numbers_of(array: Array) -> Array:
    """Numbers from a file as NumPy likes them."""
    if array.dtype.kind == "b":  # any byte may stand in the file, but a bool is 0 or 1
        array = array.view(np.uint8) != 0
    return array.astype(array.dtype.newbyteorder("="), copy=False)


class NpyRows:
    """The array of a .npy file of any size, of which some rows are read at a time.

    Attributes:
        path, shape: of the array.
    """

    def __init__(self, path: str) -> None:
        """Read the header. Raises InputError as read_npy."""
        self.path = path
        self._whole: Array | None = None
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                begin = io.BytesIO(file.read(2 * _MAX_NUMPY_HEADER))
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from None
        self.shape, by_columns, self._dtype, self._start = _npy_header(begin, size, path)
        if by_columns or 0 in self.shape:  # its rows do not lie side by side, or there are none
            self._whole = read_npy(path)

    def rows(self, low: int, high: int) -> Array:
        """[high - low, ...] along the first axis. Raises InputError if the file has changed."""
        if self._whole is not None:
            return self._whole[low:high]
        each = math.prod(self.shape[1:])
        wanted, width = (high - low) * each, self._dtype.itemsize
        try:
            offset = self._start + low * each * width
            array = np.fromfile(self.path, self._dtype, wanted, offset=offset)
        except OSError as error:
            raise unreadable(self.path, error) from None
        if array.size != wanted:
            raise unreadable(self.path, "it has become shorter while it was read")
        return _numbers_of(array).reshape(high - low, *self.shape[1:])


def read_csv(path: str) -> npt.NDArray[np.float64]:
    """The numbers of a text file: one row per line, separated by commas; float64 [rows, columns].

    Raises:
        InputError: a field is no finite number, or rows differ in length; says the line.
    """
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise unreadable(path, "it is not text") from None
    rows: list[npt.NDArray[np.float64]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        rows.append(_numbers(line, path, number))
        if len(rows[-1]) != len(rows[0]):
            columns = f"{len(rows[-1])} columns, the rows before it {len(rows[0])}"
            raise unreadable(path, f"line {number} has {columns}")
    if not rows:
        raise unreadable(path, "it has no numbers")
    return np.stack(rows)


def _numbers(line: str, path: str, number: int) -> npt.NDArray[np.float64]:
    fields = line.split(",")
    try:
        row = np.array([float(field) for field in fields])
        if np.isfinite(row).all() and "_" not in line:
            return row
    except ValueError:
        pass
    bad = next(field for field in fields if not _is_number(field))
    reason = f"line {number}: '{printable(bad.strip(), 40)}' is not a finite number"
    hint = "a .csv file holds numbers only: no header line, commas between columns"
    raise unreadable(path, reason, hint)


def _is_number(field: str) -> bool:
    try:
        return math.isfinite(float(field)) and "_" not in field
    except ValueError:
        return False


def read_wav(path: str) -> npt.NDArray[np.int16]:
    """The samples of a 16-bit PCM file: int16 [frames], or [frames, 2] for stereo.

    The file's sample rate is not looked at: it must be the one that the model was trained with.

    Raises:
        InputError: another sample format, more channels, or a damaged file.
    """
    data = read_bytes(path)
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, width = file.getnchannels(), file.getsampwidth()
            frames = file.readframes(len(data))
    except (wave.Error, EOFError, ValueError, OverflowError, RuntimeError) as error:
        raise unreadable(path, f"no sound PCM .wav file ({error})") from None
    if width != 2 or channels not in (1, 2):
        kind = f"{8 * width}-bit samples of {channels} channels"
        raise unreadable(path, f"it has {kind}, wanted 16-bit PCM, mono or stereo")
    samples = np.frombuffer(frames[: len(frames) // (2 * channels) * 2 * channels], "<i2")
    if not samples.size:
        raise unreadable(path, "it has no samples")
    samples = samples.astype(np.int16, copy=False)
    return samples.reshape(-1, 2) if channels == 2 else samples


def suffix_of(path: str) -> str:
    """The file's kind: its suffix in lower case, with the dot."""
    return os.path.splitext(path)[1].lower()

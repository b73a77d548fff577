"""Pictures as arrays of 8-bit pixels, and the ways in which pixels become a model's numbers."""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError, printable, printable_path
from microinterp.files import read_bytes, unreadable

Pixels = npt.NDArray[np.uint8]

MAX_PIXELS = 16_000_000
"""Largest picture that is decoded: width times height."""

_MODES = {1: "L", 3: "RGB"}
_DEEP_MODES = ("I", "F")  # Pillow's names of 16-bit, 32-bit and float pixels begin so


def read_image(path: str, height: int, width: int, channels: int, resize: bool) -> Pixels:
    """Decode a .png, .bmp or .jpg file to uint8 [height, width, channels].

    Colours are turned to grey (ITU-R 601) or grey to colours, as `channels` asks; transparency is
    dropped; a photo that says how the camera was held is turned upright.

    Args:
        path: the file.
        height, width, channels: wanted; channels is 1 or 3.
        resize: scale a picture of another size (bilinear, both sides by themselves).

    Raises:
        InputError: damaged, too large, of more than 8 bits, or of another size without `resize`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    data = read_bytes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image: Any = Image.open(io.BytesIO(data), formats=("PNG", "BMP", "JPEG"))
            _require_size(path, image)
            image = ImageOps.exif_transpose(image)
            depth = image.mode
            image = image.convert(_MODES[channels])
    except InputError:
        raise
    except UnidentifiedImageError:  # its own message names an address in memory
        raise unreadable(path, "no sound picture (neither PNG, BMP nor JPEG)") from None
    except Exception as error:  # Pillow's decoders raise many kinds for damaged files
        raise unreadable(path, f"no sound picture ({error})") from None
    if depth.startswith(_DEEP_MODES):
        raise unreadable(path, "it has more than 8 bits per channel: convert it to 8")
    if image.size != (width, height):
        if not resize:
            raise InputError(
                f"'{printable_path(path)}' has {image.size[0]} x {image.size[1]} pixels, the model "
                f"takes {width} x {height}",
                hint="crop it, or give --resize to scale it",
            )
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image, np.uint8).reshape(height, width, channels)


def _require_size(path: str, image: Any) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise unreadable(path, f"{width} x {height} pixels are more than {MAX_PIXELS}")


@dataclass(frozen=True, slots=True)
class ImageRange:
    """How a pixel p from 0 to 255 becomes a number of the model.

    Attributes:
        kind: "full": 0 is the lowest and 255 the highest value that the input's integer type
                holds, which for int8 is p - 128;
            "raw": the pixel's byte is the tensor's byte (for int8: 200 means -56);
            "real": 0 means the real number `low` and 255 `high`;
            "auto": "full", or "raw" for a .bmp file that evidently holds signed bytes.
        low, high: for "real".
    """

    kind: str
    low: float = 0.0
    high: float = 0.0

    def __str__(self) -> str:
        return f"{self.low:g}:{self.high:g}" if self.kind == "real" else self.kind


def parse_range(text: str) -> ImageRange:
    """Read "auto", "full", "raw" or "LOW:HIGH". Raises InputError."""
    if text in ("auto", "full", "raw"):
        return ImageRange(text)
    low, colon, high = text.partition(":")
    try:
        limits = float(low), float(high)
    except ValueError:
        limits = math.nan, math.nan
    if not colon or not all(map(math.isfinite, limits)) or limits[0] >= limits[1]:
        raise InputError(
            f"no image range '{printable(text)}'",
            hint="say auto, full, raw, or LOW:HIGH such as 0:1, -1:1 or 0:255",
        )
    return ImageRange("real", *limits)


_WRAP = 192  # neighbours this far apart are a quarter or less apart on the other reading
_CLIPPED = 8  # so near to black or white that a jump between them is a sharp edge
_MIN_PAIRS = 1000


def holds_signed_bytes(pixels: Pixels) -> bool:
    """True if uint8 [h, w, c] is evidently a picture of signed bytes (-128 black, 127 white).

    TFLM's own test pictures hold an int8 tensor's bytes as they are. Read as unsigned, mid-grey
    then jumps between nearly black and nearly white, where a true picture has almost no jump
    between neighbours that are not clipped; read as signed, it is smooth. Small pictures and
    doubtful ones count as unsigned.
    """
    jumps = smooth_jumps = pairs = 0
    for axis in (0, 1):
        steps = np.moveaxis(pixels.astype(np.int16), axis, 0)
        near, far = steps[:-1], steps[1:]
        grey = np.minimum(near, far) >= _CLIPPED
        grey &= np.maximum(near, far) < 256 - _CLIPPED
        jumps += int(np.count_nonzero(grey & (abs(near - far) >= _WRAP)))
        signed = (near ^ 128) - (far ^ 128)
        smooth_jumps += int(np.count_nonzero(abs(signed) >= _WRAP))
        pairs += near.size
    return pairs >= _MIN_PAIRS and jumps >= 0.003 * pairs and jumps >= 4 * smooth_jumps

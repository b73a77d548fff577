"""Pictures: decoding, sizes, grey and colours, ranges, signed bytes, refusals."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from microinterp.errors import InputError
from microinterp.golden import sound_graph
from microinterp.images import MAX_PIXELS, holds_signed_bytes, parse_range, read_image
from microinterp.inputs import Reading, read_samples
from tests.cli import copying_model
from tests.conftest import SHARED_MODELS, shared_model

GREY = np.array([[0, 1, 127], [128, 254, 255]], np.uint8)


def picture(folder: Path, pixels: Any, name: str = "x.png", **options: Any) -> str:
    path = folder / name
    Image.fromarray(np.asarray(pixels)).save(path, **options)
    return str(path)


def numbers(path: str, dtype: str, channels: int = 1, **more: Any) -> list[Any]:
    """What a model of the GREY picture's size gets."""
    scale, zero_point = more.pop("scale", 1.0), more.pop("zero_point", 0)
    if dtype == "float32":
        scale = zero_point = None
    model = copying_model((1, 2, 3, channels), dtype, scale, zero_point)
    options = {"image_range": parse_range(more.pop("image_range", "auto")), **more}
    (array,) = read_samples([path], sound_graph(model).main.inputs, Reading(**options)).arrays
    assert array.dtype == dtype
    return array.ravel().tolist()


@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_pixels_come_back(tmp_path: Path, kind: str) -> None:
    pixels = read_image(picture(tmp_path, GREY, f"x.{kind}"), 2, 3, 1, resize=False)
    assert pixels[..., 0].tolist() == GREY.tolist()
    colours = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    got = read_image(picture(tmp_path, colours, f"y.{kind}"), 2, 3, 3, resize=False)
    assert got.tolist() == colours.tolist()


def test_jpeg(tmp_path: Path) -> None:
    flat = np.full((16, 16), 77, np.uint8)
    pixels = read_image(picture(tmp_path, flat, "x.jpg", quality=95), 16, 16, 1, resize=False)
    assert abs(pixels.astype(int) - 77).max() <= 1


def test_grey_and_colours_are_converted(tmp_path: Path) -> None:
    path = picture(tmp_path, GREY)
    assert (read_image(path, 2, 3, 3, resize=False) == GREY[..., None]).all()
    red = np.zeros((2, 3, 3), np.uint8)
    red[..., 0] = 255
    grey = read_image(picture(tmp_path, red, "r.png"), 2, 3, 1, resize=False)
    assert set(grey.ravel().tolist()) == {76}  # 0.299 * 255


def test_int8_is_pixel_minus_128(tmp_path: Path) -> None:
    path = picture(tmp_path, GREY)
    for scale in (1.0, 0.0078):
        assert numbers(path, "int8", scale=scale) == [-128, -127, -1, 0, 126, 127]
    assert numbers(path, "int8", image_range="full") == [-128, -127, -1, 0, 126, 127]


def test_other_types(tmp_path: Path) -> None:
    path = picture(tmp_path, GREY)
    assert numbers(path, "int16") == [-32768, -32511, -129, 128, 32510, 32767]
    assert numbers(path, "float32", image_range="0:255") == [0.0, 1.0, 127.0, 128.0, 254.0, 255.0]
    assert numbers(path, "float32", image_range="-1:1")[::5] == [-1.0, 1.0]
    with pytest.raises(InputError, match="pixels as float32") as got:
        numbers(path, "float32")
    assert "0:255" in got.value.hint


def test_raw_is_the_byte(tmp_path: Path) -> None:
    path = picture(tmp_path, GREY)
    wanted = [0, 1, 127, -128, -2, -1]
    assert numbers(path, "int8", image_range="raw") == wanted
    assert numbers(path, "int8", raw=True) == wanted
    with pytest.raises(InputError, match="8-bit pixels"):
        numbers(path, "int16", raw=True)


def test_real_range_is_quantised(tmp_path: Path) -> None:
    path = picture(tmp_path, GREY)
    got = numbers(path, "int8", image_range="0:1", scale=1 / 100, zero_point=-50)
    assert got == [-50, -50, 0, 0, 50, 50]
    assert numbers(path, "int8", image_range="0:255", zero_point=-128) == [
        *(-128, -127, -1, 0, 126, 127)
    ]


@pytest.mark.parametrize(
    "text", ["", "fly", "1", "1:", ":1", "1:0", "1:1", "nan:1", "0:inf", "0:1:2"]
)
def test_bad_ranges(text: str) -> None:
    with pytest.raises(InputError, match="no image range"):
        parse_range(text)


def test_ranges_as_text() -> None:
    for text in ("auto", "full", "raw", "0:1", "-1:1", "-0.5:12"):
        assert str(parse_range(text)) == text


def test_size_must_fit_or_be_asked_for(tmp_path: Path) -> None:
    path = picture(tmp_path, np.full((4, 6), 9, np.uint8))
    with pytest.raises(InputError, match="has 6 x 4 pixels, the model takes 3 x 2") as got:
        numbers(path, "int8")
    assert "--resize" in got.value.hint
    assert numbers(path, "int8", resize=True) == [9 - 128] * 6


def test_a_turned_photo_is_set_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    path = picture(tmp_path, GREY, exif=exif)
    assert read_image(path, 2, 3, 1, resize=False)[..., 0].tolist() == GREY[::-1, ::-1].tolist()


def test_inputs_that_are_no_pictures(tmp_path: Path) -> None:
    path = picture(tmp_path, GREY)
    for shape in ((1, 6), (1, 2, 3, 2), (2, 2, 3, 1), (6,)):
        graph = sound_graph(copying_model(shape))
        with pytest.raises(InputError, match="got a picture"):
            read_samples([path], graph.main.inputs)


def test_deep_pictures_are_refused(tmp_path: Path) -> None:
    path = picture(tmp_path, GREY.astype(np.uint16) * 257)
    with pytest.raises(InputError, match="more than 8 bits"):
        read_image(path, 2, 3, 1, resize=False)


def big_png(width: int, height: int) -> bytes:
    """A PNG that promises many pixels and has none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


@pytest.mark.parametrize(("width", "height"), [(MAX_PIXELS // 4000 + 1, 4000), (30000, 30000)])
def test_pixel_cap(tmp_path: Path, width: int, height: int) -> None:
    (tmp_path / "x.png").write_bytes(big_png(width, height))
    with pytest.raises(InputError, match=r"pixels are more than|Image size"):
        read_image(str(tmp_path / "x.png"), 2, 3, 1, resize=True)


@pytest.mark.parametrize("kind", ["png", "bmp", "jpg"])
def test_damaged_files(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 40), np.uint8)
    path = Path(picture(tmp_path, noise, f"x.{kind}"))
    sound = path.read_bytes()
    for damaged in (b"", sound[:10], sound[:60], sound[: len(sound) // 2], b"GIF89a" + bytes(50)):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="no sound picture"):
            read_image(str(path), 40, 40, 1, resize=False)


def scene(size: int = 64) -> Any:
    """A picture with some texture whose greys run through the middle, where signed bytes wrap."""
    rows, columns = np.mgrid[0:size, 0:size]
    waves = 128 + 50 * np.sin(rows / 5) + 40 * np.cos(columns / 7)
    texture = np.random.default_rng(3).integers(-30, 31, (size, size))
    return (waves + texture).astype(np.uint8)[..., None]


def test_signed_bytes_are_seen_and_said(tmp_path: Path) -> None:
    usual = scene()
    signed = usual ^ 128
    assert holds_signed_bytes(signed)
    assert not holds_signed_bytes(usual)
    noise = np.random.default_rng(2).integers(0, 256, (64, 64, 1), np.uint8)
    assert not holds_signed_bytes(noise)
    assert not holds_signed_bytes(signed[:20, :20])  # too small to tell
    tensors = sound_graph(copying_model((1, 64, 64, 1))).main.inputs
    for name, pixels, noted in (("s.bmp", signed, 1), ("u.bmp", usual, 0), ("s.png", signed, 0)):
        got = read_samples([picture(tmp_path, pixels[..., 0], name)], tensors)
        assert len(got.notes) == noted
        wanted = pixels.view(np.int8) if noted else (pixels.astype(np.int16) - 128).astype(np.int8)
        assert got.arrays[0].tobytes() == wanted.tobytes()


@pytest.mark.parametrize(("name", "offset", "notes"), [("person", 0, 1), ("no_person", 128, 0)])
def test_tflms_own_pictures(name: str, offset: int, notes: int) -> None:
    """person.bmp holds signed bytes; no_person.bmp is a usual picture, as one sees."""
    tensors = sound_graph(shared_model("person_detect.tflite")).main.inputs
    path = SHARED_MODELS / "inputs" / f"{name}.bmp"
    got = read_samples([str(path)], tensors)
    assert got.arrays[0].tobytes() == (np.asarray(Image.open(path)) ^ np.uint8(offset)).tobytes()
    assert len(got.notes) == notes

"""Files that are no packed models, runs that take too long: the page says so, and lives on."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest
from PIL import Image

from microinterp_boards.packing import pack_for_board
from tests.digits import DIGITS as FOLDER
from tests.playground.models import long_model, packed, picture_model, sum_model
from tests.playground.page import Page

TFLITE = FOLDER / "digits_int8.tflite"
PACKED = pack_for_board(TFLITE).packed
TIER = "--tier bytecode"


def damaged(position: int, value: int) -> bytes:
    data = bytearray(PACKED)
    data[position] ^= value
    return bytes(data)


def with_arena(size: int) -> bytes:
    """The digits model that says its arena has `size` bytes."""
    have = struct.pack("<I", pack_for_board(TFLITE).report.arena_bytes)
    assert PACKED.count(have) == 1
    return PACKED.replace(have, struct.pack("<I", size))


BAD = {
    "empty": (b"", "not a packed model"),
    "text": (b"# a page of text, and more of it\n" * 9, "not a packed model"),
    "tflite": (TFLITE.read_bytes(), TIER),
    "header only": (PACKED[:8], "damaged or cut"),
    "cut": (PACKED[:4000], "damaged or cut"),
    "a byte short": (PACKED[:-1], "damaged or cut"),
    "large": (bytes(17 << 20), "17,825,792 bytes, this page takes models of up to 16,777,216"),
    "arena": (with_arena(300 << 20), "its arena needs 314572800 bytes, this page takes 16777216"),
    "small arena": (with_arena(64), "outside of 64 bytes"),
}


@pytest.fixture(scope="module")
def page(shared: Page) -> Page:
    return shared


def require_alive(page: Page) -> None:
    """The model of before runs, and gives what it gave."""
    page.click("next")
    assert "All 10 output bytes and 10 CRC32s" in page.text("verdict")


@pytest.mark.parametrize("kind", BAD)
def test_no_packed_model(tmp_path: Path, page: Page, kind: str) -> None:
    data, said = BAD[kind]
    file = tmp_path / "bad.mipk"
    file.write_bytes(data)
    page.take(file)
    text = page.text("error")
    assert text.startswith("bad.mipk")
    assert said in text
    assert "Traceback" not in text
    assert page.text("model-name") == "digits"
    require_alive(page)
    assert not page.is_shown("error")


@pytest.mark.parametrize("tier", ["armv6m", "armv7em"])
def test_kernels_of_another_tier(tmp_path: Path, page: Page, tier: str) -> None:
    page.take(packed(tmp_path, TFLITE.read_bytes(), tier=tier))
    assert f"packed for '{tier}', this runtime reads 'portable'" in page.text("error")
    assert TIER in page.text("error")
    require_alive(page)


def test_damaged_bytes_never_hang_or_crash_the_page(tmp_path: Path, page: Page) -> None:
    """Each is refused, or runs; whatever it says, the next model runs."""
    refused = 0
    for number in range(16):
        file = tmp_path / f"{number}.mipk"
        file.write_bytes(damaged(number * 149 % len(PACKED), 1 << number % 8))
        page.take(file)
        if page.is_shown("error"):
            refused += 1
            assert "MicroPython itself failed" not in page.text("error")
    assert 0 < refused < 16
    page.js("document.getElementById('digits').click()")
    page.wait()
    require_alive(page)


@pytest.mark.parametrize("kind", ["no picture", "no contrast"])
def test_pictures_without_a_digit(tmp_path: Path, page: Page, kind: str) -> None:
    file = tmp_path / "picture.png"
    if kind == "no picture":
        file.write_bytes(b"\x89PNG, or so it says")
    else:
        Image.new("L", (40, 40), 200).save(file)
    page.take(file, "picture-file")
    said = {"no picture": "is no picture that this browser reads", "no contrast": "no contrast"}
    assert said[kind] in page.text("error")
    require_alive(page)


def test_pictures_for_a_model_that_takes_none(tmp_path: Path, page: Page) -> None:
    page.take(packed(tmp_path, sum_model()))
    Image.new("L", (40, 40), 200).save(tmp_path / "p.png")
    page.take(tmp_path / "p.png", "picture-file")
    assert page.text("error") == "This model takes no picture."
    page.click("digits")


def test_a_long_run_can_be_stopped(tmp_path: Path, page: Page) -> None:
    file = packed(tmp_path, long_model())
    page.do("files", selector="#model-file", files=[str(file)])
    page.until("document.getElementById('status').textContent === 'Running…'")
    twice = "document.getElementById('stop')"
    page.js(f"{twice}.click(); {twice}.click(); playground.engine.stop()")
    begin = time.monotonic()
    page.wait()
    assert time.monotonic() - begin < 20
    assert page.text("status") == "Stopped."
    page.click("digits")
    require_alive(page)


def test_a_run_that_nobody_stops_ends_by_itself(tmp_path: Path, page: Page) -> None:
    file = packed(tmp_path, long_model())
    page.js("playground.engine.secondsAllowed = 2")
    page.take(file)
    page.until("document.getElementById('status').textContent.startsWith('Stopped')")
    page.wait()
    assert page.text("status") == "Stopped: it took more than 2 seconds."
    page.js("playground.engine.secondsAllowed = 120")
    page.click("digits")
    require_alive(page)


def test_files_at_once_are_taken_one_after_the_other(tmp_path: Path, page: Page) -> None:
    files = [tmp_path / "cut.mipk", packed(tmp_path, sum_model()), tmp_path / "text.mipk"]
    files[0].write_bytes(PACKED[:4000])
    files[2].write_bytes(b"no model, but long enough to be looked into")
    before = page.js("playground.files")
    for file in files:
        page.do("files", selector="#model-file", files=[str(file)])
    page.until(f"playground.files === {before + 3}")
    page.wait()
    assert page.text("model-name") == "model.mipk"
    assert "not a packed model" in page.text("error")
    assert page.js("playground.result.ops.length") == 2
    page.click("digits")
    page.until("playground.facts.ops.length === 10")
    page.wait()
    require_alive(page)


def test_another_model_ends_what_runs(tmp_path: Path, page: Page) -> None:
    page.do("files", selector="#model-file", files=[str(packed(tmp_path, long_model()))])
    page.until("document.getElementById('status').textContent === 'Running…'")
    page.take(packed(tmp_path, picture_model()))
    page.until("playground.facts.ops.length === 2 && playground.result?.ops.length === 2")
    page.wait()
    assert not page.is_shown("error")
    page.click("digits")
    require_alive(page)

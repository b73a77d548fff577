"""Digits in the browser: drawn, touched, typed and loaded; every byte is the host's."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from microinterp.packed import load
from microinterp.packed.steps import Conv
from microinterp_boards.packing import BoardModel, pack_for_board
from tests.cli import good
from tests.digits import DIGITS as FOLDER
from tests.playground.conftest import OpenPage
from tests.playground.page import Page, require_equal_to_host
from tests.playground.strokes import DIGITS, Stroke

MODEL = FOLDER / "digits_int8.tflite"
OPS = 10


@pytest.fixture(scope="module")
def digits() -> BoardModel:
    return pack_for_board(MODEL)


@pytest.fixture(scope="module")
def page(shared: Page) -> Page:
    return shared


def ink(page: Page) -> list[int]:
    """The 8x8 image as the page shows it."""
    code = "[...document.querySelectorAll('.pixel')].map((cell) => Number(cell.textContent))"
    return [int(each) for each in page.js(code)]


@pytest.mark.parametrize("digit", DIGITS)
def test_a_drawn_digit_is_read_with_the_hosts_bytes(
    page: Page, digits: BoardModel, digit: int
) -> None:
    page.draw(DIGITS[digit])
    assert require_equal_to_host(page, digits) == OPS
    assert page.text("answer-value") == str(digit)
    (given,) = page.inputs()
    assert [15 * n - 128 for n in ink(page)] == list(np.frombuffer(given, np.int8))


def test_the_pages_packed_model_is_what_the_command_writes(tmp_path: Path, page: Page) -> None:
    packed = tmp_path / "digits.mipk"
    good("pack", MODEL, "-o", packed, "--tier", "bytecode")
    code = "[...playground.engine.model].map((b) => b.toString(16).padStart(2, '0')).join('')"
    assert bytes.fromhex(page.js(code)) == packed.read_bytes()


def test_fingers_on_a_phone(open_page: OpenPage, url: str, digits: BoardModel) -> None:
    page = open_page(url, 390, 844, "light", True)
    page.draw(DIGITS[3])
    assert page.text("answer-value") == "3"
    require_equal_to_host(page, digits)


def test_who_draws_before_micropython_has_started_is_answered(
    open_page: OpenPage, digits: BoardModel
) -> None:
    page = open_page(is_late=True)
    page.do("draw", selector="#canvas", strokes=DIGITS[7])
    assert page.text("status") == "Starting MicroPython…"
    page.wait()
    assert page.text("answer-value") == "7"
    require_equal_to_host(page, digits)


def test_keys_change_pixels(page: Page, digits: BoardModel) -> None:
    page.example(0)
    before = ink(page)
    page.do("focus", selector="#pixels [tabindex='0']")
    for key in ("ArrowRight", "ArrowDown", "9", "ArrowLeft", "5", "+", "-", "-"):
        page.do("press", key=key)
    page.wait()
    changed = {i: (a, b) for i, (a, b) in enumerate(zip(before, ink(page), strict=True)) if a != b}
    assert changed == {8: (before[8], 8), 9: (before[9], 16)}
    require_equal_to_host(page, digits)
    assert "row 2, column 1: ink 8" in page.js("document.activeElement.getAttribute('aria-label')")


def picture(strokes: list[Stroke], path: Path, paper: str, colour: str, width: int) -> None:
    image = Image.new("RGBA", (400, 300), paper)
    draw = ImageDraw.Draw(image)
    for stroke in strokes:
        draw.line([(60 + 220 * x, 20 + 220 * y) for x, y in stroke], colour, width, "curve")
    image.save(path)


@pytest.mark.parametrize(
    ("digit", "paper", "colour", "width"),
    [(0, "white", "black", 26), (3, "#223", "#eee", 30), (7, "#0000", "blue", 12)],
    ids=["photo", "light on dark", "thin on nothing"],
)
def test_a_digit_in_a_picture(
    tmp_path: Path, page: Page, digits: BoardModel, digit: int, paper: str, colour: str, width: int
) -> None:
    file = tmp_path / "picture.png"
    picture(DIGITS[digit], file, paper, colour, width)
    page.take(file, "picture-file")
    assert not page.is_shown("error")
    assert page.text("answer-value") == str(digit)
    require_equal_to_host(page, digits)


def test_test_images_are_held_to_tflm_on_the_page(page: Page, digits: BoardModel) -> None:
    """25 of them, by the page's own account; and one whose every byte we know to be the image's."""
    page.click("check-run")
    sums = page.js("playground.check")
    wanted = {"images": 25, "bytes": 250, "differingBytes": 0, "crcs": 250, "differingCrcs": 0}
    assert {key: sums[key] for key in wanted} == wanted
    assert sums["right"] >= 24
    assert "Equal." in page.text("check-text")
    test = np.load(FOLDER / "test_images.npz")
    for number in (898, 123):
        page.example(number)
        image = test["images"][number].astype(int)
        assert page.inputs() == [(15 * image - 128).astype(np.int8).tobytes()]
        require_equal_to_host(page, digits)
        assert "All 10 output bytes and 10 CRC32s" in page.text("verdict")


def test_a_check_finds_a_wrong_record(open_page: OpenPage) -> None:
    """Bytes of the model are changed below the page: it must say that they differ."""
    page = open_page()
    at = weight_position()
    page.js(f"playground.engine.model[{at}] ^= 0x40; playground.engine.stop()")
    page.wait()
    page.click("run")
    assert "DIFFER from TensorFlow Lite Micro" in page.text("verdict")
    page.click("check-run")
    assert "NOT EQUAL" in page.text("check-text")


def weight_position() -> int:
    """A byte of the packed file that is a weight of the first op."""
    packed = pack_for_board(MODEL).packed
    model = load(packed)
    step = model.subgraphs[0].steps[0]
    assert isinstance(step, Conv)
    return packed.index(bytes(model.weights)) + ~step.w + 1


def test_a_saved_input_gives_the_same_on_the_command_line(tmp_path: Path, page: Page) -> None:
    page.draw(DIGITS[6])
    saved = page.do("download", selector="#save")
    assert saved["name"] == "input.npy"
    file = tmp_path / "input.npy"
    shutil.copy(saved["path"], file)
    assert np.load(file).tobytes() == page.inputs()[0]
    good("run", MODEL, file, "-o", tmp_path / "out.npz")
    outputs = np.load(tmp_path / "out.npz")
    assert outputs[outputs.files[0]].tobytes() == page.outputs()[0]

    good("golden", "record", MODEL, file, "-o", tmp_path / "drawing.golden")
    shown = good("golden", "show", tmp_path / "drawing.golden", "--sample", 0)
    sums = page.js(
        "[...document.querySelectorAll('#op-rows .wide')].map((each) => each.textContent)"
    )
    assert len(sums) == OPS
    assert [each for each in sums if each not in shown] == []

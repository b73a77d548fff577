"""Packed models that a user drops: what they take and give, and every byte against the host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from microinterp.inputs import read_samples
from microinterp_boards.expected import Samples, expectations
from microinterp_boards.packing import BoardModel, MemoryPasses, pack_for_board
from tests.digits import DIGITS as FOLDER
from tests.models import conv_model
from tests.playground.models import packed, picture_model, sound_model, sum_model
from tests.playground.page import Page, require_equal_to_host
from tests.playground.strokes import DIGITS
from tests.test_wakewords import wakeword

TFLITE = FOLDER / "digits_int8.tflite"


@pytest.fixture(scope="module")
def page(shared: Page) -> Page:
    return shared


@pytest.fixture(autouse=True)
def digits_again(page: Page) -> Iterator[None]:
    yield
    if page.is_shown("digits"):
        page.click("digits")


def test_a_drawing_and_a_picture_as_a_models_pixels(tmp_path: Path, page: Page) -> None:
    tflite = picture_model()
    page.take(packed(tmp_path, tflite))
    model = pack_for_board(tflite)
    assert require_equal_to_host(page, model) == 2

    page.draw(DIGITS[4])
    require_equal_to_host(page, model)
    drawn = np.frombuffer(page.inputs()[0], np.int8).reshape(12, 12, 3)
    assert (drawn[0, 0] == 127).all()  # paper
    assert drawn.min() < -100  # ink
    assert np.ptp(drawn, axis=2).max() == 0
    page.click("light")
    light = np.frombuffer(page.inputs()[0], np.int8).reshape(12, 12, 3)
    assert (light[0, 0] == -128).all()

    pixels = np.random.default_rng(2).integers(0, 256, (12, 12, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    page.take(tmp_path / "p.png", "picture-file")
    assert page.inputs() == [(pixels ^ 128).tobytes()]  # as `microinterp run` reads it
    require_equal_to_host(page, model)


def test_two_inputs_real_outputs_and_hostile_names(tmp_path: Path, page: Page) -> None:
    tflite = sum_model()
    page.take(packed(tmp_path, tflite))
    model = pack_for_board(tflite)
    before = page.inputs()
    require_equal_to_host(page, model)
    assert not page.is_shown("draw-box")

    page.do("choose", selector="#which", value="1")
    numbers = np.arange(6, dtype=np.int8)[None] * 20 - 50
    np.save(tmp_path / "y.npy", numbers)
    page.take(tmp_path / "y.npy", "input-file")
    assert page.inputs() == [before[0], numbers.tobytes()]
    require_equal_to_host(page, model)
    page.click("random")
    assert page.inputs()[1] != numbers.tobytes()
    assert page.js("document.title") == "microinterp playground"
    real = np.frombuffer(page.outputs()[0], np.float32)
    assert f"{real[0]:.4f}" in page.text("outputs")


def test_real_values_are_typed(tmp_path: Path, page: Page) -> None:
    """They become the bytes that the host makes of them, ties and limits included."""
    tflite = sum_model()
    page.take(packed(tmp_path, tflite))
    model = pack_for_board(tflite)
    reals = [0.25, -0.75, 1.1, 1e9, -1e9, 0]
    page.do("fill", selector="#numbers", value=", ".join(map(str, reals)))
    page.do("press", key="Enter")
    page.wait()
    np.save(tmp_path / "x.npy", np.array([reals], np.float32))
    np.save(tmp_path / "y.npy", np.frombuffer(page.inputs()[1], np.int8)[None])
    files = [str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    wanted = read_samples(files, model.prepared.graph.main.inputs).arrays[0]
    assert page.inputs()[0] == wanted.tobytes()
    require_equal_to_host(page, model)
    page.do("fill", selector="#numbers", value="1, two")
    page.do("press", key="Enter")
    assert page.text("error") == "The input takes 6 numbers with commas between."


def test_tensors_that_are_too_long_for_a_picture(tmp_path: Path, page: Page) -> None:
    tflite = sound_model()
    page.take(packed(tmp_path, tflite))
    assert require_equal_to_host(page, pack_for_board(tflite)) == 2
    assert not page.is_shown("error")
    assert "the 20 largest of 12,000" in page.text("outputs")
    assert page.js("document.querySelector('.channels').width") <= 64
    assert not page.is_shown("numbers")


def test_strokes_take_the_place_of_a_picture_of_a_digit(tmp_path: Path, page: Page) -> None:
    """On another model's picture they are drawn on top."""
    Image.new("RGB", (40, 40), "white").save(tmp_path / "p.png")
    page.take(packed(tmp_path, picture_model()))
    page.take(tmp_path / "p.png", "picture-file")
    page.do("draw", selector="#canvas", strokes=DIGITS[1])
    page.wait()
    assert np.frombuffer(page.inputs()[0], np.int8).min() < 0
    page.click("undo")
    assert set(page.inputs()[0]) == {127}
    page.click("digits")
    picture = Image.new("L", (40, 40), 255)
    picture.paste(0, (10, 5, 14, 35))
    picture.save(tmp_path / "bar.png")
    page.take(tmp_path / "bar.png", "picture-file")
    page.do("draw", selector="#canvas", strokes=DIGITS[0])
    page.wait()
    assert page.text("answer-value") == "0"
    assert page.text("input-kind").startswith("Now: your drawing")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (np.zeros((1, 6), np.float32), "holds '<f4', the input takes int8 ('|i1')"),
        (np.zeros((1, 7), np.int8), "holds 7 bytes, the input takes 6"),
        (b"\x93NUMPY\x01", "is cut off"),
        (b"no numbers", "is not an .npy file"),
    ],
    ids=["type", "size", "cut", "text"],
)
def test_numbers_that_do_not_fit(
    tmp_path: Path, page: Page, content: np.ndarray | bytes, said: str
) -> None:
    page.take(packed(tmp_path, sum_model()))
    file = tmp_path / "input.npy"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.save(file, content)
    page.take(file, "input-file")
    assert said in page.text("error")


def test_variables_go_from_run_to_run_until_they_are_reset(tmp_path: Path, page: Page) -> None:
    tflite = wakeword("okay_nabu")
    page.take(packed(tmp_path, tflite))
    model = pack_for_board(tflite)
    assert page.is_shown("reset")
    runs = [page.inputs()]
    for _ in range(2):
        page.click("random")
        runs.append(page.inputs())
    answers = answers_of(model, runs)
    assert (page.outputs(), page.crcs()) == answers[-1]
    page.click("run")
    assert (page.outputs(), page.crcs()) != answers[-1]
    page.click("reset")
    ((outputs, crcs),) = answers_of(model, runs[-1:])
    assert page.outputs() == outputs
    assert {op: each for op, each in crcs.items() if not op[0]} == {
        op: each for op, each in page.crcs().items() if not op[0]
    }


Answer = tuple[list[bytes], dict[tuple[int, int], tuple[int, ...]]]


def answers_of(model: BoardModel, runs: list[list[bytes]]) -> list[Answer]:
    """What the host gives for inputs one after the other, from a fresh start."""
    tensors = model.prepared.graph.main.inputs
    given = [
        tuple(
            np.frombuffer(data, tensor.dtype).reshape(tensor.shape)
            for data, tensor in zip(inputs, tensors, strict=True)
        )
        for inputs in runs
    ]
    samples = Samples(len(runs), "host", lambda: ((each, None) for each in given))
    return [(list(e.outputs), e.crcs) for e in expectations(model, samples, per_op=True)]


@pytest.mark.parametrize("passes", ["auto", "overlap"])
def test_memory_passes(tmp_path: Path, page: Page, passes: str) -> None:
    page.take(packed(tmp_path, TFLITE.read_bytes(), "--passes", passes))
    page.example(7)
    require_equal_to_host(page, pack_for_board(TFLITE, passes=MemoryPasses(passes)))
    assert "All 10 output bytes" in page.text("verdict")


@pytest.mark.parametrize("tflite", [TFLITE.read_bytes(), conv_model(), picture_model(layers=3)])
def test_places_and_lifetimes_in_the_arena_are_the_plans(
    tmp_path: Path, page: Page, tflite: bytes
) -> None:
    page.take(packed(tmp_path, tflite))
    model = pack_for_board(tflite)
    graph = model.prepared.graph.main
    wanted = set()
    for tensor in {t.index: t for node in graph.nodes for t in node.outputs}.values():
        first = next(n.index for n in graph.nodes if tensor in n.outputs)
        uses = [n.index for n in graph.nodes if tensor in n.inputs]
        last = len(graph.nodes) if tensor in graph.outputs else max(uses)
        offset = model.plan.tensors[0, tensor.index]
        wanted.add((f"tensor {tensor.index}", offset, tensor.nbytes, first, last))
    bars = [bar for bar in page.js("playground.facts.bars") if bar["kind"] in ("tensor", "output")]
    found = {(b["label"], b["offset"], b["nbytes"], b["first"], b["last"]) for b in bars}
    assert found == wanted


def test_shapes_are_the_models(page: Page) -> None:
    """Where a step says it; elements alone for the others."""
    graph = pack_for_board(TFLITE).prepared.graph.main
    told = [op["written"][0]["shape"] for op in page.js("playground.facts.ops")]
    for shape, node in zip(told, graph.nodes, strict=True):
        whole = node.outputs[0].shape
        assert shape in (list(whole), [1, 1, *whole], [int(np.prod(whole))])
    assert told[0] == [1, 8, 8, 16]

"""What docs/boards.md says of golden bundles and of comparisons, run as it stands there."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp import golden
from microinterp.interpreter import prepare_model
from microinterp.sides import places_of
from microinterp_boards import Board, virtual_board
from tests.boards.model_boards import GOLDEN, LARGE_HEAP, MODEL, NAME
from tests.boards.unix_port import ROOT
from tests.cli import good

pytestmark = pytest.mark.usefixtures("interpreter")

TEXT = (ROOT / "docs" / "boards.md").read_text()


def blocks(section: str) -> list[tuple[str, str]]:
    """Language and text of each block of code in a section."""
    (text,) = re.findall(rf"^## {section}\n(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def port() -> Iterator[str]:
    with virtual_board(heap=LARGE_HEAP) as port:
        with Board(port, patience=5) as board:
            board.deploy(MODEL)
        yield port


@pytest.mark.slow
def test_commands(port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(MODEL, "digits_int8.tflite")
    shutil.copy(GOLDEN, "tflm.golden")
    commands = blocks("Golden bundles")[0][1].splitlines()
    told = re.findall(r"`(microinterp compare .*?)`", TEXT)
    assert (len(commands), len(told)) == (3, 1)
    for command in (*commands, *told):
        words = shlex.split(command, comments=True)[1:]
        text = " ".join(words).replace("MODEL", NAME).replace("board:PORT", f"board:{port}")
        if words[0] == "board":
            text += f" --port {port}"
        print(good(*text.split()))
    with_tensors = golden.check(MODEL.read_bytes(), "board.golden")
    assert with_tensors.equal
    assert with_tensors.samples == 50
    assert with_tensors.compared_crcs == 500


def test_on_the_board(port: str) -> None:
    _, (language, code), (_, printed) = blocks("Golden bundles")
    assert language == "python"
    with Board(port, patience=5) as board:
        board.files.put("tflm.golden", GOLDEN.read_bytes())
        output = board.exec(code, 60.0)
    found, wanted = ast.literal_eval(output), ast.literal_eval(printed)
    assert found == wanted


def test_a_board_as_a_side(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    ((language, code),) = blocks("Boards in a comparison")
    assert language == "python"
    model = MODEL.read_bytes()
    place = places_of(prepare_model(model))[3]
    assert code.count("0, 3, 17") == 2
    names: dict[str, Any] = {
        "port": port,
        "model": model,
        "images": np.zeros((2, 1, 8, 8, 1), np.int8),
    }
    exec(code.replace("0, 3, 17", ", ".join(map(str, place))), names)
    tensor = prepare_model(model).graph.main.tensors[place[2]]
    assert capsys.readouterr().out == f"(2, 1, 10) {(2, *tensor.shape)}\n"

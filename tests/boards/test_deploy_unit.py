"""The proof that a deployed model runs, without a board: what is tried again, and what is not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import microinterp
from microinterp.errors import DeviceError
from microinterp_boards import deploy
from microinterp_boards.packing import BoardModel, pack_for_board
from microinterp_boards.session import DoesNotFitError
from microinterp_boards.session_facts import Loaded
from tests.boards.fake_small_board import SmallBoard
from tests.boards.tiny_models import dense_model

FOLDER = "lib/microinterp"
BROKEN, LARGE = DeviceError("the line broke"), DoesNotFitError("it does not fit")


@pytest.fixture(scope="module")
def model() -> BoardModel:
    return pack_for_board(dense_model((4, 6, 3)))


@pytest.fixture
def link() -> Any:
    return SimpleNamespace(port="fake\x1b", transport=SimpleNamespace(gone=False))


def told(model: BoardModel, **other: Any) -> Loaded:
    """What a board says of a model that is what was deployed, but for `other`."""
    same = Loaded(
        heap_start=9000,
        heap_imported=8000,
        heap_loaded=7000,
        arena_bytes=model.report.arena_bytes,
        model_bytes=len(model.packed),
        sha256=model.sha256,
        inputs=(4,),
        outputs=(3,),
        tier="viper",
        version=microinterp.__version__,
        clock="us",
        file=f"/flash/{FOLDER}/__init__.mpy",
    )
    return replace(same, **other)


class FakeSession:
    """A session with a board that `answers` in order: what it tells of the model, or an error."""

    answers: list[Loaded | DeviceError]
    opened: list[str]
    ends: int

    def __init__(self, link: object, path: str) -> None:
        self.opened.append(path)
        answer = self.answers.pop(0)
        if isinstance(answer, DeviceError):
            raise answer
        self.loaded = answer

    def __enter__(self) -> FakeSession:
        return self

    def __exit__(self, *about: object) -> None:
        type(self).ends += 1


Load = Callable[..., Loaded]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, link: Any, model: BoardModel) -> Load:
    def load(*answers: Loaded | DeviceError, tries: int = 3) -> Loaded:
        FakeSession.answers, FakeSession.opened, FakeSession.ends = list(answers), [], 0
        return deploy._load(link, model, "models/net.a", FOLDER, tries)

    monkeypatch.setattr(deploy, "Session", FakeSession)
    return load


def test_a_line_that_damages_bytes_is_tried_again(load: Load, model: BoardModel) -> None:
    loaded = told(model)
    assert load(BROKEN, told(model, sha256="00"), loaded) is loaded
    assert FakeSession.opened == ["models/net.a"] * 3
    assert FakeSession.ends == 2  # nothing stays in the board's heap


def test_trying_ends(load: Load, model: BoardModel) -> None:
    with pytest.raises(DeviceError, match="the line broke"):
        load(*[BROKEN] * 3, told(model))
    assert len(FakeSession.opened) == 3
    with pytest.raises(DeviceError, match="the line broke"):
        load(BROKEN, told(model), tries=1)


def test_a_port_that_is_gone_is_not_tried_again(load: Load, link: Any, model: BoardModel) -> None:
    link.transport.gone = True
    with pytest.raises(DeviceError, match="the line broke"):
        load(BROKEN, told(model))
    assert len(FakeSession.opened) == 1


def test_what_does_not_fit_will_not_fit(load: Load, model: BoardModel) -> None:
    with pytest.raises(DoesNotFitError):
        load(LARGE, told(model))
    assert len(FakeSession.opened) == 1


def test_what_was_deployed(link: Any, model: BoardModel) -> None:
    deploy.require_same(link, told(model), model, FOLDER)
    deploy.require_same(link, told(model, file=f"{FOLDER}/__init__.mpy"), model, FOLDER)
    deploy.require_same(link, told(model, file=""), model, FOLDER)  # the firmware does not tell


@pytest.mark.parametrize(
    ("other", "message", "hint"),
    [
        ({"sha256": "ab"}, "was packed from another .tflite file: its sha256 is ab", "deploy"),
        ({"file": "/flash/microinterp/__init__.mpy"}, "imports another 'microinterp'", "remove"),
        ({"file": f"/x{FOLDER}/__init__.mpy"}, "imports another 'microinterp'", "remove"),
        ({"file": f"/{FOLDER}/__init__.py"}, "imports another 'microinterp'", "remove"),
        ({"arena_bytes": 1}, "packed another way: its arena has 1 bytes", "memory passes"),
        ({"inputs": (5,)}, "is damaged: its inputs and outputs", "deploy it again"),
        ({"outputs": (3, 3)}, "is damaged: its inputs and outputs", "deploy it again"),
    ],
)
def test_what_was_not_deployed(
    link: Any, model: BoardModel, other: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(DeviceError) as error:
        deploy.require_same(link, told(model, **other), model, FOLDER)
    assert message in error.value.message
    assert error.value.message.startswith("fake\\x1b: ")
    assert hint in error.value.hint


def test_other_memory_passes_where_any_will_do(link: Any, model: BoardModel) -> None:
    other = told(model, arena_bytes=1)
    deploy.require_same(link, other, model, FOLDER, any_passes=True)
    deploy.require_same(link, replace(other, file=""), model, "")  # in source form


def test_the_heap_that_a_model_needs(link: Any, model: BoardModel) -> None:
    needed = len(model.packed) + model.report.arena_bytes
    board: Any = SimpleNamespace(heap_free=needed)
    deploy._require_heap(link, model, board)
    board.heap_free -= 1
    with pytest.raises(DeviceError, match=f"are 1 bytes more than the {needed - 1} that are free"):
        deploy._require_heap(link, model, board)


@pytest.fixture
def small(tmp_path: Path) -> Any:
    """A board that loads no .mpy files, with memory for the module."""
    board = SmallBoard(tmp_path)
    board.FREE = 20000
    return board


ABOUT: Any = SimpleNamespace(
    implementation="micropython",
    version="1.9",
    machine="micro:bit",
    mpy_set=None,
    reason="it loads no .mpy files",
)


def test_a_deployment_in_source_form(small: Any, model: BoardModel) -> None:
    done = deploy._deploy_source(small, model, None, ABOUT, time.monotonic())
    files = {name: len(data) for name, data in small.files().items()}
    assert files.keys() == {"model.mis", "model.py"}
    assert (done.name, done.path, done.sha256) == ("model", "model.py", model.sha256)
    assert (done.files_sent, done.files_kept) == (("model.mis", "model.py"), ())
    assert done.sent_bytes == sum(files.values())
    assert (done.mpy_set, done.kernels) == ("source", "bytecode")
    assert (done.heap_start, done.heap_imported, done.heap_loaded) == (20000, 19400, 18500)
    assert 0 < done.seconds < 60
    again = deploy._deploy_source(small, model, "source", ABOUT, time.monotonic())
    assert (again.files_sent, again.sent_bytes) == ((), 0)


def test_a_set_of_mpy_files_for_a_board_that_loads_none(small: Any, model: BoardModel) -> None:
    with pytest.raises(DeviceError, match=r"it loads no \.mpy files"):
        deploy._deploy_source(small, model, "bytecode", ABOUT, time.monotonic())
    assert small.files() == {}

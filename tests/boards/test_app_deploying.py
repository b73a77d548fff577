"""A program with its model, tried and taken back: app/deploying.py on a board that is an object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from microinterp.errors import DeviceError, InputError
from microinterp_boards.app import deploying
from microinterp_boards.app.deploying import AppOptions, deploy_app
from microinterp_boards.app.outcome import NAME, AppState
from microinterp_boards.deploy import Deployment
from microinterp_boards.framed.client import Refusal
from microinterp_boards.store.requests import Place
from microinterp_boards.store.sign import signature
from tests.boards.fake_app import MAIN, TRACEBACK, AppBoard, deployment, note, program
from tests.boards.fake_store import failing, refused

OLD, NEW = program("print('old')\n"), program("print('new')\n")
OPTIONS = AppOptions(version=None, key=None, watch=1.0)
BROKEN = refused(Refusal.NOT_ANNOUNCED, "the other slot holds no program")


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Any:
    return AppBoard(monkeypatch)


@pytest.fixture
def running(board: Any) -> Any:
    """A board whose old program has been deployed, with version 1 of the model `net`."""
    board.store.put(NAME, OLD.text)
    board.store.put("net", b"net 1")
    board.files["main.py"] = MAIN
    return board


def deploys(board: Any, new: bytes = b"net 2") -> Callable[[], Deployment]:
    """Deploys the model `net`; one that is in use already stays."""

    def deploy_model() -> Deployment:
        board.events.append("model")
        kept = board.store.models.get("net")
        if kept is None or model(board) != new:
            board.store.put("net", new)
        return deployment("net")

    return deploy_model


def model(board: Any) -> bytes:
    """The model that is in use."""
    kept = board.store.models["net"]
    return next(data for (_, name), data in board.store.kept.items() if name == f"net.{kept.slot}")


def deploy(board: Any, text: Any = NEW, options: AppOptions = OPTIONS) -> Deployment:
    return deploy_app(board, text, options, deploys(board))


def crash(board: Any, text: Any = NEW, new: bytes = b"net 2") -> str:
    """The message for a program that crashes."""
    board.crashing.add(text.text)
    with pytest.raises(DeviceError) as told:
        deploy_app(board, text, OPTIONS, deploys(board, new))
    return told.value.message


def test_the_first_program_of_a_board(board: Any) -> None:
    app = deploy(board).app
    assert app is not None
    assert (app.path, app.sha256, app.size) == ("models/app.py.a", NEW.sha256, len(NEW.text))
    assert (app.version, app.generation, app.was_there) == (0, 1, False)
    assert app.printed.endswith("\nhello\n")
    assert board.files == {"main.py": MAIN}
    assert (board.in_use, model(board)) == (NEW.text, b"net 2")
    assert board.events[-3:] == ["app_forget", "boot", "close"]  # it runs, as if never stopped
    assert board.gone


def test_it_is_compiled_before_the_model_goes_and_used_after(running: Any) -> None:
    seen = []
    running.store.fail = seen.append
    deploy_model = deploys(running)

    def deployed() -> Deployment:
        assert "test" in seen
        assert "switch" not in seen
        assert running.in_use == OLD.text
        seen.append("model")
        return deploy_model()

    deploy_app(running, NEW, OPTIONS, deployed)
    assert seen.index("model") < seen.index("switch")
    assert running.in_use == NEW.text


def test_the_same_program_again(running: Any) -> None:
    app = deploy(running, OLD).app
    assert app is not None
    assert (app.was_there, app.generation) == (True, 1)
    assert running.store.count("switch") == 0


def test_options_reach_the_board(board: Any) -> None:
    deploy(board, options=AppOptions(version=5, key=bytes(32), watch=0.0))
    (told,) = set(board.store.of("verify"))
    assert told == (5, signature(bytes(32), Place.MODELS, "a", NAME, 5, NEW.text))
    assert board.now < 0.8  # 0.5 until it runs


def test_a_crash_takes_program_and_model_back(running: Any) -> None:
    message = crash(running)
    assert message.startswith(
        "fake: the program crashed; the program before runs again, the model 'net'"
        " is again the one before\n  Traceback (most recent call last):\n"
    )
    assert message.endswith("\n  ValueError: bad")
    assert (running.in_use, model(running)) == (OLD.text, b"net 1")
    assert running.files == {"main.py": MAIN}
    assert running.events[-2:] == ["boot", "close"]  # what ran goes on


def test_a_crash_of_the_first_program_leaves_none(board: Any) -> None:
    message = crash(board)
    assert message.startswith("fake: the program crashed; it was removed\n")
    assert NAME not in board.store.models
    assert (board.files, board.notes) == ({}, [b"", b""])  # its generation will come again
    assert model(board) == b"net 2"  # there was none before
    assert "close" not in board.events  # nothing to start, and the prompt stays


def test_a_crash_with_the_model_that_was_there(running: Any) -> None:
    message = crash(running, new=b"net 1")
    assert message.startswith("fake: the program crashed; the program before runs again\n")
    assert model(running) == b"net 1"
    assert running.store.of("back") == [(NAME,)]


def test_a_crash_of_the_program_that_was_there(running: Any) -> None:
    message = crash(running, OLD, b"net 1")
    assert message.startswith("fake: the program crashed; it is the one that was there before\n")
    assert running.store.count("back") == 0
    assert running.in_use == OLD.text


def test_a_program_that_is_back_already(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer was lost, and the session began again: to go back twice would be wrong."""
    back = running.store.back

    def broken(name: str) -> int:
        back(name)
        monkeypatch.setattr(running.store, "back", back)
        raise DeviceError("the line broke")

    monkeypatch.setattr(running.store, "back", broken)
    crash(running)
    assert (running.in_use, model(running)) == (OLD.text, b"net 1")


def test_a_board_that_does_not_go_back(running: Any) -> None:
    running.store.fail = failing("back", BROKEN, times=9)
    message = crash(running)
    assert message.startswith(
        "fake: the program crashed; and the board does not go back: the other slot holds no program"
    )


def tell(patch: pytest.MonkeyPatch, board: Any, last: bytes, log: str = "") -> None:
    """These are the notes, whatever the program does."""
    told = f"{last.hex()}..{log.encode().hex()}."
    patch.setattr(board, "_app_notes", told.encode)


def test_a_crash_without_a_traceback_was_a_reset(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(monkeypatch, running, note(1, 2, "started", 2))
    message = crash(running)
    assert "\n  no traceback: the board was reset while it ran" in message


def test_a_program_that_is_interrupted_before_it_can_say_so(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(monkeypatch, running, note(1, 2, "started", 1))
    assert deploy(running).app is not None
    assert running.in_use == NEW.text


def test_a_main_that_starts_nothing(running: Any) -> None:
    running.silent.add(NEW.text)
    with pytest.raises(DeviceError, match=r"main\.py did not start the program; the program") as e:
        deploy(running)
    assert e.value.message.endswith("\n  hello")
    assert running.in_use == OLD.text


def test_of_a_long_traceback_the_end_is_shown(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = "".join(f"line {number}\x1b\n" for number in range(99))
    tell(monkeypatch, running, note(1, 2, "crashed", 1), log)
    lines = crash(running).splitlines()[1:]
    assert lines == [f"  line {number}\\x1b" for number in range(74, 99)]


@pytest.mark.parametrize("error", [DeviceError("too large"), InputError("too large")])
def test_what_ran_goes_on_where_the_model_is_refused(running: Any, error: Exception) -> None:
    def refuse() -> Deployment:
        raise error

    with pytest.raises(type(error), match="too large"):
        deploy_app(running, NEW, OPTIONS, refuse)
    assert running.in_use == OLD.text
    assert running.events[-2:] == ["boot", "close"]


def test_nothing_is_started_on_a_port_that_is_gone(running: Any) -> None:
    def unplug() -> Deployment:
        running.gone = True
        raise DeviceError("the port is gone")

    with pytest.raises(DeviceError, match="the port is gone"):
        deploy_app(running, NEW, OPTIONS, unplug)
    assert "boot" not in running.events


def test_the_first_error_is_told_where_the_start_fails_too(running: Any) -> None:
    def refuse() -> Deployment:
        running.greeting = b""
        raise DeviceError("too large")

    with pytest.raises(DeviceError, match="too large"):
        deploy_app(running, NEW, OPTIONS, refuse)


def test_a_main_of_somebody_else_is_seen_before_anything_is_done(board: Any) -> None:
    board.files["main.py"] = b"print('mine')"
    with pytest.raises(DeviceError, match=r"there is a main\.py"):
        deploy(board)
    assert (board.events, board.store.calls) == ([], [])


def test_the_state_of_a_board_that_never_had_a_program(board: Any) -> None:
    service, board.service = board.service, {}
    nothing = AppState("", "", 0, 0, 0, False, False, "not started", 0, "")
    assert deploying.state(board) == nothing
    assert board.sessions == 0  # it stays as it is
    board.service = service
    assert deploying.state(board) == nothing


def test_the_state_of_a_program(running: Any) -> None:
    running.store.put(NAME, NEW.text, version=4)
    running.notes, running.log = [note(3, 2, "crashed", 2), b""], TRACEBACK
    state = deploying.state(running)
    assert (state.path, state.sha256) == ("models/app.py.b", NEW.sha256)
    assert (state.size, state.version, state.generation) == (len(NEW.text), 4, 2)
    assert (state.has_former, state.boots) == (True, True)
    assert (state.state, state.crashes) == ("crashed", 2)
    assert state.log == TRACEBACK.replace("\r", "")
    del running.files["main.py"]
    assert not deploying.state(running).boots


def test_the_first_program_has_no_former(running: Any) -> None:
    assert not deploying.state(running).has_former
    kept = running.store.models[NAME]
    torn = {"b": replace(kept.slots["b"], is_there=True)}  # a file of which nothing is known
    running.store.models[NAME] = replace(kept, slots=kept.slots | torn)
    assert not deploying.state(running).has_former
    gone = {"b": replace(kept.slots["a"], is_there=False)}
    running.store.models[NAME] = replace(kept, slots=kept.slots | gone)
    assert not deploying.state(running).has_former


@pytest.mark.parametrize(
    "act", [deploy, deploying.state, deploying.start, deploying.back, deploying.remove]
)
def test_a_board_whose_models_have_no_slots(
    running: Any, monkeypatch: pytest.MonkeyPatch, act: Callable[[Any], object]
) -> None:
    def refuse(link: object) -> None:
        assert link is running
        raise DeviceError("its models have no slots")

    monkeypatch.setattr(deploying, "require_slots", refuse)
    with pytest.raises(DeviceError, match="its models have no slots"):
        act(running)
    assert (running.events, running.sessions) == ([], 0)
    assert running.files == {"main.py": MAIN}


def test_a_start_forgets_crashes_and_leaves(running: Any) -> None:
    running.notes = [note(3, 1, "given up", 3), b""]
    deploying.start(running)
    assert running.events == ["app_notes", "app_forget", "boot", "close"]


@pytest.mark.parametrize("lacking", ["program", "main"])
def test_nothing_to_start(running: Any, lacking: str) -> None:
    if lacking == "main":
        del running.files["main.py"]
    else:
        del running.store.models[NAME]
    with pytest.raises(DeviceError, match="the board has no program to start") as told:
        deploying.start(running)
    assert "--app" in told.value.hint
    assert "boot" not in running.events


def test_back_and_forth(running: Any) -> None:
    running.store.put(NAME, NEW.text)
    running.notes = [note(3, 2, "crashed", 2), b""]
    state = deploying.back(running)
    assert (state.sha256, state.state, state.generation) == (OLD.sha256, "not started", 3)
    assert running.notes == [b"", b""]
    assert deploying.back(running).sha256 == NEW.sha256


def test_nothing_to_go_back_to(running: Any) -> None:
    running.store.fail = failing("back", BROKEN)
    running.notes = [note(3, 1, "crashed", 2), b""]
    with pytest.raises(DeviceError, match="stays what it is: the other slot holds no") as told:
        deploying.back(running)
    assert "microinterp board app" in told.value.hint
    assert deploying.state(running).crashes == 2


def test_everything_of_a_program_is_removed(running: Any) -> None:
    running.notes, running.log = [note(3, 1, "crashed", 2), b""], "text"
    assert deploying.remove(running)
    assert running.files == {}
    assert (running.notes, running.log) == ([b"", b""], "")
    assert NAME not in running.store.models
    assert "net" in running.store.models
    assert not deploying.remove(running)


def test_a_main_is_something_and_a_program_is(running: Any) -> None:
    del running.files["main.py"]
    assert deploying.remove(running)
    running.files["main.py"], running.service = MAIN, {}
    assert deploying.remove(running)
    assert not deploying.remove(running)
    assert running.sessions == 1  # no service is put on the board to remove nothing

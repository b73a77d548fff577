"""A model and the program that feeds it, as one deployment: tried, and taken back if it crashes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from microinterp.errors import DeviceError, MicrointerpError, printable
from microinterp_boards import runtime
from microinterp_boards.app import boot
from microinterp_boards.app.commit import Commit, in_session
from microinterp_boards.app.outcome import NAME, STATES, AppDeployment, AppState
from microinterp_boards.app.source import Program
from microinterp_boards.deploy import Deployment
from microinterp_boards.framed.client import RefusedError
from microinterp_boards.framed.service import PACKAGE
from microinterp_boards.link import Link
from microinterp_boards.store.models import all_of, require_slots
from microinterp_boards.store.requests import Kept, Requests

WATCH = 3.0
"""Seconds that a new program is watched for."""
_LINES = 25  # of what a program printed, in an error


@dataclass(frozen=True, slots=True)
class AppOptions:
    """What Board.deploy is told about a program besides the model: see there."""

    version: int | None
    key: bytes | None
    watch: float


def deploy_app(
    link: Link,
    program: Program,
    options: AppOptions,
    deploy_model: Callable[[], Deployment],
) -> Deployment:
    """See Board.deploy. The port is closed in the end, and the program runs."""
    require_slots(link)
    had_main = boot.require_own(link)
    try:
        return _deploy(link, program, options, deploy_model)
    except MicrointerpError:
        if had_main and not link.transport.gone:  # what ran goes on
            with contextlib.suppress(DeviceError):
                boot.start(link)
                boot.leave(link)
        raise


def _deploy(
    link: Link,
    program: Program,
    options: AppOptions,
    deploy_model: Callable[[], Deployment],
) -> Deployment:
    link.soft_reset()
    commit = Commit(link, program, options.version, options.key)
    before = commit.stage()
    models = in_session(link, all_of)
    done = deploy_model()
    link.soft_reset()
    now = commit.switch()
    boot.write_main(link)
    undo = _Undo(link, before, now, {each.name: each for each in models}, done.name)
    printed = _tried(link, now, options.watch, undo)
    start(link, now.generation)
    assert now.in_use is not None
    app = AppDeployment(
        path=now.path,
        sha256=now.in_use.sha256,
        size=now.in_use.size,
        version=now.in_use.version,
        generation=now.generation,
        was_there=now.generation == before.generation,
        printed=printed,
    )
    return replace(done, app=app)


def start(link: Link, generation: int | None = None) -> None:
    """Start the program at once, as if it had never crashed, and close the port.

    Raises DeviceError if there is none, or no main.py of ours.
    """
    if generation is None:
        require_app(link)
    boot.forget_notes(link)
    boot.start(link)
    boot.leave(link)


def require_app(link: Link) -> AppState:
    """The program that the board starts at boot. Raises DeviceError if there is none."""
    found = state(link)
    if not found.path or not found.boots:
        raise DeviceError(
            f"{printable(link.port)}: the board has no program to start",
            hint="`microinterp board deploy MODEL.tflite --app main.py` puts one there",
        )
    return found


def state(link: Link) -> AppState:
    """What the board has of a program. A board that never had one stays as it is."""
    require_slots(link)
    boots = boot.main_state(link) == boot.MAIN_STATE
    if not runtime.installed(link, PACKAGE).files:
        return AppState("", "", 0, 0, 0, False, boots, STATES[0], 0, "")
    kept = in_session(link, lambda board: board.model(NAME))
    what, crashes, log = boot.notes(link, kept.generation)
    slot, other = kept.in_use, kept.slots[kept.next_slot]
    return AppState(
        path=kept.path,
        sha256=slot.sha256 if slot is not None else "",
        size=slot.size if slot is not None else 0,
        version=slot.version if slot is not None else 0,
        generation=kept.generation,
        has_former=other.is_there and other.sha256.strip("0") != "",
        boots=boots,
        state=STATES[what],
        crashes=crashes,
        log=log,
    )


def back(link: Link) -> AppState:
    """Put the program to use again that was in use before. Raises DeviceError if there is none."""
    require_slots(link)
    try:
        in_session(link, lambda board: board.back(NAME))
    except RefusedError as error:
        raise DeviceError(
            f"{printable(link.port)}: the program stays what it is: {error.text}",
            hint="`microinterp board app` tells what there is",
        ) from None
    boot.forget_notes(link)
    return state(link)


def remove(link: Link) -> bool:
    """Remove the program, both slots, and main.py if it is ours; whether there was something."""
    require_slots(link)
    was_there = boot.remove_main(link)
    boot.forget_notes(link)
    if not runtime.installed(link, PACKAGE).files:
        return was_there
    return in_session(link, lambda board: board.forget(NAME)) or was_there


def _tried(link: Link, now: Kept, seconds: float, undo: _Undo) -> str:
    """Let the program run for some seconds; what it printed. Takes all back if it crashed."""
    boot.forget_notes(link)
    boot.start(link)
    printed = boot.watch(link, seconds)
    link.enter()
    what, crashes, log = boot.notes(link, now.generation)
    if STATES[what] == "started" and crashes == 1:  # it was interrupted where it could not say so
        crashes = 0
    if what and not crashes:
        return printed
    why = "the program crashed" if crashes else "main.py did not start the program"
    text = (log or "no traceback: the board was reset while it ran") if crashes else printed
    shown = "\n".join(f"  {printable(line, 200)}" for line in text.strip().splitlines()[-_LINES:])
    raise DeviceError(f"{printable(link.port)}: {why}; {undo.run()}\n{shown}")


@dataclass(frozen=True, slots=True)
class _Undo:
    """What was there before a deployment."""

    link: Link
    before: Kept
    now: Kept
    models: dict[str, Kept]
    model: str

    def run(self) -> str:
        """Put what was in use before to use again; tells what was done, and what is about to be."""
        link, told = self.link, []
        link.soft_reset()
        try:
            if self.now.generation != self.before.generation:
                told.append(in_session(link, self._program))
            told.append(in_session(link, self._model))
        except RefusedError as error:
            return f"and the board does not go back: {error.text}"
        boot.forget_notes(link)  # of a generation that comes again
        if self.before.in_use is None:
            boot.remove_main(link)
        return ", ".join(filter(None, told)) or "it is the one that was there before"

    def _program(self, board: Requests) -> str:
        if self.before.in_use is None:
            board.forget(NAME)
            return "it was removed"
        if board.model(NAME).slot != self.before.slot:
            board.back(NAME)
        return "the program before runs again"

    def _model(self, board: Requests) -> str:
        old = self.models.get(self.model)
        if old is None or old.in_use is None:
            return ""
        now = board.model(self.model)
        if now.slot == old.slot:
            return ""
        board.back(self.model)
        return f"the model '{self.model}' is again the one before"

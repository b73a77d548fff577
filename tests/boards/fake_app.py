"""A board that keeps a program and starts it at boot, as an object: no link in between."""

from __future__ import annotations

import hashlib
import math
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import checked, runtime
from microinterp_boards.app import boot, commit, deploying
from microinterp_boards.app.outcome import NAME, STATES
from microinterp_boards.app.source import Program
from microinterp_boards.deploy import Deployment
from microinterp_boards.files import FileState
from microinterp_boards.store.requests import Kept, Place, Slot
from tests.boards.fake_store import EMPTY, FakeStore

MAIN = b"""# made by microinterp board deploy --app; `microinterp board app --remove` removes it
from microinterp import app

app.start()
"""
"""The main.py that our boards have."""
TRACEBACK = 'Traceback (most recent call last):\r\n  File "app.py", line 1\r\nValueError: bad\r\n'


def program(text: str, label: str = "main.py") -> Program:
    data = text.encode()
    return Program(label, data, hashlib.sha256(data).hexdigest())


def note(number: int, generation: int, state: str, crashes: int) -> bytes:
    """What a board writes of a start."""
    told = struct.pack("<4sIIBB2x", b"MIA1", number, generation, STATES.index(state), crashes)
    return told + zlib.crc32(told).to_bytes(4, "little")


class AppStore(FakeStore):
    """Both slots keep what they have; each switch is a generation."""

    def switch(self, name: str, by_host: bool = False) -> int:
        self._note("switch", name, by_host)
        return self._switch(name, self.verified[-1][1])

    def back(self, name: str) -> int:
        self._note("back", name)
        return self._use(self.models[name], self.models[name].next_slot)

    def put(self, name: str, text: bytes, version: int = 0) -> None:
        """Put to use what somebody has deployed; nothing is noted of it."""
        old = self.models.get(name)
        self.kept[Place.MODELS, f"{name}.{old.next_slot if old is not None else 'a'}"] = text
        self._switch(name, version)

    def _switch(self, name: str, version: int) -> int:
        old = self.models.get(name) or Kept(name, 0, "", {"a": EMPTY, "b": EMPTY}, None)
        slot = old.next_slot
        data = self.kept[Place.MODELS, f"{name}.{slot}"]
        now = Slot(True, len(data), version, hashlib.sha256(data).hexdigest())
        return self._use(replace(old, slots=old.slots | {slot: now}), slot)

    def _use(self, kept: Kept, slot: str) -> int:
        self.models[kept.name] = replace(kept, slot=slot, generation=kept.generation + 1)
        return kept.generation + 1


class AppBoard:
    """What it keeps, and the link to it.

    Attributes:
        store: the program and the models.
        files: others, in the root.
        events: what was done to it, in order.
        crashing, silent: texts of programs that crash at once, and after which nothing is noted.
        says: what programs print.
        runs: what main.py prints last, `wait` seconds after its greeting.
        notes: two of the last starts; `log`: of the last crash.
        lost: how many pieces of files that are sent do not arrive.
        breaks: called with the number of each session, from 1; it may raise.
        now: seconds that have passed.
    """

    port = "fake"

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.store = AppStore()
        self.files: dict[str, bytes] = {}
        self.events: list[str] = []
        self.crashing: set[bytes] = set()
        self.silent: set[bytes] = set()
        self.says = b"hello\r\n"
        self.greeting = b"microinterp app: starts in 40 ms; Ctrl-C stops it\r\n"
        self.runs = b"microinterp app: the program runs\r\n"
        self.wait = 0.5
        self.notes = [b"", b""]
        self.starts, self.sessions, self.lost = 0, 0, 0
        self.log = ""
        self.breaks: Callable[[int], object] = lambda number: None
        self.service: dict[str, FileState] = {"a.mpy": FileState(1, 1)}
        self.now = 0.0
        self.gone = False
        self.transport = self
        self._coming, self._later = b"", (math.inf, b"")
        patch.setattr(checked, "run", self.run)
        patch.setattr(boot, "Files", lambda link: self)
        patch.setattr(boot, "time", SimpleNamespace(monotonic=lambda: self.now))
        patch.setattr(commit, "start_service", self.start_service)
        patch.setattr(commit, "Requests", lambda client: self.store)
        patch.setattr(deploying, "require_slots", lambda link: None)
        patch.setattr(
            runtime, "installed", lambda link, package: SimpleNamespace(files=self.service)
        )

    @contextmanager
    def start_service(self, link: AppBoard) -> Iterator[None]:
        assert link is self
        self.sessions += 1
        self.breaks(self.sessions)
        yield

    def stat(self, name: str) -> FileState | None:
        data = self.files.get(name)
        return None if data is None else FileState(len(data), zlib.crc32(data))

    def remove(self, name: str) -> bool:
        return self.files.pop(name, None) is not None

    def run(self, link: AppBoard, name: str, *arguments: Any, timeout: float = 30.0) -> bytes:
        """Do what the functions in device/ do."""
        assert link is self
        self.events.append(name)
        answer = getattr(self, f"_{name}")(*arguments)
        return bytes(answer or b"")

    def _piece(self, path: bytes, offset: int, data: bytes) -> None:
        self.lost -= 1
        if self.lost < 0:
            there = self.files.get(path.decode(), b"")[:offset].ljust(offset, b"\0")
            self.files[path.decode()] = there + bytes.fromhex(data.decode())

    def _app_main(self) -> None:
        if "main.py.part" in self.files:
            self.files["main.py"] = self.files.pop("main.py.part")

    def _app_forget(self) -> None:
        self.notes, self.log = [b"", b""], ""

    def _app_notes(self) -> bytes:
        return "".join(f"{each.hex()}." for each in (*self.notes, self.log.encode())).encode()

    def _app_compile(self, path: bytes) -> None:
        text = self.store.kept[Place.MODELS, path.decode().removeprefix("models/")]
        if b"match" in text:
            trace = 'Traceback:\n  File "app.py", line 3\nSyntaxError: invalid syntax'
            raise DeviceError(f"fake: the board raised {trace.splitlines()[-1]}\n{trace}")

    def soft_reset(self) -> None:
        self.events.append("soft reset")

    def enter(self) -> None:
        self.events.append("enter")

    def boot(self) -> None:
        """main.py starts the program, if both are there."""
        self.events.append("boot")
        self._coming, self._later = b"", (math.inf, b"")
        kept = self.store.models.get(NAME)
        if self.files.get("main.py") != MAIN or kept is None or not kept.slot:
            return
        text = self.store.kept[Place.MODELS, f"{NAME}.{kept.slot}"]
        self._coming = b"boot\r\n" + self.greeting
        if text in self.silent:
            self._later = self.now + self.wait, self.says
            return
        self._later = self.now + self.wait, self.runs + self.says
        self.starts += 1
        crashes = text in self.crashing
        state = "crashed" if crashes else "running"
        self.notes[self.starts % 2] = note(self.starts, kept.generation, state, crashes)
        if crashes:
            self.log = TRACEBACK

    def read_until(self, end: bytes, timeout: float, wanted: str, limit: int) -> bytes:
        before, found, self._coming = self._coming.partition(end)
        if not found:
            raise self.error(f"no {wanted} within {timeout:g} s")
        return before + found

    def some(self, timeout: float) -> bytes:
        self.now += timeout
        if self.now >= self._later[0]:
            self._coming, self._later = self._coming + self._later[1], (math.inf, b"")
        data, self._coming = self._coming[:16], self._coming[16:]
        return data

    def error(self, message: str, hint: str = "") -> DeviceError:
        return DeviceError(f"fake: {message}", hint=hint)

    def close(self) -> None:
        self.events.append("close")

    @property
    def in_use(self) -> bytes:
        """The program's text; empty without one."""
        kept = self.store.models.get(NAME)
        return b"" if kept is None else self.store.kept[Place.MODELS, f"{NAME}.{kept.slot}"]


def deployment(name: str) -> Deployment:
    """What deploying a model tells."""
    plain: dict[str, object] = {"str": "", "int": 0, "float": 0.0}
    values: dict[str, Any] = {
        each.name: plain.get(str(each.type), ()) for each in fields(Deployment)
    }
    return Deployment(**values | {"name": name, "app": None})

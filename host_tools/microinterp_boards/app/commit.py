"""A program onto a board: into the slot that is not in use, compiled there, then put to use."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from microinterp.errors import DeviceError, printable
from microinterp_boards import checked
from microinterp_boards.app.outcome import NAME
from microinterp_boards.app.source import Program
from microinterp_boards.files import os_error
from microinterp_boards.framed.client import Refusal, RefusedError
from microinterp_boards.framed.service import start_service
from microinterp_boards.link import Link
from microinterp_boards.store.requests import Kept, Place, Requests
from microinterp_boards.store.sign import signature
from microinterp_boards.store.upload import upload

T = TypeVar("T")
_TRIES = 5  # sessions that may break
_LINE = re.compile(r'File "app\.py", line ([0-9]+).*?([A-Z][A-Za-z]*Error.*)', re.DOTALL)


def in_session(link: Link, act: Callable[[Requests], T]) -> T:
    """Do something that may be done twice with a board's service; a line that breaks is mended."""
    tries = 0
    while True:
        tries += 1
        try:
            with start_service(link) as client:
                return act(Requests(client))
        except RefusedError:
            raise
        except DeviceError:
            if link.transport.gone or tries == _TRIES:
                raise


class Commit:
    """One program, for one board. Raises DeviceError; what was in use stays in use then."""

    def __init__(
        self, link: Link, program: Program, version: int | None, key: bytes | None
    ) -> None:
        """`version` None is that of the program in use; `key` is the board's, if it has one."""
        self.link, self.program = link, program
        self._version, self._key = version, key
        self._proved = False  # by the host, where the board has no memory for it

    def is_in_use(self, kept: Kept) -> bool:
        """Whether this program is; a version that was asked for counts too."""
        slot = kept.in_use
        return (
            slot is not None
            and slot.is_there
            and (slot.sha256, slot.size) == (self.program.sha256, len(self.program.text))
            and self._version in (None, slot.version)
        )

    def stage(self) -> Kept:
        """Bring it onto the board and compile it there; returns what was there before."""
        return self._do(False)

    def switch(self) -> Kept:
        """Put it to use, after `stage`: nothing is sent again."""
        return self._do(True)

    def _do(self, switches: bool) -> Kept:
        try:
            kept, is_tested = in_session(self.link, lambda board: self._bring(board, switches))
            if not is_tested:
                self._test_by_host(kept.next_slot)
                kept, _ = in_session(self.link, lambda board: self._bring(board, switches))
        except RefusedError as error:
            raise self._told(error) from None
        return kept

    def _bring(self, board: Requests, switches: bool) -> tuple[Kept, bool]:
        kept, text = board.model(NAME), self.program.text
        if self.is_in_use(kept):
            return kept, True
        in_use = kept.in_use.version if kept.in_use is not None else 0
        version = in_use if self._version is None else self._version

        def sign() -> bytes:
            if self._key is None:
                return b""
            return signature(self._key, Place.MODELS, kept.next_slot, NAME, version, text)

        upload(board, Place.MODELS, NAME, text, old=kept, version=version, sign=sign)
        if not self._proved and not self._compiles(board):
            return kept, False
        if switches:
            board.switch(NAME, by_host=self._proved)
            kept = board.model(NAME)
        return kept, True

    def _compiles(self, board: Requests) -> bool:
        """False where there is no memory for it beside the service."""
        try:
            test = board.test(NAME)
        except RefusedError as error:
            if error.code == Refusal.OUT_OF_MEMORY:
                return False
            raise
        if not test.equal:
            raise _refused(self.link, self.program, test.text)
        return True

    def _test_by_host(self, slot: str) -> None:
        self.link.soft_reset()
        try:
            checked.run(self.link, "app_compile", f"models/{NAME}.{slot}".encode())
        except DeviceError as error:
            raise _refused(self.link, self.program, error.message.splitlines()[0]) from None
        self._proved = True

    def _told(self, error: RefusedError) -> DeviceError:
        """What a refusal means to somebody who deploys."""
        port, label = printable(self.link.port), self.program.label
        if error.code == Refusal.OS_ERROR and error.text.isdigit():
            return DeviceError(
                f"{port}: no program '{label}': {os_error(int(error.text))}",
                hint="the program that was in use still is; remove files that are not needed, and"
                " deploy again",
            )
        if error.code == Refusal.SIGNATURE:
            return DeviceError(
                f"{port}: the board takes only what is signed: {error.text}",
                hint="give the board's key with --key",
            )
        if error.code == Refusal.VERSION:
            return DeviceError(
                f"{port}: the board does not go back to an older program: {error.text}",
                hint="give a higher --version",
            )
        return error


def _refused(link: Link, program: Program, text: str) -> DeviceError:
    line = _LINE.search(text)
    what = f"line {line[1]}: {line[2]}" if line is not None else text
    return DeviceError(
        f"{printable(link.port)}: the board does not take the program '{program.label}':"
        f" {printable(what, 300)}",
        hint="the program that was in use still is. MicroPython lacks some of Python's syntax; a"
        " long program can keep functions in .mpy modules",
    )

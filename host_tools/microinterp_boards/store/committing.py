"""A model onto a board as a commit: the old one is in use until the new one has proved itself."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from microinterp.errors import DeviceError, printable
from microinterp_boards import runtime
from microinterp_boards.files import os_error, stored_bytes
from microinterp_boards.framed.client import Client, Counters, Refusal, RefusedError
from microinterp_boards.framed.service import start_service
from microinterp_boards.link import Link
from microinterp_boards.packing import BoardModel
from microinterp_boards.runtime import Installed, Update
from microinterp_boards.session import DoesNotFitError, Session
from microinterp_boards.store.requests import Kept, Place, Requests, SelfTest
from microinterp_boards.store.selftest import SelfTestSamples, samples_for
from microinterp_boards.store.sign import signature
from microinterp_boards.store.upload import Tally, upload

_BREAKS = 5  # of the line, one after the other without a byte of progress, that are enough
_FULL = (27, 28)
Progress = Callable[[int], object]
"""Told the bytes of the model that are there."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be in use.

    Attributes:
        model: packed for the runtime's tier.
        mpy_set: of the runtime.
        version: of the model, never lower than before on a board with a key; None is that one's.
        key: of the board's signatures; None where it has none.
        is_there: whether the model is in use already, and only the runtime is wanted.
    """

    model: BoardModel
    mpy_set: str
    version: int | None
    key: bytes | None
    is_there: bool


@dataclass(frozen=True, slots=True)
class Committed:
    """What was done.

    Attributes:
        update: of the runtime.
        tally: where the bytes of model, bundle and runtime came from.
        path: of the model's file, below the board's folder; empty if it was there.
        test: the board's self-test; None if a host had to do it, for want of memory, or nobody.
        breaks: how often the line broke on the way.
        is_clean: whether no byte was damaged or lost, as far as can be seen.
    """

    update: Update
    tally: Tally
    path: str
    test: SelfTest | None
    breaks: int
    is_clean: bool


def commit(link: Link, wanted: Wanted, there: Installed, progress: Progress) -> Committed:
    """Bring runtime and model up to date; a break of the line is mended by going on behind it.

    Raises DeviceError; the model that was in use is then still in use.
    """
    work = _Work(link, wanted, there, progress)
    if wanted.is_there and not work.changes_runtime:
        return Committed(work.update, work.tally, "", None, 0, True)
    link.soft_reset()  # what was asked before has left the runtime in the heap
    breaks = in_row = 0
    while True:
        before = work.done
        try:
            with start_service(link) as client:
                work.run(client)
                work.note(client.counters)
            if work.needs_host:
                work.test_by_host()
                continue
            path = work.kept.path if work.kept is not None else ""
            is_clean = breaks == 0 and work.is_clean
            return Committed(work.update, work.tally, path, work.test, breaks, is_clean)
        except (_FinalError, DoesNotFitError):
            raise
        except RefusedError as error:
            raise _told(link, wanted, error) from None
        except DeviceError:
            breaks += 1
            in_row = 1 if work.done > before else in_row + 1
            if link.transport.gone or in_row >= _BREAKS:
                raise


class _Work:
    """What has been done so far, over as many sessions as it takes."""

    def __init__(self, link: Link, wanted: Wanted, there: Installed, progress: Progress) -> None:
        self.link, self.wanted, self.there = link, wanted, there
        shipped = runtime.shipped(wanted.mpy_set)
        sent = tuple(runtime.differing(there, wanted.mpy_set))
        kept = tuple(name for name in shipped if name not in sent)
        self.update = Update(sent, kept, tuple(name for name in there.files if name not in shipped))
        self.tally = Tally()
        self.kept: Kept | None = None
        self.test: SelfTest | None = None
        self.needs_host = False
        self.is_clean = True  # as far as those sessions go that have ended well
        self.done = 0  # steps and bytes, to see that something goes on
        self._proved = False  # by the host
        self._progress = progress
        self._installed = self._removed = 0  # files of the runtime
        self._digest = hashlib.sha256(wanted.model.packed).hexdigest()

    def note(self, counters: Counters) -> None:
        """See what the line did; a board that was slow is no bad line."""
        self.is_clean = self.is_clean and not (counters.damaged or counters.asked)

    @property
    def changes_runtime(self) -> bool:
        """Whether files of the runtime must be sent or removed."""
        return bool(self.update.sent or self.update.removed)

    @cached_property
    def _samples(self) -> SelfTestSamples:
        return samples_for(self.wanted.model)

    def run(self, client: Client) -> None:
        """All that is left to do; `needs_host` if the board's self-test lacks memory."""
        board = Requests(client)
        if self.wanted.is_there:
            self._require_room(board, [], [])
            self._install(board)
            return
        name = self.wanted.model.name
        kept = board.model(name)
        version = self._version(kept)
        is_current = self._is_current(board, kept, version)
        if not is_current:
            self._require_room(board, *self._sizes(board, kept))
        self._install(board)
        if not is_current:
            self._upload(board, kept, version)
            if not self._proved and not self._try(board):
                self.needs_host = True
                return
            board.switch(name, by_host=self._proved)
            self.done += 1
        board.remove(Place.MODELS, f"{name}.test")
        self.kept = board.model(name)

    def test_by_host(self) -> None:
        """The same samples over the line, where the service's own memory is what is short."""
        assert self.kept is not None
        model, slot = self.wanted.model, self.kept.next_slot
        self.link.soft_reset()
        with Session(self.link, f"models/{model.name}.{slot}") as session:
            differing = self._samples.differing(session)
        if differing:
            raise _failed(self.link, model.name, f"{differing} bytes differ")
        self.needs_host, self._proved = False, True

    def _version(self, kept: Kept) -> int:
        if self.wanted.version is not None:
            return self.wanted.version
        return kept.in_use.version if kept.in_use is not None else 0

    def _is_current(self, board: Requests, kept: Kept, version: int) -> bool:
        """Whether the model is in use, every byte of it."""
        packed, slot = self.wanted.model.packed, kept.in_use
        if slot is None or not slot.is_there or slot.version != version:
            return False
        if slot.sha256 != self._digest or slot.size != len(packed):
            return False
        name = f"{kept.name}.{kept.slot}"
        if board.size(Place.MODELS, name) != len(packed):
            return False
        return board.sum(Place.MODELS, name, len(packed)) == zlib.crc32(packed)

    def _sizes(self, board: Requests, kept: Kept) -> tuple[list[int], list[int]]:
        """Bytes of the files that a new model takes, and of those that it takes the place of."""
        files = board.files(Place.MODELS)
        ends = (kept.next_slot, "part", "test", "test.part")
        there = [files[name] for end in ends if (name := f"{kept.name}.{end}") in files]
        return [len(self.wanted.model.packed), len(self._samples.bundle)], there

    def _require_room(self, board: Requests, sizes: list[int], freed: list[int]) -> None:
        """Everything must fit before anything is written; what is in use stays until the end."""
        room = board.room()
        if room is None:
            return
        block, free_blocks, _ = room
        shipped, files = runtime.shipped(self.wanted.mpy_set), self.there.files
        pending = self.update.sent[self._installed :]
        sizes = sizes + [len(shipped[name]) for name in pending]
        gone = (*pending, *self.update.removed[self._removed :])
        freed = freed + [files[name].size for name in gone if name in files]
        if pending:
            now = board.files(Place.RUNTIME)  # parts of uploads that broke off are written over
            freed += [now[part] for name in pending if (part := f"{name}.part") in now]
        needed = sum(stored_bytes(size, block) for size in sizes)
        needed -= sum(stored_bytes(size, block) for size in freed)
        free, name = block * free_blocks, self.wanted.model.name
        if needed > free:
            raise _FinalError(
                f"{printable(self.link.port)}: no room for '{name}' on the board's filesystem: it"
                f" and the runtime need {needed} bytes, {needed - free} more than the {free} that"
                " are free",
                hint="a model in use stays until the new one has proved itself: remove files that"
                f" are not needed, or first that one: `microinterp board models --remove {name}`",
            )

    def _install(self, board: Requests) -> None:
        """The runtime's files; those that are there are not sent."""
        shipped = runtime.shipped(self.wanted.mpy_set)
        for name in self.update.removed[self._removed :]:
            board.remove(Place.RUNTIME, name)
            self._removed += 1
            self.done += 1
        for name in self.update.sent[self._installed :]:
            sign = self._signer(Place.RUNTIME, "", name, 0, shipped[name])
            upload(board, Place.RUNTIME, name, shipped[name], sign=sign, tally=self.tally)
            self._installed += 1
            self.done += 1

    def _upload(self, board: Requests, kept: Kept, version: int) -> None:
        """The model into the other slot, and its golden bundle."""
        model = self.wanted.model
        sign = self._signer(Place.MODELS, kept.next_slot, model.name, version, model.packed)

        def told(done: int) -> None:
            self.done = max(self.done, done)
            self._progress(done)

        upload(
            board,
            Place.MODELS,
            model.name,
            model.packed,
            old=kept,
            version=version,
            sign=sign,
            tally=self.tally,
            progress=told,
        )
        if not self._proved:
            upload(board, Place.TESTS, model.name, self._samples.bundle, tally=self.tally)
        self.kept = kept

    def _try(self, board: Requests) -> bool:
        """The self-test; False where there is no memory for it beside the service."""
        name = self.wanted.model.name
        try:
            self.test = board.test(name)
        except RefusedError as error:
            if error.code != Refusal.OUT_OF_MEMORY:
                raise
            return False
        if not self.test.equal:
            raise _failed(self.link, name, self.test.text)
        return True

    def _signer(
        self, place: Place, slot: str, name: str, version: int, content: bytes
    ) -> Callable[[], bytes]:
        key = self.wanted.key
        if key is None:
            return lambda: b""
        return lambda: signature(key, place, slot, name, version, content)


class _FinalError(DeviceError):
    """Doing it again will not help."""


def _failed(link: Link, name: str, text: str) -> _FinalError:
    return _FinalError(
        f"{printable(link.port)}: the board does not compute what '{name}' should: {text}; it was"
        " not put to use",
        hint="`microinterp board validate --per-op` of another model finds the op; the board's"
        " memory or its firmware may be damaged",
    )


def _told(link: Link, wanted: Wanted, error: RefusedError) -> DeviceError:
    """What a refusal means to somebody who deploys."""
    name, port = wanted.model.name, printable(link.port)
    if error.code == Refusal.OS_ERROR and error.text.isdigit():
        number = int(error.text)
        again = "deploy again: it goes on where it ended"
        if number in _FULL:
            text = f"{port}: no room for '{name}': {os_error(number)}"
            return DeviceError(text, hint=f"remove files that are not needed, and {again}")
        return DeviceError(f"{port}: cannot write '{name}': {os_error(number)}", hint=again)
    if error.code == Refusal.OUT_OF_MEMORY:
        return DeviceError(
            f"{port}: '{name}' does not fit into the heap beside the link: MemoryError:"
            f" {error.text}",
            hint="use a board with more memory, firmware with a larger heap, or a smaller model; a"
            " boot.py that allocates much can be emptied",
        )
    if error.code == Refusal.SIGNATURE:
        return DeviceError(
            f"{port}: the board takes only signed models: {error.text}",
            hint="give the board's key with --key" if wanted.key is None else "is it this key?",
        )
    if error.code == Refusal.VERSION:
        return DeviceError(
            f"{port}: the board does not go back to an older '{name}': {error.text}",
            hint="give a higher --version",
        )
    return error

"""A life of a virtual board whose program is the test, for relays that run inside the test."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace
from typing import Any

from microinterp_boards.virtual.relay import Relay


class FakeLife:
    """Has the functions of virtual/life.py that a relay calls; `do` what its program would.

    Attributes:
        up_with: it has come up when it has said this.
        interrupts: how many 0x03 it still takes as interrupts; `taken` counts them.
        words: what `last_words` tells.
        exit_code: what its process has ended with.
    """

    def __init__(self, raw: bool = False) -> None:
        self.raw = raw
        self.up_with = b""
        self.starts_again, self.guess, self.in_raw, self.may_type = True, False, False, True
        self.interrupts = self.taken = self.ends = 0
        self.words = ""
        self.exit_code: int | None = None
        self.process = SimpleNamespace(poll=lambda: self.exit_code)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self.master, self._program = ours.detach(), theirs.detach()
        self._said = b""

    @property
    def is_up(self) -> bool:
        return self.up_with in self._said

    def read(self) -> bytes | None:
        try:
            data = os.read(self.master, 4096)
        except BlockingIOError:
            return None if self.exit_code is not None else b""
        self._said += data
        return data or None

    def write(self, data: bytes) -> int:
        return os.write(self.master, data)

    def take_interrupt(self) -> bool:
        if not self.interrupts:
            return False
        self.interrupts -= 1
        self.taken += 1
        return True

    def last_words(self) -> str:
        return self.words

    def end(self) -> None:
        self.ends += 1
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def say(self, data: bytes) -> None:
        """Print."""
        os.write(self._program, data)

    def stop(self) -> None:
        """Print no more."""
        if self._program >= 0:
            os.close(self._program)
            self._program = -1

    def typed(self) -> bytes:
        """What has come to the program since this was last asked."""
        try:
            return os.read(self._program, 4096)
        except BlockingIOError:
            return b""


class RelayBench(Relay):
    """A relay in front of such lives; `lives` are those that it has begun."""

    life: FakeLife  # type: ignore[assignment]

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        self.lives: list[FakeLife] = []
        super().__init__(config or {})

    def _life(self, raw: bool) -> FakeLife:  # type: ignore[override]
        self.lives.append(FakeLife(raw))
        return self.lives[-1]

    def host_types(self, data: bytes) -> None:
        """Write into the port as a program that has it open does."""
        os.write(self._slave, data)

    def host_reads(self) -> bytes:
        """What such a program gets now."""
        os.set_blocking(self._slave, False)
        try:
            return os.read(self._slave, 1 << 17)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Give up all that is open."""
        for life in self.lives:
            life.end()
            life.stop()
        os.close(self.port)
        os.close(self._slave)

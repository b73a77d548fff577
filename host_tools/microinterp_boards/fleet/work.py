"""The same work on several boards at once: a thread for each, and what came of it.

Threads and not processes, since they do little but wait for their lines: the host computes what is
expected once for all, and one Ctrl-C reaches all of them (see stopping.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from microinterp.errors import DeviceError, MicrointerpError, printable
from microinterp_boards.board import Board
from microinterp_boards.deploy import Progress
from microinterp_boards.fleet.inventory import Entry
from microinterp_boards.port_lock import PortBusyError
from microinterp_boards.ports import Line, line_of
from microinterp_boards.probe import Probe
from microinterp_boards.stopping import Stop, check, obeying

T = TypeVar("T")
Work = Callable[[Board, Progress], T]
"""What is done with a board; it tells how far it is."""
Watch = Callable[[str, str, int, int], object]
"""Called with a board's name, its stage ("open", "work", "done", "failed"), and how much of it."""
_LOOK = 0.2  # seconds between looks at what a Ctrl-C must be able to end


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What came of a board's work: `result`, or the `error` that ended it.

    port: "" where none was found; seconds: of all of it.
    """

    name: str
    port: str
    seconds: float
    result: T | None
    error: MicrointerpError | None


def on_all(
    entries: Sequence[Entry], works: Sequence[Work[T]], watch: Watch, patience: float = 0.0
) -> list[Outcome[T]]:
    """Do each board's work, all at once; a board that fails does not stop the others.

    Args:
        entries: the boards.
        works: one for each.
        watch: is called from the boards' threads.
        patience: seconds to wait for a port that another process has open.

    Raises KeyboardInterrupt once all boards have their prompt back.
    """
    if not entries:
        return []
    stops = [Stop() for _ in entries]
    with ThreadPoolExecutor(len(entries), "microinterp-board") as threads:
        jobs: list[Future[Outcome[T]]] = [
            threads.submit(_one, entry, work, watch, patience, stop)
            for entry, work, stop in zip(entries, works, stops, strict=True)
        ]
        try:
            while wait(jobs, _LOOK).not_done:  # in pieces, since Windows does not interrupt a wait
                pass
        except BaseException:
            for stop in stops:
                stop.ask()
            raise
    return [job.result() for job in jobs]


def _one(entry: Entry, work: Work[T], watch: Watch, patience: float, stop: Stop) -> Outcome[T]:
    started, port = time.monotonic(), entry.port
    result, error = None, None
    watch(entry.name, "open", 0, 1)
    try:
        line = line_of(entry)
        port = line.port
        with obeying(stop):
            board = opened(line, patience)
        with board, obeying(stop):  # closing is not interrupted: it gives the prompt back
            require_expected(entry, board)
            watch(entry.name, "work", 0, 1)
            result = work(board, _told(entry.name, watch))
    except MicrointerpError as caught:
        error = caught
    watch(entry.name, "done" if error is None else "failed", 1, 1)
    return Outcome(entry.name, port, time.monotonic() - started, result, error)


def _told(name: str, watch: Watch) -> Progress:
    def progress(done: int, of: int) -> None:
        check()
        watch(name, "work", done, of)

    return progress


def opened(line: Line, patience: float) -> Board:
    """The board, once nobody else has it open; PortBusyError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        check()
        try:
            return Board(line.port, baud=line.baud)
        except PortBusyError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_LOOK)


def require_expected(entry: Entry, board: Board) -> None:
    """Raise DeviceError unless a board is what the inventory says. Only then is it asked."""
    if not entry.machine and not entry.kernels:
        return
    facts: Probe = board.probe()
    kernels = facts.kernels or "source"
    if entry.machine.casefold() not in facts.machine.casefold():
        wanted, found = f"machine = '{entry.machine}'", f"the board says '{facts.machine}'"
    elif entry.kernels not in ("", kernels):
        wanted, found = f"kernels = '{entry.kernels}'", f"it runs {kernels}: {facts.reason}"
    else:
        return
    raise DeviceError(
        f"{printable(board.port)}: '{entry.name}' is not the board of the inventory, which has"
        f" {printable(wanted, 120)}; {printable(found, 200)}",
        hint="is another board at this port? `microinterp board probe` tells what it is",
    )

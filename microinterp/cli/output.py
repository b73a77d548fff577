"""What the sub-commands share: tables, JSON, notes, errors, progress; all text made safe.

Names inside a model are untrusted. Here they are only ever put into `rich.text.Text` through
`safe`, which escapes what a terminal would act on, and never read as rich's markup.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from microinterp.errors import MicrointerpError, printable

GOOD, NO, BAD_USE = 0, 1, 2
"""Exit statuses."""

_PIPE_WIDTH = 120  # columns where the output is no terminal
_PATIENCE = 1.0  # seconds after which a progress bar appears
T = TypeVar("T")


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Nobody reads any more: leave it to the command line's end, not to rich's exit."""
        raise BrokenPipeError


def console(stderr: bool = False) -> Console:
    """A console on stdout (or stderr) that reads no markup in what it prints."""
    made = _Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _PIPE_WIDTH
    return made


def safe(text: object, style: str = "", limit: int = 80) -> Text:
    """Untrusted text for a terminal: unprintable characters escaped, cut at `limit`."""
    return Text(printable(str(text), limit), style=style)


def table(
    *columns: str, right: Sequence[str] = (), firm: Sequence[str] = (), header: str = "table.header"
) -> Table:
    """An empty table; columns named in `right` hold numbers. Cells must be Text or plain.

    Where the screen is too narrow, columns named in `firm` give way last, numbers too.
    `header` is the style of the columns' names.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=header)
    for name in columns:
        made.add_column(
            name,
            justify="right" if name in right else "left",
            overflow="fold",
            no_wrap=name in right or name in firm,
            min_width=len(name),
        )
    return made


def print_facts(rows: dict[str, str]) -> None:
    """Print names and what they are, a line each; long ones are not cut."""
    screen = console()
    for key, value in rows.items():
        line = Text(f"{key:10} ", style="bold") + safe(value, limit=300)
        screen.print(line, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print JSON alone on stdout: ASCII, so that no name in it acts on a terminal.

    Numbers that JSON lacks (NaN, infinity) become strings.
    """
    print(json.dumps(_plain(value), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def show_error(error: MicrointerpError) -> None:
    """One message on stderr: where, what, and what to do."""
    lines = [printable(line, 2000) for line in str(error).split("\n")]
    console(stderr=True).print(
        Text("error: ", style="bold red") + Text("\n".join(lines)), soft_wrap=True
    )


def note(text: str) -> None:
    """Something to know, on stderr, so that stdout stays as it is."""
    line = Text("note: ", style="yellow") + safe(text, limit=2000)
    console(stderr=True).print(line, soft_wrap=True)


def escape_what_cannot_be_encoded() -> None:
    """A terminal or pipe without UTF-8 gets an escape for a character it lacks, and no failure."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def give_up_stdout() -> None:
    """Let nothing more be written where nobody reads: the reader of our pipe has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Give a function to call with the number done; a bar appears after a second of waiting.

    `total` may be unknown.
    """
    screen = console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
    )
    task = bar.add_task(what, total=total)
    started = time.monotonic()

    def advance(done: int) -> None:
        bar.update(task, completed=done)
        if (
            screen.is_terminal
            and not bar.live.is_started
            and time.monotonic() - started > _PATIENCE
        ):
            bar.start()

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()


def with_progress(items: Sequence[T], what: str) -> Iterator[T]:
    """Go through `items` under a progress bar."""
    with progress(what, len(items)) as advance:
        for number, item in enumerate(items):
            yield item
            advance(number + 1)

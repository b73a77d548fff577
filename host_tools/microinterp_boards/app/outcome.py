"""What is known of a program on a board."""

from __future__ import annotations

from dataclasses import dataclass

NAME = "app.py"
"""Of the program among the models; there is one at most."""
STATES = (
    "not started",
    "started",
    "running",
    "ended",
    "stopped",
    "crashed",
    "given up",
)
"""By the number in a board's note; see firmware/microinterp/app.py."""


@dataclass(frozen=True, slots=True)
class AppDeployment:
    """What became of a program that was deployed.

    Attributes:
        path: of its file on the board, below the board's folder.
        sha256: of it, hex.
        size: bytes.
        version, generation: of the slot that is in use.
        was_there: whether that program was in use before.
        printed: what it printed while it was watched.
    """

    path: str
    sha256: str
    size: int
    version: int
    generation: int
    was_there: bool
    printed: str


@dataclass(frozen=True, slots=True)
class AppState:
    """A program on a board, as it was when the host interrupted it.

    Attributes:
        path, sha256, size, version, generation: as of AppDeployment; empty and 0 without one.
        has_former: whether there is a program to go back to.
        boots: whether main.py starts it.
        state: one of STATES: "stopped" is by Ctrl-C, as this look at the board does it; "given up"
            after crashes in a row; "started" if nothing is known of its end.
        crashes: in a row, of starts that did not live for ten seconds.
        log: text of the last crash, of whatever program; empty without one.
    """

    path: str
    sha256: str
    size: int
    version: int
    generation: int
    has_former: bool
    boots: bool
    state: str
    crashes: int
    log: str

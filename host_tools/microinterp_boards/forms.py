"""The forms that a deployed model may have: a packed file and the runtime's .mpy files, or source.

What a board can take decides, as `probe` tells it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from microinterp.errors import DeviceError, UnsupportedError, printable
from microinterp_boards import runtime, source_form
from microinterp_boards.link import Link
from microinterp_boards.packing import BoardModel
from microinterp_boards.probe import probe
from microinterp_boards.session import Session
from microinterp_boards.source_form import install
from microinterp_boards.source_form.generate import generate
from microinterp_boards.source_form.session import SourceSession
from microinterp_boards.store.places import current


@dataclass(frozen=True)
class Deployed:
    """A model that is on a board.

    Attributes:
        mpy_set: of the runtime's files, or "source".
        folder: of the runtime; empty if the board has none.
        model: packed for that set.
        path: of its file, below the board's folder.
        is_intact: whether the board has what `deploy` would write.
        open: soft resets the board and loads the model.
    """

    mpy_set: str
    folder: str
    model: BoardModel
    path: str
    is_intact: bool
    open: Callable[[], Session | SourceSession]


def find(link: Link, model: BoardModel) -> Deployed:
    """The model on the board, packed for the runtime that is there.

    Raises DeviceError if one of them is not there, or the runtime is damaged or not for
    this board.
    """
    link.soft_reset()  # in a small heap, what an earlier program left is too much for the probe
    about = probe(link)
    if source_form.is_for(about):
        return _find_source(link, model)
    mpy_set, folder = runtime.require_sound(link, about)
    path, state = current(link, model.name)
    if state is None:
        raise _no_model(link, model)
    model = model.for_tier(runtime.tier_of(mpy_set))
    is_intact = state == runtime.state_of(model.packed)
    return Deployed(mpy_set, folder, model, path, is_intact, lambda: Session(link, path))


def _find_source(link: Link, model: BoardModel) -> Deployed:
    """The generated module; one that cannot be generated was never deployed."""
    try:
        source = generate(model.packed)
    except UnsupportedError:
        raise _no_model(link, model) from None
    is_intact = install.is_intact(link, model, source)
    if is_intact is None:
        raise _no_model(link, model)
    size = source.source_bytes
    return Deployed(
        source_form.NAME, "", model, "", is_intact, lambda: SourceSession(link, model, size)
    )


def _no_model(link: Link, model: BoardModel) -> DeviceError:
    return DeviceError(
        f"{printable(link.port)}: there is no model '{model.name}' on the board",
        hint="deploy it first",
    )

"""The models that a board keeps in slots: list, go back, remove; and the key of signatures."""

from __future__ import annotations

import re

from microinterp.errors import DeviceError, printable
from microinterp_boards import runtime, source_form
from microinterp_boards.files import Files
from microinterp_boards.framed.client import RefusedError
from microinterp_boards.framed.service import PACKAGE, start_service
from microinterp_boards.link import Link
from microinterp_boards.probe import probe
from microinterp_boards.store.places import FOLDER
from microinterp_boards.store.requests import Kept, Place, Requests
from microinterp_boards.store.sign import KEY_FILE, require_key

_FILE = re.compile(r"(.+)\.(?:[ab012]|part|test|test\.part)")


def require_slots(link: Link) -> None:
    """Raise DeviceError if the board's firmware takes models in source form only."""
    if source_form.is_for(probe(link)):
        raise DeviceError(
            f"{printable(link.port)}: this board's firmware loads no .mpy files: its models are"
            " modules, and have no slots",
            hint="`microinterp board uninstall` removes them",
        )


def kept(link: Link) -> list[Kept]:
    """All models, by name. A board that never had one stays as it is."""
    require_slots(link)
    if not runtime.installed(link, PACKAGE).files:
        return []
    with start_service(link) as client:
        return all_of(Requests(client))


def all_of(board: Requests) -> list[Kept]:
    """As `kept`, of a board whose service runs."""
    matches = [_FILE.fullmatch(name) for name in board.files(Place.MODELS)]
    names = {m[1].removesuffix(".test") for m in matches if m is not None}
    return [board.model(name) for name in sorted(names) if not name.lower().endswith(".py")]


def back(link: Link, name: str) -> Kept:
    """Switch to the other slot of a model. Raises DeviceError if that holds no sound model."""
    require_slots(link)
    try:
        with start_service(link) as client:
            board = Requests(client)
            board.back(name)
            return board.model(name)
    except RefusedError as error:
        raise DeviceError(
            f"{printable(link.port)}: '{printable(name)}' stays what it is: {error.text}",
            hint="`microinterp board models` lists what there is",
        ) from None


def remove(link: Link, name: str) -> bool:
    """Remove all that a board has of a model; whether there was something."""
    require_slots(link)
    if not runtime.installed(link, PACKAGE).files:
        return False
    with start_service(link) as client:
        return Requests(client).forget(name)


def set_key(link: Link, key: bytes) -> None:
    """Write the key. Whoever can use the raw REPL can: it is not part of the link."""
    require_key(key, "the key")
    require_slots(link)
    Files(link).folder(FOLDER, create=True).put(KEY_FILE, key)

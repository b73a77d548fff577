"""Starts the board's side, at once or at every boot, and leaves it running."""

from __future__ import annotations

from microinterp.errors import DeviceError, printable
from microinterp_boards import device
from microinterp_boards.files import Files
from microinterp_boards.link import Link
from microinterp_boards.mlperf.client import Client
from microinterp_boards.mlperf.kinds import Kind
from microinterp_boards.store.places import FOLDER

MAIN = "main.py"
WAIT = 2500
"""Milliseconds after a boot in which a runner's command may come: then nothing greets it."""
_START_LIMIT = 60.0  # seconds to load and check a model
_MARK = b"# made by microinterp board mlperf --boot; without --boot it removes this file\n"
_BEFORE_MAIN = b"\r\x02"  # leave the raw REPL: only from the other one a soft reset runs main.py


def start(link: Link, path: str, kind: Kind) -> Client:
    """Soft reset the board, load the model's file, and answer until the next `enter`."""
    link.soft_reset()
    link.start(device.call("mlperf", path.encode(), kind.name.encode()))
    wanted = "the greeting of the service"
    first = link.reply(b"m", _START_LIMIT, wanted)  # a traceback is told as an error
    link.transport.unread(first)
    client = Client(link.transport)
    client.answer(_START_LIMIT, wanted)
    return client


def start_at_boot(link: Link, name: str, path: str, kind: Kind) -> Client:
    """Write main.py, which answers from each boot on, and boot.

    A model in slots is found by its name at each boot, so that a later deployment is what runs;
    a single file, as in mapped memory, by its path. Raises DeviceError if there is another main.py.
    """
    files = Files(link)
    require_own(link, files)
    files.put(MAIN, _main(name, path, kind))
    link.transport.write(_BEFORE_MAIN + b"\x04")
    client = Client(link.transport)
    client.answer(_START_LIMIT, "the greeting of the service in main.py")
    return client


def require_own(link: Link, files: Files) -> bool:
    """Whether there is a main.py of ours. Raises DeviceError if it is of somebody else."""
    if files.stat(MAIN) is None:
        return False
    if not files.get(MAIN).startswith(_MARK):
        raise DeviceError(
            f"{printable(link.port)}: there is a {MAIN} on the board already",
            hint="it would run no more: save and remove it, or leave --boot out",
        )
    return True


def remove_boot(link: Link) -> bool:
    """Remove a main.py of ours; False if there is none."""
    files = Files(link)
    state = files.stat(MAIN)
    if state is None or not files.get(MAIN).startswith(_MARK):
        return False
    return files.remove(MAIN)


def leave(link: Link) -> None:
    """Close the port; what runs on the board goes on, which `Link.close` would stop."""
    link.transport.close()
    link.transport.gone = True


def _main(name: str, path: str, kind: Kind) -> bytes:
    is_in_slot = path.startswith(f"{FOLDER}/")
    needed, file = ("mlperf, models", "models.find(%r)") if is_in_slot else ("mlperf", "%r")
    file %= name if is_in_slot else path
    text = f"from microinterp import {needed}\n\nmlperf.serve({file}, {kind.name!r}, {WAIT})\n"
    return _MARK + text.encode("ascii")

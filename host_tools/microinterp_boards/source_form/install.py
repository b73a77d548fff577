"""Generated modules as files on a board: what fits is written, what does not is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from microinterp.errors import DeviceError, UnsupportedError, printable
from microinterp_boards.link import Link
from microinterp_boards.packing import BoardModel
from microinterp_boards.source_form.fit import estimate, least
from microinterp_boards.source_form.generate import Source, generate, module_name
from microinterp_boards.source_form.wire import Wire, state_of

SUFFIX = ".mis"
"""Of the file with the pieces; the module's own file imports them."""
_LOADER = """import gc
f=open('{name}')
n=int(f.read(4))
while n:
 gc.collect()
 exec(f.read(n))
 n=int(f.read(4))
f.close()
del f,n,gc
"""
_OTHER_BOARD = "use a smaller model, or a board that loads .mpy files (MicroPython 1.19 and later)"


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installation did: names of the files sent and kept, bytes sent and of source."""

    sent: tuple[str, ...]
    kept: tuple[str, ...]
    sent_bytes: int
    source_bytes: int


def files_of(model: BoardModel, source: Source) -> dict[str, bytes]:
    """The files of a module by name, in the order in which they are to be written.

    Pieces stand one behind the other, each with its length in 4 digits before it, 0000 at the end:
    a file that is cut short cannot be imported.
    """
    name = module_name(model.name)
    pieces = "".join(f"{len(piece):04}{piece}" for piece in source.pieces) + "0000"
    loader = _LOADER.format(name=name + SUFFIX)
    return {name + SUFFIX: pieces.encode("ascii"), f"{name}.py": loader.encode("ascii")}


def require_fit(link: Link, model: BoardModel, heap_free: int) -> Source:
    """The module of a model. Raises DeviceError with the numbers if it is not for this board."""
    port, name = printable(link.port), model.name
    weights, minimum = model.report.weights_bytes, least(model)
    if minimum > heap_free:
        raise DeviceError(
            f"{port}: '{name}' does not fit into the board's heap: {weights} bytes of weights and"
            f" tables and {minimum - weights} of arena are {minimum - heap_free} bytes more than"
            f" the {heap_free} that are free",
            hint=_OTHER_BOARD,
        )
    try:
        source = generate(model.packed)
    except UnsupportedError as error:
        raise DeviceError(
            f"{port}: the board loads no .mpy files, and '{name}' cannot run as source:"
            f" {error.message} ({weights} bytes of weights and tables, {heap_free} of heap free)",
            error.where,
            _OTHER_BOARD,
        ) from None
    needed = estimate(source)
    if needed > heap_free:
        raise DeviceError(
            f"{port}: '{name}' does not fit into the board's heap: {source.source_bytes} bytes of"
            f" source with {source.constant_bytes} of weights and tables, and"
            f" {source.arena_bytes} of arena, need about {needed} bytes of heap,"
            f" {needed - heap_free} more than the {heap_free} that are free",
            hint=_OTHER_BOARD,
        )
    return source


def install(link: Link, model: BoardModel, source: Source) -> Installed:
    """Write the files that differ. The module's own file is written last: until then there is none.

    Raises DeviceError if the board has no filesystem that takes them; then none of them stays.
    """
    wire, wanted = Wire(link), files_of(model, source)
    sent = [name for name, data in wanted.items() if wire.state(name) != state_of(data)]
    if sent:
        loader = f"{module_name(model.name)}.py"
        wire.call("remove", loader.encode())
        sent = [*(name for name in sent if name != loader), loader]
    kept = tuple(name for name in wanted if name not in sent)
    try:
        for name in sent:
            wire.write_file(name, wanted[name])
    except DeviceError as error:
        if "OSError" not in error.message:
            raise
        for name in wanted:
            wire.call("remove", name.encode())
        raise DeviceError(
            f"{printable(link.port)}: the board's filesystem does not take the"
            f" {sum(map(len, wanted.values()))} bytes of '{model.name}'",
            hint="remove files that are not needed",
        ) from None
    sent_bytes = sum(len(wanted[name]) for name in sent)
    return Installed(tuple(sent), kept, sent_bytes, source.source_bytes)


def is_intact(link: Link, model: BoardModel, source: Source) -> bool | None:
    """Whether the board's files are those that `install` writes; None if there are none."""
    wire = Wire(link)
    found = {name: wire.state(name) for name in files_of(model, source)}
    if None in found.values():
        return None
    return all(found[name] == state_of(data) for name, data in files_of(model, source).items())


def find(link: Link, model: BoardModel, source: Source) -> BoardModel | None:
    """The model under the name that its module has on the board; None if it is not there."""
    for name in _names(Wire(link)):
        named = replace(model, name=name)
        if is_intact(link, named, source):
            return named
    return None


def uninstall(link: Link) -> list[str]:
    """Remove all generated modules; returns the names of the files that went."""
    wire, removed = Wire(link), []
    for name in _names(wire):
        for each in (f"{name}{SUFFIX}", f"{name}.py"):
            if wire.call("remove", each.encode()) == "1":
                removed.append(each)
    return removed


def _names(wire: Wire) -> list[str]:
    """Of the generated modules."""
    names = wire.call("names").split("\n")
    if names[-1] != "end":
        raise wire.nonsense(names[-1], "the end of a list of files")
    found = (re.fullmatch(rf"(\w{{1,32}})\{SUFFIX}", name, re.ASCII) for name in names[:-1])
    return [match[1] for match in found if match is not None]

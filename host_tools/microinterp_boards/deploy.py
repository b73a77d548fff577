"""From an untouched .tflite file to a model that a board has loaded."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from microinterp.errors import DeviceError, printable
from microinterp_boards import runtime, source_form
from microinterp_boards.files import Files, Room, stored_bytes
from microinterp_boards.link import Link
from microinterp_boards.packing import (
    NO_PASSES,
    BoardModel,
    MemoryPasses,
    Packable,
    pack_for_board,
)
from microinterp_boards.probe import Probe, probe
from microinterp_boards.session import Loaded, Session
from microinterp_boards.source_form import install as source_install
from microinterp_boards.source_form.session import SourceSession
from microinterp_boards.source_form.wire import Wire

Progress = Callable[[int, int], object]
"""Called with the number done so far, and of how many."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a deployment did.

    Attributes:
        name: of the model on the board.
        sha256: of the .tflite file.
        model_bytes, arena_bytes: of the packed model or the generated source, and of the memory
            that it runs in.
        sent_bytes: of all files that were sent.
        files_sent, files_kept, files_removed: paths; kept are those that were there already.
        mpy_set, kernels: the runtime's files, "source" if the board loads none, and what its
            kernels are: "bytecode", "viper", or the tier of Thumb kernels.
        heap_start, heap_imported, heap_loaded: bytes free before the runtime is imported, after,
            and with the model loaded. In source form the runtime is the module without its
            constants and arena.
        seconds: for all of it.
        passes: memory passes that have run, in order.
        extra_macs: share of the model's multiply-accumulates that they cost.
    """

    name: str
    sha256: str
    model_bytes: int
    arena_bytes: int
    sent_bytes: int
    files_sent: tuple[str, ...]
    files_kept: tuple[str, ...]
    files_removed: tuple[str, ...]
    mpy_set: str
    kernels: str
    heap_start: int
    heap_imported: int
    heap_loaded: int
    seconds: float
    passes: tuple[str, ...]
    extra_macs: float


def deploy(
    link: Link,
    source: Packable,
    name: str | None = None,
    mpy_set: str | None = None,
    progress: Progress = lambda done, of: None,
    passes: MemoryPasses = NO_PASSES,
) -> Deployment:
    """See Board.deploy."""
    started = time.monotonic()
    model = pack_for_board(source, name, passes)
    link.soft_reset()
    board = probe(link)
    if source_form.is_for(board):
        return _deploy_source(link, model, mpy_set, board, started)
    chosen = runtime.choose_set(board, mpy_set)
    model = model.for_tier(runtime.tier_of(chosen))
    there = runtime.installed(link)
    files = Files(link)
    keeps = files.stat(model.file_name) == runtime.state_of(model.packed)
    if not keeps:  # one that is there may be mapped, and need no heap: loading it will tell
        _require_heap(link, model, board)
    _require_room(link, files.room(), model, 0 if keeps else len(model.packed), chosen, there)
    update = runtime.install(link, chosen, there)
    if not keeps:
        files.put(model.file_name, model.packed, lambda done: progress(done, len(model.packed)))
    loaded = load_once(link, model, there.folder)
    wanted = runtime.shipped(chosen)
    sent = tuple(f"{there.folder}/{each}" for each in update.sent)
    kept = tuple(f"{there.folder}/{each}" for each in update.kept)
    return Deployment(
        name=model.name,
        sha256=model.sha256,
        model_bytes=loaded.model_bytes,
        arena_bytes=loaded.arena_bytes,
        sent_bytes=sum(len(wanted[each]) for each in update.sent)
        + (0 if keeps else len(model.packed)),
        files_sent=sent if keeps else (*sent, model.file_name),
        files_kept=(*kept, model.file_name) if keeps else kept,
        files_removed=tuple(f"{there.folder}/{each}" for each in update.removed),
        mpy_set=chosen,
        kernels=loaded.tier,
        heap_start=loaded.heap_start,
        heap_imported=loaded.heap_imported,
        heap_loaded=loaded.heap_loaded,
        seconds=time.monotonic() - started,
        passes=model.passes,
        extra_macs=model.extra_macs,
    )


def _deploy_source(
    link: Link, model: BoardModel, mpy_set: str | None, board: Probe, started: float
) -> Deployment:
    """Two files, which stay when the board is reset."""
    if mpy_set not in (None, source_form.NAME):
        runtime.choose_set(board, mpy_set)  # raises, with the reason
    link.soft_reset()  # the probe has left its names in the heap
    source = source_install.require_fit(link, model, Wire(link).heap_free())
    done = source_install.install(link, model, source)
    with SourceSession(link, model, source.source_bytes) as session:
        loaded = session.loaded
        require_same(link, loaded, model, "")
    return Deployment(
        name=model.name,
        sha256=model.sha256,
        model_bytes=loaded.model_bytes,
        arena_bytes=loaded.arena_bytes,
        sent_bytes=done.sent_bytes,
        files_sent=done.sent,
        files_kept=done.kept,
        files_removed=(),
        mpy_set=source_form.NAME,
        kernels=loaded.tier,
        heap_start=loaded.heap_start,
        heap_imported=loaded.heap_imported,
        heap_loaded=loaded.heap_loaded,
        seconds=time.monotonic() - started,
        passes=model.passes,
        extra_macs=model.extra_macs,
    )


def load_once(link: Link, model: BoardModel, folder: str) -> Loaded:
    """Load the model and let it go again: the proof that it can run."""
    with Session(link, model.name) as session:
        require_same(link, session.loaded, model, folder)
        return session.loaded


def require_same(
    link: Link, loaded: Loaded, model: BoardModel, folder: str, any_passes: bool = False
) -> None:
    """Raise DeviceError unless model, sizes and the runtime's folder are those deployed.

    any_passes: it may have been deployed with other memory passes.
    """
    port = printable(link.port)
    if loaded.sha256 != model.sha256:
        raise DeviceError(
            f"{port}: the model '{model.name}' on the board was packed from another .tflite file:"
            f" its sha256 is {loaded.sha256}, this file's is {model.sha256}",
            hint="deploy it again",
        )
    if loaded.file and not f"/{loaded.file}".endswith(f"/{folder}/__init__.mpy"):
        raise DeviceError(
            f"{port}: the board imports another 'microinterp' than the one installed:"
            f" {loaded.file}",
            hint="remove that one",
        )
    if folder and not any_passes and loaded.arena_bytes != model.report.arena_bytes:
        raise DeviceError(
            f"{port}: the model '{model.name}' on the board was packed another way: its arena has"
            f" {loaded.arena_bytes} bytes, this one {model.report.arena_bytes}",
            hint="name the memory passes that it was deployed with, or deploy it again",
        )
    main = model.prepared.graph.main
    wanted = tuple(t.nbytes for t in main.inputs), tuple(t.nbytes for t in main.outputs)
    if (loaded.inputs, loaded.outputs) != wanted:
        raise DeviceError(
            f"{port}: the model '{model.name}' on the board is damaged: its inputs and outputs are"
            " not those of the .tflite file",
            hint="deploy it again",
        )


def _require_heap(link: Link, model: BoardModel, board: Probe) -> None:
    """The model lies in memory as a whole, and so does the arena; the runtime comes on top."""
    needed = len(model.packed) + model.report.arena_bytes
    if needed > board.heap_free:
        raise DeviceError(
            f"{printable(link.port)}: the model does not fit into the board's heap:"
            f" {len(model.packed)} bytes of model and {model.report.arena_bytes} of arena are"
            f" {needed - board.heap_free} bytes more than the {board.heap_free} that are free",
            hint="use a board with more memory, firmware with a larger heap, or a smaller model; a"
            " boot.py that allocates much can be emptied",
        )


def _require_room(
    link: Link,
    room: Room,
    model: BoardModel,
    model_bytes: int,
    mpy_set: str,
    there: runtime.Installed,
) -> None:
    """Everything must fit before anything is written; old files stay until the new ones are."""
    if room.free is None:
        return
    wanted, differing = runtime.shipped(mpy_set), runtime.differing(there, mpy_set)
    sizes = [model_bytes, *(len(wanted[name]) for name in differing)]
    needed = sum(stored_bytes(size, room.block) for size in sizes)
    for name, state in there.files.items():
        if name not in wanted or name in differing:
            needed -= stored_bytes(state.size, room.block)
    if needed > room.free:
        raise DeviceError(
            f"{printable(link.port)}: no room for '{model.name}' on the board's filesystem: it and"
            f" the runtime need {needed} bytes, {needed - room.free} more than the {room.free} that"
            " are free",
            hint="remove files that are not needed, or `microinterp board uninstall` and deploy"
            " again",
        )

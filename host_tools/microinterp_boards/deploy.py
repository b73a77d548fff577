"""From an untouched .tflite file to a model that a board has loaded."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from microinterp.errors import DeviceError, InputError, printable
from microinterp_boards import runtime, source_form
from microinterp_boards.app.outcome import AppDeployment
from microinterp_boards.kernel_sets import kernels_of
from microinterp_boards.link import Link
from microinterp_boards.packing import (
    NO_PASSES,
    BoardModel,
    MemoryPasses,
    Packable,
    pack_for_board,
)
from microinterp_boards.probe import Probe, probe
from microinterp_boards.session import DoesNotFitError, Session
from microinterp_boards.session_facts import Loaded
from microinterp_boards.source_form import install as source_install
from microinterp_boards.source_form.session import SourceSession
from microinterp_boards.source_form.wire import Wire
from microinterp_boards.store.committing import Wanted, commit
from microinterp_boards.store.places import current

_TRIES = 3
Progress = Callable[[int, int], object]
"""Called with the number done so far, and of how many."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a deployment did.

    Attributes:
        name: of the model on the board.
        path: of the file that is in use, below the board's folder: of one of the model's two slots.
        sha256: of the .tflite file.
        model_bytes, arena_bytes: of the packed model or the generated source, and of the memory
            that it runs in.
        sent_bytes: of model, golden samples and runtime, over the line.
        resumed_bytes, copied_bytes: of these, there from an attempt that broke off, and copied on
            the board from the model that was in use.
        files_sent, files_kept, files_removed: paths; kept are those that were there already.
        mpy_set, kernels: the runtime's files, "source" if the board loads none, and what its
            kernels are: "bytecode", "viper", or the tier of Thumb kernels.
        tested_samples: that the board ran before it switched; 0 if nothing was to be done.
        breaks: of the line, that were mended on the way.
        heap_start, heap_imported, heap_loaded: bytes free before the runtime is imported, after,
            and with the model loaded; on a line that damages bytes, as the board's self-test has
            them, beside the link's service. In source form the runtime is the module without its
            constants and arena.
        seconds: for all of it.
        passes: memory passes that have run, in order.
        extra_macs: share of the model's multiply-accumulates that they cost.
        app: the program that was deployed with it; None without one.
    """

    name: str
    path: str
    sha256: str
    model_bytes: int
    arena_bytes: int
    sent_bytes: int
    resumed_bytes: int
    copied_bytes: int
    files_sent: tuple[str, ...]
    files_kept: tuple[str, ...]
    files_removed: tuple[str, ...]
    mpy_set: str
    kernels: str
    tested_samples: int
    breaks: int
    heap_start: int
    heap_imported: int
    heap_loaded: int
    seconds: float
    passes: tuple[str, ...]
    extra_macs: float
    app: AppDeployment | None = None


def deploy(
    link: Link,
    source: Packable,
    name: str | None = None,
    mpy_set: str | None = None,
    progress: Progress = lambda done, of: None,
    passes: MemoryPasses = NO_PASSES,
    version: int | None = None,
    key: bytes | None = None,
) -> Deployment:
    """See Board.deploy."""
    started = time.monotonic()
    if version is not None and not 0 <= version < 1 << 32:
        raise InputError(f"a model's version is 0 to {(1 << 32) - 1}, not {version}")
    model = pack_for_board(source, name, passes)
    link.soft_reset()
    board = probe(link)
    if source_form.is_for(board):
        return _deploy_source(link, model, mpy_set, board, started)
    chosen = runtime.choose_set(board, mpy_set)
    model = model.for_tier(runtime.tier_of(chosen))
    there = runtime.installed(link)
    path, state = current(link, model.name)
    is_there = version is None and state == runtime.state_of(model.packed)
    if not is_there:  # one that is there may be mapped, and need no heap: loading it will tell
        _require_heap(link, model, board)
    done = commit(
        link,
        Wanted(model, chosen, version, key, is_there),
        there,
        lambda sent: progress(sent, len(model.packed)),
    )
    path, test = done.path or path, done.test
    if test is None or done.is_clean:
        loaded = _load(link, model, path, there.folder, 1 if done.is_clean and test else _TRIES)
        heap = loaded.heap_start, loaded.heap_imported, loaded.heap_loaded
    else:  # nothing but the service's frames is safe on this line
        heap = test.heap_free, test.heap_imported, test.heap_loaded
    new = () if is_there else (path,)
    return Deployment(
        name=model.name,
        path=path,
        sha256=model.sha256,
        model_bytes=len(model.packed),
        arena_bytes=model.report.arena_bytes,
        sent_bytes=done.tally.sent,
        resumed_bytes=done.tally.resumed,
        copied_bytes=done.tally.copied,
        files_sent=(*_paths(there, done.update.sent), *new),
        files_kept=(*_paths(there, done.update.kept), *(() if new else (path,))),
        files_removed=_paths(there, done.update.removed),
        mpy_set=chosen,
        kernels=kernels_of(chosen),
        tested_samples=test.samples if test is not None else 0,
        breaks=done.breaks,
        heap_start=heap[0],
        heap_imported=heap[1],
        heap_loaded=heap[2],
        seconds=time.monotonic() - started,
        passes=model.passes,
        extra_macs=model.extra_macs,
    )


def _paths(there: runtime.Installed, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{there.folder}/{name}" for name in names)


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
        path=f"{model.name}.py",
        sha256=model.sha256,
        model_bytes=loaded.model_bytes,
        arena_bytes=loaded.arena_bytes,
        sent_bytes=done.sent_bytes,
        resumed_bytes=0,
        copied_bytes=0,
        files_sent=done.sent,
        files_kept=done.kept,
        files_removed=(),
        mpy_set=source_form.NAME,
        kernels=loaded.tier,
        tested_samples=0,
        breaks=0,
        heap_start=loaded.heap_start,
        heap_imported=loaded.heap_imported,
        heap_loaded=loaded.heap_loaded,
        seconds=time.monotonic() - started,
        passes=model.passes,
        extra_macs=model.extra_macs,
    )


def _load(link: Link, model: BoardModel, path: str, folder: str, tries: int) -> Loaded:
    """`load_once`; again where nobody knows what the line does to bytes."""
    while True:
        tries -= 1
        try:
            return load_once(link, model, path, folder)
        except DoesNotFitError:
            raise
        except DeviceError:
            if not tries or link.transport.gone:
                raise


def load_once(link: Link, model: BoardModel, path: str, folder: str) -> Loaded:
    """Load the model and let it go again: the proof that it can run."""
    with Session(link, path) as session:
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

"""What a board tells of a loaded model and of its ops, as records."""

from __future__ import annotations

from dataclasses import dataclass

Place = tuple[int, int, int]
"""A tensor as an op has written it: subgraph, op in it, tensor in it."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the board tells once it has loaded a model. Heap is bytes free after a collection.

    Attributes:
        heap_start, heap_imported, heap_loaded: before the runtime is imported, after that, and
            with the model loaded.
        arena_bytes, model_bytes: of the model.
        sha256: of the .tflite file that it was packed from, hex.
        inputs, outputs: bytes of each.
        tier, version: of the runtime.
        clock: unit of all times: "us", or "instructions" where the board counts those.
        file: where the runtime was imported from; empty if the firmware does not tell.
    """

    heap_start: int
    heap_imported: int
    heap_loaded: int
    arena_bytes: int
    model_bytes: int
    sha256: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    tier: str
    version: str
    clock: str
    file: str


@dataclass(frozen=True, slots=True)
class OpRun:
    """One op of one invoke: time by the board's clock, (tensor, CRC32) of what it has written."""

    subgraph: int
    op_index: int
    time: int
    written: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class OpCount:
    """One op of one invoke: instructions of the calls of its steps, and those inside of kernels."""

    subgraph: int
    op_index: int
    time: int
    in_kernels: int

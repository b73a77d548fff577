"""A packed model in memory: what schemas/packed_model.fbs says, as frozen records."""

from __future__ import annotations

from dataclasses import dataclass, field

from microinterp.packed.steps import Step

IDENTIFIER = b"MIPK"
"""Of the file."""
VERSION = 1
"""Of the format. Writers write it, readers refuse any other by name."""
PROFILE = "tflm"
"""The numeric profile that steps compute in."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or an output; the names are the file's."""

    name: str
    index: int
    type: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    offset: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Written:
    """A tensor that an op writes: its number in the op's subgraph, and its place in the arena."""

    index: int
    offset: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class PackedOp:
    """An op of the .tflite file, or a piece of it that memory passes have cut off.

    `steps` steps from `first_step`, then `written` is there. index: of the op in the file; pieces
    of an op share it.
    """

    index: int
    name: str
    first_step: int
    steps: int
    written: tuple[Written, ...]


@dataclass(frozen=True, slots=True)
class PackedSubgraph:
    """Steps in order; each belongs to one of the ops, which are in order too."""

    steps: tuple[Step, ...]
    ops: tuple[PackedOp, ...]


@dataclass(frozen=True, slots=True)
class PackedState:
    """Bytes of the arena that outlive an invoke, all `value` at start."""

    offset: int
    nbytes: int
    value: int
    resets: bool


@dataclass(frozen=True)
class PackedModel:
    """The whole packed model."""

    tier: str
    profile: str
    tflite_sha256: bytes
    tool: str
    arena_bytes: int
    head_bytes: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    subgraphs: tuple[PackedSubgraph, ...]
    state: tuple[PackedState, ...]
    weights: bytes | memoryview = field(repr=False)

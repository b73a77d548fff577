"""Runs a packed model on the host, step by step, with the API of the interpreter."""

from __future__ import annotations

import os
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.errors import ArenaError, InputError, ModelError, printable
from microinterp.packed.reader import load
from microinterp.packed.records import PackedModel, PackedOp, TensorInfo
from microinterp.packed.run import Buffers, run_step
from microinterp.packed.steps import CallOnce, Step
from microinterp.packed.tiers import layout_of
from microinterp.tensor_types import BY_CODE

ARENA_LIMIT = 256 << 20
"""Largest arena that is made: no microcontroller comes near it."""

OpCrcs = dict[tuple[int, int], tuple[int, ...]]
"""(subgraph, op) -> CRC32 of each tensor that the op wrote, piece by piece if it is cut."""


class PackedInterpreter:
    """Runs a packed model; bit for bit what microinterp.Interpreter gives for the .tflite file.

    As on the board, an input buffer may be overwritten during invoke.
    """

    def __init__(self, data: bytes) -> None:
        """Load and check; after this invoke has nothing to complain of.

        Args:
            data: a packed model.

        Raises:
            ModelError: it is none, is damaged, or of another version.
            ArenaError: its arena is larger than ARENA_LIMIT.
        """
        self._model = load(data)
        size = self._model.arena_bytes
        if size > ARENA_LIMIT:
            raise ArenaError(
                f"the packed model wants an arena of {size} bytes, more than {ARENA_LIMIT}"
            )
        self._memory = bytearray(size)
        self._buffers = Buffers(
            np.frombuffer(self._memory, np.uint8),
            np.frombuffer(self._model.weights, np.uint8),
            layout_of(self._model.tier),
        )
        self._crcs: OpCrcs = {}
        self._fill_state(everything=True)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> PackedInterpreter:
        """An interpreter for the packed model at `path`; errors as for the class."""
        try:
            with open(path, "rb") as file:
                return cls(file.read())
        except OSError as error:
            reason = error.strerror or str(error)
            raise ModelError(f"cannot read {os.fspath(path)!r}: {reason}") from None

    @classmethod
    def from_bytes(cls, data: bytes) -> PackedInterpreter:
        """An interpreter for the contents of a file; errors as for the class."""
        return cls(data)

    @property
    def model(self) -> PackedModel:
        """The packed model."""
        return self._model

    @property
    def memory(self) -> bytearray:
        """The arena."""
        return self._memory

    def set_input(self, array: npt.ArrayLike, index: int = 0) -> None:
        """Copy `array` into input `index`: exactly its shape and dtype, nothing is converted.

        Raises:
            InputError: index, dtype or shape is not the model's.
        """
        tensor = _at(self._model.inputs, index, "input")
        view, given = self._view(tensor), np.asarray(array)
        if given.dtype != view.dtype or given.shape != view.shape:
            raise InputError(
                f"input {index} '{printable(tensor.name)}' takes {view.dtype}{list(view.shape)}, "
                f"got {given.dtype}{list(given.shape)}"
            )
        view[...] = given

    def invoke(self) -> None:
        """Run the model once."""
        self._run(0, None)

    def get_output(self, index: int = 0) -> npt.NDArray[Any]:
        """A copy of output `index`. Raises InputError where there is no such output."""
        copied: npt.NDArray[Any] = self._view(_at(self._model.outputs, index, "output")).copy()
        return copied

    def reset(self) -> None:
        """Put all state back that a reset concerns: variables, not what CALL_ONCE has done."""
        self._fill_state(everything=False)

    def op_crcs(self) -> OpCrcs:
        """Run the model once, and return the CRC32 of each tensor right after its op wrote it.

        Ops of a subgraph that did not run are missing.
        """
        found: OpCrcs = {}
        self._run(0, found)
        return found

    def _run(self, subgraph: int, crcs: OpCrcs | None) -> None:
        steps = self._model.subgraphs[subgraph].steps
        if crcs is None:
            for step in steps:
                self._step(step, None)
            return
        for op in self._model.subgraphs[subgraph].ops:
            for step in steps[op.first_step : op.first_step + op.steps]:
                self._step(step, crcs)
            key = subgraph, op.index
            crcs[key] = (*crcs.get(key, ()), *self._written(op))

    def _step(self, step: Step, crcs: OpCrcs | None) -> None:
        if not isinstance(step, CallOnce):
            run_step(step, self._buffers)
        elif not self._memory[step.flag]:
            self._run(step.subgraph, crcs)
            self._memory[step.flag] = 1

    def _written(self, op: PackedOp) -> tuple[int, ...]:
        memory = memoryview(self._memory)
        return tuple(zlib.crc32(memory[t.offset : t.offset + t.nbytes]) for t in op.written)

    def _fill_state(self, everything: bool) -> None:
        for state in self._model.state:
            if everything or state.resets:
                self._buffers.arena[state.offset : state.offset + state.nbytes] = state.value

    def _view(self, tensor: TensorInfo) -> npt.NDArray[Any]:
        dtype = np.dtype(BY_CODE[tensor.type].dtype)
        count = tensor.nbytes // dtype.itemsize
        flat = np.frombuffer(self._memory, dtype, count=count, offset=tensor.offset)
        return flat.reshape(tensor.shape)


def _at(items: tuple[TensorInfo, ...], index: int, what: str) -> TensorInfo:
    if not isinstance(index, (int, np.integer)) or not 0 <= index < len(items):
        raise InputError(f"no {what} {printable(str(index))}: the model has {len(items)}")
    return items[index]

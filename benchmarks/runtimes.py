"""The runtimes that are compared, all behind one small interface; each lives in its own process.

This file imports none of them at the top: what a runtime costs to import is measured too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

Array = Any  # npt.NDArray; kept short because nothing here looks into one
Sample = Sequence[Array]
Outputs = list[Array]

_ROOM = 64 << 10  # what TFLM's own structs take beside the tensors of a small model


class Runtime(Protocol):
    """One way to run a model.

    Attributes:
        batched: `many` is a way of its own, and is what is timed; else `one` is.
    """

    batched: bool

    def load(self, model: bytes, outputs: int, samples: int = 1) -> None:
        """Make a fresh interpreter.

        Args:
            model: contents of the file.
            outputs: how many the model has, which TFLM's wheel does not tell.
            samples: how many `many` will be given at once.
        """

    def one(self, sample: Sample) -> Outputs:
        """Set the inputs, run, fetch the outputs."""

    def many(self, arrays: Sequence[Array]) -> Outputs:
        """The same for arrays with a leading axis of samples."""


class _OneByOne:
    """Runtimes without batches run one sample after the other."""

    batched = False

    def one(self, sample: Sample) -> Outputs:
        raise NotImplementedError

    def many(self, arrays: Sequence[Array]) -> Outputs:
        count = len(arrays[0])
        results = [self.one([array[i] for array in arrays]) for i in range(count)]
        return [np.stack(column) for column in zip(*results, strict=True)]


class _TflmShaped(_OneByOne):
    """Runtimes with the methods of TFLM's Python package."""

    interpreter: Any
    _outputs: range

    def one(self, sample: Sample) -> Outputs:
        interpreter = self.interpreter
        for i, array in enumerate(sample):
            interpreter.set_input(array, i)
        interpreter.invoke()
        return [interpreter.get_output(i) for i in self._outputs]


class Ours(_TflmShaped):
    """microinterp, sample by sample."""

    def __init__(self, kernels: str, threads: int | None = 1) -> None:
        import microinterp
        from microinterp.kernels import chooser_of, default_registry

        default_registry()  # imports the kernels, which otherwise the first model does
        chooser_of(kernels)
        self._make = microinterp.Interpreter.from_bytes
        self._kernels = kernels
        self._threads = threads

    def load(self, model: bytes, outputs: int, samples: int = 1) -> None:
        self.interpreter = self._make(model, kernels=self._kernels)
        self._outputs = range(outputs)


class OursBatched(Ours):
    """microinterp's run_batch."""

    batched = True

    def many(self, arrays: Sequence[Array]) -> Outputs:
        return list(self.interpreter.run_batch(*arrays, threads=self._threads))


class Tflm(_TflmShaped):
    """TensorFlow Lite Micro's Python wheel."""

    def __init__(self) -> None:
        from tflite_micro.python.tflite_micro import runtime

        self._make = runtime.Interpreter.from_bytes

    def load(self, model: bytes, outputs: int, samples: int = 1) -> None:
        # Memory of the arena that stays untouched costs neither time nor pages.
        arena = max(16 << 20, 20 * len(model)) + _ROOM
        self.interpreter = self._make(model, arena_size=arena)
        self._outputs = range(outputs)


class LiteRt(_OneByOne):
    """LiteRT: its reference kernels, or XNNPACK, which its interpreter takes by default."""

    def __init__(self, reference: bool, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kind = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
        self._options = {"experimental_op_resolver_type": kind, "num_threads": threads}
        self._make = Interpreter

    def load(self, model: bytes, outputs: int, samples: int = 1) -> None:
        self.interpreter = self._make(model_content=model, **self._options)
        self._resize(samples)
        self.interpreter.allocate_tensors()
        self._inputs = [entry["index"] for entry in self.interpreter.get_input_details()]
        self._outputs = [entry["index"] for entry in self.interpreter.get_output_details()]

    def _resize(self, samples: int) -> None:
        """One sample at a time is the shape in the file."""

    def one(self, sample: Sample) -> Outputs:
        interpreter = self.interpreter
        for index, array in zip(self._inputs, sample, strict=True):
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in self._outputs]


class LiteRtBatched(LiteRt):
    """LiteRT with its inputs resized to a whole batch, which not every model allows."""

    batched = True

    def _resize(self, samples: int) -> None:
        for entry in self.interpreter.get_input_details():
            shape = entry["shape"]
            if not len(shape) or shape[0] != 1:
                raise ValueError(f"input {list(shape)} has no batch axis")
            self.interpreter.resize_tensor_input(entry["index"], (samples, *shape[1:]))

    def many(self, arrays: Sequence[Array]) -> Outputs:
        count = len(arrays[0])
        outputs = self.one([array.reshape(count, *array.shape[2:]) for array in arrays])
        if any(len(output) != count for output in outputs):
            raise ValueError("the model's shapes do not follow its inputs")
        return [output.reshape(count, 1, *output.shape[1:]) for output in outputs]


MAKERS: dict[str, Callable[[], Runtime]] = {
    "plain": lambda: Ours("plain"),
    "fast": lambda: Ours("auto"),
    "batched": lambda: OursBatched("auto", None),
    "batched, 1 thread": lambda: OursBatched("auto", 1),
    "batched, 2 threads": lambda: OursBatched("auto", 2),
    "TFLM": Tflm,
    "LiteRT reference": lambda: LiteRt(True, 1),
    "XNNPACK, 1 thread": lambda: LiteRt(False, 1),
    "XNNPACK, 2 threads": lambda: LiteRt(False, 2),
    "XNNPACK batched, 1 thread": lambda: LiteRtBatched(False, 1),
    "XNNPACK batched, 2 threads": lambda: LiteRtBatched(False, 2),
}
"""Every runtime by the name that the tables show."""

EXACT = (
    "plain",
    "fast",
    "batched",
    "batched, 1 thread",
    "batched, 2 threads",
    "TFLM",
)
"""Runtimes whose outputs must be equal, byte for byte."""

SLOW = ("plain", "LiteRT reference")
"""Runtimes whose outputs are compared on fewer samples, to save time."""


def is_ours(name: str) -> bool:
    """True for this project's own ways to run a model."""
    return name.startswith(("plain", "fast", "batched"))

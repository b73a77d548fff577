"""TensorFlow Lite Micro's own Python wheel, driven in a child process."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from microinterp.errors import RuntimeUnavailableError
from microinterp.runtimes.child import Child

# Above this size glibc maps new pages, which are 0 as a static arena is: TFLM has kernels that use
# memory before they write it (SPACE_TO_BATCH_ND's pad value).
_FRESH_ARENAS = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}

_HINTS = {
    "failed to allocate tensors": "it gives no reason; `microinterp verify` tells what it refuses, "
    "and operators of your own are not in its wheel",
}

Sample = Sequence[npt.NDArray[Any]] | None
"""One array per input; None stands for a reset() between two samples."""


@dataclass(frozen=True)
class Run:
    """Results of a run: one entry per sample (resets left out).

    Attributes:
        outputs: [sample][output].
        tensors: [sample][(subgraph, tensor index)].
    """

    outputs: list[list[npt.NDArray[Any]]]
    tensors: list[dict[tuple[int, int], npt.NDArray[Any]]]


@dataclass(frozen=True)
class ArenaFacts:
    """TFLM's own arena after some invokes, from a recording interpreter.

    Attributes:
        head_bytes, tail_bytes: as its allocator prints them.
        head: the bytes of the head after the last sample; None where they cannot be read.
    """

    head_bytes: int
    tail_bytes: int
    head: bytes | None


def version() -> str | None:
    """Version of the installed wheel, None where there is none."""
    if importlib.util.find_spec("tflite_micro") is None:
        return None
    from importlib.metadata import version as installed

    return installed("tflite_micro")


class TflmRuntime(Child):
    """TFLM in a child process: a crash there becomes an error here, and the next call goes on.

    Use as a context manager, or call close().
    """

    def __init__(self, timeout: float = 60.0) -> None:
        """Nothing is started until the first call.

        Args:
            timeout: seconds after which a call is given up and the child killed.

        Raises:
            RuntimeUnavailableError: the wheel is not installed.
        """
        if version() is None:
            raise RuntimeUnavailableError(
                "TFLM's Python wheel is not installed",
                hint="pip install 'microinterp[oracle]' (Linux x86-64 only)",
            )
        super().__init__(
            "TFLM",
            "microinterp.runtimes.tflm_worker",
            timeout=timeout,
            environment=_FRESH_ARENAS,
            hints=_HINTS,
        )

    def run(
        self,
        model: bytes,
        samples: Sequence[Sample],
        tensors: Sequence[tuple[int, int]] = (),
        arena_size: int | None = None,
    ) -> Run:
        """Run samples one after the other in one interpreter.

        Args:
            model: contents of a .tflite file.
            samples: inputs of each invoke; None resets the interpreter instead.
            tensors: (subgraph, index) of tensors to read after each invoke; asking for any makes
                TFLM preserve all tensors. Its GetTensor crashes on resource handles.
            arena_size: bytes; None takes what is surely enough.

        Raises:
            RuntimeUnavailableError: TFLM refused the model, crashed or took too long.
        """
        return cast(Run, self.ask("run", model, samples, tensors, arena_size))

    def start(self, model: bytes, preserve: bool) -> None:
        """Make an interpreter for `go_on`. `preserve` keeps every tensor readable."""
        self.ask("start", model, preserve)

    def go_on(self, samples: Sequence[Sample], tensors: Sequence[tuple[int, int]] = ()) -> Run:
        """Run samples in the interpreter that `start` has made; its state goes on. See `run`."""
        return cast(Run, self.ask("go_on", samples, tensors))

    def arena(self, model: bytes, samples: Sequence[Sample] = ()) -> ArenaFacts:
        """Sizes of TFLM's arena for a model, and its head's bytes after `samples`."""
        return cast(ArenaFacts, self.ask("arena", model, samples))

    def seconds_per_invoke(self, model: bytes, sample: Sample, repeats: int) -> list[float]:
        """Wall time of `repeats` invokes (set_input included), measured inside the child."""
        return cast("list[float]", self.ask("seconds", model, sample, repeats))


def as_samples(batch: Sequence[npt.NDArray[Any]]) -> list[list[npt.NDArray[Any]]]:
    """Turn arrays [N, ...], one per input, into N samples."""
    return [[np.ascontiguousarray(array[i]) for array in batch] for i in range(len(batch[0]))]

"""TensorFlow Lite Micro's own Python wheel, driven in a child process."""

from __future__ import annotations

import importlib.util
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from microinterp.errors import RuntimeUnavailableError

# Above this size glibc maps new pages, which are 0 as a static arena is: TFLM has kernels that use
# memory before they write it (SPACE_TO_BATCH_ND's pad value).
_FRESH_ARENAS = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}

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


class TflmRuntime:
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
        self._timeout = timeout
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> TflmRuntime:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

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
        return cast(Run, self._ask("run", model, samples, tensors, arena_size))

    def arena(self, model: bytes, samples: Sequence[Sample] = ()) -> ArenaFacts:
        """Sizes of TFLM's arena for a model, and its head's bytes after `samples`."""
        return cast(ArenaFacts, self._ask("arena", model, samples))

    def seconds_per_invoke(self, model: bytes, sample: Sample, repeats: int) -> list[float]:
        """Wall time of `repeats` invokes (set_input included), measured inside the child."""
        return cast("list[float]", self._ask("seconds", model, sample, repeats))

    def close(self) -> None:
        """End the child process."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _ask(self, command: str, *arguments: Any) -> Any:
        child = self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        watchdog = threading.Timer(self._timeout, child.kill)
        watchdog.start()
        try:
            pickle.dump((command, arguments), child.stdin)
            child.stdin.flush()
            status, value = pickle.load(child.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            raise RuntimeUnavailableError(self._death(watchdog)) from None
        finally:
            watchdog.cancel()
        if status == "error":
            raise RuntimeUnavailableError(f"TFLM says: {value}")
        return value

    def _start(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "microinterp.runtimes.tflm_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_FRESH_ARENAS},
            )
        return self._child

    def _death(self, watchdog: threading.Timer) -> str:
        timed_out = watchdog.finished.is_set()
        child, self._child = self._child, None
        assert child is not None
        child.kill()
        child.communicate()
        if timed_out:
            return f"TFLM gave no answer within {self._timeout:g} s"
        if child.returncode < 0:
            return f"TFLM crashed with {signal.Signals(-child.returncode).name}"
        return f"TFLM's process ended with status {child.returncode}"


def as_samples(batch: Sequence[npt.NDArray[Any]]) -> list[list[npt.NDArray[Any]]]:
    """Turn arrays [N, ...], one per input, into N samples."""
    return [[np.ascontiguousarray(array[i]) for array in batch] for i in range(len(batch[0]))]

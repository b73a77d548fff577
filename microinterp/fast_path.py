"""Fast twins of plain kernels: chosen in prepare, bound to arrays once, then only called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import LibController, ThreadpoolController

if TYPE_CHECKING:
    from microinterp.prepare import Arrays

Call = Callable[[], object]
"""One piece of an op's work on arrays that were fixed when it was bound."""


def assign(target: npt.NDArray[Any], source: npt.NDArray[Any]) -> Call:
    """The call that converts and copies `source` into `target`, of the same shape.

    It is NumPy's `target[...] = source`, which starts sooner than np.copyto.
    """
    return partial(target.__setitem__, Ellipsis, source)


class Workspace:
    """Memory that the ops of one binding share while they run, one after the other.

    What an op finds in an array of it is undefined: another op has written there since.
    """

    def __init__(self) -> None:
        self._slots: dict[str, npt.NDArray[np.uint8]] = {}

    def array(self, slot: str, shape: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """An array [*shape]; those of different slots do not overlap, those of one slot may."""
        kind = np.dtype(dtype)
        nbytes = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
        if nbytes > len(self._slots.get(slot, ())):
            self._slots[slot] = np.empty(nbytes, np.uint8)
        return self._slots[slot][:nbytes].view(kind).reshape(shape)


@dataclass(frozen=True)
class Fast:
    """A proved fast twin of one node's plain kernel.

    Attributes:
        how: the form it takes and why that is exact, a short phrase for `inspect`.
        bind: gives the calls that, made in order, do what the plain kernel does on these arrays.
            Arrays have the file's shapes, or one more leading axis (constants keep their own
            shape); they are contiguous, and no output shares memory with an input.
    """

    how: str
    bind: Callable[[Arrays, Workspace], Sequence[Call]]


class _OneBlasThread:
    """Holds matrix products to one thread, for the whole process, while any thread is inside.

    Layers of microcontrollers are too small to be shared out: threads that wait for each other cost
    more than they bring, and far more on a busy machine.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._before: list[tuple[LibController, int]] = []

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = [(blas, blas.get_num_threads()) for blas in _blas_libraries()]
                for blas, _ in self._before:
                    blas.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                for blas, threads in self._before:
                    blas.set_num_threads(threads)


@cache
def _blas_libraries() -> list[LibController]:
    """Those of this process; finding them takes milliseconds, so it is done once."""
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


one_blas_thread = _OneBlasThread()

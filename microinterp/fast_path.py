"""Fast twins of plain kernels: chosen in prepare, bound to arrays once, then only called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

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


@cache
def _blas() -> ThreadpoolController:
    """The thread pools of this process; finding them takes milliseconds, so it is done once."""
    return ThreadpoolController().select(user_api="blas")


def one_blas_thread() -> AbstractContextManager[object]:
    """Holds matrix products to one thread, for the whole process, while the context lasts."""
    limit: AbstractContextManager[object] = _blas().limit(limits=1)
    return limit

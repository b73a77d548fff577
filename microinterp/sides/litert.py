"""LiteRT as a side, in a child process: with XNNPACK, without it, or with reference kernels."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np

from microinterp.closing import Closing
from microinterp.errors import RuntimeUnavailableError, printable
from microinterp.graph import Graph, Tensor
from microinterp.runtimes.child import Child
from microinterp.sides.side import Array, Observed, Place, sample_count

KINDS = {
    "litert": ("AUTO", "XNNPACK"),
    "litert-ref": ("BUILTIN_REF", "reference kernels"),
    "litert-noxnn": ("BUILTIN_WITHOUT_DEFAULT_DELEGATES", "built-in kernels, no XNNPACK"),
}
"""By the side's name: LiteRT's op resolver, and words for it."""
_SECONDS, _SECONDS_PER_SAMPLE = 60.0, 1.0


class LiteRtSide(Closing):
    """LiteRT on this machine's processor, one thread."""

    def __init__(self, name: str, model: bytes, graph: Graph) -> None:
        """See open_side. Raises RuntimeUnavailableError where LiteRT is not installed."""
        if importlib.util.find_spec("ai_edge_litert") is None:
            raise RuntimeUnavailableError(
                "LiteRT is not installed", hint="pip install ai-edge-litert"
            )
        from importlib.metadata import version as installed

        resolver, words = KINDS[name]
        self.name = name
        self.version = f"ai-edge-litert {installed('ai-edge-litert')}, {words}"
        self._graph = graph
        self._start = (model, resolver)
        self._started = False
        self._child = Child("LiteRT", "microinterp.sides.litert_worker", timeout=_SECONDS)

    def run(self, inputs: Sequence[Array], places: Sequence[Place] = ()) -> Observed:
        """See Side. Tensors that LiteRT has fused away are left out."""
        count = sample_count(inputs)
        self._child.patience = _SECONDS + _SECONDS_PER_SAMPLE * count
        if not self._started:
            self._child.ask("start", *self._start)
            self._started = True
        wanted = [place for place in places if place[0] == 0]
        arrays = [np.ascontiguousarray(array) for array in inputs]
        outputs, tensors = self._child.ask("run", arrays, count, [p[2] for p in wanted])
        main = self._graph.main
        for tensor, array in zip(main.outputs, outputs, strict=True):
            _require_like(array, tensor, count)
        told = zip(wanted, [main.tensors[place[2]] for place in wanted], tensors, strict=True)
        return Observed(
            tuple(a.reshape(count, *t.shape) for t, a in zip(main.outputs, outputs, strict=True)),
            {
                place: array.reshape(count, *tensor.shape)
                for place, tensor, array in told
                if array is not None and _is_like(array, tensor, count)
            },
        )

    def close(self) -> None:
        """End the process."""
        self._child.close()


def _is_like(array: Array, tensor: Tensor, count: int) -> bool:
    """LiteRT works out shapes and types anew, and they may come out as the file does not say."""
    return array.size == count * tensor.elements and array.dtype == tensor.dtype


def _require_like(array: Array, tensor: Tensor, count: int) -> None:
    if not _is_like(array, tensor, count):
        raise RuntimeUnavailableError(
            f"LiteRT makes output '{printable(tensor.name)}' {array.dtype}{list(array.shape[1:])}, "
            f"the model says {tensor}"
        )

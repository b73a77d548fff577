"""TFLM's wheel as a side, in a child process."""

from __future__ import annotations

from collections.abc import Sequence

from microinterp.closing import Closing
from microinterp.errors import InputError
from microinterp.graph import Graph
from microinterp.runtimes import tflm
from microinterp.sides.side import Array, Observed, Place, sample_count, stacked

_SECONDS, _SECONDS_PER_SAMPLE = 60.0, 1.0  # before the wheel counts as hanging


class TflmSide(Closing):
    """The wheel; one interpreter for all calls, so that state goes on."""

    name = "tflm"

    def __init__(self, model: bytes, graph: Graph) -> None:
        """See open_side. Raises RuntimeUnavailableError where the wheel is not installed."""
        self.version = f"tflite-micro {tflm.version()}"
        self._runtime = tflm.TflmRuntime(timeout=_SECONDS)
        self._model, self._graph = model, graph
        self._preserve: bool | None = None

    def run(self, inputs: Sequence[Array], places: Sequence[Place] = ()) -> Observed:
        """See Side. The first call decides whether tensors can be told in later ones."""
        count = sample_count(inputs)
        samples = tflm.as_samples(inputs) if inputs else [[]]
        tensors = [(subgraph, tensor) for subgraph, _, tensor in places]
        self._runtime.patience = _SECONDS + _SECONDS_PER_SAMPLE * count
        if self._preserve is None:
            self._preserve = bool(places)
            self._runtime.start(self._model, self._preserve)
        if places and not self._preserve:
            raise InputError(
                "the first run asked for no tensors, so TFLM does not keep them",
                hint="ask for those of every run in the first one",
            )
        run = self._runtime.go_on(samples, tensors)
        outputs = stacked(run.outputs, [t.shape for t in self._graph.main.outputs])
        shapes = [self._graph.subgraphs[s].tensors[t].shape for s, t in tensors]
        rows = [[each[key] for key in tensors] for each in run.tensors]
        found = dict(zip(places, stacked(rows, shapes), strict=True))
        return Observed(tuple(outputs), found)

    def close(self) -> None:
        """End the process."""
        self._runtime.close()

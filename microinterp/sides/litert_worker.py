"""The child process of sides/litert.py: answers pickled requests with LiteRT's results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from microinterp.runtimes.child import serve


class _Worker:
    """Holds the interpreter between requests."""

    def __init__(self) -> None:
        self.interpreter: Any = None

    def start(self, model: bytes, resolver: str) -> None:
        from ai_edge_litert import interpreter as litert

        self.interpreter = litert.Interpreter(
            model_content=model,
            experimental_op_resolver_type=litert.OpResolverType[resolver],
            experimental_preserve_all_tensors=True,
            num_threads=1,
        )
        self.interpreter.allocate_tensors()

    def run(self, inputs: Sequence[Any], count: int, tensors: Sequence[int]) -> Any:
        """Return outputs, each [count, ...], and tensors; None for one that cannot be read."""
        runtime = self.interpreter
        at_inputs = [each["index"] for each in runtime.get_input_details()]
        wanted = [each["index"] for each in runtime.get_output_details()] + list(tensors)
        rows: list[list[Any]] = []
        for sample in range(count):
            for index, array in zip(at_inputs, inputs, strict=True):
                runtime.set_tensor(index, array[sample])
            runtime.invoke()
            rows.append([_read(runtime, index) for index in wanted])
        columns = [
            None if any(x is None for x in column) else np.stack(column)
            for column in zip(*rows, strict=True)
        ]
        outputs = len(wanted) - len(tensors)
        return columns[:outputs], columns[outputs:]


def _read(runtime: Any, index: int) -> Any:
    try:
        return runtime.get_tensor(index)
    except ValueError:  # "Tensor data is null": a delegate has kept it to itself
        return None


def main() -> None:
    """Serve on the pipes."""
    worker = _Worker()
    commands: dict[str, Callable[..., Any]] = {"start": worker.start, "run": worker.run}
    serve(commands.__getitem__)


if __name__ == "__main__":
    main()

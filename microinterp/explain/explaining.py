"""From a model and an element's place to an Explanation: run, capture, explain, compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError, MicrointerpError, printable
from microinterp.explain.ops import explainer_of
from microinterp.explain.recorder import Recorder, dequantised, plain
from microinterp.explain.steps import Number, Step
from microinterp.explain.subject import Capture, Outcome, Subject
from microinterp.graph import Node, Tensor
from microinterp.interpreter import Interpreter
from microinterp.registry import Registry

_LISTED = 12  # ops that an error names


@dataclass(frozen=True)
class Explanation:
    """One output element opened up.

    Attributes:
        profile: name of the numeric profile.
        node: the op.
        output: number of its output.
        index: of the element in it.
        runs: how often the op ran in the invoke; the last time is explained.
        value: the element, as the interpreter gave it and as the last step gives it.
        steps: the arithmetic, in order.
        float_model: the element of the float model of the op; None where there is none.
        given: what the model's inputs were, in words.
    """

    profile: str
    node: Node
    output: int
    index: tuple[int, ...]
    runs: int
    value: Number
    steps: tuple[Step, ...]
    float_model: float | None
    given: str = ""

    @property
    def tensor(self) -> Tensor:
        """The output tensor."""
        return self.node.outputs[self.output]

    @property
    def real(self) -> float | None:
        """The real number that the element stands for; None where it is not quantised."""
        return dequantised(self.tensor, self.value)

    @property
    def difference(self) -> float | None:
        """real less the float model's element; None where there is no such thing."""
        have = self.real
        return None if have is None or self.float_model is None else have - self.float_model

    @property
    def difference_steps(self) -> float | None:
        """The same in steps of the output's scale."""
        scale = float(self.tensor.scale)
        return None if self.difference is None or not scale else self.difference / scale

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        tensor, node = self.tensor, self.node
        return {
            "profile": self.profile,
            "input": self.given,
            "op": {"subgraph": node.subgraph, "index": node.file_index, "name": node.name},
            "output": {
                "number": self.output,
                "tensor": tensor.index,
                "name": tensor.name,
                "type": tensor.type_name,
                "shape": list(tensor.shape),
                "scale": float(tensor.scale) if tensor.quantization else None,
                "zero_point": tensor.zero_point if tensor.quantization else None,
            },
            "index": list(self.index),
            "runs": self.runs,
            "value": self.value,
            "real": self.real,
            "float_model": None
            if self.float_model is None
            else {
                "value": self.float_model,
                "difference": self.difference,
                "difference_steps": self.difference_steps,
            },
            "steps": [step.as_dict() for step in self.steps],
        }


def explain(
    model: bytes,
    op: int,
    index: Sequence[int],
    inputs: Sequence[npt.ArrayLike],
    *,
    subgraph: int = 0,
    output: int = 0,
    profile: str = "tflm",
    registry: Registry | None = None,
    sample: int = -1,
    given: str = "",
) -> Explanation:
    """Open up one output element of one op.

    Args:
        model: contents of a .tflite file.
        op: index of the op in the file.
        index: of the element in the op's output, one number per axis.
        inputs: one array [N, *shape] per input of the model, as for Interpreter.run_batch.
        subgraph: the op's subgraph.
        output: which of the op's outputs.
        profile: numeric profile (docs/profiles.md).
        registry: operators, as for Interpreter.
        sample: which of the N; the last by default. Samples before it run too where the model has
            state.
        given: what the inputs are, in words, for whoever reads the explanation.

    Raises:
        InputError: there is no such op, output, element or sample, or the op has not run.
        UnsupportedError: the op computes no integers.
        ModelError, PrepareError: as Interpreter.
    """
    interpreter = Interpreter.from_bytes(model, profile=profile, registry=registry)
    node = _find(interpreter, subgraph, op)
    where = _checked_index(node, output, index)
    explainer = explainer_of(node, output)
    capture = _run(interpreter, node, inputs, sample)
    if capture.found is None or not capture.left:
        raise InputError(
            "the op has not run for this input",
            node.where(),
            "it stands in a branch that was not taken, or behind an op that waits for more invokes",
        )
    prepared = interpreter.prepared.subgraphs[subgraph][node.index]
    profiled = interpreter.prepared.profile
    subject = Subject(prepared, capture.found, capture.left, output, where, profiled)
    recorder = Recorder()
    with np.errstate(all="ignore"):
        outcome = explainer(subject, recorder)
    value = _require_truth(subject, recorder, outcome)
    return Explanation(
        profile=profile,
        node=node,
        output=output,
        index=where,
        runs=capture.runs,
        value=value,
        steps=tuple(recorder.steps),
        float_model=outcome.real,
        given=given,
    )


def _find(interpreter: Interpreter, subgraph: int, op: int) -> Node:
    graphs = interpreter.graph.subgraphs
    if not 0 <= subgraph < len(graphs):
        raise InputError(f"no subgraph {subgraph}: the model has 0 to {len(graphs) - 1}")
    nodes = graphs[subgraph].nodes
    if 0 <= op < len(nodes):
        return nodes[op]
    listed = ", ".join(f"{n.index} {printable(n.name, 40)}" for n in nodes[:_LISTED])
    more = f", ... {len(nodes) - 1} {printable(nodes[-1].name, 40)}" if len(nodes) > _LISTED else ""
    raise InputError(
        f"no op {op}: subgraph {subgraph} has {len(nodes)}",
        hint=f"its ops are {listed}{more}" if nodes else "",
    )


def _checked_index(node: Node, output: int, index: Sequence[int]) -> tuple[int, ...]:
    """The index as plain ints, if there is such an element."""
    if not 0 <= output < len(node.outputs):
        raise InputError(f"no output {output}: the op has {len(node.outputs)}", node.where())
    tensor = node.outputs[output]
    found = tuple(int(i) for i in index)
    if len(found) != tensor.rank or any(
        not 0 <= i < size for i, size in zip(found, tensor.shape, strict=True)
    ):
        ranges = ",".join(f"0-{size - 1}" if size > 1 else "0" for size in tensor.shape)
        wanted = f"an index within {ranges}" if tensor.rank else "no index: it is a scalar"
        text = ",".join(map(str, found)) or "(none)"
        raise InputError(
            f"index {text} does not fit the output {tensor}", node.where(tensor), f"give {wanted}"
        )
    return found


def _run(
    interpreter: Interpreter, node: Node, inputs: Sequence[npt.ArrayLike], sample: int
) -> Capture:
    """Invoke up to the sample that is asked for, watching the op in the last invoke."""
    arrays = [np.asarray(array) for array in inputs]
    count = min((len(array) for array in arrays), default=1)
    number = sample if sample >= 0 else count + sample
    if not 0 <= number < count:
        raise InputError(f"no sample {sample}: the inputs hold {count}", hint="count from 0")
    wanted = len(interpreter.graph.main.inputs)
    if len(arrays) != wanted:
        raise InputError(f"the model has {wanted} inputs, got {len(arrays)} arrays")
    capture = Capture(node.subgraph, node.index)
    first = 0 if interpreter.prepared.is_stateful else number
    for i in range(first, number + 1):
        for position, array in enumerate(arrays):
            interpreter.set_input(array[i], position)
        interpreter.invoke(capture if i == number else None)
    return capture


def _require_truth(subject: Subject, recorder: Recorder, outcome: Outcome) -> Number:
    """The element's value; a story that ends elsewhere is not told."""
    value = plain(subject.value)
    last = recorder.steps[-1].result if recorder.steps else None
    dtype = np.dtype(object if last is None else subject.value.dtype)
    bits = {np.asarray(x, dtype).tobytes() for x in (value, outcome.value, last)}
    if last is None or len(bits) > 1:
        raise MicrointerpError(
            f"the steps give {outcome.value}, the interpreter {value}",
            subject.node.where(subject.out),
            "this is an error of microinterp: please report it with the model",
        )
    return value

"""What a .tflite file holds and whether it runs here: facts for `inspect`, problems for `verify`.

Everything works on damaged and on unsupported models too: what cannot be told is left out or 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from microinterp.arena.plan import plan
from microinterp.errors import MicrointerpError, ModelError, Problem, UnsupportedError, Where
from microinterp.graph import Graph, build
from microinterp.health import Finding, model_findings
from microinterp.kernels import chooser_of, default_registry
from microinterp.macs import elements_of, macs_of
from microinterp.model import FileTensor, Model, Operator, SubGraph, load
from microinterp.prepare import Chooser, Prepared, only_plain, prepare, prepare_problems
from microinterp.quant.profile import get_profile
from microinterp.registry import Registry
from microinterp.rules.common import is_constant, op_name, op_where
from microinterp.tensor_types import BY_CODE, name_of
from microinterp.verify import verify


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """One tensor.

    Attributes:
        index, name: its place.
        type: the schema's name of the element type, in lower case.
        shape: None where the file has none.
        nbytes: bytes in the arena, or of the constant; None for unknown types and shapes.
        scales, zero_points: quantisation, empty if there is none.
        axis: dimension that several scales run along.
        is_constant, is_variable: contents are in the file; state that lives across invokes.
    """

    index: int
    name: str
    type: str
    shape: tuple[int, ...] | None
    nbytes: int | None
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    is_constant: bool
    is_variable: bool


@dataclass(frozen=True, slots=True)
class OpFacts:
    """One op.

    Attributes:
        subgraph, index, name: its place and kind.
        inputs, outputs: tensor numbers; -1 is an optional input left out.
        macs: multiply-accumulates of layers with filters and of BATCH_MATMUL, padding counted as
            usual; an LSTM's products of gates and states are left out. 0 for all other ops.
        weight_bytes: bytes of its constant inputs.
        supported: None where that cannot be checked because the file has other errors.
        reason: why it does not run, else empty.
        exactness: "exact", or the bound against TFLM; empty for unknown ops.
        path: "fast" or "plain", the kernel that runs here; empty where the model does not run.
        path_reason: why the fast one is exact, or why the plain one runs.
    """

    subgraph: int
    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    macs: int
    weight_bytes: int
    supported: bool | None
    reason: str
    exactness: str
    path: str = ""
    path_reason: str = ""


@dataclass(frozen=True, slots=True)
class SubgraphFacts:
    """One subgraph; `inputs` and `outputs` are tensor numbers."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    tensors: tuple[TensorFacts, ...]
    ops: tuple[OpFacts, ...]


@dataclass(frozen=True, slots=True)
class NamedBytes:
    """A metadata entry and its size."""

    name: str
    nbytes: int


@dataclass(frozen=True, slots=True)
class SignatureFacts:
    """A named entry point: argument names in order."""

    key: str
    subgraph: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The whole file.

    Attributes:
        file_bytes, sha256: of the file.
        version, description: as in the file.
        runs: True if every op is supported and no rule is broken.
        macs, weight_bytes, ops: totals; a buffer that several tensors share counts once.
        subgraphs, metadata, signatures: in the file's order.
        problems: everything that `verify` finds.
        health: what the rules of quantisation health find (docs/health.md), the gravest first.
    """

    file_bytes: int
    sha256: str
    version: int
    description: str
    runs: bool
    macs: int
    weight_bytes: int
    ops: int
    subgraphs: tuple[SubgraphFacts, ...]
    metadata: tuple[NamedBytes, ...]
    signatures: tuple[SignatureFacts, ...]
    problems: tuple[Problem, ...]
    health: tuple[Finding, ...]


def inspect_model(data: bytes, registry: Registry | None = None) -> ModelFacts:
    """Facts about a model.

    Args:
        data: contents of a .tflite file.
        registry: operators that count as supported; None takes all that the package has.

    Raises:
        ModelError: the file's structure is damaged, so that nothing can be read.
    """
    registry = registry or default_registry()
    model = load(data)
    problems, graph, prepared = _checked(model, registry, chooser_of("auto"))
    support = _Support(model, registry, problems, prepared)
    subgraphs = tuple(_subgraph_facts(model, s, support) for s in model.subgraphs)
    ops = [op for subgraph in subgraphs for op in subgraph.ops]
    return ModelFacts(
        file_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        version=model.version,
        description=model.description,
        runs=not any(p.severity == "error" for p in problems),
        macs=sum(op.macs for op in ops),
        weight_bytes=_constant_bytes(model),
        ops=len(ops),
        subgraphs=subgraphs,
        metadata=tuple(NamedBytes(m.name, _buffer_bytes(model, m.buffer)) for m in model.metadata),
        signatures=tuple(
            SignatureFacts(
                s.key, s.subgraph, tuple(n for n, _ in s.inputs), tuple(n for n, _ in s.outputs)
            )
            for s in model.signatures
        ),
        problems=tuple(problems),
        health=model_findings(graph, problems),
    )


def all_problems(data: bytes, registry: Registry | None = None) -> list[Problem]:
    """Everything that keeps a file from running, and every warning; empty for a good one.

    Three layers, each only where the one before found no error: structure, rules, operators.
    """
    try:
        model = load(data)
    except ModelError as error:
        return list(error.problems) or [as_problem(error)]
    return model_problems(model, registry or default_registry())


def model_problems(model: Model, registry: Registry) -> list[Problem]:
    """The rules that a loaded model breaks, then what its ops complain of."""
    return _checked(model, registry, only_plain)[0]


def _checked(
    model: Model, registry: Registry, choose: Chooser
) -> tuple[list[Problem], Graph | None, Prepared | None]:
    """The problems; the graph, where no rule is broken; prepared, where there are no errors."""
    found = verify(model)
    if any(problem.severity == "error" for problem in found):
        return found + _unknown_operators(model, registry), None, None
    graph, profile = build(model), get_profile("tflm")
    errors = prepare_problems(graph, registry, profile)
    if not errors:
        try:
            prepared = prepare(graph, registry, profile, choose)
            plan(prepared)
            return found, graph, prepared
        except MicrointerpError as error:
            errors = [error]
    return found + [as_problem(error) for error in errors], graph, None


def as_problem(error: MicrointerpError) -> Problem:
    """An error as a finding; its rule is the kind of error, for example "unsupported"."""
    rule = type(error).__name__.removesuffix("Error").lower()
    return Problem(rule, error.message, error.where, error.hint)


def _unknown_operators(model: Model, registry: Registry) -> list[Problem]:
    rule = as_problem(UnsupportedError("")).rule
    return [
        Problem(rule, "operator is not supported", op_where(model, subgraph, index))
        for subgraph in model.subgraphs
        for index, op in enumerate(subgraph.operators)
        if op.opcode_index < len(model.operator_codes) and op_name(model, op) not in registry
    ]


class _Support:
    """Whether each op runs, from the problems of the whole model."""

    def __init__(
        self,
        model: Model,
        registry: Registry,
        problems: Sequence[Problem],
        prepared: Prepared | None,
    ) -> None:
        self._prepared = prepared
        self._registry = registry
        self._model = model
        self._at_op: dict[tuple[int, int], str] = {}
        self._at_tensor: dict[tuple[int, int], str] = {}
        errors = [problem for problem in problems if problem.severity == "error"]
        for problem in errors:
            place, reason = problem.where, _reason(problem)
            subgraph = place.subgraph or 0
            if place.op_index is not None:
                self._at_op.setdefault((subgraph, place.op_index), reason)
            elif place.tensor_index is not None:
                self._at_tensor.setdefault((subgraph, place.tensor_index), reason)
        checked = {as_problem(UnsupportedError("")).rule, "prepare"}
        self._all_checked = all(problem.rule in checked for problem in errors)

    def of(self, subgraph: int, index: int, op: Operator) -> tuple[bool | None, str, str]:
        """Return (supported, reason, exactness)."""
        known = self._registry.named(op_name(self._model, op))
        written = _tensor(self._model.subgraphs[subgraph], op.outputs[0]) if op.outputs else None
        kind = name_of(written.type_code) if written else ""
        exactness = known.exactness_of(kind) if known else ""
        tensors = ((subgraph, tensor) for tensor in (*op.inputs, *op.outputs))
        reason = self._at_op.get((subgraph, index)) or next(
            (self._at_tensor[key] for key in tensors if key in self._at_tensor), ""
        )
        if reason:
            return False, reason, exactness
        return (True if self._all_checked else None), "", exactness

    def path(self, subgraph: int, index: int) -> tuple[str, str]:
        """Return (path, its reason)."""
        if self._prepared is None:
            return "", ""
        node = self._prepared.subgraphs[subgraph][index]
        return "plain" if node.fast is None else "fast", node.why


def _reason(problem: Problem) -> str:
    place = problem.where
    part = Where(role=place.role, tensor_index=place.tensor_index, tensor_name=place.tensor_name)
    return str(Problem(problem.rule, problem.message, part))


def _subgraph_facts(model: Model, subgraph: SubGraph, support: _Support) -> SubgraphFacts:
    return SubgraphFacts(
        index=subgraph.index,
        name=subgraph.name,
        inputs=subgraph.inputs,
        outputs=subgraph.outputs,
        tensors=tuple(_tensor_facts(model, tensor) for tensor in subgraph.tensors),
        ops=tuple(
            _op_facts(model, subgraph, index, op, support)
            for index, op in enumerate(subgraph.operators)
        ),
    )


def _tensor_facts(model: Model, tensor: FileTensor) -> TensorFacts:
    quantization = tensor.quantization
    constant = is_constant(model, tensor)
    return TensorFacts(
        index=tensor.index,
        name=tensor.name,
        type=name_of(tensor.type_code),
        shape=tensor.shape,
        nbytes=_buffer_bytes(model, tensor.buffer) if constant else _arena_bytes(tensor),
        scales=tuple(quantization.scale.tolist()) if quantization else (),
        zero_points=tuple(quantization.zero_point.tolist()) if quantization else (),
        axis=quantization.axis if quantization else 0,
        is_constant=constant,
        is_variable=tensor.is_variable,
    )


def _op_facts(
    model: Model, subgraph: SubGraph, index: int, op: Operator, support: _Support
) -> OpFacts:
    inputs = [_tensor(subgraph, number) for number in op.inputs]
    outputs = [_tensor(subgraph, number) for number in op.outputs]
    weights = (t for t in inputs if t is not None and is_constant(model, t))
    supported, reason, exactness = support.of(subgraph.index, index, op)
    path, path_reason = support.path(subgraph.index, index)
    return OpFacts(
        subgraph=subgraph.index,
        index=index,
        name=op_name(model, op),
        inputs=op.inputs,
        outputs=op.outputs,
        macs=macs_of(model, op, inputs, outputs),
        weight_bytes=sum(_buffer_bytes(model, tensor.buffer) for tensor in weights),
        supported=supported,
        reason=reason,
        exactness=exactness,
        path=path,
        path_reason=path_reason,
    )


def _tensor(subgraph: SubGraph, number: int) -> FileTensor | None:
    return subgraph.tensors[number] if 0 <= number < len(subgraph.tensors) else None


def _arena_bytes(tensor: FileTensor) -> int | None:
    element = BY_CODE.get(tensor.type_code)
    if tensor.shape is None or element is None or element.dtype is None:
        return None
    return elements_of(tensor.shape) * element.nbytes


def _buffer_bytes(model: Model, number: int) -> int:
    buffer = model.buffers[number] if number < len(model.buffers) else None
    return 0 if buffer is None else len(buffer)


def _constant_bytes(model: Model) -> int:
    used = {tensor.buffer for subgraph in model.subgraphs for tensor in subgraph.tensors}
    return sum(_buffer_bytes(model, number) for number in used)

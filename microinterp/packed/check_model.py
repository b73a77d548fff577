"""Whether a whole packed model keeps the rules: places of tensors and state, ops, every step."""

from __future__ import annotations

import math

from microinterp.errors import NOWHERE, ModelError, Where, printable
from microinterp.packed.check import Memory, StepError, check_step
from microinterp.packed.records import PROFILE, PackedModel, PackedSubgraph, TensorInfo
from microinterp.packed.steps import MAX_NUMBER, MAX_WORK, CallOnce, Step
from microinterp.packed.tiers import TIERS
from microinterp.tensor_types import BY_CODE

DAMAGED = "the file is cut short or damaged: pack the model again"
MAX_STEPS = 4096
_SHA256_BYTES = 32


def check_model(model: PackedModel) -> None:
    """Hold a packed model to every rule there is. Raises ModelError at the first broken one."""
    _need(
        model.tier in TIERS,
        f"packed for kernels '{printable(model.tier)}', wanted one of {', '.join(TIERS)}",
    )
    _need(
        model.profile == PROFILE,
        f"packed for profile '{printable(model.profile)}', wanted '{PROFILE}'",
    )
    _need(
        len(model.tflite_sha256) == _SHA256_BYTES,
        f"a SHA-256 of {len(model.tflite_sha256)} bytes, wanted {_SHA256_BYTES}",
    )
    for what, size in (("arena", model.arena_bytes), ("weights", len(model.weights))):
        _need(size < MAX_NUMBER, f"{what} of {size} bytes, boards address less than {MAX_NUMBER}")
    _need(
        model.head_bytes <= model.arena_bytes,
        f"a head of {model.head_bytes} bytes in an arena of {model.arena_bytes}",
    )
    memory = Memory(model.arena_bytes, model.weights, model.tier)
    for role, tensors in (("input", model.inputs), ("output", model.outputs)):
        for i, tensor in enumerate(tensors):
            _check_tensor(memory, f"{role} {i}", tensor)
    for i, state in enumerate(model.state):
        _check_place(memory, f"state {i}", state.offset, state.nbytes)
    _need(len(model.subgraphs) > 0, "no subgraph")
    steps = sum(len(subgraph.steps) for subgraph in model.subgraphs)
    _need(steps <= MAX_STEPS, f"{steps} steps, boards take {MAX_STEPS} at most")
    _check_subgraphs(model, memory)


def _need(condition: bool, message: str, where: Where = NOWHERE) -> None:
    if not condition:
        raise ModelError(message, where, DAMAGED)


def _check_place(
    memory: Memory, what: str, offset: int, nbytes: int, where: Where = NOWHERE
) -> None:
    try:
        memory.write(what, offset, nbytes)
    except StepError as error:
        raise ModelError(str(error), where, DAMAGED) from None


def _check_tensor(memory: Memory, what: str, tensor: TensorInfo) -> None:
    _check_place(memory, what, tensor.offset, tensor.nbytes)
    element = BY_CODE.get(tensor.type)
    _need(
        element is not None and element.dtype is not None,
        f"{what} has element type {tensor.type}, which TFLM has no tensors of",
    )
    assert element is not None
    text = f"{what} has shape {list(tensor.shape)}, wanted no side below 0"
    _need(all(side >= 0 for side in tensor.shape), text)
    wanted = math.prod(tensor.shape) * element.nbytes
    _need(tensor.nbytes == wanted, f"{what} has {tensor.nbytes} bytes, wanted {wanted}")


def _check_subgraphs(model: PackedModel, memory: Memory) -> None:
    """From the last one to the first, so that the work of those that are run is known."""
    works = [0] * len(model.subgraphs)
    for number in range(len(model.subgraphs) - 1, -1, -1):
        works[number] = _check_ops(model.subgraphs[number], number, memory, works)
        _need(
            works[number] <= MAX_WORK,
            f"subgraph {number} does {works[number]} units of work, boards do {MAX_WORK} at most",
        )


def _check_ops(subgraph: PackedSubgraph, number: int, memory: Memory, works: list[int]) -> int:
    """The work of a subgraph. Its ops have one after the other all of its steps."""
    work, following = 0, 0
    for op in subgraph.ops:
        where = Where(number, op.index, op.name)
        text = f"starts with step {op.first_step}, wanted {following}"
        _need(op.first_step == following, text, where)
        following += op.steps
        text = f"has {op.steps} steps, its subgraph {len(subgraph.steps)} in all"
        _need(following <= len(subgraph.steps), text, where)
        for i in range(op.first_step, following):
            work += _check_step(subgraph.steps[i], i, memory, works, where)
        for tensor in op.written:
            _check_place(memory, f"tensor {tensor.index}", tensor.offset, tensor.nbytes, where)
    _need(
        following == len(subgraph.steps),
        f"subgraph {number} has {len(subgraph.steps)} steps, its ops have {following}",
    )
    return work


def _check_step(step: Step, index: int, memory: Memory, works: list[int], where: Where) -> int:
    name = f"step {index} {type(step).__name__}"
    try:
        work = check_step(step, memory)
    except StepError as error:
        raise ModelError(f"{name}: {error}", where, DAMAGED) from None
    if isinstance(step, CallOnce):
        assert where.subgraph is not None
        later = where.subgraph < step.subgraph < len(works)
        text = f"{name}: runs subgraph {step.subgraph}, wanted a later one than its own"
        _need(later, text, where)
        work += works[step.subgraph]
    return work

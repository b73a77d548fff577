"""From a prepared and planned model to a packed one, for boards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import microinterp
from microinterp.arena.check import check_plan
from microinterp.arena.placing import align_up
from microinterp.arena.plan import Plan
from microinterp.errors import ModelError, UnsupportedError, Where
from microinterp.graph import Tensor
from microinterp.packed.check import Memory, StepError, check_step
from microinterp.packed.check_model import check_model
from microinterp.packed.groups import Group, groups
from microinterp.packed.lower import LOWER
from microinterp.packed.lower.common import Lowering, Places, Weights
from microinterp.packed.records import (
    PROFILE,
    PackedModel,
    PackedOp,
    PackedSubgraph,
    TensorInfo,
    Written,
)
from microinterp.packed.steps import MAX_NUMBER, Step
from microinterp.packed.tiers import layout_of
from microinterp.packed.writer import write
from microinterp.prepare import Prepared, PreparedNode

BOARD_TYPES = ("float32", "int8", "uint8", "int16", "int32", "int64", "bool")
"""Element types of inputs and outputs on a board."""


@dataclass(frozen=True, slots=True)
class OpBytes:
    """Bytes of the weights that one op was the first to need, padding before them included."""

    subgraph: int
    index: int
    name: str
    weights: int


@dataclass(frozen=True)
class PackReport:
    """Where a packed model's bytes are, and what memory it asks for.

    Attributes:
        file_bytes: of the whole file; the sum of the next four.
        weights_bytes: constants, tables and biases; `ops` has them op by op.
        steps_bytes: the steps with their arguments.
        text_bytes: names.
        structure_bytes: tables of ops and tensors, offsets, padding.
        arena_bytes: the sum of the next three.
        head_bytes: the arena's head as planned, rounded up to 16.
        state_bytes: variables.
        scratch_bytes: for the steps.
    """

    file_bytes: int
    weights_bytes: int
    steps_bytes: int
    text_bytes: int
    structure_bytes: int
    arena_bytes: int
    head_bytes: int
    state_bytes: int
    scratch_bytes: int
    ops: tuple[OpBytes, ...]


def pack(prepared: Prepared, plan: Plan, tier: str = "portable") -> bytes:
    """Pack a model for boards; equal models give equal bytes.

    What memory passes have cut into pieces runs in pieces on the board too; those of one op that
    follow each other are one step.

    Args:
        prepared, plan: the model.
        tier: the kernels that are to run it, one of tiers.TIERS: they want filters laid out their
            way.

    Raises:
        InputError: there is no such tier.
        UnsupportedError: an op, a type or a number that boards do not run; says where and why.
    """
    return pack_with_report(prepared, plan, tier)[0]


def pack_with_report(
    prepared: Prepared, plan: Plan, tier: str = "portable"
) -> tuple[bytes, PackReport]:
    """`pack`, and where the bytes are."""
    packer = _Packer(prepared, plan, tier)
    model = packer.model()
    data, sections = write(model)
    weights = len(model.weights)
    report = PackReport(
        file_bytes=len(data),
        weights_bytes=weights,
        steps_bytes=sections["steps"],
        text_bytes=sections["text"],
        structure_bytes=len(data) - weights - sum(sections.values()),
        arena_bytes=model.arena_bytes,
        head_bytes=align_up(plan.head_bytes),
        state_bytes=packer.places.scratch - align_up(plan.head_bytes),
        scratch_bytes=packer.scratch_bytes,
        ops=tuple(OpBytes(*op, nbytes) for op, nbytes in packer.weight_bytes.items()),
    )
    return data, report


class _Packer:
    """Packs one model."""

    def __init__(self, prepared: Prepared, plan: Plan, tier: str) -> None:
        _require_packable(prepared, plan)
        self.layout = layout_of(tier)
        self.prepared = prepared
        self.plan = plan
        self.reachable = prepared.reachable()
        self.places = Places(prepared, plan, self.reachable)
        self.weights = Weights()
        self.scratch_bytes = 0
        self.weight_bytes: dict[tuple[int, int, str], int] = {}

    def model(self) -> PackedModel:
        subgraphs = tuple(self._subgraph(i) for i in range(len(self.prepared.subgraphs)))
        main = self.prepared.graph.main
        model = PackedModel(
            tier=self.layout.tier,
            profile=PROFILE,
            tflite_sha256=hashlib.sha256(self.prepared.graph.model.data).digest(),
            tool=f"microinterp {microinterp.__version__}",
            arena_bytes=self.places.scratch + self.scratch_bytes,
            head_bytes=self.plan.head_bytes,
            inputs=tuple(self._tensor(t, f"input {i}") for i, t in enumerate(main.inputs)),
            outputs=tuple(self._tensor(t, f"output {i}") for i, t in enumerate(main.outputs)),
            subgraphs=subgraphs,
            state=tuple(self.places.state),
            weights=bytes(self.weights.data),
        )
        try:
            check_model(model)
        except ModelError as error:
            raise UnsupportedError(f"cannot be packed: {error.message}", error.where) from None
        return model

    def _subgraph(self, number: int) -> PackedSubgraph:
        """Subgraphs that no invoke reaches stay empty, so that numbers are the file's."""
        steps: list[Step] = []
        ops: list[PackedOp] = []
        reached = self.prepared.subgraphs[number] if number in self.reachable else ()
        for group in groups(reached):
            made = self._lower(group)
            written = tuple(self._written(group.whole))
            node = group.whole.node
            ops.append(PackedOp(node.file_index, node.name, len(steps), len(made), written))
            steps.extend(made)
        return PackedSubgraph(tuple(steps), tuple(ops))

    def _lower(self, group: Group) -> list[Step]:
        node, before = group.whole.node, len(self.weights.data)
        lower = LOWER.get(node.name)
        if lower is None:
            raise UnsupportedError(
                "cannot be packed: boards have no kernel for this operator",
                node.where(),
                f"they run {', '.join(sorted(LOWER))}",
            )
        op = Lowering(group.whole, self.places, self.weights, self.layout, group.order)
        is_idle = bool(node.outputs) and not any(t.nbytes for t in node.outputs)
        steps = [] if is_idle else list(lower(op))
        memory = Memory(op.places.scratch + op.scratch_bytes, self.weights.data, self.layout.tier)
        for step in steps:
            try:
                check_step(step, memory)
            except StepError as error:
                raise op.refusal(f"{type(step).__name__} step: {error}") from None
        self.scratch_bytes = max(self.scratch_bytes, op.scratch_bytes)
        key = node.subgraph, node.file_index, node.name
        added = len(self.weights.data) - before
        self.weight_bytes[key] = self.weight_bytes.get(key, 0) + added
        return steps

    def _written(self, item: PreparedNode) -> Iterator[Written]:
        for tensor in item.node.outputs:
            key = (tensor.subgraph, tensor.index)
            if tensor.nbytes and key not in self.prepared.resources.handles:
                offset = self.places.tensor(tensor)
                assert offset is not None
                yield Written(tensor.index, offset, tensor.nbytes)

    def _tensor(self, tensor: Tensor, role: str) -> TensorInfo:
        where = Where(role=role, tensor_index=tensor.index, tensor_name=tensor.name)
        if tensor.data is not None:
            raise UnsupportedError("cannot be packed: it is a constant", where)
        if tensor.type_name not in BOARD_TYPES:
            raise UnsupportedError(
                f"cannot be packed: boards have no inputs and outputs of {tensor.type_name}", where
            )
        return TensorInfo(
            name=tensor.name,
            index=tensor.index,
            type=tensor.type_code,
            shape=tensor.shape,
            scale=float(tensor.scale),
            zero_point=tensor.zero_point,
            offset=self.places.tensor(tensor) or 0,
            nbytes=tensor.nbytes,
        )


def _require_packable(prepared: Prepared, plan: Plan) -> None:
    if prepared.profile.name != PROFILE:
        raise UnsupportedError(
            f"boards compute in profile {PROFILE}, not {prepared.profile.name}",
            hint=f"prepare the model with profile='{PROFILE}'",
        )
    problems = check_plan(prepared, plan)
    if problems:
        raise UnsupportedError(
            f"the memory plan cannot be packed: {problems[0].message}",
            problems[0].where,
            "leave the OfflineMemoryAllocation metadata out of the file",
        )
    if plan.head_bytes >= MAX_NUMBER:
        raise UnsupportedError(f"no board has an arena of {plan.head_bytes} bytes")

"""Writes a packed model as a FlatBuffer, and counts the bytes of its sections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import flatbuffers
import numpy as np

from microinterp.generated import packed_model as fb
from microinterp.packed.records import (
    IDENTIFIER,
    VERSION,
    PackedModel,
    PackedOp,
    PackedState,
    PackedSubgraph,
    TensorInfo,
    Written,
)
from microinterp.packed.steps import CODES, Step, arguments

WEIGHTS_ALIGNMENT = 16


def write(model: PackedModel) -> tuple[bytes, dict[str, int]]:
    """The file, and the bytes of its sections "steps" and "text".

    Equal models give equal files.
    """
    writer = _Writer()
    root = writer.model(model)
    writer.builder.Finish(root, file_identifier=IDENTIFIER)
    return bytes(writer.builder.Output()), writer.sections


class _Writer:
    """A builder that knows how many bytes went to which section."""

    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(1024)
        self.sections = {"steps": 0, "text": 0}

    def counted(self, section: str, make: Callable[[], int]) -> int:
        before = self.builder.Offset()
        made = make()
        self.sections[section] += self.builder.Offset() - before
        return made

    def text(self, text: str) -> int:
        return self.counted("text", lambda: int(self.builder.CreateSharedString(text)))

    def int32s(self, values: Iterable[int]) -> int:
        return int(self.builder.CreateNumpyVector(np.array(tuple(values), "<i4")))

    def offsets(self, offsets: Sequence[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())

    def tables(self, items: Iterable[Any], write: Callable[[Any], int]) -> int:
        return self.offsets([write(item) for item in items])

    def weights(self, data: bytes | memoryview) -> int:
        self.builder.Prep(WEIGHTS_ALIGNMENT, len(data))
        return int(self.builder.CreateByteVector(bytes(data)))

    def model(self, m: PackedModel) -> int:
        b = self.builder
        weights = self.weights(m.weights)
        subgraphs = self.tables(m.subgraphs, self.subgraph)
        state = self.tables(m.state, self.state)
        inputs = self.tables(m.inputs, self.tensor)
        outputs = self.tables(m.outputs, self.tensor)
        tier, profile, tool = self.text(m.tier), self.text(m.profile), self.text(m.tool)
        sha256 = b.CreateByteVector(m.tflite_sha256)
        fb.ModelStart(b)
        fb.ModelAddVersion(b, VERSION)
        fb.ModelAddTier(b, tier)
        fb.ModelAddProfile(b, profile)
        fb.ModelAddTfliteSha256(b, sha256)
        fb.ModelAddTool(b, tool)
        fb.ModelAddArenaBytes(b, m.arena_bytes)
        fb.ModelAddHeadBytes(b, m.head_bytes)
        fb.ModelAddInputs(b, inputs)
        fb.ModelAddOutputs(b, outputs)
        fb.ModelAddSubgraphs(b, subgraphs)
        fb.ModelAddState(b, state)
        fb.ModelAddWeights(b, weights)
        return fb.ModelEnd(b)

    def subgraph(self, subgraph: PackedSubgraph) -> int:
        b = self.builder
        steps = self.counted("steps", lambda: self.tables(subgraph.steps, self.step))
        ops = self.tables(subgraph.ops, self.op)
        fb.SubgraphStart(b)
        fb.SubgraphAddSteps(b, steps)
        fb.SubgraphAddOps(b, ops)
        return fb.SubgraphEnd(b)

    def step(self, step: Step) -> int:
        b = self.builder
        values = self.int32s(arguments(step))
        fb.StepStart(b)
        fb.StepAddCode(b, CODES[type(step)])
        fb.StepAddArgs(b, values)
        return fb.StepEnd(b)

    def op(self, op: PackedOp) -> int:
        b = self.builder
        name = self.text(op.name)
        written = self.tables(op.written, self.written)
        fb.OpStart(b)
        fb.OpAddIndex(b, op.index)
        fb.OpAddName(b, name)
        fb.OpAddFirstStep(b, op.first_step)
        fb.OpAddSteps(b, op.steps)
        fb.OpAddWritten(b, written)
        return fb.OpEnd(b)

    def written(self, written: Written) -> int:
        b = self.builder
        fb.WrittenStart(b)
        fb.WrittenAddIndex(b, written.index)
        fb.WrittenAddOffset(b, written.offset)
        fb.WrittenAddNbytes(b, written.nbytes)
        return fb.WrittenEnd(b)

    def state(self, state: PackedState) -> int:
        b = self.builder
        fb.StateStart(b)
        fb.StateAddOffset(b, state.offset)
        fb.StateAddNbytes(b, state.nbytes)
        fb.StateAddValue(b, state.value)
        fb.StateAddResets(b, state.resets)
        return fb.StateEnd(b)

    def tensor(self, tensor: TensorInfo) -> int:
        b = self.builder
        name, shape = self.text(tensor.name), self.int32s(tensor.shape)
        fb.TensorStart(b)
        fb.TensorAddName(b, name)
        fb.TensorAddIndex(b, tensor.index)
        fb.TensorAddType(b, tensor.type)
        fb.TensorAddShape(b, shape)
        fb.TensorAddScale(b, tensor.scale)
        fb.TensorAddZeroPoint(b, tensor.zero_point)
        fb.TensorAddOffset(b, tensor.offset)
        fb.TensorAddNbytes(b, tensor.nbytes)
        return fb.TensorEnd(b)

"""Whether a board computes what the host computes: every byte of every output, every op's CRC32."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np

from microinterp.errors import printable
from microinterp.graph import Tensor
from microinterp.packed.groups import groups
from microinterp_boards import forms
from microinterp_boards.deploy import Progress, require_same
from microinterp_boards.expected import Expected, Samples, expectations, samples_of
from microinterp_boards.link import Link
from microinterp_boards.packing import (
    NO_PASSES,
    BoardModel,
    MemoryPasses,
    ModelSource,
    pack_for_board,
)
from microinterp_boards.session import Session
from microinterp_boards.session_facts import OpRun
from microinterp_boards.source_form.session import SourceSession


class FirstDifference(NamedTuple):
    """Where a board first differs from what is expected.

    op_index and name: of the op, in `subgraph`. tensor and tensor_name: what it wrote. sample: the
    number of the sample.
    """

    op_index: int
    name: str
    tensor: int
    subgraph: int
    sample: int
    tensor_name: str


@dataclass(frozen=True, slots=True)
class Validation:
    """Outcome of a validation.

    Attributes:
        differing_bytes: of the outputs.
        samples: how many were run.
        compared_bytes: of outputs.
        first_difference: None if there is none.
        differing_samples: samples with a differing output or op.
        per_op: whether every op's CRC32s were compared; compared_crcs is how many.
        model_intact: whether the model on the board is what `deploy` would write.
        expected: who computed the expected outputs.
        sha256, name: of the .tflite file, and of the model on the board.
        mpy_set, kernels: the runtime's files, or "source", and what its kernels are: "bytecode",
            "viper", or the tier of Thumb kernels.
    """

    differing_bytes: int
    samples: int
    compared_bytes: int
    first_difference: FirstDifference | None
    differing_samples: int
    per_op: bool
    compared_crcs: int
    model_intact: bool
    expected: str
    sha256: str
    name: str
    mpy_set: str
    kernels: str

    @property
    def equal(self) -> bool:
        """Nothing differs."""
        return self.differing_bytes == 0 and self.first_difference is None


class _Comparison:
    """Adds up what differs, sample after sample."""

    def __init__(self, model: BoardModel) -> None:
        self.graph = model.prepared.graph
        self.written = _written(model)
        self.samples = self.compared_bytes = self.compared_crcs = 0
        self.differing_bytes = self.differing_samples = 0
        self.first: FirstDifference | None = None

    def add(self, expected: Expected, outputs: Sequence[bytes], ops: list[OpRun] | None) -> None:
        """Compare one sample; `ops` if it was run op by op."""
        bad_op = self._bad_op(expected, ops) if ops is not None else None
        masks = [
            np.frombuffer(have, np.uint8) != np.frombuffer(want, np.uint8)
            for have, want in zip(outputs, expected.outputs, strict=True)
        ]
        differing = sum(int(mask.sum()) for mask in masks)
        self.compared_bytes += sum(mask.size for mask in masks)
        self.differing_bytes += differing
        self.differing_samples += bool(differing or bad_op)
        if self.first is None and (differing or bad_op):
            self.first = bad_op or self._of_output(next(i for i, m in enumerate(masks) if m.any()))
        self.samples += 1

    def _bad_op(self, expected: Expected, ops: list[OpRun]) -> FirstDifference | None:
        """The first op, in the order in which the board ran them, with a wrong CRC32."""
        told: dict[tuple[int, int], int] = dict.fromkeys(expected.crcs, -1)
        found = None
        for op in ops:
            place = op.subgraph, op.op_index
            first = max(told.get(place, 0), 0)  # pieces of an op come one after the other
            have = tuple(crc for _, crc in op.written)
            wanted = expected.crcs.get(place, ())[first : first + len(have)]
            told[place] = first + len(have)
            self.compared_crcs += len(wanted)
            if have != wanted and found is None:
                pairs = zip(have, wanted, strict=False)
                number = next((i for i, (a, b) in enumerate(pairs) if a != b), len(wanted))
                found = self._place(*place, first + number)
        for place, crcs in expected.crcs.items():
            if found is None and told[place] < len(crcs):
                found = self._place(*place, max(told[place], 0))
        return found

    def _place(self, subgraph: int, op_index: int, number: int) -> FirstDifference:
        if (subgraph, op_index) not in self.written:
            return FirstDifference(op_index, "unknown", -1, subgraph, self.samples, "")
        op, written = self.written[subgraph, op_index]
        tensor = written[number] if number < len(written) else None
        index, name = (tensor.index, printable(tensor.name)) if tensor else (-1, "")
        return FirstDifference(op_index, op, index, subgraph, self.samples, name)

    def _of_output(self, number: int) -> FirstDifference:
        """Where an output differs: the op that writes it."""
        tensor = self.graph.main.outputs[number]
        for node in reversed(self.graph.main.nodes):
            if any(tensor in (each, each.part and each.part.whole) for each in node.outputs):
                place = node.file_index, node.name
                break
        else:
            place = -1, "none"
        return FirstDifference(*place, tensor.index, 0, self.samples, printable(tensor.name))


def _written(model: BoardModel) -> dict[tuple[int, int], tuple[str, list[Tensor]]]:
    """By (subgraph, op): its name, and what it writes, piece by piece as it is packed."""
    found: dict[tuple[int, int], tuple[str, list[Tensor]]] = {}
    for nodes in model.prepared.subgraphs:
        for group in groups(nodes):
            node = group.whole.node
            _, written = found.setdefault((node.subgraph, node.file_index), (node.name, []))
            written.extend(tensor for tensor in node.outputs if tensor.nbytes)
    return found


def validate(
    link: Link,
    source: ModelSource,
    samples: int | None = None,
    per_op: bool = False,
    golden: str | os.PathLike[str] | None = None,
    seed: int = 0,
    name: str | None = None,
    progress: Progress = lambda done, of: None,
    passes: MemoryPasses = NO_PASSES,
) -> Validation:
    """See Board.validate."""
    model = pack_for_board(source, name, passes)
    wanted = samples_of(model, samples, golden, seed)
    expected = expectations(model, wanted, per_op)
    return validate_against(link, model, wanted, expected, per_op, progress)


def validate_against(
    link: Link,
    model: BoardModel,
    wanted: Samples,
    expected: Iterable[Expected],
    per_op: bool,
    progress: Progress,
) -> Validation:
    """Hold a board to what is expected of a model, which is `expectations` of these samples."""
    there = forms.find(link, model)
    with there.open() as session:
        require_same(link, session.loaded, there.model, there.folder)
        kernels = session.loaded.tier
        compared = _Comparison(model)
        for each in expected:
            compared.add(each, *_run(session, each, per_op))
            progress(compared.samples, wanted.count)
    first = compared.first
    if not per_op and (first is not None or not there.is_intact):
        several = wanted.count if first is None else first.sample + 1
        some = islice(expectations(model, wanted, True), several)
        again = validate_against(link, model, wanted, some, True, lambda done, of: None)
        first = again.first_difference or first
    return Validation(
        differing_bytes=compared.differing_bytes,
        samples=compared.samples,
        compared_bytes=compared.compared_bytes,
        first_difference=first,
        differing_samples=compared.differing_samples,
        per_op=per_op,
        compared_crcs=compared.compared_crcs,
        model_intact=there.is_intact,
        expected=wanted.expected_by,
        sha256=model.sha256,
        name=model.name,
        mpy_set=there.mpy_set,
        kernels=kernels,
    )


def _run(
    session: Session | SourceSession, expected: Expected, per_op: bool
) -> tuple[list[bytes], list[OpRun] | None]:
    for index, array in enumerate(expected.inputs):
        session.set_input(index, array.tobytes())
    ops = session.invoke_ops() if per_op else None
    if ops is None:
        session.invoke()
    return [session.output(index) for index in range(len(expected.outputs))], ops

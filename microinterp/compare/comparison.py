"""What a comparison finds, as frozen records, and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from microinterp.compare.norms import Norms


@dataclass(frozen=True, slots=True)
class Row:
    """One tensor: an op's output as both sides have it.

    Attributes:
        subgraph, index, name: of the op.
        tensor, tensor_name, type: the tensor's number in its subgraph, its name, its type.
        elements: over all samples.
        told: "values", "crc" (checksums alone) or "no".
        differing: elements that differ, each side running on what its own ops before have written;
            None where values are not told.
        differing_samples: samples in which it differs; None where it is not told.
        max_difference: largest difference, in output steps (in real numbers for floats).
        isolated_differing, isolated_max_difference: the same when our op is given what the other
            side's op was given; None where that is not told or cannot be done.
        norms: of the real values, ours being the reference.
        causes: names of the known causes that reproduce the other side's bytes of this op.
    """

    subgraph: int
    index: int
    name: str
    tensor: int
    tensor_name: str
    type: str
    elements: int
    told: str
    differing: int | None = None
    differing_samples: int | None = None
    max_difference: float | None = None
    isolated_differing: int | None = None
    isolated_max_difference: float | None = None
    norms: Norms | None = None
    causes: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """True if any byte is known to differ."""
        return bool(self.differing_samples)


@dataclass(frozen=True, slots=True)
class OutputRow:
    """One output of the model; attributes as in Row."""

    output: int
    tensor_name: str
    type: str
    elements: int
    told: str
    differing: int | None
    differing_samples: int | None
    max_difference: float | None
    norms: Norms | None


@dataclass(frozen=True, slots=True)
class Finding:
    """A known cause that reproduces the other side's bytes.

    Attributes:
        name, text, detail, source: of the cause.
        subgraph, index, op: the first op that it reproduces; None for a cause in the inputs, or
            between samples.
        reproduces: how many of the ops that differ by themselves it reproduces, of `of`; for
            causes that run the whole model, how many tensors are equal then, of all that are told.
        of: see reproduces.
    """

    name: str
    text: str
    detail: str = ""
    source: str = ""
    subgraph: int | None = None
    index: int | None = None
    op: str | None = None
    reproduces: int = 0
    of: int = 0

    @property
    def is_whole(self) -> bool:
        """True if nothing is left to explain."""
        return self.reproduces == self.of


@dataclass(frozen=True, slots=True)
class FirstOp:
    """The first op, in the order in which they run, that has written something else."""

    subgraph: int
    index: int
    name: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Outcome of `compare`.

    Attributes:
        equal: no byte differs of all that the other side tells.
        differing_elements: over all tensors compared; samples where only checksums are told.
        compared_elements: of how many.
        first_op: None if no op is known to differ.
        cause: the known causes in words; None if nothing differs or none reproduces the bytes.
        model_sha256, ours, other, other_name, samples: what was compared.
        rows: tensor by tensor, in the order in which ops run.
        outputs: of the model.
        findings: causes that reproduce the first differing op, the best one first.
        evidence: what can be said of a difference that is not explained.
        notes: what a user should know.
    """

    equal: bool
    differing_elements: int
    compared_elements: int
    first_op: FirstOp | None
    cause: str | None
    model_sha256: str
    ours: str
    other: str
    other_name: str
    samples: int
    rows: tuple[Row, ...]
    outputs: tuple[OutputRow, ...]
    findings: tuple[Finding, ...] = ()
    evidence: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with `rows` under the name "ops"."""
        values = asdict(self)
        values["ops"] = values.pop("rows")
        return values

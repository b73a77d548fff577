"""What a side tells of a run: inputs, outputs and tensors, as values or as CRC32s alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from microinterp.sides import Place
from microinterp.sides.bytewise import crcs_of, differing

Array: TypeAlias = "npt.NDArray[Any]"
Mask: TypeAlias = "npt.NDArray[np.bool_]"


@dataclass(frozen=True, eq=False)
class Told:
    """One tensor over n samples.

    Attributes:
        values: [n, *shape] in the model's own type, None where only checksums are told.
        crcs: uint32 [n] of each sample's bytes, where there are no values.
        type_name: element type that the side gave it, "" for the model's own.
    """

    values: Array | None = None
    crcs: Array | None = None
    type_name: str = ""

    @property
    def has_values(self) -> bool:
        """True if elements can be compared, not only checksums."""
        return self.values is not None

    def differs(self, ours: Array) -> Mask:
        """Element by element [n, *shape], or by samples [n] where only checksums are told."""
        if self.values is not None:
            return differing(self.values, ours)
        assert self.crcs is not None
        found: Mask = crcs_of(ours) != self.crcs
        return found

    def equals(self, ours: Array) -> bool:
        """True if nothing differs."""
        return not self.differs(ours).any()

    def part(self, samples: slice) -> Told:
        """The same of some samples."""
        return Told(
            None if self.values is None else self.values[samples],
            None if self.crcs is None else self.crcs[samples],
            self.type_name,
        )


@dataclass(frozen=True, eq=False)
class Account:
    """What one side tells of n samples.

    Attributes:
        name: of the side, as the user gave it.
        version: what exactly it is.
        samples: how many.
        inputs: as the side has been given them, [n, *shape] each; None for one that is not told.
        outputs: of the model; None for one that is not told.
        tensors: as ops have written them.
        notes: what a user should know of how it was read.
    """

    name: str
    version: str
    samples: int
    inputs: Sequence[Array | None]
    outputs: Sequence[Told | None]
    tensors: Mapping[Place, Told] = field(default_factory=dict)
    notes: Sequence[str] = ()

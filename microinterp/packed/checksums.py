"""What a board should tell of each op: CRC32s of the host's run, op by op as they are packed."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from tflite import TensorType

from microinterp.graph import Tensor
from microinterp.packed.groups import Group, groups
from microinterp.packed.host import OpCrcs
from microinterp.prepare import Prepared
from microinterp.trace import Trace

if TYPE_CHECKING:
    from microinterp.binding import Binding, Step


class PackedChecksums(Trace):
    """CRC32 of each tensor that an op of the packed model has written, whole or in pieces.

    Attributes:
        crcs: by (subgraph, op of the file), those of its pieces one after the other; as
            PackedInterpreter.op_crcs gives them. It starts anew with each invoke.
    """

    def __init__(self, prepared: Prepared) -> None:
        """prepared: what is run, and what was packed."""
        self.crcs: OpCrcs = {}
        self._binding: Binding | None = None
        self._last: dict[tuple[int, int], Group] = {
            (group.whole.node.subgraph, group.items[-1].node.index): group
            for nodes in prepared.subgraphs
            for group in groups(nodes)
        }

    def begin(self, binding: Binding) -> None:
        """Forget the last invoke."""
        self._binding = binding
        self.crcs = {}

    def after(self, step: Step) -> None:
        """Take the checksums of an op that is complete."""
        node = step.node.node
        group = self._last.get((node.subgraph, node.index))
        if group is not None:
            key = node.subgraph, node.file_index
            found = (self._crc(t) for t in group.whole.node.outputs if _is_told(t))
            self.crcs[key] = (*self.crcs.get(key, ()), *found)

    def _crc(self, tensor: Tensor) -> int:
        assert self._binding is not None
        return zlib.crc32(self._binding.of(tensor).tobytes())


def _is_told(tensor: Tensor) -> bool:
    return bool(tensor.nbytes) and tensor.type_code != TensorType.RESOURCE

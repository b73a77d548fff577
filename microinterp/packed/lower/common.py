"""What the lowering functions share: where things lie, constants, scratch, refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from tflite import TensorType

from microinterp.arena.extents import byte_range, is_contiguous
from microinterp.arena.placing import align_up
from microinterp.arena.plan import Plan
from microinterp.errors import UnsupportedError
from microinterp.graph import Node, Tensor
from microinterp.kernels.filters import unpack_int4
from microinterp.packed.records import PackedState
from microinterp.packed.steps import Step
from microinterp.packed.tiers import Layout
from microinterp.prepare import Kernel, Prepared, PreparedNode
from microinterp.tensor_types import name_of

ParamsT = TypeVar("ParamsT")
INT8_HINT = "boards run int8 models: convert with full integer quantisation"


class Weights:
    """The block of constants: equal ones are stored once, each at a multiple of 16."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._refs: dict[bytes, int] = {}

    def add(self, block: bytes) -> int:
        """The ref of `block`."""
        if block not in self._refs:
            self.data.extend(bytes(align_up(len(self.data)) - len(self.data)))
            self._refs[block] = ~len(self.data)
            self.data.extend(block)
        return self._refs[block]


class Places:
    """Where tensors and state lie in the board's arena: TFLM's head, then state, then scratch.

    Attributes:
        state: every persistent buffer of the subgraphs that an invoke can reach.
        scratch: offset of the steps' scratch, which they share.
    """

    def __init__(self, prepared: Prepared, plan: Plan, reachable: Iterable[int]) -> None:
        self._prepared = prepared
        self._plan = plan
        self.scratch = align_up(plan.head_bytes)
        self.state: list[PackedState] = []
        self._resources = [
            self._persistent(variable.nbytes or 0, variable.fill)
            for variable in prepared.resources.variables
        ]
        self._variables: dict[tuple[int, int], int] = {}
        self._kernels: dict[tuple[int, int, int], int] = {}
        for subgraph in reachable:
            for tensor in prepared.graph.subgraphs[subgraph].tensors:
                if tensor.is_variable and not tensor.is_constant and tensor.part is None:
                    self._variables[tensor.subgraph, tensor.index] = self._variable(tensor)
            for item in prepared.subgraphs[subgraph]:
                for i, state in enumerate(item.kernel.state):
                    key = (item.node.subgraph, item.node.index, i)
                    self._kernels[key] = self._persistent(state.nbytes, state.fill, state.resets)

    def tensor(self, tensor: Tensor) -> int | None:
        """Offset of a tensor that is no constant; a handle's is that of its variable.

        None where it has no bytes, or has them in several places.
        """
        if tensor.part is not None:
            return self._part(tensor)
        key = (tensor.subgraph, tensor.index)
        if key in self._prepared.resources.handles:
            return self._resources[self._prepared.resources.handles[key]]
        if key in self._variables:
            return self._variables[key]
        return self._plan.tensors.get(key)

    def _part(self, tensor: Tensor) -> int | None:
        """Offset of a part whose bytes lie side by side."""
        start = self.tensor(tensor.root)
        if start is None or not is_contiguous(tensor):
            return None
        return start + byte_range(tensor)[0]

    def kernel_state(self, node: Node, number: int) -> int:
        """Offset of an op's persistent buffer."""
        return self._kernels[node.subgraph, node.index, number]

    def kernel_scratch(self, node: Node, number: int) -> int:
        """Offset of a scratch buffer that the op's kernel has asked for."""
        return self._plan.scratch[node.subgraph, node.index, number]

    def _variable(self, tensor: Tensor) -> int:
        """As in TFLM, only int8 ones start at their zero point (see microinterp.binding)."""
        fill = tensor.zero_point & 0xFF if tensor.dtype == np.int8 else 0
        offset = self._plan.tensors.get((tensor.subgraph, tensor.index))
        if offset is None:
            return self._persistent(tensor.nbytes, fill)
        self.state.append(PackedState(offset, tensor.nbytes, fill, resets=True))
        return offset

    def _persistent(self, nbytes: int, fill: int, resets: bool = True) -> int:
        offset = self.scratch
        if nbytes:
            self.state.append(PackedState(offset, nbytes, fill, resets))
        self.scratch += align_up(nbytes)
        return offset


@dataclass
class Lowering:
    """One op on its way to steps.

    Attributes:
        item: the op and its kernel.
        order: of its pixels, see Group.
        places, weights, layout: of the whole model.
        scratch_bytes: that the op's steps need.
    """

    item: PreparedNode
    places: Places
    weights: Weights
    layout: Layout
    order: int = 0
    scratch_bytes: int = field(default=0, init=False)

    @property
    def node(self) -> Node:
        """The op."""
        return self.item.node

    @property
    def kernel(self) -> Kernel:
        """The op's kernel."""
        return self.item.kernel

    def refusal(
        self, message: str, tensor: Tensor | None = None, hint: str = ""
    ) -> UnsupportedError:
        """An UnsupportedError at this op (and tensor), to raise."""
        return UnsupportedError(f"cannot be packed: {message}", self.node.where(tensor), hint)

    def require(
        self, condition: bool, message: str, tensor: Tensor | None = None, hint: str = ""
    ) -> None:
        """Raise UnsupportedError at this op (and tensor) unless `condition` holds."""
        if not condition:
            raise self.refusal(message, tensor, hint)

    def require_types(self, *allowed: str) -> None:
        """Raise UnsupportedError unless the first input and all outputs are of an allowed type."""
        tensors = [self.node.input(0), *self.node.outputs]
        for tensor in tensors:
            names = " x ".join(name_of(t.type_code) for t in tensors)
            self.require(
                tensor.type_name in allowed,
                f"element types {names}, packed models have {' or '.join(allowed)} here",
                tensor,
                INT8_HINT,
            )

    def params(self, kind: type[ParamsT]) -> ParamsT:
        """The kernel's parameters, which must be those of the package's own kernel."""
        if not isinstance(self.kernel.params, kind):
            raise self.refusal(
                "its kernel is not the package's own", hint="a board has no kernel for it"
            )
        return self.kernel.params

    def source(self, tensor: Tensor) -> int:
        """Ref of an input, constant or not."""
        if tensor.data is not None:
            return self.constant(tensor.data)
        return self._place(tensor)

    def destination(self, tensor: Tensor) -> int:
        """Ref of an output. Raises UnsupportedError where the file has a constant there."""
        self.require(tensor.data is None, "an op writes to a constant", tensor)
        return self._place(tensor)

    def _place(self, tensor: Tensor) -> int:
        """Offset of a tensor that is computed; any will do for one without bytes."""
        offset = self.places.tensor(tensor)
        self.require(
            offset is not None or not tensor.nbytes,
            "its bytes lie in several pieces of another tensor",
            tensor,
            "boards run strips of whole rows: run_passes(..., strips=True), no fold-transpose",
        )
        return offset or 0

    def constant(self, values: npt.NDArray[Any]) -> int:
        """Ref of an array's bytes in the weights."""
        return self.weights.add(values.tobytes())

    def values(self, tensor: Tensor) -> npt.NDArray[Any]:
        """Contents of a constant input. Raises UnsupportedError where it is computed."""
        if tensor.data is None:
            raise self.refusal("it is computed at run time, wanted a constant", tensor)
        if tensor.type_code == TensorType.INT4:
            return unpack_int4(tensor.data, tensor.shape)
        return tensor.data

    def planned_scratch(self, number: int) -> int:
        """Ref of the kernel's own scratch buffer `number`, which lies in the head."""
        return self.places.kernel_scratch(self.node, number)

    def scratch(self, nbytes: int) -> int:
        """Ref of scratch memory for this op."""
        offset = self.places.scratch + self.scratch_bytes
        self.scratch_bytes += align_up(nbytes)
        return offset


Lower: TypeAlias = Callable[[Lowering], Iterable[Step]]
"""From an op to its steps. Raises UnsupportedError."""


def advance(ref: int, nbytes: int) -> int:
    """The ref `nbytes` further on."""
    return ref + nbytes if ref >= 0 else ref - nbytes

"""Resource variables: which there are, which tensors stand for them, who reads and assigns them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from microinterp.errors import PrepareError, printable
from microinterp.graph import Node, Tensor

Key = tuple[int, int]
"""A tensor: subgraph and index."""


@dataclass(slots=True)
class Resource:
    """A resource variable: storage appears at the first ASSIGN_VARIABLE that TFLM prepares.

    Attributes:
        container, shared_name: its key.
        nbytes: bytes of storage, None until an assignment has been prepared.
        fill: the byte that it starts with, and returns to on reset: the first assigned tensor's
            zero point cut to int8, whatever the element type (micro_resource_variable.cc).
    """

    container: str | None
    shared_name: str
    nbytes: int | None = None
    fill: int = 0


@dataclass(frozen=True, slots=True)
class _Use:
    """An op that reads or assigns `value` through `handle`."""

    verb: str
    node: Node
    handle: Tensor
    value: Tensor


@dataclass(slots=True)
class Resources:
    """The resource variables of a model and the tensors that are handles to them.

    A handle holds its variable's number. VAR_HANDLE makes one; IF and WHILE copy it into their
    subgraphs and out of them, so that a handle may stand for one variable now and for another one
    later. Which ones it can stand for is known when all ops are prepared: then every use is
    checked with each of them.

    Attributes:
        variables: in the order in which TFLM numbers them.
        handles: the number in each handle that is known from the start.
        passed: handles whose number is only known at run time.
    """

    variables: list[Resource] = field(default_factory=list)
    handles: dict[Key, int] = field(default_factory=dict)
    passed: set[Key] = field(default_factory=set)
    _uses: list[_Use] = field(default_factory=list)
    _copies: dict[Key, set[Key]] = field(default_factory=dict)
    _unknown: set[Key] = field(default_factory=set)

    def declare(self, node: Node, handle: Tensor, container: str | None, shared_name: str) -> None:
        """Make `handle` (an output of VAR_HANDLE) stand for the variable of that key.

        A handle without a container takes the first variable of that name.

        Raises:
            PrepareError: it has a container, and a variable declared before has none.
        """
        number = 0
        for variable in self.variables:
            if container is not None and variable.container is None:
                raise node.error(
                    f"container '{printable(container)}' after a VAR_HANDLE without one",
                    handle,
                    "TFLM compares the two and crashes: give all handles a container, or none",
                )
            if container in (None, variable.container) and variable.shared_name == shared_name:
                break
            number += 1
        else:
            self.variables.append(Resource(container, shared_name))
        self.handles[_key(handle)] = number

    def copy(self, source: Tensor, target: Tensor) -> None:
        """Count that an op copies `source` to `target`, so that a handle passes on its number."""
        self._copies.setdefault(_key(target), set()).add(_key(source))
        if target.is_variable:  # it holds something before that, and other ops may write it
            self.leave_unset(target)

    def leave_unset(self, tensor: Tensor) -> None:
        """Count that `tensor` can be read before anything has been copied to it."""
        self._unknown.add(_key(tensor))

    def assign(self, node: Node, handle: Tensor, value: Tensor) -> None:
        """Count an assignment.

        The first one whose handle is known from the start fixes size and fill of the storage.

        Raises:
            PrepareError: `handle` is a constant, but no variable's number.
        """
        self._take_constant(node, handle)
        number = self.handles.get(_key(handle))
        if number is not None and self.variables[number].nbytes is None:
            self.variables[number].nbytes = value.nbytes
            self.variables[number].fill = value.zero_point & 0xFF
        self._uses.append(_Use("assigned through a handle from elsewhere", node, handle, value))

    def read(self, node: Node, handle: Tensor, value: Tensor) -> None:
        """Count a read into `value`."""
        self._uses.append(_Use("read", node, handle, value))

    def problems(self) -> Iterator[PrepareError]:
        """What is wrong with the reads and assignments, when all ops are prepared.

        TFLM fails at invoke, crashes or writes outside the tensor where a handle has no variable,
        where a variable is never assigned, or where sizes differ.
        """
        for use in self._uses:
            try:
                self._take_constant(use.node, use.handle)
                for number in sorted(self._numbers(use)):
                    self._check(use, self.variables[number])
            except PrepareError as error:
                yield error

    def _take_constant(self, node: Node, handle: Tensor) -> None:
        """A handle may be a constant that holds a variable's number."""
        if handle.data is None or _key(handle) in self.handles:
            return
        number = int(handle.data.reshape(-1)[0])
        node.require(
            0 <= number < len(self.variables),
            f"number {number} does not come from a VAR_HANDLE that was prepared before",
            handle,
        )
        self.handles[_key(handle)] = number

    def _numbers(self, use: _Use) -> set[int]:
        """Numbers that can be in a handle; those on its way are from then on known as handles."""
        numbers: set[int] = set()
        seen: set[Key] = set()
        new = [_key(use.handle)]
        while new:
            key = new.pop()
            if key in seen:
                continue
            seen.add(key)
            if key in self.handles:
                numbers.add(self.handles[key])
            elif key in self._copies and key not in self._unknown:
                new.extend(self._copies[key])
                self.passed.add(key)
            else:
                raise use.node.error(
                    "the resource handle does not come from a VAR_HANDLE that was prepared before",
                    use.handle,
                    "put VAR_HANDLE for this variable into the same subgraph",
                )
        return numbers

    def _check(self, use: _Use, variable: Resource) -> None:
        name = printable(variable.shared_name)
        if variable.nbytes is None:
            raise use.node.error(
                f"variable '{name}' is {use.verb} but never assigned",
                use.handle,
                "TFLM makes room for it where an ASSIGN_VARIABLE takes the output of a VAR_HANDLE",
            )
        use.node.require(
            use.value.nbytes == variable.nbytes,
            f"{use.value} has {use.value.nbytes} bytes, variable '{name}' has {variable.nbytes}",
            use.value,
        )


def _key(tensor: Tensor) -> Key:
    return tensor.subgraph, tensor.index

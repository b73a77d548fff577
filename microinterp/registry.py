"""Which operators there are: `Op` describes one, `Registry` is an immutable set of them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from microinterp.errors import UnsupportedError
from microinterp.graph import Node

if TYPE_CHECKING:
    from microinterp.prepare import Context, Kernel


@dataclass(frozen=True, slots=True)
class Op:
    """One operator.

    Attributes:
        name: schema name of a builtin ("CONV_2D") or name of a custom op.
        prepare: checks a node and returns its Kernel; raises PrepareError or UnsupportedError.
        types: element type combinations it takes, for the table of supported ops.
        exactness: "exact", or the bound against TFLM with its reason.
    """

    name: str
    prepare: Callable[[Node, Context], Kernel]
    types: tuple[str, ...] = ()
    exactness: str = "exact"


class Registry:
    """An immutable set of operators, found by name."""

    def __init__(self, ops: Iterable[Op]) -> None:
        self._ops = {op.name: op for op in ops}

    def __iter__(self) -> Iterator[Op]:
        return iter(self._ops.values())

    def __contains__(self, name: object) -> bool:
        return name in self._ops

    def with_op(self, op: Op) -> Registry:
        """A new registry that also has `op` (in place of one with the same name)."""
        return Registry([*self, op])

    def find(self, node: Node) -> Op:
        """The operator of `node`.

        Raises:
            UnsupportedError: there is none; the hint names the nearest ones.
        """
        try:
            return self._ops[node.name]
        except KeyError:
            near = difflib.get_close_matches(node.name, self._ops, n=3)
            hint = f"nearest names: {', '.join(near)}; " if near else ""
            raise UnsupportedError(
                "operator is not supported",
                node.where(),
                hint + "`microinterp ops` lists all; Registry.with_op adds one written in Python",
            ) from None

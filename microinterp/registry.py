"""Which operators there are: `Op` describes one, `Registry` is an immutable set of them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tflite import BuiltinOperator

from microinterp.errors import UnsupportedError
from microinterp.graph import Node

if TYPE_CHECKING:
    from microinterp.prepare import Context, Kernel


OWN = "your own, not compared with TFLM"
"""The exactness of an op that `Registry.with_op` has added, unless the op says another."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operator.

    Attributes:
        name: schema name of a builtin ("CONV_2D") or name of a custom op.
        prepare: checks a node and returns its Kernel; raises PrepareError or UnsupportedError.
        types: element type combinations it takes, for the table of supported ops.
        exactness: of integer tensors: "exact", or the bound against TFLM with its reason.
        float_exactness: the same for float32.
        int16_exactness: the same for int16, where that differs from the other integers.
        is_custom: the file calls it a custom op; it may then have a builtin's name.
        limits: TFLM's own limits (ranks, equal scales, constants), each a short phrase.
        refused: why no model with it can run, empty for all but a row that is only listed.
    """

    name: str
    prepare: Callable[[Node, Context], Kernel]
    types: tuple[str, ...] = ()
    exactness: str = "exact"
    float_exactness: str = "exact"
    is_custom: bool = False
    limits: tuple[str, ...] = ()
    refused: str = ""
    int16_exactness: str = ""

    def exactness_of(self, type_name: str) -> str:
        """How exact the op is on an output of that element type."""
        if type_name == "float32":
            return self.float_exactness
        return (type_name == "int16" and self.int16_exactness) or self.exactness

    @property
    def all_exactness(self) -> str:
        """All of it in one line, for the table of operators."""
        if self.types and set(self.types) == {"float32"}:
            return self.float_exactness
        parts = [self.exactness]
        if self.int16_exactness:
            parts.append(f"int16: {self.int16_exactness}")
        if self.float_exactness != self.exactness and "float32" in " ".join(self.types):
            parts.append(f"float32: {self.float_exactness}")
        return "; ".join(parts)


Key = tuple[bool, str]
"""Whether an operator is custom, and its name."""


class Registry:
    """An immutable set of operators, found by name."""

    def __init__(
        self, ops: Iterable[Op] = (), later: Mapping[Key, Callable[[], Op]] | None = None
    ) -> None:
        """Make a registry.

        Args:
            ops: operators.
            later: what loads others, when they are needed; `ops` come before them.
        """
        self._ops = {(op.is_custom, op.name): op for op in ops}
        self._later = {k: load for k, load in (later or {}).items() if k not in self._ops}

    def __iter__(self) -> Iterator[Op]:
        return iter([self._at(key) for key in self._keys()])

    def __contains__(self, name: object) -> bool:
        return any(known == name for _, known in self._keys())

    def with_op(self, op: Op) -> Registry:
        """A new registry that also has `op` (in place of one of the same name and kind).

        "exact" is what this package's tests prove of its own ops. Where `op` leaves that as it
        is, it is called `OWN`; say in `Op.exactness` what yours was compared with.
        """
        own = replace(
            op,
            exactness=OWN if op.exactness == "exact" else op.exactness,
            float_exactness=OWN if op.float_exactness == "exact" else op.float_exactness,
        )
        return Registry([*self._ops.values(), own], self._later)

    def named(self, name: str) -> Op | None:
        """The operator of that name, the builtin one if there are two; None if there is none."""
        keys = [key for key in ((False, name), (True, name)) if key in self._keys()]
        return self._at(keys[0]) if keys else None

    def find(self, node: Node) -> Op:
        """The operator of `node`.

        Raises:
            UnsupportedError: there is none; the hint names the nearest ones.
        """
        try:
            return self._at((node.code == BuiltinOperator.CUSTOM, node.name))
        except KeyError:
            near = difflib.get_close_matches(node.name, [name for _, name in self._keys()], n=3)
            hint = f"nearest names: {', '.join(near)}; " if near else ""
            raise UnsupportedError(
                "operator is not supported",
                node.where(),
                f"{hint}`microinterp ops` lists all; operators of your own run on the PC: "
                "--operators FILE.py (docs/custom_ops.md)",
            ) from None

    def _keys(self) -> tuple[Key, ...]:
        return (*self._ops, *self._later)

    def _at(self, key: Key) -> Op:
        if key in self._ops:
            return self._ops[key]
        return self._later[key]()

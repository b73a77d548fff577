"""The package's exceptions: one root, fields that say where, text made from the fields."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

_NAME_LIMIT = 80
_PATH_LIMIT = 4096  # what operating systems allow


def printable(text: str, limit: int = _NAME_LIMIT) -> str:
    """Return `text` safe for a terminal: unprintable characters escaped, cut at `limit`.

    Names inside a model are untrusted: they may hold ANSI escapes, NULs or line breaks.
    """
    safe = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: limit + 1])
    return safe if len(text) <= limit else safe[:limit] + "..."


def printable_path(path: str) -> str:
    """`printable` for file names, which are of no use when they are cut."""
    return printable(path, _PATH_LIMIT)


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a model file: any of subgraph, op, role of a tensor, tensor, byte offset."""

    subgraph: int | None = None
    op_index: int | None = None
    op_name: str | None = None
    role: str | None = None
    tensor_index: int | None = None
    tensor_name: str | None = None
    byte_offset: int | None = None

    def __str__(self) -> str:
        parts: list[str] = []
        if self.subgraph:  # subgraph 0 is the main one: naming it in each message is noise
            parts.append(f"subgraph {self.subgraph}")
        if self.op_index is not None:
            parts.append(f"op {self.op_index} {printable(self.op_name or '?')}")
        elif self.op_name is not None:
            parts.append(printable(self.op_name))
        if self.role is not None:
            parts.append(self.role)
        if self.tensor_index is not None:
            name = f" '{printable(self.tensor_name)}'" if self.tensor_name else ""
            parts.append(f"tensor {self.tensor_index}{name}")
        if self.byte_offset is not None:
            parts.append(f"byte {self.byte_offset:#x}")
        return ", ".join(parts)


NOWHERE = Where()


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding of verify: the rule that was broken, where, and what to do about it."""

    rule: str
    message: str
    where: Where = NOWHERE
    hint: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return _sentence(self.message, self.where, self.hint)


class MicrointerpError(Exception):
    """Root of every error this package raises on purpose.

    Attributes:
        message: what is wrong and what was wanted.
        where: the place in the model, as far as it is known.
        hint: what to do about it; may be empty.
    """

    def __init__(self, message: str, where: Where = NOWHERE, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return _sentence(self.message, self.where, self.hint)

    def at(self, **fields: int | str | None) -> MicrointerpError:
        """Fill in fields of `where` that are still unknown, in place; returns self to raise."""
        unknown = {k: v for k, v in fields.items() if getattr(self.where, k) is None}
        self.where = replace(self.where, **unknown)  # type: ignore[arg-type]
        return self


class ModelError(MicrointerpError):
    """The file is not a sound .tflite model. `problems` has every finding, not only the first."""

    def __init__(
        self,
        message: str,
        where: Where = NOWHERE,
        hint: str = "",
        problems: Iterable[Problem] = (),
    ) -> None:
        super().__init__(message, where, hint)
        self.problems = tuple(problems)

    @classmethod
    def from_problems(cls, problems: Iterable[Problem]) -> ModelError:
        """One error that tells the first problem and how many more there are."""
        found = tuple(problems)
        first = found[0]
        more = f" (and {len(found) - 1} more: see `microinterp verify`)" if len(found) > 1 else ""
        return cls(first.message + more, first.where, first.hint, found)


class UnsupportedError(MicrointerpError):
    """The model is sound but asks for an operator, type or feature that is not supported."""


class PrepareError(MicrointerpError):
    """An operator's shapes, types, options or quantisation break that operator's rules."""


class ArenaError(MicrointerpError):
    """The arena is too small, or a memory plan is not legal."""


class InputError(MicrointerpError, ValueError):
    """Data handed to the interpreter, or read for it, is not what the model takes.

    A ValueError too, which is what scripts for other runtimes expect.
    """


class DeviceError(MicrointerpError):
    """A board, or the line to it, did not do what was asked."""


class WorkerError(MicrointerpError):
    """A process or a cluster that should compute cannot be reached, or ends again and again."""


class RuntimeUnavailableError(MicrointerpError):
    """A runtime to compare with is not installed here, crashed, or refused the model."""


def _sentence(message: str, where: Where, hint: str) -> str:
    place = str(where)
    head = f"{place}: {message}" if place else message
    return f"{head}\n  hint: {hint}" if hint else head

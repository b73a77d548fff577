"""A .tflite file made ready for a board: prepared, planned and packed, and named."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from microinterp.arena.plan import Plan
from microinterp.errors import ArenaError, DeviceError, printable
from microinterp.interpreter import prepare_model
from microinterp.model import contents_of
from microinterp.packed import PackReport, pack_with_report
from microinterp.passes import run_passes
from microinterp.prepare import Prepared

SUFFIX = ".mipk"
PORTABLE = "portable"
"""The layout of weights that bytecode and viper kernels read."""
ModelSource = str | os.PathLike[str] | bytes
Packable: TypeAlias = "ModelSource | BoardModel"
"""A model that is packed already is for several boards."""
_MAX_NAME = 32 - len(SUFFIX)
_NAME = re.compile(rf"(?!\.)[A-Za-z0-9._-]{{1,{_MAX_NAME}}}(?<!\.)")
_ENDING = re.compile(r"\.(part|test|[ab012]|py)\Z", re.IGNORECASE)
"""Of the files that a board keeps of a model, and of programs; see schemas/link.md."""
_HASH_DIGITS = 8


@dataclass(frozen=True, slots=True)
class MemoryPasses:
    """Memory passes for boards: as microinterp.Interpreter takes them, with patches as strips.

    Attributes:
        names: "none", "auto", or names.
        ram_limit: most bytes of the arena's head, None for no limit.
        max_extra_macs: multiply-accumulates that may be done twice, as a share of the model's.
    """

    names: str | Sequence[str] = "none"
    ram_limit: int | None = None
    max_extra_macs: float = 0.1


NO_PASSES = MemoryPasses()


@dataclass(frozen=True, eq=False)
class BoardModel:
    """A model for a board.

    Attributes:
        name: on the board.
        tflite, sha256: contents of the .tflite file, and their hash.
        prepared, plan: what it was packed from.
        packed, report: the packed model, and where its bytes are.
        tier: the layout of its weights; see microinterp.packed.tiers.
        passes: memory passes that have run, in order; see microinterp.passes.
        extra_macs: share of the model's multiply-accumulates that they cost.
    """

    name: str
    tflite: bytes
    sha256: str
    prepared: Prepared
    plan: Plan
    packed: bytes
    report: PackReport
    passes: tuple[str, ...] = ()
    extra_macs: float = 0.0
    tier: str = PORTABLE

    @property
    def file_name(self) -> str:
        """Of the packed model on the board."""
        return self.name + SUFFIX

    def for_tier(self, tier: str) -> BoardModel:
        """The same model in the layout of weights that a tier reads.

        Raises UnsupportedError if that tier cannot run it.
        """
        if tier == self.tier:
            return self
        packed, report = pack_with_report(self.prepared, self.plan, tier=tier)
        return replace(self, packed=packed, report=report, tier=tier)


def pack_for_board(
    source: Packable, name: str | None = None, passes: MemoryPasses = NO_PASSES
) -> BoardModel:
    """Pack an untouched .tflite file, given by its path or contents, in the portable layout.

    One that is packed already is returned as it is.

    Raises:
        InputError: there is no such memory pass.
        ArenaError: the arena's head is larger than the limit, with all passes that are allowed.
        ModelError, UnsupportedError, PrepareError: it is not sound, or boards cannot run it.
        DeviceError: `name` cannot be a model's name on a board.
    """
    if isinstance(source, BoardModel):
        return source
    data = source if isinstance(source, bytes) else contents_of(source)
    chosen = _name(source) if name is None else name
    if _NAME.fullmatch(chosen) is None or _ENDING.search(chosen):
        raise DeviceError(
            f"'{printable(chosen)}' cannot be the name of a model on a board",
            hint=f"1 to {_MAX_NAME} of the characters A-Z a-z 0-9 . _ - with no dot at either end,"
            " and not ending as its files do: .a .b .0 .1 .2 .part .test, nor as programs: .py",
        )
    prepared = prepare_model(data, kernels="plain")
    limit = passes.ram_limit
    passed = run_passes(prepared, passes.names, limit, passes.max_extra_macs, strips=True)
    head = passed.plan.head_bytes
    if limit is not None and head > limit:
        raise ArenaError(
            f"the arena's head needs {head} bytes, {head - limit} more than the limit of {limit}",
            hint="memory passes make it smaller: auto takes all that help",
        )
    packed, report = pack_with_report(passed.prepared, passed.plan)
    return BoardModel(
        name=chosen,
        tflite=data,
        sha256=hashlib.sha256(data).hexdigest(),
        prepared=passed.prepared,
        plan=passed.plan,
        packed=packed,
        report=report,
        passes=passed.names,
        extra_macs=passed.extra_macs,
    )


def _name(source: ModelSource) -> str:
    """A name from a path: "kws-a" of kws.a.tflite; one too long keeps a hash of the whole."""
    if isinstance(source, bytes):
        return "model"
    stem = Path(source).stem
    name = re.sub(r"[^A-Za-z0-9._-]", "-", stem).strip(".") or "model"
    name = _ENDING.sub(r"-\1", name)
    if len(name) > _MAX_NAME:
        digest = hashlib.sha256(stem.encode(errors="surrogateescape")).hexdigest()[:_HASH_DIGITS]
        name = f"{name[: _MAX_NAME - _HASH_DIGITS - 1]}-{digest}"
    return name

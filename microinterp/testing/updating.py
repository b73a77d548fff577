"""--golden-update: a bundle is recorded anew with the model of today, and what changed is told."""

from __future__ import annotations

import hashlib
import json
from typing import IO

from microinterp import golden
from microinterp.errors import InputError
from microinterp.golden_bundle import BundleHeader, BundleReader
from microinterp.registry import Registry
from microinterp.testing.locks import alone
from microinterp.testing.settings import Case
from microinterp.testing.words import changes, shown_path


def record_anew(case: Case, model: bytes, runtime: str, registry: Registry | None, run: str) -> str:
    """Record a bundle's inputs again, if the model gives other bytes; returns what has changed.

    The file is replaced in one step. Other processes that update the same bundle wait, and then
    find nothing to change.

    Args:
        model: contents of the case's model.
        runtime: that recorded the bundle, and does it again.
        run: the session of pytest, in which a bundle can be recorded from one model only.

    Raises:
        InputError: the bundle is damaged or belongs to two models, or its inputs do not fit.
        MicrointerpError: see golden.record.
    """
    target = case.bundle.resolve()
    with alone(f"bundle {target}") as notes:
        _claim(notes, run, model, case)
        with BundleReader(target) as reader:
            header = reader.header
        profile = case.profile or header.profile
        change = _change(case, header, profile, model, runtime, registry)
        if not change:
            return ""
        golden.record(
            model,
            golden.stored_inputs(target),
            target,
            runtime=runtime,
            profile=profile,
            tensors=_kept(header),
            seed=header.seed,
            registry=registry,
        )
        return f"{shown_path(case.bundle)}: {change}"


def _change(
    case: Case,
    header: BundleHeader,
    profile: str,
    model: bytes,
    runtime: str,
    registry: Registry | None,
) -> str:
    """How the model is not as recorded; empty if it is."""
    try:
        now = golden.check(model, case.bundle, runtime, any_model=True, registry=registry)
    except InputError as error:  # another model may have other outputs
        if hashlib.sha256(model).hexdigest() == header.model_sha256:
            raise
        return error.message
    if now.equal and now.model_matches and profile == header.profile:
        return ""
    return changes(header, profile, now)


def _claim(notes: IO[str], run: str, model: bytes, case: Case) -> None:
    """Note the model that a bundle is recorded from. Raises InputError if this run had another."""
    digest = hashlib.sha256(model).hexdigest()
    notes.seek(0)
    try:
        before = json.loads(notes.read())
    except ValueError:
        before = None  # no note yet, or its writer died
    if isinstance(before, list) and before[:1] == [run] and before[1:] != [digest]:
        raise InputError(
            f"two tests of this run hold '{shown_path(case.bundle)}' against different models",
            hint="give each model a bundle of its own",
        )
    notes.seek(0)
    notes.truncate()
    json.dump([run, digest], notes)
    notes.flush()


def _kept(header: BundleHeader) -> str:
    if header.has_tensors:
        return "bytes"
    return "crc" if header.checks else "none"

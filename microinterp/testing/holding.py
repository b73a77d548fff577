"""Holds a model to a bundle by a runtime: equal, different, or the runtime is missing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from microinterp import golden
from microinterp.errors import InputError
from microinterp.files import read_bytes
from microinterp.golden_bundle import BundleHeader, BundleReader
from microinterp.operators_file import registry_with
from microinterp.registry import Registry
from microinterp.testing.availability import missing, port_of, resolved
from microinterp.testing.locks import alone
from microinterp.testing.settings import Case
from microinterp.testing.updating import record_anew
from microinterp.testing.words import failure, shown_path


@dataclass(frozen=True, slots=True)
class Held:
    """What came of it; all of it texts, empty where there is nothing to say.

    Attributes:
        failure: how the model differs from the bundle.
        missing: the runtime that is not here, and how to get it; nothing was checked then.
        changed: what --golden-update changed in the bundle.
    """

    failure: str = ""
    missing: str = ""
    changed: str = ""


def hold(case: Case, registry: Registry | None, update_in: str | None) -> Held:
    """Check a case.

    Args:
        registry: of a model with custom operators; None takes what `case.operators` says.
        update_in: the session of pytest in which bundles are to be recorded anew; None is to check
            alone, which writes nothing.

    Raises:
        MicrointerpError: a file cannot be used, or the runtime fails.
    """
    model = read_bytes(os.fspath(case.model))
    registry = registry or registry_with(case.operators)
    changed = ""
    if update_in is not None:
        recorder = _header(case).runtime
        if reason := missing(recorder):
            return Held(missing=f"{shown_path(case.bundle)} is recorded by {recorder}: {reason}")
        with ready(recorder) as runtime:
            changed = record_anew(case, model, runtime, registry, update_in)
    if reason := missing(case.runtime):
        return Held(missing=reason, changed=changed)
    header = _header(case)
    _require_profile(case, header.profile)
    with ready(case.runtime) as runtime:
        result = golden.check(model, case.bundle, runtime=runtime, registry=registry)
        if not result.model_matches:  # where do they part?
            result = golden.check(
                model, case.bundle, runtime=runtime, registry=registry, any_model=True
            )
    return Held(failure=failure(case, header, runtime, result), changed=changed)


@contextmanager
def ready(runtime: str) -> Iterator[str]:
    """The full name of a runtime; a board is this process's alone until the end."""
    full = resolved(runtime)
    port = port_of(full)
    if port is None:
        yield full
        return
    with alone(f"port {os.path.realpath(port)}"):
        yield full


def _header(case: Case) -> BundleHeader:
    with BundleReader(case.bundle) as reader:
        return reader.header


def _require_profile(case: Case, profile: str) -> None:
    if case.profile not in (None, profile):
        raise InputError(
            f"'{shown_path(case.bundle)}' is recorded in profile {profile}, wanted {case.profile}",
            hint="record it anew: pytest --golden-update",
        )

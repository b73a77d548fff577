"""Fixtures that every test may use: the oracle, the shared models, hypothesis profiles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture import providers

from microinterp.runtimes.tflm import TflmRuntime, version

pytest_plugins = ["pytester"]
SHARED_MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"

settings.register_profile(
    "default",
    deadline=None,
    max_examples=int(os.environ.get("MICROINTERP_EXAMPLES", "40")),
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
# A changed program is to be noticed, not explained: no search for the smallest failing example.
settings.register_profile(
    "mutants",
    settings.get_profile("default"),
    max_examples=30,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("default")
# Hypothesis also draws numbers that it finds in the modules that were imported so far: what a test
# is given would depend on the tests that ran before it. Those that are in every program are enough.
providers._get_local_constants = lambda: providers.GLOBAL_CONSTANTS


@pytest.fixture(scope="session")
def tflm() -> Iterator[TflmRuntime]:
    """TFLM's wheel in a child process."""
    if version() is None:
        require_or_skip("the TFLM wheel", "pip install 'microinterp[oracle]' (Linux x86-64)")
    with TflmRuntime() as runtime:
        yield runtime


def require_or_skip(what: str, how: str) -> None:
    """Skip where something is missing on a user's machine; fail where CI should have it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing: {how}")
    pytest.skip(f"{what} is missing: {how}")


def shared_model(name: str) -> bytes:
    """Contents of a model in ../shared/models; skips where that folder is absent."""
    path = SHARED_MODELS / name
    if not path.exists():
        pytest.skip("the folder ../shared/models with real models is absent")
    return path.read_bytes()

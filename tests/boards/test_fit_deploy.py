"""What `fit` says of a virtual board is what deploy then experiences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.boards.heap_figures import deployed, heavy_model, packed_for
from tests.boards.model_boards import MODEL, needs_viper
from tests.boards.test_fit import wide_model
from tests.boards.test_fit_heap import SLACK
from tests.boards.unix_port import ROOT
from tests.cli import call, stored
from tests.marks import slow_but
from tests.models import chain_model

MODELS = ROOT.parent / "shared" / "models"


def model_of(name: str) -> bytes:
    if name in ("digits", "many steps", "heavy"):
        made = {"digits": MODEL.read_bytes, "many steps": lambda: chain_model(40)}
        return made.get(name, heavy_model)()
    path = MODELS / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"no {path.name}: the real models are not here")
    return path.read_bytes()


def asked(path: Path, board: str, heap: int) -> tuple[int, dict[str, Any]]:
    """Exit status of `fit` for a virtual board with such a heap, and its verdict."""
    words = ("--board", board, "--heap", heap, "--firmware", "micropython", "--json")
    result = call("fit", path, *words)
    (found,) = json.loads(result.stdout)["boards"]
    assert found["tflm"] is None
    return result.exit_code, found["micropython"]


@pytest.mark.usefixtures("interpreter")
@needs_viper
@pytest.mark.parametrize(
    "name",
    slow_but(
        ["digits", "many steps", "heavy", "hello_world_int8", "kws_int8", "vww_96_int8"], "digits"
    ),
)
def test_unix_at_three_heaps(name: str, tmp_path: Path) -> None:
    """Well below, just enough, ample; just below by as much as the account may be too careful."""
    data = model_of(name)
    path = stored(tmp_path, data)
    needed = asked(path, "unix", 1 << 22)[1]["needed_bytes"]
    for heap, fits in (
        (needed * 3 // 4, False),
        (needed - SLACK, False),
        (needed, True),
        (2 * needed, True),
    ):
        status, verdict = asked(path, "unix", heap)
        assert (status, verdict["fits"]) == (0 if fits else 1, fits)
        assert verdict["short_bytes"] == max(0, needed - heap)
        assert (deployed("x64", heap, data) == "") == fits, heap


@pytest.mark.usefixtures("interpreter")
@needs_viper
def test_unix_with_the_passes_that_fit_names(tmp_path: Path) -> None:
    """A heap in which the model fits only with them: deploy fails without, and runs with them."""
    data = wide_model()
    path = stored(tmp_path, data)
    heap = asked(path, "unix", 1 << 22)[1]["needed_bytes"] - SLACK
    status, verdict = asked(path, "unix", heap)
    assert (status, verdict["fits"]) == (1, False)
    remedy = verdict["remedy"]
    assert remedy["passes"]
    assert remedy["needed_bytes"] <= heap
    assert "MemoryError" in deployed("x64", heap, data)
    assert deployed("x64", remedy["needed_bytes"], data, remedy["passes"]) == ""


@pytest.mark.slow
@pytest.mark.usefixtures("qemu")
def test_qemu_with_weights_in_the_heap_or_mapped(tmp_path: Path) -> None:
    """A model that fits only if its weights stay in flash: refused so, and as it is told."""
    data = heavy_model()
    path = stored(tmp_path, data)
    heap = 131072
    status, verdict = asked(path, "qemu-m4", heap)
    assert (status, verdict["fits"]) == (1, False)
    remedy = verdict["remedy"]
    assert (remedy["passes"], remedy["mapping"]) == ([], "preload")
    assert remedy["needed_bytes"] <= heap
    assert "does not fit into the board's heap" in deployed("armv7em", heap, data)
    preload = [("model.mipk", packed_for("armv7em", data).packed)]
    assert deployed("armv7em", remedy["needed_bytes"], data, preload=preload) == ""
    assert deployed("armv7em", remedy["needed_bytes"] - 8192, data, preload=preload) != ""

"""Layers stay below bounds of instructions per MAC on Thumb tiers: counts have no noise."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from benchmarks.instructions import STORED
from benchmarks.instructions_layers import layers
from benchmarks.instructions_page import per_unit
from microinterp_boards import Board
from microinterp_boards.packing import pack_for_board
from microinterp_boards.session import Session
from tests.boards.qemu_port import mapped_model, qemu_board

pytestmark = pytest.mark.usefixtures("qemu")

BOUNDS = {
    ("m4", "armv7em"): (1.5, 1.9, 6.0, 1.7),
    ("m3", "armv6m"): (4.5, 5.0, 14.0, 4.6),
}
"""By board and set: for the layers below, whole invokes."""
NAMES = (
    "1x1, 24x24x64 to 64",
    "3x3, 32x32x16 to 16",
    "depthwise 3x3, 24x24x32",
    "fully connected, 640 to 128",
)
LAYERS = {layer.name: layer for layer in layers()}
FOUND = {row["name"]: row for row in json.loads(STORED.read_text())["layers"]}


@pytest.fixture(scope="module", params=BOUNDS, ids="-".join)
def board(request: pytest.FixtureRequest) -> Iterator[tuple[str, str, Board]]:
    """All layers lie in its memory: model0 and so on."""
    cpu, mpy_set = request.param
    files = {}
    for i, name in enumerate(NAMES):
        model = pack_for_board(LAYERS[name].data, f"model{i}")
        files |= dict(mapped_model(model, cpu, mpy_set))
    with qemu_board(cpu, heap=1 << 20, preload=list(files.items())) as board:
        yield cpu, mpy_set, board


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_instructions_per_mac(board: tuple[str, str, Board], number: int) -> None:
    cpu, mpy_set, there = board
    layer, bound = LAYERS[NAMES[number]], BOUNDS[cpu, mpy_set][number]
    with Session(there.link, f"model{number}.mipk", counts=True) as session:
        assert session.loaded.tier == mpy_set
        session.invoke()
        whole = session.invoke()
        (op,) = session.count_ops()
    assert 0 < op.in_kernels < op.time < whole
    assert whole / layer.count <= bound
    told = per_unit(FOUND[layer.name], cpu, mpy_set)
    now = pytest.approx(whole / layer.count, rel=0.01)
    assert told == now, "docs/instructions.md tells something else: make bench-instructions"

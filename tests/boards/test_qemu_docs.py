"""What docs/board_kernels.md says of heap and instructions on Cortex-M is what is measured now."""

from __future__ import annotations

import re

import pytest

from tests.boards.test_qemu_models import NAMES, content, mapped
from tests.boards.unix_port import ROOT

pytestmark = pytest.mark.usefixtures("qemu")

TEXT = (ROOT / "docs" / "board_kernels.md").read_text()
SLACK = 0.01


@pytest.mark.parametrize("name", NAMES)
def test_heap_and_instructions(name: str) -> None:
    with mapped(name, "m4") as (board, model):
        result = board.bench(content(name), runs=5, name=name)
    free = result["heap_free"]
    now = [
        len(model.packed),
        model.report.arena_bytes,
        free["start"] - free["runtime_imported"],
        free["runtime_imported"] - free["model_loaded"],
        result["median"],
    ]
    print(f"\n| {name} | " + " | ".join(f"{value:,}" for value in now) + " |")
    row = re.search(rf"^\| {name} \| ((?:[\d,]+ \| ){{4}}[\d,]+) \|$", TEXT, re.MULTILINE)
    assert row is not None
    told = [int(cell.replace(",", "")) for cell in row[1].split(" | ")]
    assert told == [pytest.approx(value, rel=SLACK) for value in now]

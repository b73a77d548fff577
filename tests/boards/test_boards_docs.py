"""The sizes in docs/boards.md are those of the files that are shipped."""

from __future__ import annotations

import re

import pytest

from microinterp_boards import runtime
from tests.boards.test_firmware_build import KWS
from tests.boards.unix_port import ROOT, SETS

TEXT = (ROOT / "docs" / "boards.md").read_text()
SLACK = 0.05
"""The figures are for planning; a few bytes more or less make no other edition."""


@pytest.mark.parametrize("mpy_set", runtime.manifest()["sets"])
def test_sizes(mpy_set: str) -> None:
    sizes = {name: len(data) for name, data in runtime.shipped(mpy_set).items()}
    kws = sum(sizes[f"{module}.mpy"] for module in KWS)
    now = [len(sizes), sum(sizes.values()), max(sizes.values()), kws]
    print(f"\n{mpy_set}: {now[0]} files, {now[1]} bytes, largest {now[2]}, for kws {now[3]}")
    row = re.search(rf"^\| {mpy_set} \| ((?:[\d,]+ \| ){{3}}[\d,]+) \|$", TEXT, re.MULTILINE)
    assert row is not None
    told = [int(cell.replace(",", "")) for cell in row[1].split(" | ")]
    assert told == [pytest.approx(value, rel=SLACK) for value in now]


def test_every_tier_is_in_the_table_of_heaps() -> None:
    for tier in SETS:
        assert re.search(rf"^\| digits \| {tier} \| [\d,]+ \| [\d,]+ \|", TEXT, re.MULTILINE)

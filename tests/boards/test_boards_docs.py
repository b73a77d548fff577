"""docs/board_kernels.md has the sizes of the shipped files; docs/deployments.md tells of slots."""

from __future__ import annotations

import inspect
import re

import pytest

from microinterp_boards import cli_store, runtime
from tests.boards.test_firmware_build import KWS
from tests.boards.unix_port import ROOT, SETS

KERNELS = (ROOT / "docs" / "board_kernels.md").read_text()
TEXT = (ROOT / "docs" / "deployments.md").read_text()
SLACK = 0.05
"""The figures are for planning; a few bytes more or less make no other edition."""


@pytest.mark.parametrize("mpy_set", runtime.manifest()["sets"])
def test_sizes(mpy_set: str) -> None:
    sizes = {name: len(data) for name, data in runtime.shipped(mpy_set).items()}
    kws = sum(sizes[f"{module}.mpy"] for module in KWS)
    now = [len(sizes), sum(sizes.values()), max(sizes.values()), kws]
    print(f"\n{mpy_set}: {now[0]} files, {now[1]} bytes, largest {now[2]}, for kws {now[3]}")
    row = re.search(rf"^\| {mpy_set} \| ((?:[\d,]+ \| ){{3}}[\d,]+) \|$", KERNELS, re.MULTILINE)
    assert row is not None
    told = [int(cell.replace(",", "")) for cell in row[1].split(" | ")]
    assert told == [pytest.approx(value, rel=SLACK) for value in now]


def test_every_tier_is_in_the_table_of_heaps() -> None:
    for tier in SETS:
        assert re.search(rf"^\| digits \| {tier} \| [\d,]+ \| [\d,]+ \|", KERNELS, re.MULTILINE)


def test_deployments_are_told_as_they_are() -> None:
    fields = (ROOT / "firmware" / "link" / "fields.py").read_text()
    (told,) = re.findall(r"^_SUFFIXES = \((.+)\)$", fields, re.MULTILINE)
    (here,) = re.findall(r"files of models do \(([^)]+)\)", TEXT)
    assert set(here.split()) == set(re.findall(r'"([^"]+)"', told))
    shown = TEXT[TEXT.index("\nmodel        generation ") :].split("```")[0].split("\n")
    assert shown[1].split() == list(models_columns())
    options = set(re.findall(r"board models.* (--[a-z-]+)", TEXT))
    assert options == {"--json", "--back", "--remove", "--set-key"}


def models_columns() -> tuple[str, ...]:
    source = inspect.getsource(cli_store)
    (columns,) = re.findall(r"^    columns = \((.+)\)$", source, re.MULTILINE)
    return tuple(re.findall(r'"([^"]+)"', columns))

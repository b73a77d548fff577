"""docs/board_kernels.md has sizes and heaps as they are; docs/deployments.md tells of slots."""

from __future__ import annotations

import inspect
import re

import pytest

from microinterp_boards import cli_store, runtime
from tests.boards.model_boards import MODEL, board_with, needs_viper
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


@pytest.mark.usefixtures("interpreter")
@pytest.mark.parametrize("tier", [pytest.param("viper", marks=needs_viper), "bytecode"])
def test_heap_on_the_unix_board(tier: str) -> None:
    row = re.search(
        rf"^\| digits \| {tier} \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \+ ([\d,]+) \|",
        KERNELS,
        re.MULTILINE,
    )
    assert row is not None
    told = [int(cell.replace(",", "")) for cell in row.groups()]
    for _ in range(3):  # a board that was held up by a busy machine may keep a few objects more
        now = heap_of_digits(SETS[tier])
        print(f"\n| digits | {tier} | {now[0]:,} | {now[1]:,} |")
        if told == [pytest.approx(value, rel=0.01) for value in now]:
            break
    assert told == [pytest.approx(value, rel=0.01) for value in now]


def heap_of_digits(mpy_set: str) -> list[int]:
    """Bytes of the runtime, of the loaded model, of its file and its arena."""
    with board_with() as board:
        done = board.deploy(MODEL, mpy_set=mpy_set)
    runtime_bytes = done.heap_start - done.heap_imported
    model_bytes = done.heap_imported - done.heap_loaded
    return [runtime_bytes, model_bytes, done.model_bytes, done.arena_bytes]


def test_a_runtime_on_the_line_is_told_as_large_as_it_is() -> None:
    (told,) = re.findall(r"comes on top:\s+([\d,]+) bytes in the set x64", TEXT)
    size = sum(len(data) for data in runtime.shipped("x64").values())
    assert int(told.replace(",", "")) == pytest.approx(size, rel=0.01)


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

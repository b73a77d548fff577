"""What `microinterp fit` prints of verdicts: short, not known, and what would make a model fit."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from microinterp_boards import cli_fit
from microinterp_boards.fit_verdict import Remedy, Verdict
from microinterp_boards.heap_need import HeapNeed
from tests.boards.test_fit import ROW

FITS = Verdict(True, 3264, 262_144, 0, 20_000, 2_000_000, target="cortex-m-cmsis-nn-c")
PASSES = Remedy(("in-place", "overlap"), 0.0, "", 60_000)
COSTLY = Remedy(("patches",), 0.0625, "romfs", 50_000)
MAPPED = Remedy((), 0.0, "rp2.Flash", 40_000)
BEST = Remedy(("best",), 0.0, "", 2000)


def short(remedy: Remedy | None, **more: object) -> Verdict:
    return replace(Verdict(False, 70_000, 66_000, 4000, remedy=remedy), **more)


def one(tflm: Verdict | None, micropython: Verdict | None, **row: object) -> dict[str, str]:
    """The lines of one board by what stands first in them."""
    file = io.StringIO()
    cli_fit._print_one(Console(file=file, width=160), replace(ROW, **row), tflm, micropython)
    lines = [line.strip() for line in file.getvalue().splitlines() if line.strip()]
    return {line.partition("  ")[0]: line.partition("  ")[2].strip() for line in lines}


def table(*asked: tuple[Verdict | None, Verdict | None], firmware: str = "both") -> list[str]:
    """The table's lines, and its notes."""
    file = io.StringIO()
    rows = [(replace(ROW, id=f"b{i}"), *verdicts) for i, verdicts in enumerate(asked)]
    Console(file=file, width=200).print(cli_fit._table(rows, firmware))
    return [*file.getvalue().splitlines(), *cli_fit._notes(rows).splitlines()]


def test_a_remedy_of_tflm_is_the_command_that_embeds_a_plan() -> None:
    lines = one(short(BEST, target="cortex-m-reference", is_estimate=True), None)
    assert lines["TFLM"] == "4,000 short"
    assert lines["arena"] == "70,000 of 66,000 bytes of RAM"
    assert lines["sizes of"] == "cortex-m-reference; an estimate for this core"
    assert lines["fits with"] == "plan --planner best --embed: an arena of 2,000"
    assert "MicroPython" not in lines


@pytest.mark.parametrize(
    ("remedy", "told"),
    [
        (PASSES, "--passes in-place,overlap: a heap of 60,000"),
        (COSTLY, "--passes patches (+6.2 % MACs), weights in romfs: a heap of 50,000"),
        (MAPPED, "weights in rp2.Flash: a heap of 40,000"),
    ],
)
def test_a_remedy_of_micropython(remedy: Remedy, told: str) -> None:
    lines = one(None, short(remedy))
    assert "TFLM" not in lines
    assert lines["MicroPython"] == "4,000 short"
    assert lines["fits with"] == told
    assert lines["heap known"] == "defined: a test"


@pytest.mark.parametrize(
    ("service", "told"),
    [
        (600, "model 100, arena 200, objects 300"),
        (601, "the link that deploys 601; then model 100, arena 200, objects 300"),
    ],
)
def test_the_link_is_named_where_it_takes_most(service: int, told: str) -> None:
    parts = HeapNeed(100, 200, 300, service, 700)
    assert one(None, short(None, parts=parts))["made of"] == told


def test_what_is_not_known_is_left_out() -> None:
    lines = one(
        Verdict(None, reason="no figures"),
        Verdict(False, flash_needed_bytes=9, flash_available_bytes=None, flash_short_bytes=1),
        clock_hz=None,
        heap_source="",
    )
    assert lines["TFLM"] == "not known"
    assert lines["because"] == "no figures"
    assert lines["MicroPython"] == "files 1 short"
    assert lines["files"] == "9 of not known bytes of filesystem"
    assert lines["board"] == "One (chip, cortex-m4)"
    assert not {"sizes of", "heap known", "made of", "arena", "fits with"} & lines.keys()


def test_ways_in_a_table_have_letters() -> None:
    """The same passes have the same letter, and a note tells what they are."""
    head, *rows = table(
        (FITS, short(PASSES)),
        (short(BEST), short(COSTLY)),
        (None, short(MAPPED)),
        (FITS, short(replace(PASSES, needed_bytes=1))),
        (FITS, short(None)),
        (FITS, Verdict(False, reason="op 3 cannot be packed")),
    )
    assert head.split() == ["board", "RAM", "TFLM", "heap", "MicroPython", "fits", "with"]
    cells = [row.rstrip().split("  ")[-1].strip() for row in rows[:6]]
    assert cells[:4] == [
        "passes A",
        "plan --embed; passes B; weights in romfs",
        "weights in rp2.Flash",
        "passes A",
    ]
    assert cells[4].endswith("short")
    assert cells[5] == "cannot run it"
    assert [line for line in rows if line.startswith("passes")] == [
        "passes A: --passes in-place,overlap",
        "passes B: --passes patches (+6.2 % MACs)",
    ]
    assert rows[-1] == "b5: op 3 cannot be packed."


def test_columns_of_the_firmware_that_was_not_asked_for_are_left_out() -> None:
    head, row, *_ = table((None, short(MAPPED)), firmware="micropython")
    assert head.split() == ["board", "heap", "MicroPython", "fits", "with"]
    assert row.split() == ["b0", "524,288", "4,000", "short", "weights", "in", "rp2.Flash"]
    head, *_ = table((FITS, None), firmware="tflm")
    assert head.split() == ["board", "RAM", "TFLM", "fits", "with"]

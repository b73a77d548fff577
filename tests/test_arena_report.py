"""The arena over time: facts and the text map, against cases worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from microinterp.arena.lifetimes import Request
from microinterp.arena.plan import Placed, plan
from microinterp.arena.report import (
    ASCII,
    MAX_ROWS,
    UNICODE,
    Shades,
    arena_map,
    number_of,
    peak_bytes,
    peak_text,
    timeline,
)
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from tests.models import chain_model


def doubling_model() -> bytes:
    """x (32 bytes) -> RELU -> a (32) -> CONCATENATION with itself -> b (64).

    TFLM places b at 0, a (alive beside b) at 64, x (gone before b) at 0; the head is 96 bytes.
    """
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (32,), "int8", scale=1.0, zero_point=0)
    a = g.tensor("a", (32,), "int8", scale=1.0, zero_point=0)
    out = g.tensor("b", (64,), "int8", scale=1.0, zero_point=0)
    g.op("RELU", [x], [a])
    g.op("CONCATENATION", [a, a], [out])
    g.output(out)
    return b.finish()


def mean_model() -> bytes:
    """int8 [1, 2, 2, 64] -> MEAN over height and width, which asks for scratch."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 2, 2, 64), "int8", scale=1.0, zero_point=0)
    axes = g.constant("axes", np.array([1, 2], np.int32))
    y = g.tensor("y", (1, 64), "int8", scale=0.5, zero_point=0)
    g.op("MEAN", [x, axes], [y])
    g.output(y)
    return b.finish()


def drawn(data: bytes, width: int = 100, shades: Shades = ASCII, planner: str = "tflm") -> str:
    prepared = prepare_model(data)
    return arena_map(prepared, plan(prepared, planner), width, shades)


def bars(text: str) -> list[str]:
    """The rows between their edges."""
    return [line.split("|")[1] for line in text.splitlines() if line.count("|") == 2]


def test_timeline_by_hand() -> None:
    prepared = prepare_model(doubling_model())
    moments = timeline(prepared, plan(prepared))
    assert [(m.scope, m.label.split(), m.live_bytes) for m in moments] == [
        (0, ["inputs"], 32),
        (1, ["0", "RELU"], 64),
        (2, ["1", "CONCATENATION"], 96),
    ]
    assert [[p.offset for p in m.alive] for m in moments] == [[0], [0, 64], [0, 64]]
    assert peak_bytes(moments) == 96
    assert peak_bytes(()) == 0


def test_map_by_hand() -> None:
    """At 83 columns the bar has 48 cells of 2 bytes."""
    assert drawn(doubling_model(), width=83).splitlines() == [
        " " * 29 + "0" + " " * 10 + "24" + " " * 10 + "48" + " " * 10 + "72" + " " * 10 + "96",
        " " * 29 + ".           .           .           .           .",
        "inputs" + " " * 19 + "32 |0" + "#" * 15 + " " * 32 + "|",
        "  0 RELU" + " " * 17 + "64 |0" + "=" * 15 + " " * 16 + "1" + "#" * 15 + "|",
        "  1 CONCATENATION" + " " * 8 + "96 |2" + "#" * 31 + "1" + "=" * 15 + "| peak",
        "",
        "peak: 96 bytes alive at once: 1 CONCATENATION",
        "== read   ## written   ~~ scratch   -- kept for a later op",
        "numbers are tensors, s0 is scratch",
    ]


def test_linear_plan_keeps_everything_apart() -> None:
    rows = bars(drawn(doubling_model(), 99, planner="linear"))
    assert rows[2] == " " * 16 + "1" + "=" * 15 + "2" + "#" * 31


def test_buffers_that_overlap_count_once() -> None:
    """b grows from 32 upwards over the end of a, which lies at 64, as passes may plan it."""
    prepared = prepare_model(doubling_model())
    usual = plan(prepared)
    x, a, b = usual.placed
    overlapping = replace(usual, placed=(x, a, replace(b, offset=32)))
    moments = timeline(prepared, overlapping)
    assert [m.live_bytes for m in moments] == [32, 64, 64]


def test_peak_text() -> None:
    prepared = prepare_model(chain_model(4))
    moments = timeline(prepared, plan(prepared))
    assert peak_text(moments, 2) == "32 bytes alive at once: 0 CONV_2D, 1 CONV_2D and 2 more"
    assert peak_text(moments).endswith("2 CONV_2D, 3 CONV_2D")


def test_numbers() -> None:
    prepared = prepare_model(mean_model())
    names = [number_of(prepared, placed) for placed in plan(prepared).placed]
    assert names[:3] == ["0", "2", "op 0 s0"]
    inner = Placed(Request(16, tensor=(2, 7)), 0, 16)
    assert number_of(prepared, inner) == "2:7"


def test_kept_buffers() -> None:
    """x waits for the second op while the first one runs on it no more."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (32,), "int8", scale=1.0, zero_point=0)
    y = g.input("y", (32,), "int8", scale=1.0, zero_point=0)
    z = g.tensor("z", (32,), "int8", scale=1.0, zero_point=0)
    g.op("RELU", [y], [z])
    out = g.tensor("out", (64,), "int8", scale=1.0, zero_point=0)
    g.op("CONCATENATION", [x, z], [out])
    g.output(out)
    row = bars(drawn(b.finish()))[1]
    assert row.count("0-") == 1
    assert row.count("1=") == 1
    assert row.count("2#") == 1


def test_scratch_is_shown() -> None:
    rows = bars(drawn(mean_model()))
    assert "~" not in rows[0]
    assert "s0~~" in rows[1]


def test_shades() -> None:
    text = drawn(mean_model(), shades=UNICODE)
    assert {"█", "▒", "▞", "░", "│"} <= set(text)
    assert drawn(mean_model()).isascii()


def test_peak_is_marked_and_only_it() -> None:
    lines = drawn(chain_model(4)).splitlines()
    rows = [line for line in lines if "|" in line]
    assert [line.endswith("| peak") for line in rows] == [False, True, True, True, True]


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_width_is_respected(width: int) -> None:
    for data in (doubling_model(), mean_model(), chain_model(300)):
        lines = drawn(data, width).splitlines()
        assert all(len(line) <= width for line in lines)
        assert len({line.rindex("|") for line in lines if "|" in line}) == 1
        assert max(map(len, lines)) >= width - 5


def test_a_buffer_smaller_than_a_cell_is_no_free_space() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1,), "int8", scale=1.0, zero_point=0)
    big = g.input("big", (100_000,), "int8", scale=1.0, zero_point=0)
    y = g.tensor("y", (1,), "int8", scale=1.0, zero_point=0)
    out = g.tensor("out", (100_000,), "int8", scale=1.0, zero_point=0)
    g.op("RELU", [x], [y])
    g.op("RELU", [big], [out])
    g.output(y)
    g.output(out)
    rows = bars(drawn(b.finish()))
    assert rows[1].startswith("= ")  # x's 16 bytes in a cell of 3 kB


def test_large_models_are_folded() -> None:
    text = drawn(chain_model(200))
    rows = bars(text)
    assert MAX_ROWS // 2 < len(rows) <= MAX_ROWS
    assert "CONV_2D +3" in text
    assert "+n: stands for n neighbours" in text
    short = drawn(chain_model(MAX_ROWS - 1))
    assert len(bars(short)) == MAX_ROWS
    assert "+n" not in short


def test_a_folded_row_shows_its_fullest_op() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    tensor = g.input("x", (16,), "int8", scale=1.0, zero_point=0)
    for number in range(150):
        after = g.tensor(f"t{number}", (16,), "int8", scale=1.0, zero_point=0)
        g.op("RELU", [tensor], [after])
        if number == 75:
            wide = g.tensor("wide", (64,), "int8", scale=1.0, zero_point=0)
            g.op("CONCATENATION", [tensor] * 4, [wide])
        tensor = after
    g.output(tensor)
    (row,) = (line for line in drawn(b.finish()).splitlines() if line.endswith("peak"))
    assert row.startswith(" 76 CONCATENATION +2 ")
    assert " 96 |" in row  # read, written, kept


def test_subgraphs_have_rows_of_their_own() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    g.op("CALL_ONCE", [], [], init_subgraph_index=1)
    x = g.input("x", (32,), "int8", scale=1.0, zero_point=0)
    y = g.tensor("y", (32,), "int8", scale=1.0, zero_point=0)
    g.op("RELU", [x], [y])
    g.output(y)
    h = b.subgraph("init")
    c = h.constant("c", np.zeros(32, np.int8), scale=1.0, zero_point=0)
    t = h.tensor("t", (32,), "int8", scale=1.0, zero_point=0)
    h.op("RELU", [c], [t])
    prepared = prepare_model(b.finish())
    moments = timeline(prepared, plan(prepared))
    labels = [moment.label.strip() for moment in moments]
    assert labels == ["inputs", "0:0 CALL_ONCE", "subgraph 1", "1:0 RELU", "0:1 RELU"]
    assert [moment.live_bytes for moment in moments] == [32, 32, 32, 64, 64]
    assert "1:1#" in drawn(b.finish())


def test_empty_head() -> None:
    b = ModelBuilder()
    b.subgraph("main")
    assert drawn(b.finish()) == "the arena's head is empty"

"""The text map's parts, cell by cell and character by character, worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from microinterp.arena.lifetimes import Request
from microinterp.arena.plan import Placed, Plan, plan, plan_pieces
from microinterp.arena.report import (
    ASCII,
    INPUTS,
    MAX_ROWS,
    OUTPUTS,
    Moment,
    _axis,
    _covered,
    _folded,
    _legend,
    _row,
    arena_map,
    number_of,
    peak_text,
    timeline,
)
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from tests.models import chain_model
from tests.passes.checking import cut_rows, prepared_of
from tests.test_arena_poison import rows_model
from tests.test_arena_report import doubling_model


def test_axis() -> None:
    """Numbers stand over their marks, and leave two columns between each other, or stay away."""
    assert _axis(64, 0, 64) == [
        "0              16              32              48              64",
        ".               .               .               .               .",
    ]
    # 500 would begin one column behind 250, 1,000 one behind 750
    assert _axis(1000, 3, 16) == ["   0  250     750", "   .   .       ."]
    # two columns between: all have room
    assert _axis(100, 0, 16) == ["0  25  50  75  100", ".   .   .   .   ."]
    assert _axis(4_000_000, 1, 40) == [
        " 0     1,000,000           3,000,000",
        " .         .                   .",
    ]
    assert _axis(2, 0, 20) == ["0    0    1    1    2", ".    .    .    .    ."]


def test_covered() -> None:
    assert _covered([]) == 0
    assert _covered([(5, 12)]) == 7
    assert _covered([(30, 40), (0, 10), (32, 35), (5, 20)]) == 30
    assert _covered([(0, 10), (10, 12), (13, 14)]) == 13
    assert _covered([(2, 2), (1, 1)]) == 0
    assert _covered([(4, 20), (4, 6), (6, 21)]) == 17


def moment(*live: int, label: str = "  0 RELU") -> Moment:
    return Moment(0, label, None, (), (), live[0] if live else 0)


@pytest.mark.parametrize(
    ("count", "groups", "last"),
    [(1, 1, 1), (63, 63, 1), (64, 64, 1), (65, 33, 1), (66, 33, 2), (128, 64, 2), (129, 43, 3)],
)
def test_folding(count: int, groups: int, last: int) -> None:
    found = list(_folded([moment()] * count))
    assert (len(found), len(found[-1])) == (groups, last)
    assert sum(map(len, found)) == count


def test_peaks_are_named() -> None:
    """At most as many as asked for; pieces of one op once."""
    five = [moment(7, label=f"  {n} RELU") for n in range(5)]
    assert peak_text([]) == "0 bytes alive at once: "
    assert peak_text(five[:4]) == "7 bytes alive at once: 0 RELU, 1 RELU, 2 RELU, 3 RELU"
    assert peak_text(five) == ("7 bytes alive at once: 0 RELU, 1 RELU, 2 RELU, 3 RELU and 1 more")
    assert peak_text(five, 1) == "7 bytes alive at once: 0 RELU and 4 more"
    assert peak_text([five[0], moment(6), five[0], five[1]], 2) == (
        "7 bytes alive at once: 0 RELU, 1 RELU"
    )
    assert peak_text([moment(1234567)]) == "1,234,567 bytes alive at once: 0 RELU"


def test_places_of_moments() -> None:
    node: Any = object()
    assert Moment(1, " 12 RELU", node, (), (), 0).place == "12"
    assert Moment(0, INPUTS, None, (), (), 0).place == "inputs"
    assert Moment(2, "    subgraph 1", None, (), (), 0).place == "subgraph 1"


def test_short_names() -> None:
    """Scratch has its op's number in the file, behind the subgraph's."""
    items = [SimpleNamespace(node=SimpleNamespace(file_index=n)) for n in (4, 7)]
    made: Any = SimpleNamespace(subgraphs=[items, items[::-1]])
    names = {
        "6": Request(1, tensor=(0, 6)),
        "1:6": Request(1, tensor=(1, 6)),
        "op 7 s2": Request(1, scratch=(0, 1, 2)),
        "op 1:7 s0": Request(1, scratch=(1, 0, 0)),
        "?": Request(1),
    }
    for name, request in names.items():
        assert number_of(made, Placed(request, 0, 16)) == name


def cells(head: int, bar: int, *spans: tuple[int, int]) -> str:
    """A row of buffers that appear as a model's inputs do, "#" for each."""
    placed = tuple(
        Placed(Request(1, tensor=(0, number)), start, end - start)
        for number, (start, end) in enumerate(spans)
    )
    made = Plan("tflm", placed, head, {}, {})
    at = Moment(0, INPUTS, None, placed, spans, 0)
    prepared: Any = None
    return _row(at, prepared, made, bar, ASCII)


def test_cells() -> None:
    """Of 10 bytes each. A number stands where it leaves two cells."""
    assert cells(100, 10, (0, 10)) == "#         "
    assert cells(100, 10, (0, 11)) == "##        "
    assert cells(100, 10, (9, 21)) == "0##       "
    assert cells(100, 10, (20, 40)) == "  ##      "
    assert cells(100, 10, (20, 50)) == "  0##     "
    assert cells(100, 10, (71, 100)) == "       0##"
    assert cells(100, 10, (50, 50)) == " " * 10
    assert cells(100, 10, (0, 100)) == "0#########"
    assert cells(100, 10, *[(99, 100)] * 10, (10, 40)) == " ###     #"
    assert cells(100, 10, *[(99, 100)] * 10, (10, 50)) == " 10##    #"


def test_a_cell_belongs_to_who_has_most_of_it() -> None:
    """0 has cells 0 to 2, the number 1 what is left: the cell that both have goes by bytes."""
    assert cells(100, 10, (0, 36), (36, 70)) == "0###1##   "
    assert cells(100, 10, (0, 34), (34, 70)) == "0##1###   "
    assert cells(100, 10, (0, 35), (35, 70)) == "0###1##   "  # as much: the first
    assert cells(100, 10, (33, 36), (36, 39), (40, 70)) == "   #2##   "
    assert cells(7, 14, (1, 3), (5, 7)) == "  0###    1###"
    assert cells(30, 20, (0, 1), (1, 5), (7, 9)) == "#1####" + " " * 14


def test_legend() -> None:
    """58 characters of shades, 3 of room, 34 about numbers: one line of 95, or two."""
    shades = "== read   ## written   ~~ scratch   -- kept for a later op"
    numbers = "numbers are tensors, s0 is scratch"
    assert _legend(ASCII, MAX_ROWS, 95) == [f"{shades}   {numbers}"]
    assert _legend(ASCII, MAX_ROWS, 94) == [shades, numbers]
    folded = "+n: stands for n neighbours too, with no more live bytes"
    assert _legend(ASCII, MAX_ROWS + 1, 200) == [f"{shades}   {numbers}", folded]
    assert _legend(ASCII, MAX_ROWS + 1, 60) == [shades, numbers, folded]


def test_the_narrowest_map() -> None:
    """60 columns: 17 of labels, 10 of bytes, 25 cells, and 8 for edges and the mark."""
    prepared = prepare_model(doubling_model())
    made = plan(prepared)
    lines = arena_map(prepared, made, 60, ASCII).splitlines()
    gap = " " * 16
    assert lines[2:5] == [
        f"inputs                   32 |0########{gap}|",
        "  0 RELU                 64 |0========       1########|",
        "  1 CONCATENATION        96 |2################1=======| peak",
    ]
    assert arena_map(prepared, made, 10, ASCII).splitlines() == lines
    wider = arena_map(prepared, made, 61, ASCII).splitlines()
    assert [len(line) - line.endswith(" peak") * 5 for line in wider[2:5]] == [56] * 3


def test_labels_of_folded_rows() -> None:
    """81 moments: pairs of them. Labels have room for " +1", which the last has no use for."""
    prepared = prepare_model(chain_model(80))
    lines = arena_map(prepared, plan(prepared), 100, ASCII).splitlines()[2:-4]
    rows = [line.split("|")[0] for line in lines if "|" in line]
    assert len(rows) == 41
    assert rows[0] == "  0 CONV_2D +1        32 "
    assert rows[1] == "  1 CONV_2D +1        32 "
    assert rows[40] == " 79 CONV_2D           32 "


def test_long_names_give_way_to_the_count_of_neighbours() -> None:
    """22 characters of label: 4 of the number, 15 of SQUARED_DIFFERENCE, and " +1"."""
    b = ModelBuilder()
    g = b.subgraph("main")
    t = g.input("x", (16,), "int8", scale=1.0, zero_point=0)
    for number in range(64):
        x, t = t, g.tensor(f"t{number}", (16,), "int8", scale=1.0, zero_point=0)
        g.op("SQUARED_DIFFERENCE", [x, x], [t])
    g.output(t)
    prepared = prepare_model(b.finish())
    rows = arena_map(prepared, plan(prepared), 100, ASCII).splitlines()[2:]
    assert rows[0].startswith("  0 SQUARED_DIFFERE +1        32 |")
    assert rows[32].startswith(" 63 SQUARED_DIFFERENCE        32 |")
    assert rows[33] == ""


def test_moments_of_pieces() -> None:
    """Steps: the inputs, four rows of the convolution, RELU, the outputs."""
    made = cut_rows(prepared_of(rows_model()))
    moments = timeline(made, plan_pieces(made))
    assert [m.scope for m in moments] == list(range(7))
    labels = [m.label.strip() for m in moments]
    assert labels == [INPUTS, *["0 CONV_2D"] * 4, "1 RELU", OUTPUTS]
    # x and t1 of 64 bytes: rows of 16 come and go; then t1 and t2, then t2
    assert [sum(b - a for a, b in m.spans) for m in moments] == [64, 80, 96, 96, 96, 128, 64]

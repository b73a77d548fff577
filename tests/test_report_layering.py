"""Layouts of graphs: no boxes over each other, edges from box to box, columns, bad graphs."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.report.layering import HEIGHT, MOST_LANES, WIDTH, Layout, layered

Edges = list[tuple[int, int]]


def chain(length: int) -> Edges:
    return list(itertools.pairwise(range(length)))


def laid(count: int, edges: Edges) -> Layout:
    made = layered(count, edges)
    assert made is not None
    return made


def check(count: int, edges: Edges, layout: Layout) -> None:
    """What every layout must hold."""
    assert len(layout.nodes) == count
    assert len(layout.edges) == len(edges)
    for x, y in layout.nodes:
        assert 0 <= x <= layout.width - WIDTH
        assert 0 <= y <= layout.height - HEIGHT
    for (x, y), (u, v) in itertools.combinations(layout.nodes, 2):
        beside = abs(x - u) >= WIDTH + 20
        assert beside or abs(y - v) >= HEIGHT + 20, "two boxes are too near"
    for (a, b), corners in zip(edges, layout.edges, strict=True):
        (x, y), (u, v) = corners[0], corners[-1]
        assert (x, y) == pytest.approx(
            (layout.nodes[a][0] + WIDTH / 2, layout.nodes[a][1] + HEIGHT)
        )
        assert v == pytest.approx(layout.nodes[b][1])
        assert layout.nodes[b][0] < u < layout.nodes[b][0] + WIDTH
        assert all(0 <= x <= layout.width and 0 <= y <= layout.height for x, y in corners)


def test_a_short_chain_is_one_straight_column() -> None:
    layout = laid(5, chain(5))
    check(5, chain(5), layout)
    assert len({x for x, _ in layout.nodes}) == 1
    assert [y for _, y in layout.nodes] == sorted(y for _, y in layout.nodes)
    assert all(len(corners) == 2 for corners in layout.edges)


def test_a_long_chain_is_cut_into_columns() -> None:
    layout = laid(33, chain(33))
    check(33, chain(33), layout)
    assert len({round(x) for x, _ in layout.nodes}) == 4
    assert layout.width < 1080
    assert layout.height < 700
    around = [corners for corners in layout.edges if len(corners) > 2]
    assert len(around) == 3
    assert all(len(corners) == 6 for corners in around)


def test_a_branch_has_a_lane() -> None:
    """0 -> 1 -> 2 -> 3 and 0 -> 3: the second edge goes beside 1 and 2."""
    edges = [(0, 1), (1, 2), (2, 3), (0, 3)]
    layout = laid(4, edges)
    check(4, edges, layout)
    for x, y in layout.edges[3][1:-1]:
        for left, top in layout.nodes[1:3]:
            beside = x < left or x > left + WIDTH
            assert beside or y <= top or y >= top + HEIGHT
    assert layout.edges[2][-1][0] != layout.edges[3][-1][0]  # they arrive side by side


def test_what_is_read_late_stands_late() -> None:
    """Node 1 is only read by 4."""
    layout = laid(5, [(0, 2), (2, 3), (3, 4), (1, 4)])
    assert layout.nodes[1][1] == layout.nodes[3][1]


def test_edges_between_columns_have_tracks_of_their_own() -> None:
    edges = [*chain(30), *((i, i + 25) for i in range(5))]
    layout = laid(30, edges)
    check(30, edges, layout)
    heights = [
        (round(a[0]), round(a[1], 1), round(b[0]))
        for corners in layout.edges
        for a, b in itertools.pairwise(corners)
        if a[1] == b[1] and a[0] != b[0]
    ]
    assert len(set(heights)) == len(heights)


@given(
    st.integers(1, 40).flatmap(
        lambda count: st.tuples(
            st.just(count),
            st.lists(
                st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(
                    lambda edge: edge[0] < edge[1]
                ),
                max_size=60,
                unique=True,
            )
            if count > 1
            else st.just([]),
        )
    )
)
def test_any_graph(drawn: tuple[int, Edges]) -> None:
    count, edges = drawn
    check(count, edges, laid(count, edges))


def test_the_same_for_the_same_graph() -> None:
    edges = [*chain(20), (0, 5), (2, 9), (3, 15)]
    assert layered(20, edges) == layered(20, edges)


def test_nothing_and_too_much() -> None:
    assert layered(0, []) is None
    count = 300
    edges = [*chain(count), *((i, count - 1) for i in range(count - 2))]
    assert sum(b - a - 1 for a, b in edges) > MOST_LANES
    assert layered(count, edges) is None

"""patches: where a prefix may end, what a grid costs, and what is left out of it."""

from __future__ import annotations

import numpy as np
import pytest

from microinterp.passes import run_passes
from microinterp.passes.patch_search import Limits, promising
from microinterp.passes.patches import Grid, patches, splits
from microinterp.passes.price import extra_macs
from microinterp.prepare import Prepared
from tests.passes.checking import (
    check_passed,
    check_pieces,
    prepared_of,
    samples_for,
    usual_outputs,
)
from tests.passes.nets import ImageNet


def checked(data: bytes) -> Prepared:
    """Every split of the model with two grids, and the search; the model prepared."""
    prepared, samples = prepared_of(data), samples_for(data, 2)
    wanted = usual_outputs(data, samples)
    for split in splits(prepared):
        for grid in (Grid(split, 3, 1), Grid(split, 2, 3)):
            check_pieces(patches(prepared, grid), samples, wanted)
    for names in (["patches"], ["fold-transpose", "fold-quantize", "patches", "overlap"]):
        check_passed(run_passes(prepared, names, max_extra_macs=5.0), samples, wanted)
    return prepared


def test_a_prefix_hands_on_one_tensor() -> None:
    """Inside a residual it may not end: two tensors are needed behind it."""
    net = ImageNet((12, 12, 2))
    start = net.conv(4, 3)
    net.conv(4, 3)
    net.depthwise(3)
    net.add(start)
    net.conv(4, 3, 2)
    assert splits(checked(net.finish())) == [1, 4]


def test_a_prefix_ends_before_outputs_of_the_model() -> None:
    net = ImageNet((12, 12, 2))
    first = net.conv(4, 3)
    net.conv(4, 3)
    net.conv(4, 3)
    assert splits(checked(net.finish(first))) == []


def test_an_input_that_is_needed_behind_allows_no_split() -> None:
    net = ImageNet((12, 12, 4))
    net.conv(4, 3)
    net.conv(4, 3)
    net.add(0)
    net.conv(2, 3)
    assert splits(checked(net.finish())) == [3]


def test_a_prefix_ends_before_what_is_cut_by_no_rows() -> None:
    net = ImageNet((6, 6, 4))
    net.conv(4, 3)
    net.made("RESHAPE", [net.at], (36, 1, 4), new_shape=[1, 36, 1, 4])
    net.conv(2, (3, 1))
    assert splits(checked(net.finish())) == [1]


def test_a_prefix_ends_before_an_op_that_nobody_reads() -> None:
    """Such an op has no box to be cut to."""
    net = ImageNet((12, 12, 2))
    first = net.conv(4, 3)
    net.conv(3, 3)
    net.go(first, (12, 12, 4))
    net.conv(4, 3)
    net.conv(2, 3)
    assert splits(checked(net.finish())) == [1]


def test_a_prefix_ends_before_a_part_of_what_it_has_made() -> None:
    """QUANTIZE writes what convolutions read with its axes in another order, as passes leave it."""
    net = ImageNet((7, 6, 3), edges=("uint8", "nchw"))
    net.conv(4, 3)
    net.conv(4, 3)
    net.conv(2, 3, 2)
    data = net.finish()
    prepared, samples = prepared_of(data), samples_for(data, 2)
    wanted = usual_outputs(data, samples)
    for names in (["fold-transpose", "patches"], ["fold-transpose", "patches", "overlap"]):
        passed = run_passes(prepared, names, max_extra_macs=5.0)
        check_passed(passed, samples, wanted)
        left = run_passes(prepared, names[:1]).prepared
        assert splits(left) == [1]
        assert left.subgraphs[0][0].node.name == "QUANTIZE"


def test_batches_are_not_cut() -> None:
    net = ImageNet((8, 8, 2), batches=2)
    net.conv(4, 3)
    net.conv(2, 3)
    assert splits(checked(net.finish())) == []


def test_extra_work_by_hand() -> None:
    """Two 3x3 layers on 8 x 8; two strips of the second one's output need 5 rows of the first's.

    MACs: 8 * 8 * 9 * 2 * 4 = 4,608 and 8 * 8 * 9 * 4 * 2 = 4,608. The first one makes 10 rows for
    8: 1,152 more of 9,216.
    """
    net = ImageNet((8, 8, 2))
    net.conv(4, 3)
    net.conv(2, 3)
    net.relu()
    prepared = prepared_of(net.finish())
    assert extra_macs(patches(prepared, Grid(2, 2, 1))) == pytest.approx(1152 / 9216)
    # Four patches of 4 x 4 need 5 x 5: 100 pixels for 64.
    assert extra_macs(patches(prepared, Grid(2, 2, 2))) == pytest.approx(36 / 64 / 2)
    assert extra_macs(patches(prepared, Grid(2, 1, 1))) == 0


def test_the_search_knows_the_price() -> None:
    """Its estimates of extra work are what the grids do, and keep within the limit."""
    net = ImageNet((24, 20, 3))
    net.conv(8, 3, 2)
    net.depthwise(3)
    start = net.conv(8)
    net.depthwise(5)
    net.add(start)
    net.conv(6, 3, 2, "VALID")
    net.pool("AVERAGE_POOL_2D", 2, 2)
    prepared = prepared_of(net.finish())
    for limit in (0.0, 0.05, 0.3, 1.0):
        for strips in (False, True):
            found = promising(prepared, Limits(limit, strips), 1000)
            # Layers without a halo cost nothing: here the first one, by itself.
            assert {e.grid.split for e in found if e.extra_macs == 0} == {1}
            assert (len({e.grid.split for e in found}) > 1) == (limit >= 0.3)
            for estimate in found[:40]:
                grid = estimate.grid
                price = extra_macs(patches(prepared, grid))
                assert price == pytest.approx(estimate.extra_macs)
                assert price <= limit
                assert grid.columns == 1 or not strips


def test_a_limit_of_nothing_is_kept() -> None:
    """No pixel is made twice: at most the first layer is cut, whose tiles share none."""
    net = ImageNet((24, 20, 3))
    net.conv(8, 3, 2)
    net.conv(8, 3)
    net.conv(8, 3, 2)
    passed = run_passes(prepared_of(net.finish()), ["patches"], max_extra_macs=0.0)
    assert passed.extra_macs == 0
    assert {i.node.file_index for i in passed.prepared.subgraphs[0] if i.is_piece} <= {0}


def test_names_of_patches_say_where_they_lie() -> None:
    net = ImageNet((8, 8, 2))
    net.conv(4, 3)
    net.conv(2, 3)
    net.relu()
    made = patches(prepared_of(net.finish()), Grid(2, 2, 2))
    names = [item.node.output().name for item in made.subgraphs[0][:4]]
    assert names == ["t1[0:5,0:5]", "t2[0:4,0:4]", "t1[0:5,3:8]", "t2[0:4,4:8]"]
    assert np.all([item.is_piece for item in made.subgraphs[0][:8]])

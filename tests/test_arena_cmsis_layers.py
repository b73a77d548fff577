"""What CMSIS-NN's other kernels keep and take as scratch, worked out by hand; what they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from microinterp.arena.target_cmsis import CMSIS_NN
from microinterp.arena.target_ops import Site
from microinterp.errors import ArenaError
from tests.arena_sites import site, tensor

CPUS = ("c", "dsp", "mve")


def scratch(made: Site) -> tuple[int, ...]:
    row = CMSIS_NN[made.node.name].scratch
    assert row is not None
    return tuple(row(made))


def kept(made: Site) -> tuple[int, ...]:
    return tuple(CMSIS_NN[made.node.name].prepare(made))


def dense(
    out: Sequence[int],
    depth: int = 8,
    kinds: tuple[str, str] = ("int8", "int8"),
    scales: int = 1,
    constant: bool = True,
    bias: bool | None = None,
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """What each CPU keeps, and its scratch; `bias` says whether that is a constant."""
    w = tensor((out[-1], depth), kinds[1], constant, scales)
    b = () if bias is None else (tensor((out[-1],), "int32", bias),)
    ends = [tensor((2, depth), kinds[0]), w, *b]
    made = [site("FULLY_CONNECTED", ends, tensor(out, kinds[0]), cpu=cpu) for cpu in CPUS]
    return [(kept(each), scratch(each)) for each in made]


NOTHING: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())


def test_dense_sums() -> None:
    """On Helium one int32 for each of 5 outputs: kept where all weights are constant."""
    assert dense((2, 5)) == [NOTHING, NOTHING, ((20,), ())]
    assert dense((2, 5), bias=True) == [NOTHING, NOTHING, ((20,), ())]
    assert dense((2, 5), bias=False) == [NOTHING, NOTHING, ((), (20,))]
    assert dense((2, 5), constant=False) == [NOTHING, NOTHING, ((), (20,))]
    assert dense((2, 5), constant=False, bias=True) == [NOTHING, NOTHING, ((), (20,))]
    for kinds in (("int16", "int8"), ("int8", "int4"), ("float32", "float32")):
        assert dense((2, 5), kinds=kinds) == [NOTHING] * 3
        assert dense((2, 5), kinds=kinds, constant=False) == [NOTHING] * 3
        assert dense((1, 2, 5), kinds=kinds) == [NOTHING] * 3


def test_dense_with_scales_per_channel() -> None:
    pair = (20, 20)
    assert dense((2, 5), scales=5) == [(pair, ()), (pair, ()), ((*pair, 20), ())]
    assert dense((2, 5), scales=2)[0] == ((8, 8), ())
    assert dense((2, 5), scales=0)[0] == NOTHING
    assert dense((2, 5), kinds=("float32", "float32"), scales=5) == [NOTHING] * 3


def test_dense_that_runs_as_a_convolution() -> None:
    """Rank 3 and a depth of whole words: 2 * 4 * 5 bytes of multipliers and shifts."""
    for out in ((1, 2, 5), (1, 1, 2, 5)):
        for depth in (4, 8):
            assert dense(out, depth) == [((), (40,))] * 3
            assert dense(out, depth, constant=False) == [((), (40,))] * 3
            assert dense(out, depth, scales=5) == [((20, 20), ())] * 3
    for depth in (1, 6, 7, 9):
        assert dense((1, 2, 5), depth) == [NOTHING, NOTHING, ((20,), ())]
    assert dense((1, 2, 3)) == [((), (24,))] * 3
    assert dense((1, 2, 1)) == [((), (8,))] * 3


@pytest.mark.parametrize("kind", ["int8", "int16"])
def test_sums_of_average_pools(kind: str) -> None:
    ends = [tensor((1, 8, 7, 6), kind)], tensor((1, 4, 3, 6), kind)
    found = [scratch(site("AVERAGE_POOL_2D", *ends, cpu=cpu)) for cpu in CPUS]
    assert found == [(), (24,), ()]
    floats = [tensor((1, 8, 7, 6), "float32")], tensor((1, 4, 3, 6), "float32")
    assert scratch(site("AVERAGE_POOL_2D", *floats, cpu="dsp")) == ()


def test_sums_of_svdf() -> None:
    """One int32 for each filter, kept on Helium."""
    for kind, wanted in (("int8", (28,)), ("float32", ())):
        ends = [tensor((1, 3), kind), tensor((7, 3), kind), tensor((7, 9), kind)]
        found = [kept(site("SVDF", ends, tensor((1, 7), kind), cpu=cpu)) for cpu in CPUS]
        assert found == [(), (), wanted]


def transposed(
    w: Sequence[int], width: int, stride: tuple[int, int], kind: str = "int8"
) -> list[tuple[int, ...]]:
    options = SimpleNamespace(StrideH=lambda: stride[0], StrideW=lambda: stride[1])
    ends = [None, tensor(w), tensor((1, 4, width, w[3]), kind)]
    out = tensor((1, 8, 9, w[0]), kind)
    made = (
        site("TRANSPOSE_CONV", ends, out, cpu=cpu, options=options, scratch=(72, 8)) for cpu in CPUS
    )
    return [scratch(each) for each in made]


def test_transposed_convolutions_as_reversed_ones() -> None:
    """More than 16 channels, steps of 2 at most: K = 17 * 3 * 2 = 102, and 5 filters of that."""
    for stride in ((1, 1), (2, 1), (1, 2), (2, 2)):
        found = transposed((5, 3, 2, 17), 5, stride)
        assert found == [(4 * 104, 510), (4 * 104, 510), (4 * 112, 510)]


@pytest.mark.parametrize(
    ("w", "width", "stride", "nbytes"),
    [
        # ((width - 1) * wide + max(columns, high)) * filters * max(rows, high), int32
        ((5, 3, 2, 16), 5, (1, 1), (4 * 1 + 2) * 5 * 3 * 4),
        ((5, 3, 2, 16), 5, (2, 2), (4 * 2 + 2) * 5 * 3 * 4),
        ((5, 3, 2, 17), 5, (3, 1), (4 * 1 + 3) * 5 * 3 * 4),
        ((5, 3, 2, 17), 5, (1, 3), (4 * 3 + 2) * 5 * 3 * 4),
        ((5, 2, 6, 3), 7, (4, 3), (6 * 3 + 6) * 5 * 4 * 4),
        ((2, 1, 1, 1), 1, (1, 1), 1 * 2 * 1 * 4),
    ],
)
def test_rows_of_transposed_convolutions(
    w: Sequence[int], width: int, stride: tuple[int, int], nbytes: int
) -> None:
    assert transposed(w, width, stride) == [(nbytes, 0)] * 3


def test_transposed_convolutions_of_other_types() -> None:
    """Those run the reference kernel, with its scratch."""
    for kind in ("int16", "float32"):
        assert transposed((5, 3, 2, 17), 5, (1, 1), kind) == [(72, 8)] * 3


def matmul(
    kind: str, adj_x: bool, adj_y: bool, cpu: str = "c"
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    options = SimpleNamespace(AdjX=lambda: adj_x, AdjY=lambda: adj_y)
    ends = [tensor((2, 3, 5), kind), tensor((2, 5, 7), kind)]
    made = site("BATCH_MATMUL", ends, tensor((2, 3, 7), kind), cpu=cpu, options=options)
    return kept(made), scratch(made)


def test_matrix_products() -> None:
    """A transposed copy: 12 bytes of struct, 4 + 3 * 4 of shape, its elements; 28 for quantities.

    The second operand is copied unless the op takes it transposed already.
    """
    x, y = (12, 16, 30), (12, 16, 70)
    assert matmul("int8", True, False) == ((*x, *y, 16, 28), ())
    assert matmul("int8", False, False) == ((*y, 16, 28), ())
    assert matmul("int8", True, True) == ((*x, 16, 28), ())
    assert matmul("int8", False, True) == ((16, 28), ())
    assert matmul("float32", False, True) == ((16,), ())
    assert matmul("int8", False, True, "dsp")[1] == ()
    assert matmul("int8", False, True, "mve")[1] == (28,)
    assert matmul("int16", False, True, "mve") == ((16, 28), ())
    assert matmul("float32", False, True, "mve") == ((16,), ())


def lstm(kind: str, variable: int | None = None) -> Site:
    """24 inputs of states of 6; `variable` is the only weight that is no constant."""
    ends = [
        tensor((4, 6), kind, constant=number not in (0, 18, 19, variable), index=number)
        for number in range(24)
    ]
    return site("UNIDIRECTIONAL_SEQUENCE_LSTM", ends, tensor((4, 6)), scratch=(9, 8, 7, 6))


def test_recurrent_layers() -> None:
    """Eight vectors of effective biases; three of the reference kernel's four scratch buffers."""
    assert kept(lstm("int8")) == (24,) * 8
    assert kept(lstm("int16")) == (48,) * 8
    assert kept(lstm("float32")) == ()
    assert scratch(lstm("int8")) == scratch(lstm("int16")) == (9, 8, 7)
    assert scratch(lstm("float32")) == (9, 8, 7, 6)


def test_channels_of_convolutions_are_kept() -> None:
    """Multipliers and shifts: the filter's first axis, or its last; nothing for floats."""
    for kind, first, last in (("int8", (20, 20), (12, 12)), ("float32", (), ())):
        ends = [tensor((1, 8, 8, 3), kind), tensor((5, 2, 2, 3), kind)]
        assert kept(site("CONV_2D", ends, tensor((1, 8, 8, 5), kind))) == first
        assert kept(site("DEPTHWISE_CONV_2D", ends, tensor((1, 8, 8, 5), kind))) == last


def refused(made: Site) -> ArenaError | None:
    try:
        CMSIS_NN[made.node.name].check(made)
    except ArenaError as error:
        return error
    return None


def message(made: Site) -> str | None:
    error = refused(made)
    if error is None:
        return None
    assert error.message.startswith("TFLM's CMSIS-NN kernel refuses the op: ")
    assert error.hint == "its reference kernel takes it"
    assert (error.where.subgraph, error.where.op_index) == (0, 3)
    assert error.where.op_name == made.node.name
    return f"{error.where.role}: {error.message.partition('op: ')[2]}"


def test_zero_points_that_are_refused() -> None:
    """Of int16 layers; the second input's of ADD alone."""

    def asked(op: str, points: tuple[int, int, int], kind: str = "int16") -> str | None:
        x, y, out = (tensor((2,), kind, zero_point=z, index=i) for i, z in enumerate(points))
        return message(site(op, [x, y], out))

    for op in ("ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        assert asked(op, (0, 0, 0)) is None
        assert asked(op, (3, -4, 5), "int8") is None
        assert asked(op, (1, 0, 0)) == "input 0: zero point 1 of int16, wanted 0"
        assert asked(op, (0, 0, -2)) == "output 0: zero point -2 of int16, wanted 0"
        second = "input 1: zero point -1 of int16, wanted 0" if op == "ADD" else None
        assert asked(op, (0, -1, 0)) == second


def test_filters_that_are_refused() -> None:
    """Scales per channel are for int8 x int8."""

    def asked(x: str, w: str, scales: int) -> str | None:
        ends = [tensor((2, 4), x), tensor((5, 4), w, scales=scales)]
        return message(site("FULLY_CONNECTED", ends, tensor((2, 5), x)))

    text = "None: a filter with scales per channel in a layer that is not int8 x int8"
    assert asked("int8", "int8", 5) is None
    assert asked("int8", "int4", 1) is None
    assert asked("int8", "int4", 5) == text
    assert asked("int16", "int8", 5) == text
    assert asked("int16", "int8", 1) is None
    assert asked("float32", "float32", 5) is None


def test_a_missing_bias_that_is_refused() -> None:
    def asked(kind: str, *bias: Any) -> str | None:
        ends = [None, tensor((5, 2, 2, 3)), tensor((1, 4, 4, 3), kind), *bias]
        return message(site("TRANSPOSE_CONV", ends, tensor((1, 8, 8, 5), kind)))

    text = "None: an int16 layer without bias (it reads the type of one all the same)"
    assert asked("int16") == asked("int16", None) == text
    assert asked("int16", tensor((5,), "int32")) is None
    assert asked("int8") is None


@pytest.mark.parametrize("ranks", [(4, 4), (2, 3), (5, 4), (4, 5), (6, 6)])
def test_ranks_that_are_refused(ranks: tuple[int, int]) -> None:
    x, y = (tensor((1,) * rank, index=i) for i, rank in enumerate(ranks))
    at = next((i for i, rank in enumerate(ranks) if rank > 4), None)
    wanted = None if at is None else f"input {at}: rank {ranks[at]}, wanted 4 at most"
    assert message(site("BATCH_MATMUL", [x, y], tensor((1,)))) == wanted


def test_weights_that_are_refused() -> None:
    """Inputs 1 to 8 and 12 to 15; the others may be what they like."""
    assert refused(lstm("int8")) is None
    for number in range(24):
        wanted = f"input {number}: weights and biases must be constants"
        is_weight = number in (*range(1, 9), *range(12, 16))
        assert message(lstm("int8", number)) == (wanted if is_weight else None)

"""Verdicts: bytes that are short, what is not known, and what would make a model fit."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microinterp.arena.plan import plan
from microinterp.arena.target import target_sizes
from microinterp.errors import PrepareError
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.passes import Passed, run_passes
from microinterp.prepare import Prepared
from microinterp_boards import fit, runtime
from microinterp_boards.boards_table import BoardRow, boards, find
from microinterp_boards.fit import CORE_BYTES, Fitter
from microinterp_boards.fit_verdict import Remedy
from microinterp_boards.packing import pack_for_board
from tests.boards.model_boards import MODEL
from tests.digits import DIGITS
from tests.random_graphs import random_graphs

ROW = BoardRow(
    id="one",
    name="One",
    mcu="chip",
    core="cortex-m4",
    kernels="armv7em",
    link="usb",
    flashing="uf2",
    source="https://example.org",
    ram_bytes=1 << 20,
    flash_bytes=1 << 20,
    micropython_heap_bytes=1 << 19,
    heap_basis="defined",
    heap_source="a test",
)


@cache
def digits() -> Fitter:
    return Fitter(MODEL.read_bytes())


def packed_size() -> int:
    """Bytes of the digits model as the kernels of ROW read it; the collector's blocks fit."""
    size = len(pack_for_board(MODEL).for_tier(runtime.tier_of(ROW.kernels)).packed)
    assert size % 16 == 0
    return size


@cache
def wide_model() -> bytes:
    """Two pointwise convolutions over 32 x 32 pixels, 8 channels to 32 and back: a wide middle."""
    rng = np.random.default_rng(1)
    b = ModelBuilder()
    g = b.subgraph("main")
    tensor = g.input("x", (1, 32, 32, 8), "int8", scale=0.5, zero_point=0)
    for name, channels, depth in (("a", 32, 8), ("b", 8, 32)):
        data = rng.integers(-127, 128, (channels, 1, 1, depth)).astype(np.int8)
        w = g.constant(f"w{name}", data, scale=0.01, zero_point=0)
        following = g.tensor(name, (1, 32, 32, channels), "int8", scale=0.5, zero_point=0)
        options = {"stride_h": 1, "stride_w": 1, "padding": "VALID"}
        g.op("CONV_2D", [tensor, w], [following], **options)
        tensor = following
    g.output(tensor)
    return b.finish()


@pytest.mark.parametrize(
    ("core", "target"),
    [
        ("cortex-m0plus", "cortex-m-cmsis-nn-c"),
        ("cortex-m3", "cortex-m-cmsis-nn-c"),
        ("cortex-m7", "cortex-m-cmsis-nn-dsp"),
        ("cortex-m33", "cortex-m-cmsis-nn-dsp"),
        ("cortex-m55", "cortex-m-cmsis-nn-mve"),
        ("rv32imc", "cortex-m-reference"),
    ],
)
def test_tflm_takes_the_smallest_arena_of_the_core(core: str, target: str) -> None:
    prepared = prepare_model(MODEL.read_bytes(), kernels="plain")
    least = target_sizes(prepared, plan(prepared), target).minimum_bytes
    for ram, short in ((least, 0), (least - 1, 1), (least - 1000, 1000)):
        found = digits().tflm(replace(ROW, core=core, ram_bytes=ram))
        assert (found.target, found.needed_bytes, found.short_bytes) == (target, least, short)
        assert found.fits == (not short)
        assert found.is_estimate == (core == "rv32imc")


def test_tflm_takes_the_file_and_its_core_from_the_flash() -> None:
    needed = len(MODEL.read_bytes()) + CORE_BYTES
    for flash, short in ((needed, 0), (needed - 7, 7)):
        found = digits().tflm(replace(ROW, flash_bytes=flash))
        assert (found.fits, found.flash_needed_bytes) == (not short, needed)
        assert (found.flash_short_bytes, found.remedy) == (short, None)


def test_a_better_plan_in_the_file_is_tflms_remedy() -> None:
    """A chain for which TFLM's greedy order leaves a hole."""
    fitter = Fitter(_with_hole())
    usual = fitter.tflm(ROW).needed_bytes
    assert usual is not None
    found = fitter.tflm(replace(ROW, ram_bytes=usual - 1))
    assert not found.fits
    assert found.remedy is not None
    assert (found.remedy.passes, found.remedy.mapping) == (("best",), "")
    assert found.remedy.needed_bytes < usual
    assert fitter.tflm(replace(ROW, ram_bytes=1)).remedy is None


@cache
def _with_hole() -> bytes:
    """The first chain of convolutions, by seed, whose best plan is smaller than TFLM's."""
    for seed in range(200):
        rng = np.random.default_rng(seed)
        data = _chain([int(n) for n in rng.integers(1, 60, 8)])
        prepared = prepare_model(data, kernels="plain")
        if plan(prepared, "best").head_bytes < plan(prepared).head_bytes:
            return data
    raise AssertionError("no such chain")


def _chain(channels: list[int]) -> bytes:
    b = ModelBuilder()
    g = b.subgraph("main")
    tensor, depth = g.input("x", (1, 4, 4, 8), "int8", scale=0.5, zero_point=0), 8
    for i, width in enumerate(channels):
        w = g.constant(f"w{i}", np.ones((width, 1, 1, depth), np.int8), scale=0.01, zero_point=0)
        following = g.tensor(f"t{i}", (1, 4, 4, width), "int8", scale=0.5, zero_point=0)
        g.op("CONV_2D", [tensor, w], [following], stride_h=1, stride_w=1, padding="VALID")
        tensor, depth = following, width
    g.output(tensor)
    return b.finish()


def test_what_the_table_lacks_is_not_known() -> None:
    found = digits().micropython(replace(ROW, micropython_heap_bytes=None, heap_basis=""))
    assert (found.fits, found.reason) == (None, "the size of its heap is not in the table")
    assert found.needed_bytes is not None
    found = digits().tflm(replace(ROW, flash_bytes=None))
    assert (found.fits, found.reason) == (None, "the size of its flash is not in the table")
    assert not digits().tflm(replace(ROW, flash_bytes=None, ram_bytes=1)).fits
    assert digits().fit(replace(ROW, ram_bytes=None)).tflm is None


def test_the_heap_to_the_byte() -> None:
    needed = digits().micropython(ROW).needed_bytes
    assert needed is not None
    assert digits().micropython(replace(ROW, micropython_heap_bytes=needed)).fits
    found = digits().micropython(replace(ROW, micropython_heap_bytes=needed - 5))
    assert (found.fits, found.short_bytes) == (False, 5)
    assert found.parts is not None
    assert found.parts.model == packed_size()


def test_the_filesystem_as_deploy_counts_it() -> None:
    """Blocks of 512: files up to 64 bytes lie with their names, others in whole blocks."""
    sizes = [len(data) for data in runtime.shipped("armv7em").values()]
    sizes.append(packed_size())
    needed = sum(size if size <= 64 else -(-size // 512) * 512 for size in sizes)
    for room, short in ((needed, 0), (needed - 1, 1)):
        row = replace(ROW, filesystem_bytes=room, filesystem_block_bytes=512)
        found = digits().micropython(row)
        assert (found.flash_needed_bytes, found.flash_short_bytes) == (needed, short)
        assert found.fits == (not short)


@pytest.mark.parametrize("kernels", ["armv6m", "armv7m", "armv7em", "bytecode"])
def test_a_model_is_packed_for_the_boards_kernels(kernels: str) -> None:
    model = pack_for_board(MODEL).for_tier(runtime.tier_of(kernels))
    found = digits().micropython(replace(ROW, kernels=kernels)).parts
    assert found is not None
    sizes = len(model.packed), model.report.arena_bytes
    assert (found.model, found.arena) == tuple(-(-size // 16) * 16 for size in sizes)


def test_weights_in_flash_are_a_remedy_where_there_is_room() -> None:
    needed = digits().micropython(ROW).needed_bytes
    assert needed is not None
    size = packed_size()
    short = replace(ROW, micropython_heap_bytes=needed - 8000)
    assert digits().micropython(short).remedy is None
    for room, fits in ((size, True), (size - 1, False)):
        found = digits().micropython(replace(short, mapping="romfs", romfs_bytes=room)).remedy
        assert (found is not None) == fits
        if found is not None:
            assert (found.passes, found.mapping, found.extra_macs) == ((), "romfs", 0.0)
            assert needed - 8000 >= found.needed_bytes > needed - size - 1000


def test_rp2_flash_shares_the_room_with_the_filesystem() -> None:
    needed = digits().micropython(ROW).needed_bytes
    assert needed is not None
    short = replace(ROW, micropython_heap_bytes=needed - 8000, mapping="rp2.Flash")
    for room, fits in ((1 << 20, True), (40_000, False)):
        row = replace(short, filesystem_bytes=room, filesystem_block_bytes=4096)
        assert (digits().micropython(row).remedy is not None) == fits


def test_passes_are_a_remedy() -> None:
    """Between what it needs and what it needs at a smaller arena; below that nothing helps."""
    fitter = Fitter(wide_model())
    usual = fitter.micropython(ROW)
    assert usual.needed_bytes is not None
    found = fitter.micropython(replace(ROW, micropython_heap_bytes=usual.needed_bytes - 4000))
    assert not found.fits
    assert isinstance(found.remedy, Remedy)
    assert found.remedy.passes
    assert found.remedy.mapping == ""
    assert found.remedy.extra_macs <= 0.1
    assert found.remedy.needed_bytes <= usual.needed_bytes - 4000
    hopeless = replace(ROW, micropython_heap_bytes=20_000)
    assert fitter.micropython(hopeless).remedy is None


def test_the_whole_ladder_is_searched_where_quick_rungs_are_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched: list[float] = []

    def ladder(prepared: Prepared, max_extra_macs: float, strips: bool) -> list[Passed]:
        assert strips
        searched.append(max_extra_macs)
        return [run_passes(prepared, ()), run_passes(prepared, ("fold-pad",))]

    monkeypatch.setattr(fit, "ladder", ladder)
    fitter = Fitter(wide_model(), 0.25)
    usual = fitter.micropython(ROW).needed_bytes
    assert usual is not None
    short, shorter = (replace(ROW, micropython_heap_bytes=usual - less) for less in (4000, 16_000))
    assert fitter.micropython(short).remedy is not None
    assert searched == []
    assert fitter.micropython(shorter).remedy is None
    assert fitter.micropython(shorter).remedy is None
    assert searched == [0.25]  # once for all boards


def test_an_arena_that_cannot_be_told() -> None:
    fitter = Fitter(MODEL.read_bytes())

    def fails(planner: str, target: str) -> int:
        raise PrepareError("op 0: no such layout")

    fitter._arena = fails  # type: ignore[method-assign]
    found = fitter.tflm(ROW)
    assert (found.fits, found.needed_bytes, found.remedy) == (None, None, None)
    assert found.reason.endswith("op 0: no such layout")
    assert found.target == "cortex-m-cmsis-nn-dsp"


def test_models_that_boards_cannot_run() -> None:
    fitter = Fitter((DIGITS / "digits_float.tflite").read_bytes())
    assert fitter.packed is None
    found = fitter.micropython(ROW)
    assert (found.fits, found.needed_bytes) == (False, None)
    assert "op 0 CONV_2D" in found.reason
    assert "cannot be packed" in found.reason
    assert fitter.tflm(ROW).fits


def test_boards_that_take_source_only() -> None:
    """Small pointwise convolutions fit a micro:bit; a depthwise one has no source form."""
    microbit = find("microbit-v1")
    assert "loads no .mpy files" in digits().micropython(microbit).reason
    small = Fitter(_chain([4, 2])).micropython(microbit)
    assert (small.fits, small.is_estimate, small.parts) == (True, True, None)
    assert small.needed_bytes is not None
    less = replace(microbit, micropython_heap_bytes=small.needed_bytes - 1)
    assert Fitter(_chain([4, 2])).micropython(less).short_bytes == 1
    large = Fitter(_chain([60, 60])).micropython(microbit)
    assert not large.fits
    assert large.short_bytes > 0


def test_every_board_has_an_answer() -> None:
    for row in boards().values():
        found = digits().fit(row)
        for verdict in (found.tflm, found.micropython):
            if verdict is not None:
                assert (
                    verdict.fits
                    or verdict.reason
                    or verdict.short_bytes
                    or (verdict.flash_short_bytes)
                ), row.id


@settings(max_examples=40, deadline=None)
@given(data=random_graphs(), room=st.integers(1, 60_000))
def test_random_graphs_have_answers_that_agree_with_their_numbers(data: bytes, room: int) -> None:
    row = replace(ROW, ram_bytes=room, micropython_heap_bytes=room, mapping="romfs")
    found = Fitter(data).fit(replace(row, romfs_bytes=1 << 20))
    for verdict in (found.tflm, found.micropython):
        assert verdict is not None
        if verdict.needed_bytes is None:
            assert verdict.reason
            continue
        assert verdict.short_bytes == max(0, verdict.needed_bytes - room)
        assert verdict.fits == (verdict.short_bytes == 0)
        if verdict.remedy is not None:
            assert verdict.remedy.needed_bytes <= room < verdict.needed_bytes

"""Models that have gone through memory passes: smaller arenas on boards, and no byte differs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from microinterp import packed
from microinterp.errors import ArenaError, DeviceError, InputError
from microinterp_boards import Board, runtime
from microinterp_boards.deploy import Deployment
from microinterp_boards.packing import MemoryPasses, pack_for_board
from microinterp_boards.validate import Validation
from tests.boards.model_boards import (
    MODEL,
    board_with,
    change_byte,
    model_in_use,
    needs_viper,
)
from tests.boards.qemu_port import THUMB, mapped_model, qemu_board
from tests.boards.test_bench import follows_schema
from tests.boards.unix_port import ROOT
from tests.conftest import shared_model
from tests.marks import slow
from tests.passes.nets import ImageNet
from tests.processes import command

unix = [pytest.mark.usefixtures("interpreter"), needs_viper]
pytestmark = unix

STRIPS = ["fold-pad", "patches", "in-place", "overlap"]
IN_PLACE = ["in-place", "in-place-depthwise", "overlap"]
SAMPLES = 5


def vww() -> bytes:
    return shared_model("vww_96_int8.tflite")


def digits() -> bytes:
    return MODEL.read_bytes()


MODELS = {"digits": digits, "vww": vww}
PASSES: dict[str, str | list[str]] = {
    "auto": "auto",
    "overlap": "overlap",
    "strips": STRIPS,
    "in place": IN_PLACE,
}
MOST = {
    ("digits", "auto"): 1344,
    ("digits", "overlap"): 2368,
    ("digits", "strips"): 1344,
    ("digits", "in place"): 2368,
    ("vww", "auto"): 32_000,
    ("vww", "overlap"): 37_504,
    ("vww", "strips"): 32_000,
    ("vww", "in place"): 39_424,
}
"""Bytes of the whole arena; without passes 3,264 and 73,984."""
_QUICK = (("digits", "auto"), ("vww", "strips"))


def both_ways(
    board: Board, data: bytes, passes: str | Sequence[str], samples: int = SAMPLES
) -> tuple[Validation, Validation]:
    """Op by op, and plain (with the heap locked) on other samples."""
    by_op = board.validate(data, samples, per_op=True, passes=passes)
    return by_op, board.validate(data, samples, seed=1, passes=passes)


def assert_equal(done: Sequence[Validation]) -> None:
    for each in done:
        assert each.equal, each.first_difference
        assert each.differing_bytes == 0
        assert each.model_intact
    assert done[0].compared_crcs >= done[0].samples


def assert_told(name: str, kind: str, done: Deployment, price: str) -> None:
    """docs/board_memory.md says what is measured, to within a percent."""
    name = {"vww": "vww_96"}.get(name, name)
    text = (ROOT / "docs" / "board_memory.md").read_text()
    row = re.search(rf"^\| {name} \| {kind} \| ((?:[\d,]+ \| ){{3}})(.*)\|$", text, re.MULTILINE)
    assert row is not None
    told = [int(cell.replace(",", "")) for cell in row[1].split(" | ")[:3]]
    now = [done.model_bytes, done.arena_bytes, heap_of_model(done)]
    assert told == [pytest.approx(value, rel=0.01) for value in now]
    assert row[2].strip() == price


def heap_of_model(done: Deployment) -> int:
    return done.heap_imported - done.heap_loaded


@pytest.mark.parametrize(
    ("name", "kind"),
    [each if each in _QUICK else slow(*each) for each in MOST],
)
def test_no_byte_differs_in_the_smaller_arena(name: str, kind: str) -> None:
    data = MODELS[name]()
    with board_with() as board:
        usual = board.deploy(data)
        passed = board.deploy(data, passes=PASSES[kind])
        done = both_ways(board, data, PASSES[kind])
        allocated = board.exec(
            "from microinterp import models\n"
            "it = models.load('model')\n"
            "print(type(it._arena).__name__, len(it._arena))\n"
        )
    assert_equal(done)
    assert passed.arena_bytes <= MOST[name, kind] < usual.arena_bytes
    assert allocated == f"bytearray {passed.arena_bytes}\n"
    # The heap holds the file, the arena, and what each step keeps: some 210 bytes of a 64-bit port.
    steps = [
        len(packed.load(pack_for_board(data, passes=each).packed).subgraphs[0].steps)
        for each in (MemoryPasses(), MemoryPasses(PASSES[kind]))
    ]
    known = passed.model_bytes - usual.model_bytes + passed.arena_bytes - usual.arena_bytes
    grown = heap_of_model(passed) - heap_of_model(usual) - known
    assert abs(grown - 212 * (steps[1] - steps[0])) < 1500
    assert "best" in passed.passes
    if kind in ("auto", "overlap"):
        price = f"{passed.extra_macs:.1%}".replace("%", " %") if passed.extra_macs else "none"
        assert_told(name, "none", usual, "")
        assert_told(name, kind, passed, price)
    print(
        f"\n{name} {kind}: arena {usual.arena_bytes} -> {passed.arena_bytes}, file"
        f" {usual.model_bytes} -> {passed.model_bytes}, heap {heap_of_model(usual)} ->"
        f" {heap_of_model(passed)}, {done[0].compared_crcs} checksums"
    )


def test_a_heap_that_is_too_small_without_passes() -> None:
    data, heap = vww(), 344_064
    with board_with(heap=heap) as board:
        with pytest.raises(DeviceError, match="does not fit into the heap"):
            board.deploy(data)
        done = board.deploy(data, passes="overlap")
        assert done.arena_bytes < 38_000
        assert_equal(both_ways(board, data, "overlap", 2))


def test_bytecode_tier() -> None:
    data = digits()
    with board_with() as board:
        for passes in (STRIPS, IN_PLACE):
            assert board.deploy(data, passes=passes, mpy_set="bytecode").kernels == "bytecode"
            assert_equal(both_ways(board, data, passes, 2))


def test_models_with_state_keep_it() -> None:
    """Reordered and in place: the variables' values go from invoke to invoke as without passes."""
    from tests.test_wakewords import wakeword

    data = wakeword("okay_nabu")
    passes = ["reorder", "in-place", "overlap"]
    with board_with() as board:
        board.deploy(data, passes=passes)
        assert_equal(both_ways(board, data, passes, 6))


@pytest.mark.parametrize("per_op", [True, False])
@pytest.mark.parametrize("op_index", [0, slow(1), slow(8)])
def test_one_wrong_weight_is_found(op_index: int, per_op: bool) -> None:
    """The op's number is the file's, also where it runs in strips."""
    with board_with() as board:
        board.deploy(MODEL, passes=STRIPS)
        model = model_in_use(board)
        graph = packed.load(model).subgraphs[0]
        ops = [op for op in graph.ops if op.index == op_index]
        assert len(ops) > 1 or op_index == 8
        step: Any = graph.steps[ops[0].first_step]
        start = model.index(bytes(packed.load(model).weights))
        change_byte(board, start + ~step.w + 1)
        done = board.validate(MODEL, per_op=per_op, passes=STRIPS)
        first = done.first_difference
    assert first is not None
    assert (first.op_index, first.name) == (op_index, ops[0].name)
    written = {tensor.index for op in ops for tensor in op.written}
    assert first.tensor in written
    assert not done.model_intact


def test_a_model_is_validated_with_what_it_was_deployed_with() -> None:
    with board_with() as board:
        board.deploy(MODEL, passes="overlap")
        for act in (board.validate, board.bench):
            with pytest.raises(DeviceError, match="packed another way: its arena has 2368") as it:
                act(MODEL)
            assert "memory passes" in it.value.hint
        assert board.validate(MODEL, 2, passes="overlap").equal


def test_limits() -> None:
    with board_with() as board:
        with pytest.raises(InputError, match="no memory pass 'smaller'"):
            board.deploy(MODEL, passes="smaller")
        with pytest.raises(ArenaError, match="needs 1152 bytes, 152 more than the limit of 1000"):
            board.deploy(MODEL, passes="auto", ram_limit=1000)
        assert board.files.list() == []
        # No pass is run that is not needed; nothing may be computed twice here.
        assert board.deploy(MODEL, passes="auto", ram_limit=3072).passes == ()
        free = board.deploy(MODEL, passes="auto", ram_limit=2500, max_extra_macs=0)
        assert (free.extra_macs, "patches" in free.passes) == (0, False)
        assert board.validate(MODEL, 2, passes="auto", ram_limit=2500, max_extra_macs=0).equal


def test_bench_adds_up_the_pieces_of_an_op() -> None:
    with board_with() as board:
        board.deploy(MODEL, passes=STRIPS)
        result = board.bench(MODEL, runs=3, passes=STRIPS)
    follows_schema(result)
    assert result["model"]["passes"][:2] == ["best", "fold-pad"]
    assert result["model"]["head_bytes"] == 1152
    assert [op["index"] for op in result["ops"]] == list(range(10))
    assert {op["runs"] for op in result["ops"]} == {3}


@pytest.mark.slow
def test_command_line(tmp_path: Path) -> None:
    with board_with() as board:
        port = board.port
        board.close()
        passes = ("--passes", "fold-pad, overlap", "-p", port)
        done = command("board", "deploy", str(MODEL), *passes)
        assert done.returncode == 0, done.stderr
        assert re.search(r"^passes +best, fold-pad, overlap; 0\.0% more MACs", done.stdout, re.M)
        assert command("board", "validate", str(MODEL), "--per-op", *passes).returncode == 0
        assert command("board", "validate", str(MODEL), "-p", port).returncode == 2
        bench = json.loads(command("board", "bench", str(MODEL), *passes, "--json").stdout)
        assert bench["model"]["passes"] == ["best", "fold-pad", "overlap"]
    to = tmp_path / "m.mipk"
    short = command("pack", str(MODEL), "-o", str(to), "--passes", "auto", "--ram", "1K")
    assert (short.returncode, to.exists()) == (1, False)
    assert "128 larger than --ram" in short.stderr
    told = command("pack", str(MODEL), "-o", str(to), "--passes", "auto", "--ram", "2K", "--json")
    facts = json.loads(told.stdout)
    assert facts["head_bytes"] <= 2048
    assert facts["file_bytes"] == to.stat().st_size
    assert facts["passes"][-1]["head_after"] == facts["head_bytes"]
    assert "overlap" in command("pack", str(MODEL), "-o", str(to), "--passes", "overlap").stdout


def in_place_net() -> bytes:
    """Depthwise layers at one size, which need half of the memory in place."""
    net = ImageNet((12, 12, 6))
    net.conv(6)
    for stride in (1, 1, 2):
        net.depthwise(3, stride)
    return net.finish()


@pytest.mark.usefixtures("qemu")
@pytest.mark.parametrize("cpu", ["m4", slow("m3")])
@pytest.mark.parametrize("kind", [slow("strips"), "overlap", slow("in place")])
def test_cortex_m(kind: str, cpu: str) -> None:
    data = in_place_net() if kind == "in place" else digits()
    asked = MemoryPasses(PASSES[kind])
    usual, model = pack_for_board(data), pack_for_board(data, passes=asked)
    tier = runtime.tier_of(THUMB[cpu])
    usual, model = usual.for_tier(tier), model.for_tier(tier)
    with qemu_board(cpu, preload=mapped_model(model, cpu)) as board:
        kept = board.deploy(data, passes=asked.names)
        done = both_ways(board, data, asked.names, 2)
        instructions = board.bench(data, runs=1, passes=asked.names)["median"]
    assert kept.files_sent == ()
    assert_equal(done)
    assert kept.arena_bytes == model.report.arena_bytes < 0.8 * usual.report.arena_bytes
    print(
        f"\n{kind} {cpu}: arena {usual.report.arena_bytes} -> {kept.arena_bytes}, heap"
        f" {heap_of_model(kept)}, {instructions} instructions"
    )

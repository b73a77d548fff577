"""Golden bundles checked on the board itself: what is equal passes, what differs is placed."""

from __future__ import annotations

import ast
import random
import struct
from pathlib import Path
from typing import Any

import pytest

from microinterp.golden_bundle.records import VERSION
from microinterp.golden_bundle.writer import CHUNK_BYTES
from microinterp.graph import build
from microinterp.model import load
from microinterp.model_builder import ModelBuilder
from microinterp_boards.packing import MemoryPasses, pack_for_board
from tests.boards.golden_files import block_starts, with_crcs, write_bundle
from tests.boards.model_boards import MODEL, other_digits, weight_of
from tests.boards.qemu_port import mapped_model, qemu_board
from tests.boards.unix_port import ROOT, SETS, run_script
from tests.test_wakewords import wakeword

DIGITS = MODEL.read_bytes()
CHECKS = 10
_HEAD = """
from microinterp import Interpreter, golden
it = Interpreter.from_file("m.mipk")
def told(*arguments):
    try:
        print(repr(golden.check(it, *arguments)))
    except golden.BundleError as error:
        print(repr(str(error)))
"""


@pytest.fixture(params=SETS)
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def on_board(
    script: str, packed: bytes, folder: Path, tier: str = "bytecode", heap: str = "1M"
) -> list[Any]:
    """What the script prints, each line a value: kept in a list they would cut the heap up."""
    (folder / "m.mipk").write_bytes(packed)
    path = folder / "script.py"
    path.write_text(f"{_HEAD}{script}\n")
    return values(run_script(path, [], tier, folder, heap))


def values(printed: str) -> list[Any]:
    return [ast.literal_eval(line) for line in printed.splitlines()]


def small_model() -> bytes:
    """A table over 4 bytes: its bundles are short enough to damage every byte of them."""
    builder = ModelBuilder()
    graph = builder.subgraph("main")
    x = graph.input("x", (1, 4), "int8", scale=0.02, zero_point=3)
    y = graph.tensor("y", (1, 4), "int8", scale=1 / 256, zero_point=-128)
    graph.op("LOGISTIC", [x], [y])
    graph.output(y)
    return builder.finish()


def good(samples: int, outputs: int = 10, checks: int = CHECKS) -> dict[str, Any]:
    """The answer where nothing differs, for digits."""
    return {
        "equal": True,
        "samples": samples,
        "bytes": samples * outputs,
        "crcs": samples * checks,
        "differing": 0,
        "first": None,
    }


def test_the_format_is_the_hosts() -> None:
    text = (ROOT / "firmware" / "microinterp" / "_golden.py").read_text()
    assert f"\n_VERSION = {VERSION}\n" in text


def test_digits(tier: str, tmp_path: Path) -> None:
    write_bundle(DIGITS, tmp_path / "b", 20)
    script = "told('b'), told('b', 3), told('b', 99, False), told('b', 0)"
    found = on_board(script, pack_for_board(DIGITS).packed, tmp_path, tier)
    assert found == [good(20), good(3), good(20, checks=0), good(0)]


def test_a_bundle_without_checksums(tmp_path: Path) -> None:
    write_bundle(DIGITS, tmp_path / "b", 5, has_crcs=False)
    packed = pack_for_board(DIGITS).packed
    assert on_board("told('b')", packed, tmp_path) == [good(5, checks=0)]


def test_state_starts_afresh_and_is_left_so(tier: str, tmp_path: Path) -> None:
    data = wakeword("okay_nabu")
    write_bundle(data, tmp_path / "b", 6)
    script = """
it.invoke()
told('b'), told('b'), told('b', 4, False)
memory = [bytes(it._arena[at:at + size]) for at, size, _, _ in it._state]
print(memory == [bytes([value]) * size for _, size, value, _ in it._state])
"""
    first, again, few, is_fresh = on_board(script, pack_for_board(data).packed, tmp_path, tier)
    assert first == again
    assert (first["equal"], first["samples"], few["equal"], few["samples"]) == (True, 6, True, 4)
    assert first["crcs"] > 6 * 20
    assert is_fresh


@pytest.mark.parametrize(("op", "name"), [(0, "CONV_2D"), (5, "CONV_2D"), (8, "FULLY_CONNECTED")])
def test_a_wrong_weight_is_placed(op: int, name: str, tmp_path: Path) -> None:
    write_bundle(DIGITS, tmp_path / "b", 20)
    packed = bytearray(pack_for_board(DIGITS).packed)
    packed[weight_of(bytes(packed), op)] ^= 0x80
    (found,) = on_board("told('b')", bytes(packed), tmp_path)
    assert not found["equal"]
    assert 1 <= found["differing"] <= found["samples"] == 20
    first = found["first"]
    assert (first["subgraph"], first["op"], first["name"]) == (0, op, name)
    assert first["tensor"] == build(load(DIGITS)).main.nodes[op].outputs[0].index
    assert first["wanted"] != first["got"]


def test_a_wrong_output_and_a_wrong_checksum_are_placed(tmp_path: Path) -> None:
    right: list[tuple[int, int]] = []

    def change(sample: int, outputs: list[Any], crcs: Any) -> None:
        if sample in (7, 9):
            right.append((int(outputs[0].view("u1")[0, 0, 6]), int(crcs[0, 4])))
            if sample == 7:
                outputs[0].view("u1")[0, 0, 6] ^= 1
            crcs[0, 4] ^= 0x100 if sample == 9 else 0

    write_bundle(DIGITS, tmp_path / "b", 12, change)
    write_bundle(DIGITS, tmp_path / "c", 12, lambda s, o, c: change(s, o, c) if s == 9 else None)
    packed = pack_for_board(DIGITS).packed
    both, crc = on_board("told('b'), told('c')", packed, tmp_path)
    byte = right[0][0]
    wanted = {"sample": 7, "output": 0, "byte": 6, "wanted": byte ^ 1, "got": byte}
    assert both == {**good(12), "equal": False, "differing": 2, "first": wanted}
    node = build(load(DIGITS)).main.nodes[4]
    assert crc["first"] == {
        "sample": 9,
        "subgraph": 0,
        "op": 4,
        "name": node.name,
        "tensor": node.outputs[0].index,
        "wanted": right[1][1] ^ 0x100,
        "got": right[1][1],
    }


def test_what_memory_passes_have_cut_is_not_compared(tmp_path: Path) -> None:
    write_bundle(DIGITS, tmp_path / "b", 5)
    packed = pack_for_board(DIGITS, passes=MemoryPasses("auto")).packed
    (found,) = on_board("told('b')", packed, tmp_path)
    assert found["equal"]
    assert (found["samples"], found["bytes"]) == (5, 50)
    assert 0 < found["crcs"] < 5 * CHECKS


def test_a_long_bundle_in_a_small_heap(tmp_path: Path) -> None:
    count = 2500
    data = write_bundle(DIGITS, tmp_path / "b", count)
    assert len(data) > 4 * CHUNK_BYTES
    packed = pack_for_board(DIGITS).packed
    assert on_board("told('b')", packed, tmp_path, "viper", "64k") == [good(count)]


_DAMAGE = """
data = open("b", "rb").read()
def changed(at, bits):
    with open("x", "wb") as file:
        file.write(data[:at])
        file.write(bytes([data[at] ^ bits]))
        file.write(data[at + 1:])
    told("x")
def cut(at):
    with open("x", "wb") as file:
        file.write(data[:at])
    told("x")
for at in range(len(data)):
    changed(at, 1 << at % 8)
for at in range(len(data)):
    cut(at)
with open("x", "wb") as file:
    file.write(data + b"1")
told("x")
told("b")
"""


def test_every_damaged_byte_and_every_cut_is_told(tmp_path: Path) -> None:
    model = small_model()
    data = write_bundle(model, tmp_path / "b", 3)
    *told, longer, whole = on_board(_DAMAGE, pack_for_board(model).packed, tmp_path)
    flips, cuts = told[: len(data)], told[len(data) :]
    assert whole["equal"]
    assert longer == f"bytes follow the bundle's end at byte {len(data)}"
    assert len(flips) == len(cuts) == len(data)
    assert {type(each) for each in (*flips, *cuts)} == {str}
    starts = block_starts(data)
    for at, text in enumerate(flips):
        if at < 8:
            assert text == "not a golden bundle"
            continue
        start = max(each for each in starts if each <= at)
        assert f"block at byte {start} is damaged" in text or (
            at < start + 4 and "cut off" in text  # a size
        ), text


def test_sound_checksums_over_nonsense(tmp_path: Path) -> None:
    """Whoever forges CRC32s gets a BundleError or an answer: no other error, no endless loop."""
    model, rng = small_model(), random.Random("nonsense")
    data = write_bundle(model, tmp_path / "b", 3)
    starts = block_starts(data)
    mutants: list[bytes] = []
    while len(mutants) < 400:
        mutant = bytearray(data)
        at = rng.choice([i for i in range(8, len(data)) if all(not 0 <= i - s < 4 for s in starts)])
        mutant[at] = rng.choice((0, 1, 4, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        try:
            mutants.append(with_crcs(bytes(mutant)))
        except (struct.error, IndexError, ValueError, TypeError):
            continue  # the place of the CRC32 itself is hit
    (tmp_path / "mutants").write_bytes(
        b"".join(len(each).to_bytes(4, "little") + each for each in mutants)
    )
    script = """
with open("mutants", "rb") as all:
    while True:
        size = all.read(4)
        if not size:
            break
        with open("x", "wb") as file:
            file.write(all.read(int.from_bytes(size, "little")))
        told("x")
"""
    found = on_board(script, pack_for_board(model).packed, tmp_path)
    assert len(found) == len(mutants)
    texts = {each for each in found if isinstance(each, str)}
    assert len(texts) > 15
    equal = [m for m, each in zip(mutants, found, strict=True) if isinstance(each, dict)]
    assert 0 < len(equal) < len(mutants)  # names and alike may be anything


def test_bundles_that_are_for_others(tmp_path: Path) -> None:
    write_bundle(other_digits(tmp_path).read_bytes(), tmp_path / "other", 2)
    write_bundle(DIGITS, tmp_path / "single", 2, profile="single")
    data = write_bundle(DIGITS, tmp_path / "b", 2)
    at = data.index(VERSION.to_bytes(2, "little"), data.index(b"MIGB") + 4)
    versions = []
    while at < block_starts(data)[1]:  # the version is one of the numbers that look like it
        changed = with_crcs(data[:at] + b"\x63" + data[at + 1 :])
        versions.append(changed)
        at = data.index(VERSION.to_bytes(2, "little"), at + 1)
    for number, each in enumerate(versions):
        (tmp_path / f"v{number}").write_bytes(each)
    (tmp_path / "none").write_bytes(b"PK\3\4" * 9)
    (tmp_path / "empty").write_bytes(b"")
    script = f"""
for name in ("other", "single", "none", "empty"):
    told(name)
try:
    told("missing")
except OSError as error:
    print(error.args[0])
for i in range({len(versions)}):
    told("v%d" % i)
"""
    packed = pack_for_board(DIGITS).packed
    other, single, none, empty, missing, *told = on_board(script, packed, tmp_path)
    assert other == "the bundle was recorded from another model"
    assert single == "the bundle was not recorded in profile tflm, in which boards compute"
    assert none == empty == "not a golden bundle"
    assert f"the bundle has format 99, this runtime reads {VERSION}" in told
    assert missing == 2


@pytest.mark.usefixtures("qemu")
def test_on_a_cortex_m4(tmp_path: Path) -> None:
    """Words have 32 bits there: every CRC32 over 30 bits is another kind of int."""

    def change(sample: int, outputs: list[Any], crcs: Any) -> None:
        if sample == 15:
            crcs[0, 9] ^= 1 << 31

    files = [
        *mapped_model(pack_for_board(DIGITS, "m"), "m4"),
        ("good", write_bundle(DIGITS, tmp_path / "good", 20)),
        ("bad", write_bundle(DIGITS, tmp_path / "bad", 20, change)),
        ("cut", (tmp_path / "good").read_bytes()[:-1]),
    ]
    script = f"{_HEAD}told('good'), told('bad'), told('cut')"
    with qemu_board("m4", heap=65536, preload=files) as board:
        found, bad, cut = values(board.exec(script, 60.0))
    assert found == good(20)
    assert (bad["differing"], bad["first"]["sample"], bad["first"]["op"]) == (1, 15, 9)
    assert bad["first"]["wanted"] ^ bad["first"]["got"] == 1 << 31
    assert "is cut off in the block at byte" in cut

"""Damaged golden bundles: the package's own error or a truthful answer, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from microinterp import MicrointerpError, golden
from microinterp.errors import InputError
from microinterp.generated import golden as fb
from microinterp.golden_bundle import BundleReader
from microinterp.golden_bundle.blocks import MAGIC, PREFIX_BYTES
from tests.boards.golden_files import block_starts, with_crcs
from tests.cli import sums_model
from tests.marks import slow, slow_but
from tests.models import conv_model
from tests.test_input_fuzz import damaged

MODEL = conv_model()
SAMPLE = np.arange(16, dtype=np.int8).reshape(1, 4, 4, 1)
INPUTS = [np.stack([SAMPLE, SAMPLE + 1, -SAMPLE])]
counts = pytest.mark.parametrize("count", [200, slow(2000)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.golden"


def uses(path: Path) -> list[Callable[[], object]]:
    return [
        lambda: golden.check(MODEL, path),
        lambda: golden.check(MODEL, path, any_model=True),
        lambda: golden.load(path),
        lambda: golden.export(path, path.with_name("a.json")),
        lambda: golden.export(path, path.with_name("a.h")),
        lambda: golden.export(path, path.with_name("a.npz")),
        lambda: golden.record(MODEL, INPUTS, path, append=True),
        lambda: golden.record(MODEL, golden.stored_inputs(path), path.with_name("b.golden")),
    ]


@pytest.mark.parametrize("tensors", slow_but(golden.TENSORS, "crc"))
def test_every_flipped_byte_of_a_bundle_is_placed(path: Path, tensors: str) -> None:
    """The message names the byte where the block begins, and the last sample before it."""
    golden.record(sums_model(), [np.zeros((2, 1, 4), np.int8)], path, tensors=tensors)
    golden.record(sums_model(), [np.ones((2, 1, 4), np.int8)], path, tensors=tensors, append=True)
    data = path.read_bytes()
    starts = [0, *block_starts(data)]  # magic, header, samples 0 and 1, samples 2 and 3, end
    assert len(starts) == 5
    rng = random.Random(tensors)
    for at in range(len(data)):
        mutant = bytearray(data)
        mutant[at] ^= rng.randrange(1, 256)
        path.write_bytes(mutant)
        with pytest.raises(InputError) as caught:
            golden.check(sums_model(), path)
        text, where = str(caught.value), caught.value.where.byte_offset
        block = max(number for number, start in enumerate(starts) if start <= at)
        if at - starts[block] >= PREFIX_BYTES and block:  # a wrong size cuts off what follows
            assert where == starts[block]
            assert f"the block at byte {starts[block]}" in text
            assert ("behind sample" in text) == (block > 2)
            if block > 2:
                assert f"behind sample {2 * (block - 2) - 1}" in text
        assert where is not None
        assert where <= at


@counts
def test_damaged_files(path: Path, count: int) -> None:
    golden.record(MODEL, INPUTS, path, tensors="bytes")
    data, rng = path.read_bytes(), random.Random(1)
    messages = []
    for _ in range(count):
        mutant = damaged(data, rng)
        path.write_bytes(mutant)
        try:
            rng.choice(uses(path))()
        except MicrointerpError as error:
            messages.append(str(error))
        else:
            assert mutant == data
    assert all(messages)
    assert len(messages) > count // 2


@counts
def test_damage_that_has_been_signed(path: Path, count: int) -> None:
    """With right CRC32s: whatever it says, no other exception, and no "equal" for other bytes."""
    golden.record(MODEL, INPUTS, path, tensors="bytes")
    data, rng = path.read_bytes(), random.Random(2)
    sound = golden.load(path)
    different, same, messages = 0, 0, []
    for _ in range(count):
        mutant = bytearray(data)
        for _ in range(rng.choice((1, 1, 2))):
            mutant[rng.randrange(len(MAGIC), len(mutant))] = rng.choice(
                (0, 1, 255, rng.getrandbits(8))
            )
        try:
            signed = with_crcs(bytes(mutant))
        except Exception:  # it is no FlatBuffer any more: the test's own tool, not the package's
            continue
        path.write_bytes(signed)
        try:
            result = golden.check(MODEL, path)
            if result.equal:
                same += 1
                now = golden.load(path)
                assert [a.tobytes() for a in now.outputs] == [a.tobytes() for a in sound.outputs]
            else:
                different += 1
            for use in uses(path)[1:]:
                path.write_bytes(signed)
                use()
        except MicrointerpError as error:
            messages.append(str(error))
    assert all(messages)
    assert len(messages) > count // 10
    assert different > count // 20
    print(f"\n{len(messages)} refused, {different} different, {same} the same in what is compared")


def test_the_reader_ends_where_a_bundle_is_cut(path: Path) -> None:
    golden.record(MODEL, INPUTS, path)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        for use in uses(path)[:1]:
            with pytest.raises(InputError):
                use()
    path.write_bytes(data)
    with BundleReader(path) as reader:
        assert reader.samples == 3
    assert fb.Block.GetRootAs(data[block_starts(data)[0] :], PREFIX_BYTES).Header() is not None

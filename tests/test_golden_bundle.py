"""Golden bundles as files: what is written is read; damage, cuts and other versions are told."""

from __future__ import annotations

import struct
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.errors import InputError
from microinterp.generated import golden as fb
from microinterp.golden_bundle import (
    BundleHeader,
    BundleReader,
    BundleTensor,
    BundleWriter,
    Check,
    checks_of,
    crc_row,
    describe,
    read_bundle,
)
from microinterp.golden_bundle import blocks as blocks
from microinterp.golden_bundle.blocks import MAGIC, PREFIX_BYTES
from microinterp.golden_bundle.writer import CHUNK_BYTES
from microinterp.packed import PackedInterpreter, pack
from microinterp.trace import Checksums
from tests.conftest import shared_model
from tests.models import conv_model
from tests.oracle import random_samples
from tests.packed.zoo import every_step
from tests.test_wakewords import wakeword

INT8, FLOAT32, BOOL, INT16 = 9, 0, 6, 7
X = BundleTensor("x", 0, INT8, (2, 3), 6)
Y = BundleTensor("y", 4, FLOAT32, (), 4)
Z = BundleTensor("z", 5, INT16, (3,), 6)
CHECKS = (
    Check(0, 0, "CONV_2D", 3, INT16, (9,), 18),
    Check(0, 1, "SPLIT", 4, FLOAT32, (), 4),
    Check(0, 1, "SPLIT", 5, INT8, (2, 3), 6),
)
HEADER = BundleHeader("ab" * 32, "tflm", "host", "0.1.0", (X,), (Y, Z), CHECKS, seed=-5)


def samples(count: int, seed: int = 1) -> tuple[list[Any], list[Any], Any]:
    """inputs, outputs, crcs that fit HEADER."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, (count, 2, 3)).astype(np.int8)
    y = rng.standard_normal(count).astype(np.float32)
    z = rng.integers(-999, 999, (count, 3)).astype(np.int16)
    return [x], [y, z], rng.integers(0, 2**32, (count, 3), dtype=np.uint32)


def write(path: Path, count: int, header: BundleHeader = HEADER) -> None:
    with BundleWriter(path, header) as bundle:
        bundle.add(*samples(count))


def error_of(path: Path, read: Any = read_bundle) -> InputError:
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    return caught.value


def assert_holds(path: Path, wanted: tuple[list[Any], list[Any], Any]) -> None:
    bundle = read_bundle(path)
    for have, want in zip((*bundle.inputs, *bundle.outputs), (*wanted[0], *wanted[1]), strict=True):
        assert have.dtype == want.dtype
        np.testing.assert_array_equal(have, want)
    np.testing.assert_array_equal(bundle.crcs, wanted[2])


@pytest.mark.parametrize("count", [0, 1, 7, 5000])
def test_what_is_written_is_read(tmp_path: Path, count: int) -> None:
    path = tmp_path / "a.golden"
    write(path, count)
    assert_holds(path, samples(count))
    with BundleReader(path) as reader:
        assert reader.header == HEADER
        assert reader.samples == count
        chunks = list(reader)
        assert [c.first for c in chunks] == [c.first for c in reader]
    assert all(c.samples * HEADER.sample_bytes <= CHUNK_BYTES for c in chunks)
    assert len(chunks) > 1 or count < 5000
    assert list(tmp_path.iterdir()) == [path]


@given(cuts=st.lists(st.integers(0, 5000), max_size=8))
def test_the_file_does_not_tell_how_samples_came(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    write(folder / "whole", 5000)
    inputs, outputs, crcs = samples(5000)
    with BundleWriter(folder / "parts", HEADER) as bundle:
        for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), 5000], strict=True):
            part = slice(start, stop)
            bundle.add([a[part] for a in inputs], [a[part] for a in outputs], crcs[part])
    assert (folder / "whole").read_bytes() == (folder / "parts").read_bytes()


def test_arrays_may_be_used_again_after_they_were_added(tmp_path: Path) -> None:
    inputs, outputs, crcs = samples(1)
    with BundleWriter(tmp_path / "a", HEADER) as bundle:
        bundle.add(inputs, outputs, crcs)
        inputs[0][...] = 99
    assert_holds(tmp_path / "a", samples(1))


def test_appending_adds_chunks_and_keeps_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "a.golden"
    write(path, 5)
    before = path.read_bytes()
    with BundleWriter.append(path, replace(HEADER, runtime_version="0.2.0", seed=7)) as bundle:
        bundle.add(*samples(3, seed=2))
    after = path.read_bytes()
    end = len(blocks.end_block(5))
    assert after.startswith(before[:-end])
    first, second = samples(5), samples(3, seed=2)
    joined = tuple(
        [np.concatenate(pair) for pair in zip(a, b, strict=True)]
        for a, b in zip(first[:2], second[:2], strict=True)
    )
    assert_holds(path, (joined[0], joined[1], np.concatenate([first[2], second[2]])))
    with BundleReader(path) as reader:
        assert [(c.first, c.samples) for c in reader] == [(0, 5), (5, 3)]
        assert reader.header == HEADER


def test_appending_to_another_models_bundle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.golden"
    write(path, 5)
    before = path.read_bytes()
    for other, what in (
        (replace(HEADER, model_sha256="cd" * 32), "another model: abab"),
        (replace(HEADER, profile="single"), "another profile: tflm, not single"),
        (replace(HEADER, runtime="tflm"), "another runtime: host, not tflm"),
        (replace(HEADER, inputs=()), "another inputs"),
        (replace(HEADER, outputs=(Y,)), "another outputs"),
        (replace(HEADER, checks=()), "another checks"),
    ):
        with pytest.raises(InputError, match=what):
            BundleWriter.append(path, other)
    assert path.read_bytes() == before


def test_appending_to_a_damaged_bundle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.golden"
    write(path, 5)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match="cut off"):
        BundleWriter.append(path, HEADER)


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.golden"

    def broken(bundle: BundleWriter) -> None:
        with bundle:
            bundle.add(*samples(5000, seed=3))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken(BundleWriter(path, HEADER))
    assert list(tmp_path.iterdir()) == []
    write(path, 5)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        broken(BundleWriter.append(path, HEADER))
    assert path.read_bytes() == before
    with pytest.raises(KeyboardInterrupt):
        broken(BundleWriter(path, HEADER))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_cut_at_any_length_is_found_and_placed(tmp_path: Path) -> None:
    """Three chunks: the message names the last whole sample."""
    path = tmp_path / "a.golden"
    write(path, 2)
    for seed in (2, 3):
        with BundleWriter.append(path, HEADER) as bundle:
            bundle.add(*samples(2, seed))
    data, cut = path.read_bytes(), tmp_path / "cut"
    ends = block_ends(data)
    for length in range(len(data)):
        cut.write_bytes(data[:length])
        text = str(error_of(cut))
        whole = sum(end <= length for end in ends)  # the header is the first one
        if length < len(MAGIC):
            assert "no golden bundle" in text
        elif whole < 2:
            assert "cut off or damaged before its first sample" in text
        else:
            assert f"cut off or damaged behind sample {2 * (whole - 1) - 1}" in text
        if whole:
            with BundleReader(cut) as reader:
                got = []
                with pytest.raises(InputError):
                    got.extend(chunk.samples for chunk in reader)
                assert got == [2] * (whole - 1)
                with pytest.raises(InputError, match="cut off"):
                    _ = reader.samples


def block_ends(data: bytes) -> list[int]:
    found, at = [], len(MAGIC)
    while at < len(data):
        at += PREFIX_BYTES + struct.unpack_from("<I", data, at)[0]
        found.append(at)
    return found


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.golden"
    write(path, 3)
    data = path.read_bytes()
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        error = error_of(path)
        assert error.where.byte_offset is not None
        assert error.where.byte_offset <= at


def test_damage_in_a_chunk_is_placed(tmp_path: Path) -> None:
    path = tmp_path / "a.golden"
    write(path, 5000)
    data = path.read_bytes()
    ends = block_ends(data)
    damaged = bytearray(data)
    damaged[ends[1] + 5000] ^= 1
    path.write_bytes(damaged)
    error = error_of(path)
    with BundleReader(path) as reader:
        first = next(iter(reader))
    assert f"the block at byte {ends[1]} behind sample {first.samples - 1} is damaged" in str(error)
    assert "CRC32" in str(error)
    assert error.where.byte_offset == ends[1]


@pytest.mark.parametrize(("version", "hint"), [(1, "record it again"), (3, "update microinterp")])
def test_other_versions_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, hint: str
) -> None:
    monkeypatch.setattr(blocks, "VERSION", version)
    write(tmp_path / "a", 1)
    monkeypatch.undo()
    error = error_of(tmp_path / "a")
    assert f"format version {version}, written by '{HEADER.tool}'" in str(error)
    assert "this runtime reads version 2" in str(error)
    assert hint in error.hint


def blocks_file(path: Path, *parts: bytes) -> None:
    path.write_bytes(MAGIC + b"".join(parts))


def test_blocks_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    path, header, end = tmp_path / "a", blocks.header_block(HEADER), blocks.end_block
    crcs = np.zeros((1, 3), np.uint32)

    def chunk(first: int = 0, count: int = 1, **changed: Any) -> bytes:
        given = {"inputs": [bytes(6)], "outputs": [bytes(4), bytes(6)], "crcs": crcs, **changed}
        return blocks.chunk_block(first, count, **given)

    blocks_file(path, header, chunk(), end(1))
    assert read_bundle(path).samples == 1
    for parts, text in (
        ((chunk(), end(1)), "does not begin with a header"),
        ((header, header, end(0)), "a second header follows"),
        ((header, chunk(first=1), end(1)), "a chunk of 1 samples from 1 follows, wanted 0"),
        ((header, chunk(count=0), end(0)), "a chunk of 0 samples"),
        ((header, chunk(count=2), end(2)), "3 CRCs, wanted 6"),
        ((header, chunk(inputs=[]), end(1)), "a chunk has 0 tensors, its header 1"),
        ((header, chunk(inputs=[bytes(7)]), end(1)), "'x' has 7 bytes in a chunk, wanted 6"),
        ((header, chunk(), end(2)), "its end tells of 2 samples, there are 1"),
        ((header, chunk(), end(1), b"more"), "4 bytes follow its end"),
    ):
        blocks_file(path, *parts)
        assert text in str(error_of(path))


@pytest.mark.parametrize(
    "tensor",
    [
        replace(X, type=99),
        replace(X, nbytes=7),
        replace(X, shape=(-2, -3)),
        replace(X, type=14),
    ],
)
def test_headers_that_make_no_sense_are_refused(tmp_path: Path, tensor: BundleTensor) -> None:
    blocks_file(tmp_path / "a", blocks.header_block(replace(HEADER, inputs=(tensor,))))
    assert "tensor 'x'" in str(error_of(tmp_path / "a"))
    blocks_file(tmp_path / "a", blocks.header_block(replace(HEADER, model_sha256="abcd")))
    assert "a SHA-256 of 2 bytes" in str(error_of(tmp_path / "a"))


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for data in (b"", b"PK\x03\x04", conv_model(), bytes(100)):
        path.write_bytes(data)
        assert "no golden bundle" in str(error_of(path))
    assert "cannot read" in str(error_of(tmp_path / "none"))
    assert "cannot read" in str(error_of(tmp_path))


def test_samples_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    (x,), (y, z), crcs = samples(2)
    with BundleWriter(tmp_path / "a", HEADER) as bundle:
        for arguments, text in (
            (([x[:1]], [y, z], crcs), "samples, wanted one number"),
            (([], [y, z], crcs), "has 1 inputs, got 0"),
            (([x.astype(np.uint8)], [y, z], crcs), r"input 0 'x' takes samples of int8\[2, 3\]"),
            (([x], [y, z[:, :2]], crcs), "output 1 'z' takes"),
            (([x], [y, z]), r"CRCs of shape \[2, 0\], wanted \[2, 3\]"),
            (([x], [y, z], crcs[:, :2]), "CRCs of shape"),
        ):
            with pytest.raises(InputError, match=text):
                bundle.add(*arguments)
        bundle.add([x], [y, z], crcs)
    assert_holds(tmp_path / "a", samples(2))


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        BundleWriter(tmp_path / "no folder" / "a", HEADER)


def test_memory_stays_bounded(tmp_path: Path) -> None:
    """20,000 samples of 1 kB: a few chunks at a time, to write as to read."""
    path, count, batch = tmp_path / "a", 20_000, 100
    tensor = BundleTensor("x", 0, INT8, (1024,), 1024)
    header = replace(HEADER, inputs=(tensor,), outputs=(), checks=())
    part = np.zeros((batch, 1024), np.int8)
    tracemalloc.start()
    try:
        with BundleWriter(path, header) as bundle:
            for _ in range(count // batch):
                bundle.add([part], [])
        _, written = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        with BundleReader(path) as reader:
            assert sum(chunk.samples for chunk in reader) == count
        _, read = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    print(f"\npeak {written >> 10} kB to write, {read >> 10} kB to read")
    assert path.stat().st_size > count * 1024
    assert max(written, read) < 1 << 20


def record(data: bytes, path: Path, count: int) -> list[Any]:
    """Record random samples; returns them."""
    interpreter = Interpreter.from_bytes(data)
    checks, trace = checks_of(interpreter.prepared), Checksums()
    header = describe(interpreter.graph, "tflm", "host", "0.1.0", checks, seed=1)
    given = random_samples(np.random.default_rng(1), interpreter.graph, count)
    with BundleWriter(path, header) as bundle:
        for sample in given:
            for i, array in enumerate(sample or ()):
                interpreter.set_input(array, i)
            interpreter.invoke(trace)
            outputs = [interpreter.get_output(i)[None] for i in range(len(header.outputs))]
            row = crc_row(checks, trace.crcs)[None]
            bundle.add([array[None] for array in sample or ()], outputs, row)
    return given


def check(path: Path, data: bytes) -> list[tuple[int, int]]:
    """(sample, check) of each CRC that a packed model gives otherwise."""
    bundle = read_bundle(path)
    interpreter, crcs, found = PackedInterpreter(data), {}, []
    for i in range(bundle.samples):
        for k, array in enumerate(bundle.inputs):
            interpreter.set_input(array[i], k)
        crcs |= interpreter.op_crcs()
        row = crc_row(bundle.header.checks, crcs)
        found += [(i, int(k)) for k in np.flatnonzero(row != bundle.crcs[i])]
        for k, array in enumerate(bundle.outputs):
            assert interpreter.get_output(k).tobytes() == array[i].tobytes()
    return found


@pytest.mark.parametrize("name", ["zoo", "kws_int8", "okay_nabu"])
def test_a_packed_model_is_held_to_a_bundle(tmp_path: Path, name: str) -> None:
    data = {
        "zoo": every_step,
        "kws_int8": lambda: shared_model("kws_int8.tflite"),
        "okay_nabu": lambda: wakeword("okay_nabu"),
    }[name]()
    record(data, tmp_path / "a", 5)
    interpreter = Interpreter.from_bytes(data)
    packed = pack(interpreter.prepared, interpreter.arena.plan)
    assert check(tmp_path / "a", packed) == []
    assert len(set(map(bytes, read_bundle(tmp_path / "a").crcs))) == 5


def test_the_generated_accessors_read_a_block() -> None:
    """A reader in any language: size, then a Block."""
    root = fb.Block.GetRootAs(blocks.end_block(9), PREFIX_BYTES)
    assert root.End().Samples() == 9
    assert root.Header() is None

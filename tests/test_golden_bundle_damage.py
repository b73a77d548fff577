"""Damaged golden bundles: a cut, a flipped byte, another version, blocks that make no sense."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp.errors import InputError
from microinterp.golden_bundle import BundleReader, BundleTensor, BundleWriter, read_bundle
from microinterp.golden_bundle import blocks as blocks
from microinterp.golden_bundle.blocks import MAGIC
from tests.bundle_files import HEADER, X, block_ends, error_of, samples, write
from tests.models import conv_model


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
        ((header, chunk(count=2), end(2)), "3 CRC32s, wanted 6"),
        ((header, chunk(inputs=[]), end(1)), "a chunk has 0 tensors, its header 1"),
        ((header, chunk(inputs=[bytes(7)]), end(1)), "'x' has 7 bytes in a chunk, wanted 6"),
        ((header, chunk(), end(2)), "its end tells of 2 samples, there are 1"),
        ((header, chunk(), end(1), b"more"), "4 bytes follow its end"),
    ):
        blocks_file(path, *parts)
        assert text in str(error_of(path))


def test_billions_of_samples_without_a_byte_are_refused(tmp_path: Path) -> None:
    header = replace(HEADER, inputs=(), outputs=(), checks=())
    chunk = blocks.chunk_block(0, 1 << 31, [], [], np.zeros((0, 0), np.uint32))
    blocks_file(tmp_path / "a", blocks.header_block(header), chunk, blocks.end_block(1 << 31))
    assert "samples without a byte" in str(error_of(tmp_path / "a"))


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

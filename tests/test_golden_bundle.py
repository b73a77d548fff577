"""Golden bundles as files: what is written is read, appended to, and left whole by a failure."""

from __future__ import annotations

import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import InputError
from microinterp.generated import golden as fb
from microinterp.golden_bundle import BundleReader, BundleTensor, BundleWriter
from microinterp.golden_bundle import blocks as blocks
from microinterp.golden_bundle.blocks import PREFIX_BYTES
from microinterp.golden_bundle.writer import CHUNK_BYTES
from tests.bundle_files import HEADER, INT8, Y, assert_holds, samples, write


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


def test_samples_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    (x,), (y, z), crcs = samples(2)
    with BundleWriter(tmp_path / "a", HEADER) as bundle:
        for arguments, text in (
            (([x[:1]], [y, z], crcs), "samples, wanted one number"),
            (([], [y, z], crcs), "has 1 inputs, got 0"),
            (([x.astype(np.uint8)], [y, z], crcs), r"input 0 'x' takes samples of int8\[2, 3\]"),
            (([x], [y, z[:, :2]], crcs), "output 1 'z' takes"),
            (([x], [y, z]), r"CRC32s of shape \[2, 0\], wanted \[2, 3\]"),
            (([x], [y, z], crcs[:, :2]), "CRC32s of shape"),
        ):
            with pytest.raises(InputError, match=text):
                bundle.add(*arguments)
        bundle.add([x], [y, z], crcs)
    assert_holds(tmp_path / "a", samples(2))


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        BundleWriter(tmp_path / "no folder" / "a", HEADER)


def test_only_files_are_replaced(tmp_path: Path) -> None:
    """A bundle written to /dev/null must not take its place."""
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    for path, what in ((folder, "a folder"), (pipe, "a device or pipe"), ("/dev/null", "a device")):
        with pytest.raises(InputError, match=f"cannot write '{path}': it is {what}"):
            BundleWriter(path, HEADER)
    assert sorted(tmp_path.iterdir()) == [folder, pipe]
    assert pipe.is_fifo()


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    link, path = tmp_path / "link.golden", tmp_path / "sub" / "a.golden"
    path.parent.mkdir()
    link.symlink_to(path)
    for count in (3, 5):  # first a link to nothing yet
        write(link, count)
        assert link.is_symlink()
        assert_holds(path, samples(count))
    assert list(path.parent.iterdir()) == [path]


def test_who_may_read_a_bundle_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.golden"
    write(path, 3)
    path.chmod(0o640)
    write(path, 5)
    assert path.stat().st_mode & 0o777 == 0o640
    assert_holds(path, samples(5))


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


def test_the_generated_accessors_read_a_block() -> None:
    """A reader in any language: size, then a Block."""
    root = fb.Block.GetRootAs(blocks.end_block(9), PREFIX_BYTES)
    assert root.End().Samples() == 9
    assert root.Header() is None

"""`microinterp golden show` and `export`: what is in a bundle, and the same for other tools."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy.typing as npt
import typer
from rich.text import Text

from microinterp import golden
from microinterp.cli import options, output
from microinterp.cli.golden_verdict import many
from microinterp.errors import InputError
from microinterp.golden.numbers import plain
from microinterp.golden.selecting import Selection
from microinterp.golden_bundle import BundleHeader, BundleReader, Chunk
from microinterp.tensor_types import name_of

_Bundle = Annotated[str, typer.Argument(metavar="BUNDLE", help="From `golden record`.")]
_SHOWN = 64  # numbers of one tensor


def show(
    bundle: _Bundle,
    sample: Annotated[
        int | None, typer.Option(min=0, metavar="K", help="Show the values of sample K.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Show where a bundle comes from, how much is in it, and the values of a sample.

    The whole bundle is read, and every block's CRC32 checked.

    JSON: header (model_sha256, profile, runtime, runtime_version, inputs, outputs, checks,
    has_tensors, seed, tool), samples, chunks, file_bytes, sample_bytes, and with --sample K values
    (sample, inputs, outputs, crcs, tensors); floats that JSON lacks are "Infinity", "-Infinity" and
    "NaN:" with their bits.
    """
    with BundleReader(bundle) as reader:
        facts = _facts(reader)
        chosen = None
        if sample is not None:
            (chosen,) = Selection(reader, sample, sample + 1).chunks()
    if json:
        document = asdict(facts)
        if chosen is not None:
            document["values"] = _values(chosen)
        output.print_json(document)
        return
    _print(facts, bundle)
    if chosen is not None:
        _print_sample(facts.header, chosen)


@dataclass(frozen=True)
class _Facts:
    header: BundleHeader
    samples: int
    chunks: int
    file_bytes: int
    sample_bytes: int


def _facts(reader: BundleReader) -> _Facts:
    samples = chunks = 0
    for chunk in reader:
        samples, chunks = samples + chunk.samples, chunks + 1
    return _Facts(reader.header, samples, chunks, reader.size, reader.header.sample_bytes)


def _values(chunk: Chunk) -> dict[str, Any]:
    return {
        "sample": chunk.first,
        "inputs": [plain(array[0]) for array in chunk.inputs],
        "outputs": [plain(array[0]) for array in chunk.outputs],
        "crcs": chunk.crcs[0].tolist(),
        "tensors": [plain(array[0]) for array in chunk.tensors],
    }


def _print(facts: _Facts, path: str) -> None:
    screen, header = output.console(), facts.header
    size = f"{many(facts.file_bytes, 'byte')} in {many(facts.chunks, 'chunk')}"
    seed = "given" if header.seed is None else f"random, seed {header.seed}"
    for name, text in (
        ("bundle", path),
        ("model", f"sha256 {header.model_sha256}"),
        ("computed by", header.computed_by),
        ("recorded by", header.tool),
        ("samples", f"{facts.samples:,} of {many(facts.sample_bytes, 'byte')}, {size}"),
        ("inputs are", seed),
    ):
        screen.print(Text(f"{name:12}") + output.safe(text, limit=200), soft_wrap=True)
    screen.print()
    ends = output.table("", "type", "shape", "bytes", "name", right=("bytes",))
    for role, tensors in (("input", header.inputs), ("output", header.outputs)):
        for number, tensor in enumerate(tensors):
            shape, size = str(list(tensor.shape)), f"{tensor.nbytes:,}"
            row = f"{role} {number}", name_of(tensor.type), shape, size
            ends.add_row(*row, output.safe(tensor.name))
    screen.print(ends)
    if header.checks:
        screen.print()
        _print_checks(header)


def _print_checks(header: BundleHeader) -> None:
    screen = output.console()
    kept = "CRC32 and bytes" if header.has_tensors else "CRC32"
    ops = Counter((check.subgraph, check.op) for check in header.checks)
    screen.print(f"{kept} of {many(len(header.checks), 'tensor')} of {many(len(ops), 'op')}:")
    made = output.table(
        "op", "", "tensor", "type", "shape", "bytes", right=("op", "tensor", "bytes")
    )
    for check in header.checks:
        op = f"{check.subgraph}/{check.op}" if check.subgraph else str(check.op)
        shape, size = str(list(check.shape)), f"{check.nbytes:,}"
        name = output.safe(check.op_name)
        made.add_row(op, name, str(check.tensor), name_of(check.type), shape, size)
    screen.print(made)


def _print_sample(header: BundleHeader, chunk: Chunk) -> None:
    screen = output.console()
    screen.print(f"\nsample {chunk.first}")
    for role, arrays in (("input", chunk.inputs), ("output", chunk.outputs)):
        for number, array in enumerate(arrays):
            screen.print(f"{role} {number}: {_numbers(array[0])}", soft_wrap=True)
    for number, check in enumerate(header.checks):
        crc = f" CRC32 {int(chunk.crcs[0, number]):08x}"
        numbers = f": {_numbers(chunk.tensors[number][0])}" if chunk.tensors else ""
        screen.print(output.safe(check.name) + Text(crc + numbers), soft_wrap=True)


def _numbers(array: npt.NDArray[Any]) -> str:
    flat = array.reshape(-1)
    shown = ", ".join(str(value) for value in flat[:_SHOWN].tolist())
    rest = flat.size - _SHOWN
    return f"[{shown}]" if rest <= 0 else f"[{shown}, ... {rest:,} more; --json has all]"


def export(
    bundle: _Bundle,
    to: Annotated[
        str,
        typer.Option("--output", "-o", metavar="OUT.h|OUT.npz|OUT.json", help="File to write."),
    ],
    samples: Annotated[
        str | None,
        typer.Option(metavar="A:B", help="Samples A to B - 1 alone; either may be left out."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What C names begin with: the file's name.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Write a bundle, or some of it, as a C header, .npz or JSON (docs/golden.md).

    JSON: path, samples.
    """
    first, stop = (0, None) if samples is None else parse_samples(samples)
    count = golden.export(bundle, to, first, stop, name)
    if json:
        output.print_json({"path": to, "samples": count})
        return
    written = output.safe(to, limit=200) + Text(f": {many(count, 'sample')}")
    output.console().print(written, soft_wrap=True)


def parse_samples(text: str) -> tuple[int, int | None]:
    """(first, stop) of "A:B"; None goes to the end. Raises InputError if it is not that."""
    low, colon, high = text.partition(":")
    parts = [part for part in (low, high) if part]
    if not colon or not all(part.isascii() and part.isdigit() and len(part) < 12 for part in parts):
        raise InputError(f"samples '{text}': wanted A:B, as 0:20, :20 or 100:")
    return int(low or 0), int(high) if high else None

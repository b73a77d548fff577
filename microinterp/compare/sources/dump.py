"""Dumps: what any firmware can print of its tensors, line by line (docs/compare.md)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, TextIO

import numpy as np

from microinterp.compare.told import Account, Array, Told
from microinterp.errors import InputError, printable, printable_path
from microinterp.files import MAX_BYTES, unreadable
from microinterp.graph import Tensor
from microinterp.prepare import Prepared
from microinterp.sides import Place, places_of
from microinterp.tensor_types import BY_CODE, name_of

FIRST_LINE = "# microinterp dump 1"
PREFIX = "mi> "
"""With it a line is ours, wherever a console's other output stands."""
_BYTES_PER_LINE = 32
_NUMPY = {name_of(code): np.dtype(e.dtype) for code, e in BY_CODE.items() if e.dtype is not None}
_NUMBER = r"[0-9]{1,9}"
_SHAPE = rf"(?:{_NUMBER})?(?:,(?:{_NUMBER})?)*|-"
_RECORD = re.compile(
    rf"(?P<kind>input|output) (?P<number>{_NUMBER}) (?P<type>\w+) (?P<shape>{_SHAPE})"
    rf"(?: (?P<hex>.*))?"
    rf"|op (?:(?P<subgraph>{_NUMBER})/)?(?P<op>{_NUMBER}) (?P<name>\S+) "
    rf"tensor (?P<tensor>{_NUMBER}) (?P<optype>\w+) (?P<opshape>{_SHAPE})(?: (?P<ophex>.*))?"
)
_SAMPLE = re.compile(rf"sample ({_NUMBER})")

Key = tuple[str, int] | Place


@dataclass
class _Record:
    """One tensor's line, and those that go on with it."""

    line: int
    key: Key
    name: str
    type: str
    shape: tuple[int, ...]
    hex: list[str] = field(default_factory=list)


def read_dump(path: str | os.PathLike[str], prepared: Prepared) -> Account:
    """What a dump tells.

    Raises:
        InputError: it cannot be read, is no dump, or does not fit the model; with the line.
    """
    name = os.fspath(path)
    reader = _Reader(name, prepared)
    try:
        if os.path.getsize(name) > MAX_BYTES:
            raise unreadable(name, f"it has more than {MAX_BYTES:,} bytes")
        with open(name, encoding="utf-8", errors="replace") as file:
            reader.read(file)
    except InputError:  # which is a ValueError
        raise
    except (OSError, ValueError) as error:
        raise unreadable(name, error) from None
    return reader.account()


class _Reader:
    def __init__(self, path: str, prepared: Prepared) -> None:
        self._path = path
        self._prepared = prepared
        self._runtime = ""
        self._places = frozenset(places_of(prepared))
        self._samples: list[dict[Key, Array]] = []
        self._types: dict[Key, str] = {}
        self._open: _Record | None = None

    def read(self, file: TextIO) -> None:
        for number, line in self._lines(file):
            self._take(number, line)
        self._close()

    def _lines(self, file: TextIO) -> Iterator[tuple[int, str]]:
        """Our lines, numbered from 1; all that stands between those of a console left out."""
        prefixed: bool | None = None
        for number, line in enumerate(file, 1):
            text = line.rstrip()
            start = text.find(PREFIX + FIRST_LINE)
            if prefixed is None and start >= 0:
                prefixed = True
            if prefixed is None and text == FIRST_LINE:
                prefixed = False
            if prefixed is None:
                continue
            if prefixed:
                start = text.find(PREFIX)
                if start < 0:
                    continue
                text = text[start + len(PREFIX) :]
            if text and not text.startswith("#"):
                yield number, text
        if prefixed is None:
            raise InputError(
                f"'{printable_path(self._path)}' is no dump: no line says '{FIRST_LINE}'",
                hint="the format is told in docs/compare.md",
            )

    def _take(self, number: int, line: str) -> None:
        if line.startswith("+"):
            if self._open is None:
                self._fail(number, "a '+' line goes on with nothing")
            self._open.hex.append(line[1:])
            return
        self._close()
        if line.startswith("runtime "):
            self._runtime = line.removeprefix("runtime ").strip()
        elif found := _SAMPLE.fullmatch(line):
            if int(found[1]) != len(self._samples):
                self._fail(number, f"sample {found[1]}, wanted {len(self._samples)}")
            self._samples.append({})
        else:
            self._open = self._record(number, line)

    def _record(self, number: int, line: str) -> _Record:
        found = _RECORD.fullmatch(line)
        if found is None:
            self._fail(
                number,
                f"cannot read '{printable(line, 60)}'",
                "wanted 'input N TYPE SHAPE HEX', 'output ...' or "
                "'op N NAME tensor T TYPE SHAPE HEX'",
            )
        if not self._samples:
            self._fail(number, "a tensor before the first 'sample 0'")
        if found["kind"]:
            key: Key = (found["kind"], int(found["number"]))
            kind, shape, text = found["type"], found["shape"], found["hex"]
        else:
            key = (int(found["subgraph"] or 0), int(found["op"]), int(found["tensor"]))
            kind, shape, text = found["optype"], found["opshape"], found["ophex"]
        sides = () if shape in ("", "-") else tuple(int(n) for n in shape.split(",") if n)
        return _Record(number, key, found["name"] or "", kind, sides, [text or ""])

    def _close(self) -> None:
        """Turn the record that is open into an array."""
        record, self._open = self._open, None
        if record is None:
            return
        tensor = self._tensor(record)
        try:
            data = bytes.fromhex("".join(record.hex))
        except ValueError:
            self._fail(record.line, "the bytes are not hexadecimal")
        if record.shape != tensor.shape and np.prod(record.shape) != tensor.elements:
            self._fail(record.line, f"shape {list(record.shape)}, wanted {list(tensor.shape)}")
        if len(data) != tensor.nbytes:
            self._fail(record.line, f"{len(data)} bytes, wanted {tensor.nbytes} of {tensor}")
        told = _NUMPY.get(record.type)
        if told is None or told.itemsize != tensor.dtype.itemsize:
            self._fail(record.line, f"type '{record.type}', wanted {tensor.type_name}")
        if record.key in self._samples[-1] and record.key[0] in ("input", "output", 0):
            self._fail(record.line, f"{_words(record.key)} is told twice in one sample")
        little = tensor.dtype.newbyteorder("<")
        values = np.frombuffer(data, little).astype(tensor.dtype).reshape(tensor.shape)
        self._samples[-1][record.key] = values
        self._types[record.key] = "" if record.type == tensor.type_name else record.type

    def _tensor(self, record: _Record) -> Tensor:
        graph, key = self._prepared.graph, record.key
        if len(key) == 2:
            ends = graph.main.inputs if key[0] == "input" else graph.main.outputs
            if key[1] >= len(ends):
                self._fail(record.line, f"the model has {len(ends)} {key[0]}s")
            return ends[key[1]]
        if key not in self._places:
            self._fail(record.line, f"op {key[1]} of the model does not write tensor {key[2]}")
        node = graph.subgraphs[key[0]].nodes[key[1]]
        if record.name not in (node.name, "-"):
            self._fail(record.line, f"op {key[1]} is {node.name}, not {printable(record.name)}")
        return graph.subgraphs[key[0]].tensors[key[2]]

    def account(self) -> Account:
        if not self._samples:
            raise InputError(f"'{printable_path(self._path)}' has no samples")
        graph, notes = self._prepared.graph, []
        keys = dict.fromkeys(key for sample in self._samples for key in sample)
        told: dict[Key, Told] = {}
        for key in keys:
            values = [sample[key] for sample in self._samples if key in sample]
            if len(values) == len(self._samples):
                told[key] = Told(np.stack(values), type_name=self._types[key])
            else:
                notes.append(f"{_words(key)} is told in {len(values)} samples only, and left out")
        inputs = [told.get(("input", i)) for i in range(len(graph.main.inputs))]
        return Account(
            "dump",
            self._runtime or f"the dump {self._path}",
            len(self._samples),
            [None if each is None else each.values for each in inputs],
            [told.get(("output", i)) for i in range(len(graph.main.outputs))],
            {key: each for key, each in told.items() if len(key) == 3},
            notes,
        )

    def _fail(self, number: int, message: str, hint: str = "") -> NoReturn:
        raise InputError(f"'{printable_path(self._path)}', line {number}: {message}", hint=hint)


def _words(key: Key) -> str:
    if len(key) == 2:
        return f"{key[0]} {key[1]}"
    subgraph = f"{key[0]}/" if key[0] else ""
    return f"op {subgraph}{key[1]}'s tensor {key[2]}"


def write_dump(file: TextIO, prepared: Prepared, account: Account, inputs: Sequence[Array]) -> None:
    """Write a side's account as a dump. Tensors of which only checksums are told are left out."""
    graph = prepared.graph
    file.write(f"{FIRST_LINE}\nruntime {printable(account.version)}\n")
    for sample in range(account.samples):
        file.write(f"sample {sample}\n")
        for i, (array, tensor) in enumerate(zip(inputs, graph.main.inputs, strict=True)):
            _write(file, f"input {i}", tensor, array[sample])
        for (subgraph, op, number), told in account.tensors.items():
            if told.values is None:
                continue
            node = graph.subgraphs[subgraph].nodes[op]
            place = f"{subgraph}/{op}" if subgraph else str(op)
            tensor = graph.subgraphs[subgraph].tensors[number]
            start = f"op {place} {node.name} tensor {number}"
            _write(file, start, tensor, told.values[sample])
        for i, (output, tensor) in enumerate(zip(account.outputs, graph.main.outputs, strict=True)):
            if output is not None and output.values is not None:
                _write(file, f"output {i}", tensor, output.values[sample])


def _write(file: TextIO, start: str, tensor: Tensor, array: Array) -> None:
    data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    shape = ",".join(map(str, tensor.shape)) or "-"
    lines = [data[i : i + _BYTES_PER_LINE].hex() for i in range(0, len(data), _BYTES_PER_LINE)]
    file.write(f"{start} {tensor.type_name} {shape} {lines[0] if lines else ''}\n")
    file.writelines(f"+ {line}\n" for line in lines[1:])

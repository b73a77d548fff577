"""A generated module running on a board: the twin of microinterp_boards.session.Session."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from types import TracebackType

import microinterp
from microinterp import packed
from microinterp.errors import DeviceError
from microinterp.packed.records import PackedOp, Written
from microinterp_boards.link import Link
from microinterp_boards.packing import BoardModel
from microinterp_boards.session_facts import Loaded, OpRun, Place
from microinterp_boards.source_form.generate import module_name
from microinterp_boards.source_form.wire import Wire

_INVOKE_LIMIT = 300.0  # seconds
_LOAD_LIMIT = 60.0


class SourceSession:
    """A context manager. Raises DeviceError when board or line fail.

    Nothing runs on the board between calls: each is a short text of its own.
    """

    def __init__(self, link: Link, model: BoardModel, source_bytes: int) -> None:
        """Soft reset the board and import the module.

        It is imported twice: first alone, to see what of the heap it takes and its code takes, then
        behind the functions that run it, which compile only while the heap is empty.
        """
        self._link = link
        self._wire = Wire(link)
        steps = packed.load(model.packed)
        self._ops = steps.subgraphs[0].ops
        self._places = tuple(each.offset for each in steps.inputs)
        self._name = module_name(model.name)
        link.soft_reset()
        start = self._wire.heap_free()
        self._import(start)
        full = self._wire.heap_free()
        link.exec("m.S=m.A=None")
        imported = self._wire.heap_free()
        link.soft_reset()
        for name in ("tell", "put", "run"):
            self._wire.define(name)
        self._import(start)
        self.loaded = self._loaded((start, imported, full), source_bytes)

    def __enter__(self) -> SourceSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()

    def close(self) -> None:
        """Leave nothing in the board's heap."""
        self._link.soft_reset()

    def set_input(self, index: int, data: bytes) -> None:
        """Send all bytes of an input, straight to its place in the arena."""
        wanted = self.loaded.inputs[index]
        if len(data) != wanted:
            raise DeviceError(f"input {index} on the board takes {wanted} bytes, got {len(data)}")
        self._wire.put(self._places[index], data)

    def invoke(self) -> int:
        """Run the model, with the heap locked; returns microseconds by the board's clock."""
        return self._wire.number("_run(0,0)", _INVOKE_LIMIT)

    def invoke_ops(self) -> list[OpRun]:
        """Run the model op by op; what each wrote is read back, and the CRC32 taken here."""
        runs = []
        for op in self._ops:
            spent = self._run(op)
            written = tuple((each.index, zlib.crc32(self._arena(each))) for each in op.written)
            runs.append(OpRun(0, op.index, spent, written))
        return runs

    def places(self) -> dict[Place, int]:
        """Bytes of each tensor that an op writes."""
        return {(0, op.index, each.index): each.nbytes for op in self._ops for each in op.written}

    def invoke_for(self, places: Mapping[Place, int]) -> dict[Place, bytes]:
        """Run the model op by op; what it has written of `places`."""
        found = {}
        for op in self._ops:
            self._run(op)
            for each in op.written:
                if (0, op.index, each.index) in places:
                    found[0, op.index, each.index] = self._arena(each)
        return found

    def output(self, index: int) -> bytes:
        """The bytes of an output."""
        return self._wire.bytes_of(f"m.get_output({index})", 0, self.loaded.outputs[index])

    def heap_free(self) -> int:
        """Bytes, after a collection; the functions that run the module take some of them."""
        return self._wire.heap_free()

    def _run(self, op: PackedOp) -> int:
        """Microseconds of one op."""
        if not op.steps:
            return 0
        return self._wire.number(f"_run({op.first_step},{op.steps})", _INVOKE_LIMIT)

    def _arena(self, place: Written) -> bytes:
        return self._wire.bytes_of("m.A", place.offset, place.offset + place.nbytes)

    def _import(self, free: int) -> None:
        try:
            self._link.exec(f"import {self._name} as m", _LOAD_LIMIT)
        except DeviceError as error:
            what = error.message.splitlines()[0]
            self._link.soft_reset()
            if "MemoryError" not in what:
                raise DeviceError(
                    f"{what}, importing '{self._name}'", hint="deploy the model again"
                ) from None
            raise DeviceError(
                f"{what}, importing '{self._name}' into {free} bytes of free heap",
                hint="use a smaller model, or a board with more memory",
            ) from None

    def _loaded(self, heap: tuple[int, int, int], source_bytes: int) -> Loaded:
        inputs, outputs = (self._sizes(table) for table in ("m.I", "m.O"))
        return Loaded(
            heap_start=heap[0],
            heap_imported=heap[1],
            heap_loaded=heap[2],
            arena_bytes=self._wire.number("print(len(m.A))"),
            model_bytes=source_bytes,
            sha256=self._wire.bytes_of("m.H", 0, 32).hex(),
            inputs=inputs,
            outputs=outputs,
            tier="bytecode",
            version=microinterp.__version__,
            clock="us",
            file="",
        )

    def _sizes(self, table: str) -> tuple[int, ...]:
        text = self._wire.ask(f"print({table})")
        if re.fullmatch(r"\((\([0-9]+, [0-9]+\),? ?)*\)", text) is None:
            raise self._wire.nonsense(text, "places and sizes of tensors")
        return tuple(int(size) for size in re.findall(r", ([0-9]+)\)", text))

"""A generated module running on a board: the twin of microinterp_boards.session.Session."""

from __future__ import annotations

import re
import zlib
from types import TracebackType

import microinterp
from microinterp import packed
from microinterp.errors import DeviceError, printable
from microinterp.packed.records import PackedModel
from microinterp_boards.link import Link
from microinterp_boards.packing import BoardModel
from microinterp_boards.session import Loaded, OpRun
from microinterp_boards.source_form.generate import module_name
from microinterp_boards.source_form.wire import Wire

_INVOKE_LIMIT = 300.0  # seconds
_LOAD_LIMIT = 60.0
_SIZES = "[0-9 ]{0,400}"


class SourceSession:
    """A context manager. Raises DeviceError when board or line fail.

    Nothing runs on the board between calls: each is a short text of its own.
    """

    def __init__(self, link: Link, model: BoardModel, source_bytes: int) -> None:
        """Soft reset the board and import the module.

        It is imported twice: the first time, what is in the heap without the steps is measured.
        """
        self._link = link
        self._wire = Wire(link)
        self._model: PackedModel = packed.load(model.packed)
        self._name = module_name(model.name)
        self._import()
        link.exec("m.S=m.A=None")
        imported = self._wire.number("free")
        start = self._import()
        self.loaded = self._loaded(start, imported, source_bytes)

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
        """Send all bytes of an input."""
        wanted = self.loaded.inputs[index]
        if len(data) != wanted:
            raise DeviceError(f"input {index} on the board takes {wanted} bytes, got {len(data)}")
        self._wire.send_input(index, data)

    def invoke(self) -> int:
        """Run the model, with the heap locked; returns microseconds by the board's clock."""
        return self._wire.number("run", timeout=_INVOKE_LIMIT)

    def invoke_ops(self) -> list[OpRun]:
        """Run the model op by op; what each wrote is read back, and the CRC32 taken here."""
        runs = []
        for op in self._model.subgraphs[0].ops:
            spent = self._wire.number("steps", op.first_step, op.steps, timeout=_INVOKE_LIMIT)
            written = tuple(
                (each.index, zlib.crc32(self._wire.bytes_of(-1, each.offset, each.nbytes)))
                for each in op.written
            )
            runs.append(OpRun(0, op.index, spent, written))
        return runs

    def output(self, index: int) -> bytes:
        """The bytes of an output."""
        data = self._wire.bytes_of(index)
        if len(data) != self.loaded.outputs[index]:
            raise self._wire.nonsense(data.hex(), f"output {index}")
        return data

    def heap_free(self) -> int:
        """Bytes, after a collection."""
        return self._wire.number("free")

    def _import(self) -> int:
        """Bytes free before the import."""
        self._link.soft_reset()
        free = self._wire.number("free")
        try:
            self._link.exec(f"import {self._name} as m", _LOAD_LIMIT)
        except DeviceError as error:
            what = error.message.splitlines()[0]
            if "MemoryError" in what:
                raise DeviceError(
                    what.replace("the board", f"'{self._name}' does not fit: the board")
                    + f"; {free} bytes were free before",
                    hint="use a smaller model, or a board with more memory",
                ) from None
            raise DeviceError(
                f"{what}, importing '{self._name}'", hint="deploy the model again"
            ) from None
        return free

    def _loaded(self, start: int, imported: int, source_bytes: int) -> Loaded:
        text = self._wire.call("about")
        match = re.fullmatch(f"([0-9a-f]{{64}})\n([0-9]{{1,9}})\n({_SIZES})\n({_SIZES})", text)
        if match is None:
            raise self._wire.nonsense(printable(text), "facts about the module")
        inputs, outputs = (tuple(map(int, match[number].split())) for number in (3, 4))
        return Loaded(
            heap_start=start,
            heap_imported=imported,
            heap_loaded=self._wire.number("free"),
            arena_bytes=int(match[2]),
            model_bytes=source_bytes,
            sha256=match[1],
            inputs=inputs,
            outputs=outputs,
            tier="bytecode",
            version=microinterp.__version__,
            clock="us",
            file="",
        )

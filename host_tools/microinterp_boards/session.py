"""A model running on a board, driven from here: inputs go in, outputs and checksums come back.

Every byte is checked by length and CRC32; what the board says is taken as numbers and bytes, and is
never evaluated. The board's side is device/session.py and its parts.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterable, Mapping
from types import TracebackType

from microinterp.errors import DeviceError, printable
from microinterp_boards import device
from microinterp_boards.link import Link
from microinterp_boards.session_facts import Loaded, OpCount, OpRun, Place

CLOCKS = ("us", "instructions")
"""What a board's clock may count."""
_BLOCK = 236  # with its CRC32 240 bytes, less than the smallest input buffer, ESP32's 260
_HEX_BLOCK = 112
_CRC = 4
_BOARD_PATIENCE = 5000  # milliseconds that a board waits for a block of an input
_PATIENCE = 15.0  # seconds for an answer that takes no computing
_LOAD_LIMIT = 60.0  # seconds to load and check a model
_INVOKE_LIMIT = 300.0  # seconds; ticks_us cannot tell more than some 500
_MAX_ANSWER = 1 << 24
_FACTS = struct.Struct("<5I")
_OP = struct.Struct("<HHQH")
_COUNTED = struct.Struct("<HHQQ")
_WRITTEN = struct.Struct("<II")
_PLACE = struct.Struct("<HHI")
_PLACE_AND_SIZE = struct.Struct("<HHII")
_SLOWEST = 4000  # bytes a second


class DoesNotFitError(DeviceError):
    """A model, and the runtime with it, need more heap than the board has."""


class Session:
    """A context manager. Raises DeviceError when board or line fail."""

    def __init__(
        self, link: Link, path: str, tells_tensors: bool = False, counts: bool = False
    ) -> None:
        """Soft reset the board, so that its heap is empty, and load the file `path`.

        tells_tensors: `places` and `invoke_for` will be used; their code takes some heap.
        counts: `count_ops` will be used in place of `invoke_ops`, on a board whose clock counts
            instructions.
        """
        self._link = link
        link.soft_reset()
        self._binary = takes_binary(link)
        block = _BLOCK if self._binary else _HEX_BLOCK
        self._block = block
        code = device.define("exchange", "clock", "load", "count_ops" if counts else "per_op")
        if counts:
            code += b"_per_op = _count_ops\n"
        if tells_tensors:
            code += device.define("places", "invoke_for")
        code += device.call("session", path.encode(), block, int(self._binary), _BOARD_PATIENCE)
        link.start(code)
        self._open = True
        self.loaded = self._loaded(self._first_answer(path))

    def __enter__(self) -> Session:
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
        """End the program on the board, and leave nothing of it in the heap."""
        if self._open:
            self._open = False
            self._ask("Q", _PATIENCE, "the end of the session")
            self._link.finish()
            self._link.soft_reset()

    def set_input(self, index: int, data: bytes) -> None:
        """Send all bytes of an input."""
        wanted = self.loaded.inputs[index]
        if len(data) != wanted:
            raise DeviceError(f"input {index} on the board takes {wanted} bytes, got {len(data)}")
        self._send(f"I {index}", data, f"input {index}")

    def _send(self, command: str, data: bytes, name: str) -> None:
        """A command, and bytes in blocks, each of which is answered."""
        self._link.write(f"{command}\n".encode())
        what = f"an answer to a block of {name}"
        self._link.reply(b"R", _PATIENCE, what)
        for at in range(0, len(data), self._block):
            piece = data[at : at + self._block]
            piece += zlib.crc32(piece).to_bytes(_CRC, "little")
            self._link.write(piece if self._binary else piece.hex().encode())
            if self._link.reply(b"KC", _PATIENCE, what) == b"C":
                raise self._damaged()
        self._link.reply(b"D", _PATIENCE, what)

    def invoke(self) -> int:
        """Run the model, with the heap locked; returns the time by the board's clock."""
        return self._number("N", _INVOKE_LIMIT, "the end of an invoke")

    def invoke_ops(self) -> list[OpRun]:
        """Run the model op by op."""
        data = self._ask("P", _INVOKE_LIMIT, "the end of an invoke, op by op")
        runs, at = [], 0
        try:
            while at < len(data):
                subgraph, index, spent, count = _OP.unpack_from(data, at)
                at += _OP.size
                written = tuple(
                    (int(tensor), int(crc))
                    for tensor, crc in (
                        _WRITTEN.unpack_from(data, at + _WRITTEN.size * i) for i in range(count)
                    )
                )
                at += _WRITTEN.size * count
                runs.append(OpRun(subgraph, index, spent, written))
        except struct.error:
            raise self._nonsense("a list of ops") from None
        return runs

    def count_ops(self) -> list[OpCount]:
        """Run the model's main subgraph step by step, after a plain invoke."""
        data = self._ask("P", _INVOKE_LIMIT, "the end of an invoke, step by step")
        if len(data) % _COUNTED.size:
            raise self._nonsense("a list of ops")
        return [OpCount(*numbers) for numbers in _COUNTED.iter_unpack(data)]

    def places(self) -> dict[Place, int]:
        """Bytes of each tensor, or part of one, that an op writes into memory of its own."""
        data = self._ask("W", _PATIENCE, "a list of tensors")
        if len(data) % _PLACE_AND_SIZE.size:
            raise self._nonsense("a list of tensors")
        return {(s, op, tensor): n for s, op, tensor, n in _PLACE_AND_SIZE.iter_unpack(data)}

    def invoke_for(self, places: Mapping[Place, int]) -> dict[Place, bytes]:
        """Run the model op by op; what it has written of `places`, whose sizes are given.

        An op that did not run, since it runs once only, has no entry.
        """
        wanted = "the bytes of a tensor"
        self._send(f"T {_PLACE.size * len(places)}", _packed(places), "a list of tensors")
        found: dict[Place, bytes] = {}
        while data := self._answer(_INVOKE_LIMIT, wanted):
            if len(data) != _PLACE.size:
                raise self._nonsense(wanted)
            subgraph, op, tensor = _PLACE.unpack(data)
            place = subgraph, op, tensor
            if place not in places or place in found:
                raise self._nonsense(wanted)
            found[place] = self._answer(_PATIENCE, wanted)
            if len(found[place]) != places[place]:
                raise self._nonsense(wanted)
        return found

    def output(self, index: int) -> bytes:
        """The bytes of an output."""
        data = self._ask(f"O {index}", _PATIENCE, f"output {index}")
        if len(data) != self.loaded.outputs[index]:
            raise self._nonsense(f"output {index}")
        return data

    def reset(self) -> None:
        """Variables back to their start."""
        self._ask("Z", _PATIENCE, "the end of a reset")

    def heap_free(self) -> int:
        """Bytes, after a collection."""
        return self._number("H", _PATIENCE, "bytes of heap")

    def _number(self, command: str, timeout: float, wanted: str) -> int:
        data = self._ask(command, timeout, wanted)
        if len(data) != 8:
            raise self._nonsense(wanted)
        return int.from_bytes(data, "little")

    def _ask(self, command: str, timeout: float, wanted: str) -> bytes:
        self._link.write(f"{command}\n".encode())
        return self._answer(timeout, wanted)

    def _answer(self, timeout: float, wanted: str) -> bytes:
        self._link.reply(b"B", timeout, wanted)
        text = self._link.read_line(_PATIENCE, f"the size of {wanted}")
        if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) > _MAX_ANSWER:
            raise self._nonsense(f"the size of {wanted}")
        size = int(text)
        count = (size + _CRC) * (1 if self._binary else 2)
        raw = self._link.read(count, _PATIENCE + count / _SLOWEST, wanted)
        if not self._binary:
            with contextlib.suppress(ValueError):
                raw = bytes.fromhex(raw.decode("ascii", "replace"))
        data = raw[:size]
        if len(raw) != size + _CRC or zlib.crc32(data) != int.from_bytes(raw[size:], "little"):
            raise self._damaged()
        return data

    def _first_answer(self, path: str) -> bytes:
        try:
            return self._answer(_LOAD_LIMIT, "facts about the loaded model")
        except DeviceError as error:
            what = error.message.splitlines()[0]
            if "ModelError: packed for '" in what:
                hint = "deploy the model again: the runtime on the board is for other kernels"
                raise DeviceError(what, hint=hint) from None
            if "MemoryError" not in what:
                raise
            raise DoesNotFitError(
                what.replace(
                    "the board", f"model '{_name(path)}' does not fit into the heap: the board"
                ),
                hint="use a board with more memory, firmware with a larger heap, or a smaller"
                " model; a boot.py that allocates much can be emptied",
            ) from None

    def _loaded(self, data: bytes) -> Loaded:
        """Facts in the order in which device/load.py packs them."""
        try:
            start, imported, loaded, arena, model = _FACTS.unpack_from(data)
            at = _FACTS.size
            digest = data[at + 1 : at + 1 + data[at]]
            at += 1 + data[at]
            sizes = []
            for _ in range(2):
                count = data[at]
                sizes.append(struct.unpack_from(f"<{count}I", data, at + 1))
                at += 1 + 4 * count
            tier, version, clock, file = data[at:].decode().split("\n")
        except (struct.error, IndexError, ValueError):
            raise self._nonsense("facts about the loaded model") from None
        if clock not in CLOCKS:
            raise self._nonsense("facts about the loaded model")
        return Loaded(
            heap_start=start,
            heap_imported=imported,
            heap_loaded=loaded,
            arena_bytes=arena,
            model_bytes=model,
            sha256=digest.hex(),
            inputs=sizes[0],
            outputs=sizes[1],
            tier=printable(tier),
            version=printable(version),
            clock=clock,
            file=printable(file, 200),
        )

    def _damaged(self) -> DeviceError:
        return self._link.transport.error(
            "bytes were damaged or lost on the line",
            "try again; a shorter cable or a lower baud rate may help",
        )

    def _nonsense(self, wanted: str) -> DeviceError:
        return self._link.transport.error(
            f"something else came instead of {wanted}",
            "something printed on the line, or bytes were lost: try again",
        )


def _name(path: str) -> str:
    """Of a model, by the path of its file."""
    return path.rpartition("/")[2].rpartition(".")[0]


def _packed(places: Iterable[Place]) -> bytes:
    return b"".join(_PLACE.pack(*place) for place in places)


def takes_binary(link: Link) -> bool:
    """Whether bytes go over this line as they are; else as hex."""
    return link.exec(device.call("room"), _PATIENCE).split()[-1:] == [b"1"]

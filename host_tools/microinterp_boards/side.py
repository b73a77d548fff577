"""A board as a side: what it computes, op by op, told as the other runtimes tell it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from microinterp.closing import Closing
from microinterp.errors import DeviceError, UnsupportedError, printable
from microinterp.graph import Tensor
from microinterp.sides.side import (
    Array,
    Observed,
    Place,
    Summed,
    require_samples,
    sample_count,
)
from microinterp_boards import device, runtime, source_form
from microinterp_boards.deploy import require_same
from microinterp_boards.link import Link
from microinterp_boards.packing import SUFFIX, BoardModel, pack_for_board
from microinterp_boards.probe import Probe, probe
from microinterp_boards.session import Session
from microinterp_boards.session_facts import Loaded
from microinterp_boards.source_form import install
from microinterp_boards.source_form.generate import generate
from microinterp_boards.source_form.session import SourceSession
from microinterp_boards.store.places import state_of

_LINE = re.compile(r"((?:[0-9a-f]{2})+)\.([0-9a-f]{64})?\.")
_PATIENCE = 15.0  # seconds for a list of models


class BoardSide(Closing):
    """A deployed model on a board; see microinterp.sides.Side.

    Tensors are read from the board's arena when their op has written them. Those without memory of
    their own on the board (an op that was folded, a tensor that memory passes have cut) are not
    told. Only what is asked for goes over the line, which takes its time.

    Attributes:
        name: "board:PORT".
        version: the board, its MicroPython, the runtime and its kernels.
    """

    def __init__(
        self, port: str, model: bytes, *, baud: int = 115200, patience: float = 10.0
    ) -> None:
        """Open the port and load the model, which starts afresh.

        Whatever its name on the board and the memory passes that it was deployed with: it is found
        by the sha256 of the .tflite file. `baud` and `patience` are those of Board.

        Raises:
            DeviceError: nothing answers, the model is not deployed, or the runtime is damaged.
            ModelError, UnsupportedError, PrepareError: boards cannot run the model.
        """
        packed = pack_for_board(model)
        self.name = f"board:{port}"
        self._subgraphs = packed.prepared.graph.subgraphs
        self._main = packed.prepared.graph.main
        self._is_sound = False  # whether the session can be ended in good order
        self._link = Link(port, baud, patience)
        try:
            self._link.soft_reset()
            about = probe(self._link)
            self._session, folder = _open(self._link, packed, about)
            self._is_sound = True
            require_same(self._link, self._session.loaded, packed, folder, any_passes=True)
            self.version = _version(about, self._session.loaded)
            self._places = self._known()
        except BaseException:
            self.close()
            raise
        self._last: dict[Place, Array] = {}
        self._last_crcs: dict[Place, int] = {}

    def run(self, inputs: Sequence[Array], places: Sequence[Place] = ()) -> Observed:
        """See Side. Raises InputError for arrays that do not fit, DeviceError for the rest."""
        asked = {place: self._places[place] for place in places if place in self._places}
        count = sample_count(inputs)
        tensors: dict[Place, Array] = {}
        for place, tensor in asked.items():
            tensors[place] = np.zeros((count, *tensor.shape), tensor.dtype)
        outputs = self._run(inputs, lambda sample: self._invoke(asked, tensors, sample))
        return Observed(outputs, tensors)

    def run_summed(self, inputs: Sequence[Array], places: Sequence[Place]) -> Summed:
        """See TakesChecksums: four bytes of each tensor go over the line."""
        count = sample_count(inputs)
        crcs = {place: np.zeros(count, np.uint32) for place in places if place in self._places}
        outputs = self._run(inputs, lambda sample: self._sum(crcs, sample))
        return Summed(outputs, crcs)

    def _run(self, inputs: Sequence[Array], invoke: Callable[[int], None]) -> tuple[Array, ...]:
        require_samples(self._main.inputs, inputs)
        count = sample_count(inputs)
        outputs = tuple(np.empty((count, *t.shape), t.dtype) for t in self._main.outputs)
        try:
            for sample in range(count):
                self._set(inputs, sample)
                invoke(sample)
                for i, (found, tensor) in enumerate(zip(outputs, self._main.outputs, strict=True)):
                    found[sample] = _array(self._session.output(i), tensor)
        except BaseException:
            self._is_sound = False
            raise
        return outputs

    def close(self) -> None:
        """Leave nothing of the model in the board's heap, and close the port."""
        try:
            if self._is_sound:
                self._is_sound = False
                self._session.close()
        finally:
            self._link.close()

    def _set(self, inputs: Sequence[Array], sample: int) -> None:
        for index, array in enumerate(inputs):
            self._session.set_input(index, np.ascontiguousarray(array[sample]).tobytes())

    def _invoke(self, asked: dict[Place, Tensor], into: dict[Place, Array], sample: int) -> None:
        """Invoke; what an op that runs once has written stays what it was."""
        if not asked:
            self._session.invoke()
            return
        found = self._session.invoke_for({place: t.nbytes for place, t in asked.items()})
        for place, tensor in asked.items():
            if place in found:
                self._last[place] = _array(found[place], tensor)
            if place in self._last:
                into[place][sample] = self._last[place]

    def _sum(self, into: Mapping[Place, Array], sample: int) -> None:
        """Invoke op by op; an op that runs once keeps the CRC32 of that time."""
        for op in self._session.invoke_ops():
            for tensor, crc in op.written:
                self._last_crcs[op.subgraph, op.op_index, tensor] = crc
        for place, crcs in into.items():
            of_zeros = zlib.crc32(bytes(self._places[place].nbytes))
            crcs[sample] = self._last_crcs.get(place, of_zeros)

    def _known(self) -> dict[Place, Tensor]:
        """What the board can tell: whole tensors of the file, not parts of them."""
        found = {}
        for place, nbytes in self._session.places().items():
            subgraph, _, index = place
            if subgraph < len(self._subgraphs) and index < len(self._subgraphs[subgraph].tensors):
                tensor = self._subgraphs[subgraph].tensors[index]
                if tensor.nbytes == nbytes:
                    found[place] = tensor
        return found


def _open(link: Link, model: BoardModel, about: Probe) -> tuple[Session | SourceSession, str]:
    """The model, loaded, and the runtime's folder.

    Raises DeviceError where one of them is missing or damaged.
    """
    if source_form.is_for(about):
        return _open_source(link, model), ""
    try:
        mpy_set, folder = runtime.require_sound(link, about)
    except DeviceError as error:
        raise DeviceError(error.message, error.where, _deploy_hint(link)) from None
    paths = [path for path, digest in _models(link) if digest == model.sha256]
    if not paths:
        raise _not_there(link)
    wanted = runtime.state_of(model.for_tier(runtime.tier_of(mpy_set)).packed)
    intact = (path for path in paths if state_of(link, path) == wanted)
    path = next(intact, paths[0])  # one without memory passes, where there are several
    return Session(link, path, tells_tensors=True), folder


def _open_source(link: Link, model: BoardModel) -> SourceSession:
    try:
        source = generate(model.packed)
    except UnsupportedError:  # then it was never deployed
        raise _not_there(link) from None
    link.soft_reset()  # the probe has left its names in a small heap
    there = install.find(link, model, source)
    if there is None:
        raise _not_there(link)
    return SourceSession(link, there, source.source_bytes)


def _models(link: Link) -> list[tuple[str, str]]:
    """Packed models on a board: path of the file, sha256 of the .tflite file."""
    output = link.exec(device.call("models", SUFFIX.encode()), _PATIENCE)
    lines = output.decode("ascii", "backslashreplace").replace("\r\n", "\n").strip().split("\n")
    matches = [_LINE.fullmatch(line.strip()) for line in lines[:-1]]
    if lines[-1] != f"end {len(matches)}" or None in matches:
        raise link.transport.error(
            "something else came instead of a list of models",
            "something printed on the line, or bytes were lost: try again",
        )
    return sorted(
        (bytes.fromhex(m[1]).decode(errors="backslashreplace"), m[2] or "")
        for m in matches
        if m is not None
    )


def _not_there(link: Link) -> DeviceError:
    port = printable(link.port)
    return DeviceError(f"{port}: this model is not on the board", hint=_deploy_hint(link))


def _deploy_hint(link: Link) -> str:
    return f"deploy it: `microinterp board deploy MODEL --port {printable(link.port)}`"


def _version(about: Probe, loaded: Loaded) -> str:
    """For people."""
    firmware = f"{about.implementation} {about.version}"
    runs = f"microinterp {loaded.version}, {loaded.tier} kernels"
    return printable(f"{about.machine}, {firmware}, {runs}", 200)


def _array(data: bytes, tensor: Tensor) -> Array:
    return np.frombuffer(data, tensor.dtype.newbyteorder("<")).reshape(tensor.shape)

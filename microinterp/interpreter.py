"""The interpreter: a prepared and planned model bound to one arena, run op by op."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from microinterp.arena.plan import Plan, plan
from microinterp.batch import Batches, run_in_order
from microinterp.binding import bind
from microinterp.checked_inputs import at, checked_batch, checked_input
from microinterp.errors import ArenaError, InputError, ModelError, printable
from microinterp.graph import Graph, Tensor, build
from microinterp.kernels import chooser_of, default_registry
from microinterp.model import contents_of, load
from microinterp.prepare import Prepared, Status, prepare
from microinterp.quant.profile import get_profile
from microinterp.registry import Registry
from microinterp.trace import Trace
from microinterp.verify import verify

if TYPE_CHECKING:
    from microinterp.passes import Passed


@dataclass(frozen=True, eq=False)
class Arena:
    """Facts about an interpreter's arena.

    Attributes:
        head_bytes: bytes that tensors and scratch share, byte for byte as TFLM plans them.
        offsets: offset of each planned tensor of the main subgraph, by tensor index.
        size: bytes of the whole arena here: head, then the tail with variables and state.
        memory: the arena itself.
        plan: where everything lies, subgraphs and scratch included.
        prepared: what the plan is for.
    """

    head_bytes: int
    offsets: Mapping[int, int]
    size: int
    memory: bytearray
    plan: Plan
    prepared: Prepared

    def used_bytes(self, target: str) -> int:
        """What MicroInterpreter.arena_used_bytes() says of TFLM on `target`, head and tail.

        Args:
            target: "x86_64-wheel", "cortex-m-reference", "cortex-m-cmsis-nn" and others
                (docs/arena.md).

        Raises:
            ArenaError: no such target, or it cannot run this graph, as after memory passes.
        """
        from microinterp.arena.target import target_sizes  # most programs do without

        return target_sizes(self.prepared, self.plan, target).used_bytes


class Interpreter:
    """Runs a model bit for bit as TensorFlow Lite Micro does.

    The methods are named as in TFLM's own Python package. As on the chip, an input buffer may be
    overwritten during invoke, so set every input before each invoke.
    """

    def __init__(
        self,
        model: bytes,
        arena_size: int | None = None,
        profile: str = "tflm",
        planner: str = "tflm",
        preserve_all_tensors: bool = False,
        registry: Registry | None = None,
        kernels: str = "auto",
        exact: bool = True,
        passes: str | Sequence[str] = "none",
        max_extra_macs: float = 0.1,
        ram_limit: int | None = None,
    ) -> None:
        """Load, verify, prepare, plan and bind; after this invoke has nothing to complain of.

        Args:
            model: contents of a .tflite file.
            arena_size: bytes of arena to run in; None takes what is needed.
            profile: numeric profile: "tflm", "single", "litert-ref" or "cmsis-nn"
                (docs/profiles.md)
            planner: "tflm", "best" (a smaller head where a search finds one) or "linear".
            preserve_all_tensors: keep every tensor readable by get_tensor after invoke (linear
                planner, so the arena is larger).
            registry: operators to use; None takes all that the package has.
            kernels: "auto" runs each op's fast twin where that is proved to give the same bytes,
                "plain" the kernels that read like the formula.
            exact: False lets convolutions and dense layers of float32 run as matrix products, whose
                sums run in another order than TFLM's: faster, and not its bits.
            passes: memory passes, which keep every output's bits: "none", "auto" (what brings the
                arena's head below ram_limit; all that helps without one) or names
                (docs/memory_passes.md). The planner is "best" then, whatever `planner` says. Bits
                that exact=False has given up are others with passes: pieces run exact kernels.
            max_extra_macs: multiply-accumulates that passes may do twice, as a share of all.
            ram_limit: most bytes of the arena's head.

        Raises:
            InputError: `kernels` is neither, there is no such pass, or passes and
                preserve_all_tensors are asked for at once.
            ModelError: the bytes are not a sound model.
            UnsupportedError: it needs an operator or type that is not supported.
            PrepareError: an operator's rules are broken.
            ArenaError: the arena is too small, or the head larger than ram_limit; says need and
                have.
        """
        self._preserve = preserve_all_tensors
        as_in_file = prepare_model(model, profile, registry, kernels, exact)
        usual = plan(as_in_file, "linear" if preserve_all_tensors else planner)
        # Passes change where things lie, not what is computed: batches have memory enough.
        self._batches = Batches(as_in_file, usual)
        self._prepared, self._plan = as_in_file, usual
        self._passed: Passed | None = None
        if passes != "none":
            self._passed = self._run_passes(passes, ram_limit, max_extra_macs)
            self._prepared, self._plan = self._passed.prepared, self._passed.plan
        _require_fit(self._plan.head_bytes, ram_limit)
        self._binding = bind(self._prepared, self._plan, arena_size)
        self._main = self._prepared.graph.main

    def _run_passes(
        self, passes: str | Sequence[str], ram_limit: int | None, max_extra_macs: float
    ) -> Passed:
        if self._preserve:
            raise InputError(
                "preserve_all_tensors keeps every tensor, memory passes do not",
                hint="ask for one of the two",
            )
        from microinterp.passes import run_passes  # most programs do without

        return run_passes(self._prepared, passes, ram_limit, max_extra_macs)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], **options: Any) -> Interpreter:
        """An interpreter for the file at `path`; options and errors as for the class."""
        return cls(contents_of(path), **options)

    @classmethod
    def from_bytes(cls, data: bytes, **options: Any) -> Interpreter:
        """An interpreter for the contents of a file; options and errors as for the class."""
        return cls(data, **options)

    @property
    def graph(self) -> Graph:
        """The model's graph."""
        return self._prepared.graph

    @property
    def prepared(self) -> Prepared:
        """The graph with its kernels."""
        return self._prepared

    @property
    def passed(self) -> Passed | None:
        """What memory passes did and what they cost; None without any."""
        return self._passed

    @property
    def arena(self) -> Arena:
        """Sizes and offsets of the arena."""
        return Arena(
            head_bytes=self._plan.head_bytes,
            offsets={i: o for (subgraph, i), o in self._plan.tensors.items() if subgraph == 0},
            size=len(self._binding.memory),
            memory=self._binding.memory,
            plan=self._plan,
            prepared=self._prepared,
        )

    def __repr__(self) -> str:
        """Inputs, outputs and the arena's head, on a line."""
        sides = (
            ", ".join(f"{t.dtype}[{', '.join(map(str, t.shape))}]" for t in tensors)
            for tensors in (self._main.inputs, self._main.outputs)
        )
        head = self.arena.head_bytes
        return f"<microinterp.Interpreter {' -> '.join(sides)}, arena {head} bytes>"

    def set_input(self, array: npt.ArrayLike, index: int = 0) -> None:
        """Copy `array` into input `index`: exactly its shape and dtype, nothing is converted.

        Raises:
            InputError: index, dtype or shape is not the model's.
        """
        tensor = at(self._main.inputs, index, "input")
        checked = checked_input(array, tensor, index)
        self._binding.of(tensor)[...] = checked

    def invoke(self, trace: Trace | None = None) -> Status:
        """Run the model once. `trace` is called around each op; without one it costs nothing.

        Returns:
            Status.OK (0), or Status.ABORT (15) where a streaming op (CIRCULAR_BUFFER) has stopped
            the model because it waits for more invokes: outputs are then as they were.

        Raises:
            InputError: an op cannot work with the numbers that reach it; TFLM's invoke fails too.
        """
        return self._binding.run(trace)

    def get_output(self, index: int = 0) -> npt.NDArray[Any]:
        """A copy of output `index`. Raises InputError where there is no such output."""
        return np.array(self._binding.of(at(self._main.outputs, index, "output")))

    def reset(self) -> None:
        """Put all state back: variables to their zero point, kernels' state to its start.

        As in TFLM, a CALL_ONCE that has run does not run again.
        """
        self._binding.reset(everything=False)

    def get_input_details(self, index: int = 0) -> dict[str, Any]:
        """Name, tensor index, shape, dtype and quantisation of input `index`."""
        return _details(at(self._main.inputs, index, "input"))

    def get_output_details(self, index: int = 0) -> dict[str, Any]:
        """Name, tensor index, shape, dtype and quantisation of output `index`."""
        return _details(at(self._main.outputs, index, "output"))

    def get_tensor(self, tensor_index: int, subgraph: int = 0) -> npt.NDArray[Any]:
        """A copy of any tensor after invoke; constants too.

        Raises:
            InputError: no such tensor, or the interpreter was not made with
                preserve_all_tensors=True (other tensors may lie where it was).
        """
        return np.array(self.view(tensor_index, subgraph))

    def view(self, tensor_index: int, subgraph: int = 0) -> npt.NDArray[Any]:
        """The memory of any tensor itself, not a copy; constants are read-only.

        Raises:
            InputError: as get_tensor.
        """
        graphs = self._prepared.graph.subgraphs
        tensors = at(graphs, subgraph, "subgraph").tensors
        tensor = at(tensors, tensor_index, "tensor")
        if not self._preserve:
            raise InputError(
                "tensors share memory, so their contents do not outlive the op that reads them",
                hint="make the interpreter with preserve_all_tensors=True",
            )
        return self._binding.of(tensor)

    def run_batch(
        self, *arrays: npt.ArrayLike, max_bytes: int | None = None, threads: int | None = None
    ) -> tuple[npt.NDArray[Any], ...]:
        """Run many samples: input i is `arrays[i]`, with one more leading axis N.

        Equal to N single runs, bit for bit. The samples run in chunks, each in an arena of its
        own; a model with state runs them one after the other in the interpreter's arena.

        Args:
            arrays: one per input, [N, *shape].
            max_bytes: bound on all chunks' arenas together, which hold a sample each at least;
                None keeps each one within reach of the caches. Fast kernels take some MB besides,
                whatever the number of samples, and keep them for the next batch.
            threads: how many chunks run at a time; None takes all processors that the process may
                use where that wins. Matrix products run in one thread each meanwhile.

        Returns:
            One array per output, with the same leading axis.

        Raises:
            InputError: number, shapes or dtypes of the arrays are wrong, max_bytes or threads is
                less than 1; and as invoke.
        """
        for name, value in (("max_bytes", max_bytes), ("threads", threads)):
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}, wanted 1 or more")
        checked = checked_batch(arrays, self._main.inputs)
        if self._prepared.is_stateful:
            return run_in_order(self._binding, checked)
        return self._batches.run(checked, max_bytes, threads)


def prepare_model(
    data: bytes,
    profile: str = "tflm",
    registry: Registry | None = None,
    kernels: str = "auto",
    exact: bool = True,
) -> Prepared:
    """From file contents to a prepared graph: load, verify, build, prepare.

    Raises:
        InputError, ModelError, UnsupportedError, PrepareError: see Interpreter.
    """
    numbers = get_profile(profile)
    model = load(data)
    errors = [problem for problem in verify(model) if problem.severity == "error"]
    if errors:
        raise ModelError.from_problems(errors)
    return prepare(
        build(model), registry or default_registry(), numbers, chooser_of(kernels, exact)
    )


def _require_fit(head_bytes: int, ram_limit: int | None) -> None:
    if ram_limit is None:
        return
    if not isinstance(ram_limit, (int, float, np.number)) or not ram_limit >= 0:
        raise InputError(f"ram_limit is {printable(repr(ram_limit))}, wanted bytes, 0 or more")
    if head_bytes > ram_limit:
        raise ArenaError(
            f"the arena's head needs {head_bytes} bytes, wanted {ram_limit} at most",
            hint="passes='auto' and a larger max_extra_macs bring it down as far as it goes",
        )


def _details(tensor: Tensor) -> dict[str, Any]:
    quantization = tensor.quantization
    return {
        "name": tensor.name,
        "index": tensor.index,
        "shape": np.array(tensor.shape, np.int32),
        "dtype": tensor.dtype.type,
        "quantization_parameters": {
            "scales": np.array(quantization.scale if quantization else [], np.float32),
            "zero_points": np.array(quantization.zero_point if quantization else [], np.int32),
            "quantized_dimension": quantization.axis if quantization else 0,
        },
    }

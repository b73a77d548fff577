"""Runs samples through a model: this package's interpreter, or another runtime to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

import microinterp
from microinterp.errors import InputError, RuntimeUnavailableError, printable
from microinterp.interpreter import Interpreter
from microinterp.prepare import Status
from microinterp.registry import Registry
from microinterp.runtimes import tflm
from microinterp.sides.choice import LITERT
from microinterp.sides.litert import KINDS

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

AGAINST = ("tflm", *LITERT, "plain", "host")
"""What can be compared with: TFLM's wheel, LiteRT, this package's plain kernels, or this package in
another profile."""

_SECONDS = 900.0  # before the wheel counts as hanging: a piece of large samples takes its time


class Runner(Protocol):
    """Runs samples in order; keeps state from call to call."""

    def run(self, arrays: Sequence[Array], starts: Mask) -> tuple[list[Array], Mask]:
        """Run samples.

        Args:
            arrays: one per input, [n, *shape].
            starts: True where state is to start anew, bool [n].

        Returns:
            Outputs, each [n, *shape], and which samples have been answered, bool [n].
        """


class Ours:
    """This package's interpreter."""

    def __init__(
        self,
        model: bytes,
        profile: str,
        kernels: str,
        in_order: bool,
        threads: int | None,
        registry: Registry | None = None,
    ) -> None:
        self._new = partial(Interpreter, model, profile=profile, kernels=kernels, registry=registry)
        self.interpreter = self._new()
        self._in_order, self._threads = in_order, threads
        self._forgets = _forgets(self.interpreter)

    def run(self, arrays: Sequence[Array], starts: Mask) -> tuple[list[Array], Mask]:
        """See Runner."""
        if not self._in_order:
            batch = self.interpreter.run_batch(*arrays, threads=self._threads)
            return list(batch), np.ones(len(starts), bool)
        tensors = self.interpreter.graph.main.outputs
        found = [np.empty((len(starts), *t.shape), t.dtype) for t in tensors]
        answered = np.zeros(len(starts), bool)
        for number, start in enumerate(starts):
            if start:
                self._start_anew()
            for index, array in enumerate(arrays):
                self.interpreter.set_input(array[number], index)
            answered[number] = self.interpreter.invoke() == Status.OK
            for index, outputs in enumerate(found):
                outputs[number] = self.interpreter.get_output(index)
        return found, answered

    def _start_anew(self) -> None:
        """Forget everything, so that it does not show which sequence this worker ran before."""
        if self._forgets:
            self.interpreter.reset()
        else:
            self.interpreter = self._new()


def _forgets(interpreter: Interpreter) -> bool:
    """True if reset() leaves nothing of earlier samples."""
    kernels = [node.kernel for node in interpreter.prepared.nodes()]
    return not any(
        kernel.keeps_outputs or kernel.subgraphs or not all(s.resets for s in kernel.state)
        for kernel in kernels
    )


class Tflm:
    """TFLM's wheel, in a child process."""

    def __init__(self, model: bytes, in_order: bool) -> None:
        self._runtime = tflm.TflmRuntime(timeout=_SECONDS)
        self._model, self._in_order = model, in_order

    def run(self, arrays: Sequence[Array], starts: Mask) -> tuple[list[Array], Mask]:
        """See Runner; a sequence must not go on in another call."""
        samples = tflm.as_samples(arrays)
        begins = np.flatnonzero(starts).tolist() if self._in_order else [0]
        cuts = [*begins, len(samples)]  # each run is a new interpreter there
        outputs: list[list[Array]] = []
        for low, high in pairwise(cuts):
            outputs += self._runtime.run(self._model, samples[low:high]).outputs
        return [np.stack(each) for each in zip(*outputs, strict=True)], np.ones(len(starts), bool)


class LiteRt:
    """LiteRT on this machine's processor; `name` is one of LITERT."""

    def __init__(self, model: bytes, name: str, in_order: bool) -> None:
        try:
            litert = import_module("ai_edge_litert.interpreter")
        except ImportError:
            raise RuntimeUnavailableError(
                "LiteRT is not installed", hint="pip install ai-edge-litert"
            ) from None
        resolver, _ = KINDS[name]
        self._new = partial(
            litert.Interpreter,
            model_content=model,
            experimental_op_resolver_type=getattr(litert.OpResolverType, resolver),
            num_threads=1,
        )
        self._in_order = in_order
        self._start_anew()

    def _start_anew(self) -> None:
        """A new interpreter: resetting its variables would undo what CALL_ONCE has done."""
        try:
            self._litert: Any = self._new()
            self._litert.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise _litert_says(error) from None

    def run(self, arrays: Sequence[Array], starts: Mask) -> tuple[list[Array], Mask]:
        """See Runner."""
        inputs = [each["index"] for each in self._litert.get_input_details()]
        outputs = [each["index"] for each in self._litert.get_output_details()]
        found: list[list[Array]] = []
        for number, start in enumerate(starts):
            if start and self._in_order:
                self._start_anew()
            runtime = self._litert
            try:
                for index, array in zip(inputs, arrays, strict=True):
                    runtime.set_tensor(index, array[number])
                runtime.invoke()
            except (RuntimeError, ValueError) as error:
                raise _litert_says(error) from None
            found.append([runtime.get_tensor(index) for index in outputs])
        return [np.stack(each) for each in zip(*found, strict=True)], np.ones(len(starts), bool)


def _litert_says(error: Exception) -> RuntimeUnavailableError:
    return RuntimeUnavailableError(f"LiteRT says: {printable(str(error), 300)}")


def other(
    name: str,
    model: bytes,
    profiles: tuple[str, str],
    in_order: bool,
    threads: int | None,
    registry: Registry | None = None,
) -> Runner:
    """The runner to compare with.

    Args:
        name: one of AGAINST.
        model: contents of the .tflite file.
        profiles: that of the runner compared, for "plain"; the other one, for "host".
        in_order, threads: as in Job.
        registry: operators of this package's runners.

    Raises:
        InputError: there is no such runtime.
        RuntimeUnavailableError: it is not installed, or refuses the model.
    """
    if name not in AGAINST:
        raise InputError(
            f"nothing to compare with is called '{printable(name)}'",
            hint=f"there are: {', '.join(AGAINST)}; a profile is --against host --other-profile",
        )
    if name == "tflm":
        return Tflm(model, in_order)
    if name in LITERT:
        return LiteRt(model, name, in_order)
    if name == "plain":
        return Ours(model, profiles[0], "plain", in_order, threads, registry)
    return Ours(model, profiles[1], "auto", in_order, threads, registry)


def version(name: str, other_profile: str) -> str:
    """What exactly was compared with: the version of a runtime; of "host" the profile too."""
    from importlib.metadata import version as installed

    if name == "tflm":
        return f"tflite-micro {tflm.version()}"
    if name in LITERT:
        return f"ai-edge-litert {installed('ai-edge-litert')}, {KINDS[name][1]}"
    if name == "plain":
        return f"microinterp {microinterp.__version__}, plain kernels"
    return f"microinterp {microinterp.__version__}, profile {other_profile}"

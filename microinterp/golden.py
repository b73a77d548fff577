"""Golden bundles: inputs and the outputs that a runtime gave for them, to be held to later.

A bundle is, in this first form, an .npz file: `header` (uint8, JSON in UTF-8), then input_0,
input_1, ... and output_0, output_1, ..., each [samples, *shape]. Samples are run in order from a
fresh start, so a model with state is held to its whole sequence.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count, takewhile
from typing import Any

import numpy as np
import numpy.typing as npt

import microinterp
from microinterp.errors import InputError, ModelError, UnsupportedError, Where, printable
from microinterp.golden_bundle import MAGIC, Bundle, read_bundle
from microinterp.graph import Graph, build
from microinterp.input_files import read_bytes, read_npz, unreadable, write_bytes
from microinterp.interpreter import Interpreter
from microinterp.model import load as load_model
from microinterp.runtimes import tflm
from microinterp.verify import verify

Array = npt.NDArray[Any]
Progress = Callable[[int], None]
"""Called with the number of samples done so far."""

RUNTIMES = ("host", "tflm")
FORMAT = "microinterp golden 1"
_SAMPLES_AT_ONCE = 64
_TFLM_SECONDS, _TFLM_SECONDS_PER_SAMPLE = 60.0, 1.0  # before the wheel counts as hanging


@dataclass(frozen=True, slots=True)
class Header:
    """Where a bundle comes from.

    Attributes:
        format: FORMAT.
        model_sha256: of the .tflite file.
        profile: numeric profile of the host runtime; "tflm" for the TFLM wheel.
        runtime, version: what computed the outputs.
        samples: how many.
        seed: of random inputs, None for given ones.
    """

    format: str
    model_sha256: str
    profile: str
    runtime: str
    version: str
    samples: int
    seed: int | None = None


@dataclass(frozen=True)
class Golden:
    """A bundle: one array per input and per output, each [samples, *shape]."""

    header: Header
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first differing element of a check.

    Attributes:
        sample, output: where; `element` is its index within the output.
        wanted, got: the bundle's value and the one computed now.
    """

    sample: int
    output: int
    element: tuple[int, ...]
    wanted: float | int
    got: float | int


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Outcome of `check`.

    Attributes:
        equal: the model is the recorded one and no byte of any output differs.
        model_matches: False if the bundle was made from another file; nothing was run then.
        runtime, version: what computed the outputs now.
        samples, compared_bytes: how much was compared.
        differing_samples, differing_elements: how much differs.
        first: the first difference, None if there is none.
    """

    equal: bool
    model_matches: bool
    runtime: str
    version: str
    samples: int
    compared_bytes: int = 0
    differing_samples: int = 0
    differing_elements: int = 0
    first: Difference | None = None


def record(
    model: bytes,
    inputs: Sequence[Array],
    runtime: str = "host",
    profile: str = "tflm",
    seed: int | None = None,
    progress: Progress = lambda _: None,
) -> Golden:
    """Run samples and keep what comes out.

    Args:
        model: contents of a .tflite file.
        inputs: one array [samples, *shape] per input.
        runtime: "host" (this package) or "tflm" (TFLM's wheel).
        profile: numeric profile for the host.
        seed: of random inputs, to be noted in the header.
        progress: told how far it is.

    Raises:
        InputError: inputs do not fit the model, or no such runtime.
        RuntimeUnavailableError: the wheel is not installed, or refuses the model.
        ModelError, UnsupportedError, PrepareError, ArenaError: see Interpreter.
    """
    version, outputs = _run(model, inputs, runtime, profile, progress)
    header = Header(
        format=FORMAT,
        model_sha256=hashlib.sha256(model).hexdigest(),
        profile=profile,
        runtime=runtime,
        version=version,
        samples=len(inputs[0]) if inputs else 1,
        seed=seed,
    )
    return Golden(header, tuple(inputs), outputs)


def check(
    golden: Golden, model: bytes, runtime: str = "host", progress: Progress = lambda _: None
) -> CheckResult:
    """Run the bundle's inputs again and compare every byte of every output.

    The host runs in the bundle's profile. Raises as `record`.
    """
    samples = golden.header.samples
    if hashlib.sha256(model).hexdigest() != golden.header.model_sha256:
        return CheckResult(False, False, runtime, "", samples)
    version, outputs = _run(model, golden.inputs, runtime, golden.header.profile, progress)
    shapes = [(a.shape, a.dtype) for a in outputs]
    if shapes != [(a.shape, a.dtype) for a in golden.outputs]:
        raise InputError(
            "the bundle's outputs do not have the model's shapes and types",
            hint="the bundle is damaged: record it again",
        )
    masks = [_differs(a, b) for a, b in zip(golden.outputs, outputs, strict=True)]
    differing = np.zeros(samples, bool)
    for mask in masks:
        differing |= mask.any(axis=tuple(range(1, mask.ndim)))
    return CheckResult(
        equal=not differing.any(),
        model_matches=True,
        runtime=runtime,
        version=version,
        samples=samples,
        compared_bytes=sum(array.nbytes for array in outputs),
        differing_samples=int(differing.sum()),
        differing_elements=sum(int(mask.sum()) for mask in masks),
        first=_first(golden.outputs, outputs, masks, differing),
    )


def _differs(wanted: Array, got: Array) -> npt.NDArray[np.bool_]:
    """Element by element, by their bytes: for floats -0.0 is not 0.0, and a NaN may be equal."""
    as_bytes = [
        np.ascontiguousarray(array).view(np.uint8).reshape(*array.shape, array.itemsize)
        for array in (wanted, got)
    ]
    differs: npt.NDArray[np.bool_] = (as_bytes[0] != as_bytes[1]).any(axis=-1)
    return differs


def _first(
    wanted: Sequence[Array],
    got: Sequence[Array],
    masks: Sequence[npt.NDArray[np.bool_]],
    differing: npt.NDArray[np.bool_],
) -> Difference | None:
    if not differing.any():
        return None
    sample = int(differing.argmax())
    output = next(i for i, mask in enumerate(masks) if mask[sample].any())
    element = tuple(int(i) for i in np.argwhere(masks[output][sample])[0])
    place = (sample, *element)
    return Difference(
        sample, output, element, wanted[output][place].item(), got[output][place].item()
    )


def save(golden: Golden, path: str | os.PathLike[str]) -> None:
    """Write a bundle; equal bundles are equal files. Raises InputError if it cannot be written."""
    header = json.dumps(asdict(golden.header), sort_keys=True).encode()
    arrays: dict[str, Any] = {"header": np.frombuffer(header, np.uint8)}
    for role, values in (("input", golden.inputs), ("output", golden.outputs)):
        arrays |= {f"{role}_{i}": array for i, array in enumerate(values)}
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    write_bytes(path, packed.getvalue())


def load(path: str | os.PathLike[str]) -> Golden:
    """Read a bundle of either form: .npz, or the stream of schemas/golden.fbs.

    Raises InputError if it is none, or damaged.
    """
    name = os.fspath(path)
    if read_bytes(name)[: len(MAGIC)] == MAGIC:
        return _from_stream(read_bundle(name))
    arrays = read_npz(name)
    header = _header(name, arrays.pop("header", None))
    inputs, outputs = _numbered(arrays, "input"), _numbered(arrays, "output")
    if len(inputs) + len(outputs) != len(arrays) or not outputs:
        raise unreadable(name, "it does not hold input_0, ... and output_0, ... alone", _HINT)
    if any(array.shape[:1] != (header.samples,) for array in (*inputs, *outputs)):
        raise unreadable(name, f"not every array has {header.samples} samples", _HINT)
    return Golden(header, inputs, outputs)


_HINT = "golden bundles come from `microinterp golden record`"
_TYPES: Mapping[str, tuple[type, ...]] = {
    "format": (str,),
    "model_sha256": (str,),
    "profile": (str,),
    "runtime": (str,),
    "version": (str,),
    "samples": (int,),
    "seed": (int, type(None)),
}


def _from_stream(bundle: Bundle) -> Golden:
    header = bundle.header
    return Golden(
        Header(
            format=FORMAT,
            model_sha256=header.model_sha256,
            profile=header.profile,
            runtime=header.runtime,
            version=header.runtime_version,
            samples=bundle.samples,
            seed=header.seed,
        ),
        bundle.inputs,
        bundle.outputs,
    )


def _header(path: str, array: Array | None) -> Header:
    if array is None or array.dtype != np.uint8 or array.ndim != 1:
        raise unreadable(path, "it is no golden bundle", _HINT)
    try:
        values = json.loads(array.tobytes())
    except (ValueError, RecursionError):
        raise unreadable(path, "its header is damaged", _HINT) from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise unreadable(path, f"its header does not say '{FORMAT}'", _HINT)
    if values.keys() != _TYPES.keys() or any(
        type(value) not in _TYPES[key] for key, value in values.items()
    ):
        raise unreadable(path, "its header lacks a field, or has one of the wrong type", _HINT)
    return Header(**values)


def _numbered(arrays: Mapping[str, Array], role: str) -> tuple[Array, ...]:
    """The arrays role_0, role_1, ... up to the first gap."""
    names = takewhile(arrays.__contains__, (f"{role}_{i}" for i in count()))
    return tuple(arrays[name] for name in names)


def _run(
    model: bytes,
    inputs: Sequence[Array],
    runtime: str,
    profile: str,
    progress: Progress,
) -> tuple[str, tuple[Array, ...]]:
    """Return (version of the runtime, outputs)."""
    if runtime not in RUNTIMES:
        raise UnsupportedError(
            f"no runtime '{printable(runtime)}'", hint=f"there are: {', '.join(RUNTIMES)}"
        )
    if runtime == "host":
        interpreter = Interpreter.from_bytes(model, profile=profile)
        _check_inputs(interpreter.graph, inputs)
        return microinterp.__version__, _run_host(interpreter, inputs, progress)
    if profile != "tflm":
        raise UnsupportedError(
            f"TFLM's wheel computes in profile tflm, not {printable(profile)}",
            hint="leave the profile out, or use the host runtime",
        )
    graph = sound_graph(model)
    _check_inputs(graph, inputs)
    return tflm.version() or "", _run_tflm(model, graph, inputs)


def _run_host(
    interpreter: Interpreter, inputs: Sequence[Array], progress: Progress
) -> tuple[Array, ...]:
    if not inputs:
        interpreter.invoke()
        outputs = range(len(interpreter.graph.main.outputs))
        return tuple(interpreter.get_output(i)[np.newaxis] for i in outputs)
    parts = []
    for start in range(0, len(inputs[0]), _SAMPLES_AT_ONCE):
        chunk = [array[start : start + _SAMPLES_AT_ONCE] for array in inputs]
        parts.append(interpreter.run_batch(*chunk))  # state goes on from chunk to chunk
        progress(start + len(chunk[0]))
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def _run_tflm(model: bytes, graph: Graph, inputs: Sequence[Array]) -> tuple[Array, ...]:
    samples = tflm.as_samples(inputs) if inputs else [[]]
    patience = _TFLM_SECONDS + _TFLM_SECONDS_PER_SAMPLE * len(samples)
    with tflm.TflmRuntime(timeout=patience) as runtime:
        run = runtime.run(model, samples)
    return tuple(
        np.stack([outputs[i].reshape(tensor.shape) for outputs in run.outputs])
        for i, tensor in enumerate(graph.main.outputs)
    )


def sound_graph(model: bytes) -> Graph:
    """The graph of a sound model, also of one whose operators this package lacks.

    Raises ModelError for any other.
    """
    loaded = load_model(model)
    errors = [problem for problem in verify(loaded) if problem.severity == "error"]
    if errors:
        raise ModelError.from_problems(errors)
    return build(loaded)


def _check_inputs(graph: Graph, inputs: Sequence[Array]) -> None:
    """Raise InputError unless `inputs` are [samples, *shape] of the model's own types."""
    tensors = graph.main.inputs
    if len(inputs) != len(tensors):
        raise InputError(f"the model has {len(tensors)} inputs, got {len(inputs)} arrays")
    counts = {len(array) for array in inputs if array.ndim}
    for tensor, array in zip(tensors, inputs, strict=True):
        if array.dtype != tensor.dtype or array.shape[1:] != tensor.shape or len(counts) != 1:
            where = Where(role="input", tensor_index=tensor.index, tensor_name=tensor.name)
            raise InputError(
                f"takes samples of {tensor}, got {array.dtype}{list(array.shape)}", where
            )

"""Every figure of a model's report, as plain data: what the page shows and what --json prints."""

from __future__ import annotations

import hashlib
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import microinterp
from microinterp.arena.report import peak_bytes, timeline
from microinterp.arena.target import TARGETS, target_sizes
from microinterp.errors import InputError, MicrointerpError
from microinterp.graph import Node, Tensor
from microinterp.health import activation_findings
from microinterp.health.finding import sorted_findings
from microinterp.health.layers import layer_of
from microinterp.health.recording import BINS, Use, record_uses
from microinterp.inspect_model import ModelFacts, inspect_model
from microinterp.interpreter import Interpreter
from microinterp.registry import Registry
from microinterp.trace import Timer

Array = npt.NDArray[Any]
Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]

_TIMED = 20
"""Invokes that are timed at most; the median counts."""
_PATIENCE = 0.5
"""Seconds after which no more are."""


@dataclass(frozen=True)
class ReportSamples:
    """What a report runs the model on.

    Attributes:
        arrays: one [n, *shape] per input of the model.
        seed: of random numbers; None for samples that were given.
        notes: what a reader should know of how they were read.
        names: where each one is from; empty for random numbers.
    """

    arrays: tuple[Array, ...]
    seed: int | None
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of samples; 1 for a model without inputs."""
        return len(self.arrays[0]) if self.arrays else 1


@dataclass(frozen=True)
class Measured:
    """A model and all figures about it.

    Attributes:
        figures: plain data for JSON: dicts, lists, text, numbers, None.
        interpreter: the model, for pictures of it; None where it does not run.
        samples: what it ran on.
    """

    figures: dict[str, Any]
    interpreter: Interpreter | None
    samples: ReportSamples | None = None


def measure(
    data: bytes,
    name: str,
    samples: Callable[[Interpreter], ReportSamples],
    profile: str = "tflm",
    progress: Progress | None = None,
    registry: Registry | None = None,
) -> Measured:
    """Run a model and collect its figures.

    A model that does not run has figures of its file, and its problems.

    Args:
        data: contents of a .tflite file.
        name: what to call it, untrusted.
        samples: gives what to run it on.
        profile: whose numbers (docs/profiles.md).
        progress: called with the number of samples; gives what to call with those done.
        registry: operators, as for Interpreter.

    Raises:
        ModelError: the file's structure is damaged.
        InputError: samples do not fit, or an op cannot work with them.
    """
    facts = inspect_model(data, registry)
    figures = _file_figures(facts, data, name, profile)
    if not facts.runs:
        return Measured(figures, None)
    interpreter = Interpreter.from_bytes(data, profile=profile, registry=registry)
    given = samples(interpreter)
    uses = _uses(interpreter, given, progress or _unwatched)
    total, by_op = _times(
        Interpreter.from_bytes(data, profile=profile, registry=registry), given.arrays
    )
    figures["samples"] = {
        "count": given.count,
        "random": given.seed is not None,
        "seed": given.seed,
        "notes": list(given.notes),
    }
    figures["invoke_us"] = total
    for op in figures["ops"]:
        op["time_us"] = by_op.get((op["subgraph"], op["index"]))
    figures["arena"] = _arena_figures(interpreter)
    figures["targets"] = [_target_figures(interpreter, target) for target in TARGETS]
    figures["activations"] = [_use_figures(use) for use in uses]
    figures["weights"] = [
        made for node in interpreter.graph.nodes() for made in _weight_figures(node)
    ]
    if given.seed is None:
        found = (*facts.health, *activation_findings(uses))
        figures["health"] = [plain(each) for each in sorted_findings(found)]
    return Measured(figures, interpreter, given)


def _uses(interpreter: Interpreter, given: ReportSamples, progress: Progress) -> tuple[Use, ...]:
    with progress(given.count) as advance:
        try:
            return record_uses(interpreter, given.arrays, advance)
        except InputError as error:
            if given.seed is not None:
                error.hint = "random numbers do not suit this model: give samples (--input FILE)"
            raise


def _unwatched(total: int) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda done: None)


def _file_figures(facts: ModelFacts, data: bytes, name: str, profile: str) -> dict[str, Any]:
    main = facts.subgraphs[0] if facts.subgraphs else None
    ops = [
        _op_figures(facts, subgraph.index, op.index)
        for subgraph in facts.subgraphs
        for op in subgraph.ops
    ]
    ends = {
        role: [plain(main.tensors[i]) for i in numbers if 0 <= i < len(main.tensors)]
        for role, numbers in (("inputs", main.inputs), ("outputs", main.outputs))
    } if main else {"inputs": [], "outputs": []}  # fmt: skip
    return {
        "file": {
            "name": name,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "description": facts.description,
        },
        "microinterp": microinterp.__version__,
        "profile": profile,
        "runs": facts.runs,
        "totals": {
            "ops": facts.ops,
            "fast_ops": sum(op["path"] == "fast" for op in ops),
            "macs": facts.macs,
            "weight_bytes": facts.weight_bytes,
        },
        **ends,
        "samples": None,
        "invoke_us": None,
        "arena": None,
        "targets": [],
        "ops": ops,
        "activations": [],
        "weights": [],
        "health": [plain(each) for each in facts.health],
        "problems": [plain(each) for each in facts.problems],
        "comparison": None,
        "explanations": [],
    }


def _op_figures(facts: ModelFacts, subgraph: int, index: int) -> dict[str, Any]:
    inside = facts.subgraphs[subgraph]
    op = inside.ops[index]
    outputs = [inside.tensors[i] for i in op.outputs if 0 <= i < len(inside.tensors)]
    return {
        **plain(op),
        "output_bytes": sum(tensor.nbytes or 0 for tensor in outputs),
        "output": (
            {"type": outputs[0].type, "shape": plain(outputs[0].shape)} if outputs else None
        ),
        "time_us": None,
    }


def _times(
    interpreter: Interpreter, arrays: Sequence[Array]
) -> tuple[float, dict[tuple[int, int], float]]:
    """Medians in microseconds: of an invoke, and of each op; the first sample, again and again."""
    whole: list[float] = []
    ops: list[dict[tuple[int, int], float]] = []
    started = time.perf_counter()
    while len(whole) < _TIMED and (not whole or time.perf_counter() - started < _PATIENCE):
        for watch in (None, Timer()):
            for index, array in enumerate(arrays):
                interpreter.set_input(array[0], index)
            begun = time.perf_counter()
            interpreter.invoke(watch)
            if watch is None:
                whole.append(time.perf_counter() - begun)
            else:
                ops.append(watch.seconds)
    keys = dict.fromkeys(key for each in ops for key in each)
    medians = {key: statistics.median(each.get(key, 0.0) for each in ops) for key in keys}
    return _us(statistics.median(whole)), {key: _us(each) for key, each in medians.items()}


def _us(seconds: float) -> float:
    return round(1e6 * seconds, 1)


def _arena_figures(interpreter: Interpreter) -> dict[str, Any]:
    arena = interpreter.arena
    moments = timeline(arena.prepared, arena.plan)
    return {
        "planner": arena.plan.planner,
        "head_bytes": arena.head_bytes,
        "variable_bytes": arena.size - arena.head_bytes,
        "peak_bytes": peak_bytes(moments),
    }


def _target_figures(interpreter: Interpreter, target: str) -> dict[str, Any]:
    """Sizes on a build of TFLM, or why there are none."""
    made: dict[str, Any] = {"target": target, "used_bytes": None, "minimum_bytes": None}
    try:
        sizes = target_sizes(interpreter.prepared, interpreter.arena.plan, target)
    except MicrointerpError as error:
        return made | {"reason": error.message}
    found = {"used_bytes": sizes.used_bytes, "minimum_bytes": sizes.minimum_bytes}
    return made | found | {"reason": ""}


def _use_figures(use: Use) -> dict[str, Any]:
    tensor, codes = use.tensor, None
    if use.is_quantised:
        low, high = use.limits
        codes = _percent(int(use.highest) - int(use.lowest) + 1, high - low + 1)
    return {
        "subgraph": tensor.subgraph,
        "op": None if use.node is None else use.node.file_index,
        "op_name": None if use.node is None else use.node.name,
        "position": use.position,
        **_tensor_figures(tensor),
        "samples": use.samples,
        "values": use.values,
        "lowest": plain(use.lowest),
        "highest": plain(use.highest),
        "at_lowest": use.at_lowest,
        "at_highest": use.at_highest,
        "at_lowest_percent": _percent(use.at_lowest, use.values),
        "at_highest_percent": _percent(use.at_highest, use.values),
        "range_used_percent": codes,
        "edges": list(use.edges),
        "bins": list(use.bins),
    }


def _tensor_figures(tensor: Tensor) -> dict[str, Any]:
    quantised = tensor.quantization is not None and tensor.dtype.kind in "iu" and tensor.scale > 0
    return {
        "tensor": tensor.index,
        "name": tensor.name,
        "type": tensor.type_name,
        "shape": list(tensor.shape),
        "scale": float(tensor.scale) if quantised else None,
        "zero_point": tensor.zero_point if quantised else None,
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / max(1, whole), 2)


def _weight_figures(node: Node) -> list[dict[str, Any]]:
    """Codes of a layer's filter, and the spread of its scales."""
    layer = layer_of(node)
    if layer is None:
        return []
    half = 8 if layer.w.type_name == "int4" else 128
    counts = np.bincount(layer.weights.reshape(-1) + half, minlength=2 * half)
    bins = counts if len(counts) <= BINS else counts.reshape(BINS, -1).sum(axis=1)
    return [
        {
            "subgraph": node.subgraph,
            "op": node.file_index,
            "op_name": node.name,
            **_tensor_figures(layer.w),
            "values": int(layer.weights.size),
            "channels": len(layer.weights),
            "dead_channels": int(np.count_nonzero(~layer.live)),
            "scales": len(layer.scales),
            "smallest_scale": float(layer.scales.min()),
            "largest_scale": float(layer.scales.max()),
            "lowest": int(layer.weights.min()),
            "highest": int(layer.weights.max()),
            "edges": [-half, half],
            "bins": bins.tolist(),
        }
    ]


def plain(value: Any) -> Any:
    """As JSON has it: records become dicts, numbers that JSON lacks become text."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return number if math.isfinite(number) else str(number)
    return int(value) if isinstance(value, np.integer) else value

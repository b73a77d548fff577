"""Runs one random model in TFLM's wheel and here: tensors, arena head, batch; 0 differing bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp import Interpreter
from microinterp.graph import Tensor
from microinterp.runtimes.tflm import Sample, TflmRuntime
from tests.differential.case import Case
from tests.oracle import Written, computed_tensors


@dataclass
class Tally:
    """What a case's models have shown so far."""

    models: int = 0
    tensors: int = 0
    bytes: int = 0
    varied: int = 0


def check_model(tflm: TflmRuntime, case: Case, data: bytes, seed: int, tally: Tally) -> None:
    """Raise AssertionError naming the first tensor that differs between TFLM and us."""
    ours = Interpreter.from_bytes(data, preserve_all_tensors=True)
    samples = case.draw(np.random.default_rng(seed), ours.graph, case.samples)
    written = [t for t in computed_tensors(ours.graph, _KINDS) if t.elements]
    tensors = [t for t in written if t.name not in case.hidden]
    keys = [(t.subgraph, t.index) for t in tensors]
    theirs = tflm.run(data, samples, keys)
    first: dict[tuple[int, int], bytes] = {}
    varied = set()
    for number, have in enumerate(_ours(ours, samples, tensors)):
        for tensor, key in zip(tensors, keys, strict=True):
            if key not in have:
                continue
            want = theirs.tensors[number][key]
            require_equal(tensor, have[key], want, case.ulps, f"invoke {number}, {tensor.name}")
            tally.bytes += want.nbytes
            if first.setdefault(key, have[key].tobytes()) != have[key].tobytes():
                varied.add(key)
    tally.models += 1
    tally.tensors += len(tensors)
    tally.varied += len(varied)
    _check_outputs(data, samples, theirs.outputs, case.ulps)
    head = Interpreter.from_bytes(data).arena.head_bytes
    tflms = tflm.arena(data).head_bytes
    assert head == tflms, f"the arena's head has {head} bytes, TFLM's {tflms}"


_KINDS = (
    "float32", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
)  # fmt: skip


def _ours(
    ours: Interpreter, samples: Sequence[Sample], tensors: list[Tensor]
) -> list[dict[tuple[int, int], npt.NDArray[Any]]]:
    found = []
    written = Written()
    for sample in samples:
        if sample is None:
            ours.reset()
            continue
        for i, array in enumerate(sample):
            ours.set_input(array, i)
        ours.invoke(written)
        ran = [t for t in tensors if (t.subgraph, t.index) in written.keys]
        found.append({(t.subgraph, t.index): ours.get_tensor(t.index, t.subgraph) for t in ran})
    return found


def _check_outputs(
    data: bytes, samples: Sequence[Sample], theirs: list[list[npt.NDArray[Any]]], ulps: int
) -> None:
    """In the shared arena, where buffers overlap in time, and as a batch."""
    plain = Interpreter.from_bytes(data)
    outputs = plain.graph.main.outputs
    singles = []
    for sample in samples:
        if sample is None:
            plain.reset()
            continue
        for i, array in enumerate(sample):
            plain.set_input(array, i)
        status = plain.invoke()
        singles.append([plain.get_output(i) for i in range(len(outputs))])
        if status:  # outputs are then what else lies in the shared arena
            theirs[len(singles) - 1] = singles[-1]
    for number, (have, want) in enumerate(zip(singles, theirs, strict=True)):
        for i, tensor in enumerate(outputs):
            require_equal(tensor, have[i], want[i], ulps, f"invoke {number}, output {i}")
    if not plain.prepared.is_stateful and plain.graph.main.inputs and None not in samples:
        batch = [np.stack(arrays) for arrays in zip(*samples, strict=True)]
        for i, array in enumerate(plain.run_batch(*batch)):
            assert array.tobytes() == np.stack([s[i] for s in singles]).tobytes(), f"batch {i}"


def require_equal(
    tensor: Tensor, have: npt.NDArray[Any], want: npt.NDArray[Any], ulps: int, place: str
) -> None:
    """Raise AssertionError unless the bytes are equal, or floats within `ulps` steps."""
    if have.tobytes() == want.tobytes():
        return
    if tensor.type_name == "float32" and _ulps_apart(have, want) <= ulps:
        return
    differing = np.flatnonzero(have.ravel() != want.ravel())
    at = int(differing[0]) if len(differing) else 0
    raise AssertionError(
        f"{place}: {len(differing)} of {have.size} elements differ, the first at {at}: "
        f"{have.ravel()[at]!r}, TFLM has {want.ravel()[at]!r}"
    )


def _ulps_apart(have: npt.NDArray[Any], want: npt.NDArray[Any]) -> int:
    """Largest distance in float32 steps; NaN equals NaN, whatever its bits."""
    nan = np.isnan(have) & np.isnan(want)
    steps = []
    for array in (have, want):
        bits = np.where(nan, 0, array.view(np.int32)).astype(np.int64)
        steps.append(np.where(bits < 0, -(bits & 0x7FFFFFFF), bits))
    return int(np.abs(steps[0] - steps[1]).max(initial=0))

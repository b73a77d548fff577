"""Checks bundles: runs their inputs again and compares every byte that was recorded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError, printable
from microinterp.golden.comparing import differs, output_difference, tensor_difference
from microinterp.golden.results import CheckResult, Difference
from microinterp.golden.running import (
    Array,
    Samples,
    Target,
    at_once,
    observe,
    place_of,
    regrouped,
    require_profile,
    target_of,
    tellable,
)
from microinterp.golden_bundle import BundleHeader, BundleReader, BundleTensor, Check
from microinterp.graph import Tensor
from microinterp.registry import Registry
from microinterp.sides import Side, open_side

Progress: TypeAlias = Callable[[int], None]


def check(
    model: bytes,
    path: str | os.PathLike[str],
    runtime: str = "host",
    *,
    any_model: bool = False,
    profile: str | None = None,
    registry: Registry | None = None,
    kernels: str = "auto",
    progress: Progress = lambda _: None,
) -> CheckResult:
    """Run the bundle's inputs again and compare every byte of every output, and of tensors.

    Every CRC32 and every byte of a tensor that the bundle holds is compared too, as far as the
    runtime tells tensors. After the first difference it goes on and counts.

    Args:
        model: contents of a .tflite file.
        path: of the bundle.
        runtime: who computes, as in `record`.
        any_model: also run a model that is not the one recorded: it must have the same inputs and
            outputs; ops are compared where they are as recorded.
        profile: of the host; None takes the bundle's.
        registry, kernels: of the host, as for Interpreter.
        progress: told how many samples are done.

    Raises:
        InputError: the bundle cannot be read, or is damaged: says in which block, at which byte
            and behind which sample.
        RuntimeUnavailableError, ModelError, ...: as `record`.
    """
    with BundleReader(path) as reader:
        header = reader.header
        matches = hashlib.sha256(model).hexdigest() == header.model_sha256
        profile = header.profile if profile is None else profile
        if not matches and not any_model:
            return CheckResult(False, False, runtime, "", reader.samples, profile)
        require_profile(runtime, profile)
        target = target_of(model, runtime, profile, registry)
        _require_same_ends(header, target, matches)
        with open_side(runtime, model, profile, registry, kernels) as side:
            checker = _Checker(header, target, side, matches)
            for done in checker.run(reader):
                progress(done)
        if not checker.done:
            raise InputError("the bundle has no samples, so it says nothing of the model")
        return checker.result(matches, side, profile)


class _Checker:
    """Compares chunk after chunk, and adds up what differs; `done` is the number of samples."""

    def __init__(self, header: BundleHeader, target: Target, side: Side, matches: bool) -> None:
        self._header, self._target, self._side = header, target, side
        own = {place_of(check): check for check in target.checks}
        told = {place_of(check) for check in tellable(target, side.name)}
        checks = [(number, check, place_of(check)) for number, check in enumerate(header.checks)]
        compared = [n for n, c, place in checks if own.get(place) == c and place in told]
        order = target.order
        self._numbers = sorted(compared, key=lambda n: order[place_of(header.checks[n])])
        self._changed = _changed_op(header, own)
        if matches and target.is_whole and self._changed is not None:
            raise InputError(
                f"the bundle is of this model, yet {self._changed}",
                hint="the bundle is damaged: record it again",
            )
        self.done = self._bytes = self._crcs = self._tensor_bytes = 0
        self._samples = self._elements = self._tensors = 0
        self._first: Difference | None = None
        self._first_output: Difference | None = None

    def run(self, reader: BundleReader) -> Iterator[int]:
        """Run all samples; gives the number done so far after each chunk."""
        size = sum(self._header.checks[n].nbytes for n in self._numbers)
        has_inputs = bool(self._header.inputs)
        most = at_once(self._header.sample_bytes + size, self._side.name)
        count = most if has_inputs else 1
        chunks = ((c.inputs, c.outputs, (c.crcs,), c.tensors) for c in reader)
        for inputs, outputs, (crcs,), tensors in regrouped(chunks, count):
            self._compare(inputs, outputs, crcs, tensors)
            yield self.done

    def _compare(
        self, inputs: Samples, outputs: Samples, crcs: npt.NDArray[np.uint32], tensors: Samples
    ) -> None:
        checks = self._header.checks
        places = [place_of(checks[number]) for number in self._numbers]
        seen = observe(self._side, inputs, places, with_bytes=bool(tensors))
        differing = np.zeros(len(crcs), bool)
        masks = [differs(a, b) for a, b in zip(outputs, seen.outputs, strict=True)]
        for mask in masks:
            differing |= mask.any(axis=1)
        self._bytes += sum(array.nbytes for array in outputs)
        self._elements += sum(int(mask.sum()) for mask in masks)
        found: list[tuple[int, Array | None, Array, npt.NDArray[np.bool_]]] = []
        for number in self._numbers:
            place = place_of(checks[number])
            sums, got = seen.crcs.get(place), seen.tensors.get(place)
            if sums is None:
                continue
            bad = sums != crcs[:, number]
            self._crcs += len(sums)
            if tensors and got is not None:
                bad |= differs(tensors[number], got).any(axis=1)
                self._tensor_bytes += tensors[number].nbytes
            self._tensors += int(bad.sum())
            differing |= bad
            found.append((number, got, sums, bad))
        self._samples += int(differing.sum())
        if self._first is None and differing.any():
            at = int(differing.argmax())
            self._first_output = self._of_output(at, masks, outputs, seen.outputs)
            self._first = self._first_output
            for number, got, sums, bad in found:
                if bad[at]:
                    wanted = tensors[number][at] if tensors else None
                    crcs_there = int(crcs[at, number]), int(sums[at])
                    there = None if got is None else got[at]
                    self._first = self._of_tensor(number, at, wanted, there, crcs_there)
                    break
        self.done += len(crcs)

    def _of_output(
        self, at: int, masks: Sequence[Array], wanted: Samples, got: Samples
    ) -> Difference | None:
        for number, mask in enumerate(masks):
            if mask[at].any():
                tensor = self._target.graph.main.outputs[number]
                values = wanted[number][at], got[number][at]
                return output_difference(self.done + at, number, tensor, *values)
        return None

    def _of_tensor(
        self, number: int, at: int, wanted: Array | None, got: Array | None, crcs: tuple[int, int]
    ) -> Difference:
        check = self._header.checks[number]
        tensor = self._target.graph.subgraphs[check.subgraph].tensors[check.tensor]
        return tensor_difference(self.done + at, check, tensor, wanted, got, crcs)

    def result(self, matches: bool, side: Side, profile: str) -> CheckResult:
        """What has been found."""
        return CheckResult(
            equal=self._samples == 0,
            model_matches=matches,
            runtime=side.name,
            version=side.version,
            samples=self.done,
            profile=profile,
            compared_bytes=self._bytes,
            compared_crcs=self._crcs,
            compared_tensor_bytes=self._tensor_bytes,
            differing_samples=self._samples,
            differing_elements=self._elements,
            differing_tensors=self._tensors,
            recorded_crcs=self.done * len(self._header.checks),
            changed_op=self._changed,
            first=self._first,
            first_output=self._first_output,
        )


def _changed_op(header: BundleHeader, own: dict[tuple[int, int, int], Check]) -> str | None:
    for wanted in header.checks:
        got = own.get(place_of(wanted))
        if got != wanted:
            there = "is not there" if got is None else f"is {_words(got)} here"
            return f"{_words(wanted)} in the bundle {there}"
    return None


def _words(check: Check) -> str:
    where = f"subgraph {check.subgraph} " if check.subgraph else ""
    what = f"{check.dtype.name}{list(check.shape)}"
    return f"{where}op {check.op} {printable(check.op_name)}, tensor {check.tensor} {what}"


def _require_same_ends(header: BundleHeader, target: Target, matches: bool) -> None:
    """Raise InputError if inputs or outputs are of other shapes or types than the model's."""
    main = target.graph.main
    for what, recorded, tensors in (
        ("inputs", header.inputs, main.inputs),
        ("outputs", header.outputs, main.outputs),
    ):
        if [_form(t) for t in recorded] != [(t.type_code, t.shape) for t in tensors]:
            raise InputError(
                f"the bundle's {what} do not have the model's shapes and types: "
                f"{_listed(recorded)}, the model has {_listed(tensors)}",
                hint="the bundle is damaged: record it again" if matches else "record a new bundle",
            )


def _form(tensor: BundleTensor) -> tuple[int, tuple[int, ...]]:
    return tensor.type, tensor.shape


def _listed(tensors: Sequence[BundleTensor] | Sequence[Tensor]) -> str:
    shown = [f"{np.dtype(t.dtype).name}{list(t.shape)}" for t in tensors[:4]]
    return ", ".join([*shown, "..."] if len(tensors) > 4 else shown) or "none"

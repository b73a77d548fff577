"""Rules about the file as a whole: version, operator codes, metadata, signatures, alignment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from tflite import BuiltinOperator

from microinterp.errors import Problem, Where
from microinterp.model import Model
from microinterp.rules.common import BUILTIN_NAMES, error, warning
from microinterp.structure import check_alignment

SCHEMA_VERSION = 3
OFFLINE_PLAN = "OfflineMemoryAllocation"


def schema_version(model: Model) -> Iterator[Problem]:
    """The schema version is 3, the only one in use."""
    if model.version != SCHEMA_VERSION:
        yield error(f"schema version is {model.version}, wanted {SCHEMA_VERSION}")


def has_subgraph(model: Model) -> Iterator[Problem]:
    """The model has at least one subgraph."""
    if not model.subgraphs:
        yield error("the model has no subgraph, so nothing can run")


def operator_codes_known(model: Model) -> Iterator[Problem]:
    """Every operator code is one of the schema's builtin operators, CUSTOM included."""
    for index, entry in enumerate(model.operator_codes):
        if entry.code not in BUILTIN_NAMES:
            known = max(BUILTIN_NAMES)
            yield error(
                f"operator code {index} is builtin operator {entry.code}; 0 to {known} are known",
                hint="the model is newer than this package's schema, or damaged",
            )


def custom_operators_named(model: Model) -> Iterator[Problem]:
    """Every custom operator has a name."""
    for index, entry in enumerate(model.operator_codes):
        if entry.code == BuiltinOperator.CUSTOM and not entry.custom_code:
            yield error(f"operator code {index} is a custom operator without a name")


def first_buffer_empty(model: Model) -> Iterator[Problem]:
    """Buffer 0 has no data: tensors without contents refer to it."""
    if model.buffers and model.buffers[0] is not None:
        size = len(model.buffers[0])
        yield warning(
            f"buffer 0 has {size} bytes of data, so every tensor that refers to it is a constant"
        )


def metadata_buffers_exist(model: Model) -> Iterator[Problem]:
    """Every metadata entry refers to a buffer of the file."""
    for entry in model.metadata:
        if entry.buffer >= len(model.buffers):
            yield error(
                f"metadata {entry.name!r} refers to buffer {entry.buffer}, "
                f"the file has {len(model.buffers)}"
            )


def offline_plan_fits(model: Model) -> Iterator[Problem]:
    """An OfflineMemoryAllocation has one int32 offset for each tensor of all subgraphs."""
    wanted = sum(len(subgraph.tensors) for subgraph in model.subgraphs)
    hint = "write the plan again for this model, or remove the metadata"
    for entry in model.metadata:
        if entry.name != OFFLINE_PLAN or entry.buffer >= len(model.buffers):
            continue
        raw = bytes(model.buffers[entry.buffer] or b"")
        words = np.frombuffer(raw, "<i4", count=len(raw) // 4)
        if len(words) < 3 or words[2] != wanted or len(words) < 3 + wanted:
            count = f"{words[2]} offsets in {len(raw)} bytes" if len(words) > 2 else "no offsets"
            yield error(f"{OFFLINE_PLAN} has {count}, the model has {wanted} tensors", hint=hint)


def signatures_exist(model: Model) -> Iterator[Problem]:
    """Every signature names a subgraph of the file, and inputs and outputs of that subgraph."""
    for signature in model.signatures:
        who = f"signature {signature.key!r}"
        if signature.subgraph >= len(model.subgraphs):
            count = len(model.subgraphs)
            yield error(f"{who} refers to subgraph {signature.subgraph}, the file has {count}")
            continue
        subgraph = model.subgraphs[signature.subgraph]
        for role, pairs, real in (
            ("input", signature.inputs, set(subgraph.inputs)),
            ("output", signature.outputs, set(subgraph.outputs)),
        ):
            for name, index in pairs:
                if index not in real:
                    yield error(
                        f"{who}: {role} {name!r} is tensor {index}, not an {role} of the subgraph",
                        Where(signature.subgraph),
                    )


def signature_names_differ(model: Model) -> Iterator[Problem]:
    """The inputs of a signature have different names, and so do its outputs."""
    for signature in model.signatures:
        for role, pairs in (("inputs", signature.inputs), ("outputs", signature.outputs)):
            for name in _repeated([name for name, _ in pairs]):
                yield error(f"signature {signature.key!r} has two {role} named {name!r}")


def aligned(model: Model) -> Iterator[Problem]:
    """Tables and buffers are aligned to 4 bytes, vectors to their elements."""
    yield from check_alignment(model.data)


def _repeated(names: list[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if name and times > 1]

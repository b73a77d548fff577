"""Reads packed models: what is garbage is told from a model before anything of it is used."""

from __future__ import annotations

from typing import Any

import numpy as np

from microinterp.errors import ModelError, Where, printable
from microinterp.generated import packed_model as fb
from microinterp.packed.check_model import DAMAGED, check_model
from microinterp.packed.records import (
    IDENTIFIER,
    VERSION,
    PackedModel,
    PackedOp,
    PackedState,
    PackedSubgraph,
    TensorInfo,
    Written,
)
from microinterp.packed.steps import STEP_TYPES, Step, step_of
from microinterp.schema import fields_of
from microinterp.structure import check_flatbuffer

_WEIGHTS_SLOT = 26
TABLES = {
    name: fields_of(line)
    for name, line in {
        "Model": "version:2 tier:string profile:string tflite_sha256:[1] tool:string "
        "arena_bytes:4 head_bytes:4 inputs:[Tensor] outputs:[Tensor] subgraphs:[Subgraph] "
        "state:[State] weights:view",
        "Tensor": "name:string index:4 type:1 shape:[4] scale:4 zero_point:4 offset:4 nbytes:4",
        "Written": "index:4 offset:4 nbytes:4",
        "Op": "index:4 name:string first_step:4 steps:4 written:[Written]",
        "Step": "code:1 args:[4]",
        "Subgraph": "steps:[Step] ops:[Op]",
        "State": "offset:4 nbytes:4 value:1 resets:1",
    }.items()
}
"""The tables of schemas/packed_model.fbs, as schema.py writes them."""


def load(data: bytes | bytearray | memoryview) -> PackedModel:
    """Read a packed model. The weights stay a view of `data`.

    Raises:
        ModelError: it is none, is damaged, breaks a rule of schemas/steps.md, or was packed for
            another version of the format.
    """
    data = bytes(data)
    if data[4:8] == b"TFL3":
        raise ModelError("this is a .tflite file, not a packed model", hint="pack it first")
    if data[4:8] != IDENTIFIER:
        raise ModelError("this is no packed model", Where(byte_offset=4), "pack a .tflite file")
    problems = check_flatbuffer(data, "Model", IDENTIFIER, TABLES)
    if problems:
        raise ModelError(problems[0].message, problems[0].where, DAMAGED, problems)
    root = fb.Model.GetRootAs(data, 0)
    _require_version(root)
    model = PackedModel(
        tier=_text(root.Tier()),
        profile=_text(root.Profile()),
        tflite_sha256=_bytes(root.TfliteSha256AsNumpy()),
        tool=_text(root.Tool()),
        arena_bytes=root.ArenaBytes(),
        head_bytes=root.HeadBytes(),
        inputs=tuple(_tensor(root.Inputs(i)) for i in range(root.InputsLength())),
        outputs=tuple(_tensor(root.Outputs(i)) for i in range(root.OutputsLength())),
        subgraphs=tuple(_subgraph(root.Subgraphs(i), i) for i in range(root.SubgraphsLength())),
        state=tuple(_state(root.State(i)) for i in range(root.StateLength())),
        weights=_weights(data, root),
    )
    check_model(model)
    return model


def _require_version(root: Any) -> None:
    version = root.Version()
    if version != VERSION:
        remedy = "update microinterp" if version > VERSION else "pack the model again"
        raise ModelError(
            f"packed in format version {version} by '{printable(_text(root.Tool()))}', "
            f"this runtime reads version {VERSION}",
            hint=remedy,
        )


def _text(raw: bytes | None) -> str:
    return "" if raw is None else bytes(raw).decode("utf-8", errors="backslashreplace")


def _bytes(array: Any) -> bytes:
    """An accessor's array, which is 0 where the file has none."""
    return array.tobytes() if isinstance(array, np.ndarray) else b""


def _ints(array: Any) -> tuple[int, ...]:
    return tuple(array.tolist()) if isinstance(array, np.ndarray) else ()


def _weights(data: bytes, root: Any) -> memoryview:
    if not root.WeightsLength():
        return memoryview(b"")
    table = root._tab
    start = table.Vector(table.Offset(_WEIGHTS_SLOT))
    return memoryview(data)[start : start + root.WeightsLength()]


def _tensor(tensor: Any) -> TensorInfo:
    return TensorInfo(
        name=_text(tensor.Name()),
        index=tensor.Index(),
        type=tensor.Type(),
        shape=_ints(tensor.ShapeAsNumpy()),
        scale=tensor.Scale(),
        zero_point=tensor.ZeroPoint(),
        offset=tensor.Offset(),
        nbytes=tensor.Nbytes(),
    )


def _subgraph(subgraph: Any, number: int) -> PackedSubgraph:
    return PackedSubgraph(
        steps=tuple(_step(subgraph.Steps(i), number, i) for i in range(subgraph.StepsLength())),
        ops=tuple(_op(subgraph.Ops(i)) for i in range(subgraph.OpsLength())),
    )


def _step(step: Any, subgraph: int, index: int) -> Step:
    code, values = step.Code(), _ints(step.ArgsAsNumpy())
    place = f"subgraph {subgraph} step {index}"
    kind = STEP_TYPES.get(code)
    if kind is None:
        raise ModelError(f"{place}: code {code} is not known", hint=DAMAGED)
    made = step_of(kind, values)
    if made is None:
        wanted = len(kind._fields)
        text = f"{place} {kind.__name__}: {len(values)} arguments, wanted {wanted}"
        raise ModelError(text, hint=DAMAGED)
    return made


def _op(op: Any) -> PackedOp:
    return PackedOp(
        index=op.Index(),
        name=_text(op.Name()),
        first_step=op.FirstStep(),
        steps=op.Steps(),
        written=tuple(_written(op.Written(i)) for i in range(op.WrittenLength())),
    )


def _written(written: Any) -> Written:
    return Written(written.Index(), written.Offset(), written.Nbytes())


def _state(state: Any) -> PackedState:
    return PackedState(state.Offset(), state.Nbytes(), state.Value(), bool(state.Resets()))

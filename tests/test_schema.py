"""schema.py against the accessors that the FlatBuffers compiler generated (package `tflite`)."""

from __future__ import annotations

import inspect
import re
from typing import Any

import flatbuffers
import pytest
import tflite

from microinterp import model
from microinterp.schema import TABLES, UNIONS, Field

# What schema.py leaves out on purpose: model.py never reads it, so nothing has to be checked.
UNREAD = {
    ("Tensor", "VariantTensors"),
    ("QuantizationParameters", "DetailsType"),
    ("QuantizationParameters", "Details"),
    ("SubGraph", "DebugMetadataIndex"),
    ("Operator", "LargeCustomOptionsSize"),
    ("Operator", "DebugMetadataIndex"),
    ("Operator", "BuiltinOptions2Type"),
    ("Operator", "BuiltinOptions2"),
}
# In schema.fbs, but newer than the generated package.
NEWER = {("Tensor", "external_buffer")}
# Ours, not of the TFLite schema.
OTHER_SCHEMA = {"LutMetadata", "LutSubgraph", "LutTensor"}

PRESENT = 1  # what the recorder answers for each field: "it is there"


class Recorder:
    """Stands in for flatbuffers.Table and notes what an accessor does with it."""

    Pos = 0
    Bytes = b""

    def __init__(self) -> None:
        self.slot = 0
        self.calls: list[str] = []
        self.width = 0

    def Offset(self, slot: int) -> int:  # noqa: N802
        self.slot = slot
        return PRESENT

    def Get(self, flags: Any, offset: int) -> int:  # noqa: N802
        self.calls.append("Get")
        self.width = flags.bytewidth
        return 0

    def __getattr__(self, name: str) -> Any:
        def note(*_: Any) -> int:
            self.calls.append(name)
            return 0

        return note


def accessors(table: str) -> dict[str, tuple[Recorder, Any]]:
    """Name of each plain accessor of a generated class -> what it did, what it returned."""
    kind = getattr(tflite, table)
    found = {}
    for name, function in vars(kind).items():
        if name == "Init" or name.startswith(("_", "GetRoot")):
            continue
        if name.endswith(("HasIdentifier", "IsNone")):
            continue
        base = name.removesuffix("AsNumpy").removesuffix("Length")
        if name != base and base in vars(kind):
            continue
        instance, recorder = kind(), Recorder()
        instance._tab = recorder
        arguments = [0] * (len(inspect.signature(function).parameters) - 1)
        found[name] = recorder, function(instance, *arguments)
    return found


def expected(field: Field) -> tuple[list[str], int]:
    """The calls that a generated accessor makes to read such a field, and the width it reads."""
    return {
        "scalar": (["Get"], field.width),
        "string": (["String"], 0),
        "vector": (["Vector", "Get"], field.width),
        "view": (["Vector", "Get"], 1),
        "table": (["Indirect"], 0),
        "tables": (["Vector", "Indirect"], 0),
        "union": (["Union"], 0),
    }[field.kind]


def camel(name: str) -> str:
    """The generated accessor's name: the letter after `_` in upper case."""
    return re.sub(r"(?:^|_)([a-z0-9])", lambda m: m[1].upper(), name)


REAL_TABLES = sorted(set(TABLES) - OTHER_SCHEMA)


@pytest.mark.parametrize("table", REAL_TABLES)
def test_every_field_sits_where_the_generated_code_reads_it(table: str) -> None:
    generated = accessors(table)
    for field in TABLES[table]:
        if (table, field.name) in NEWER:
            assert camel(field.name) not in generated, "take it out of NEWER"
            continue
        if (table, field.name) == ("OperatorCode", "builtin_code"):
            continue  # the package's accessor is not the generated one; see the test below
        recorder, result = generated[camel(field.name)]
        assert recorder.slot == field.slot, field
        assert (recorder.calls, recorder.width) == expected(field), field
        if field.target and field.kind != "union":
            assert type(result).__name__ == field.target, field


def test_builtin_code_is_read_past_the_packages_own_accessor() -> None:
    """The package mixes the two fields up: below 127 it answers with the deprecated one."""
    builder = flatbuffers.Builder(64)
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddBuiltinCode(builder, tflite.BuiltinOperator.CONV_2D)
    builder.Finish(tflite.OperatorCodeEnd(builder))
    code = tflite.OperatorCode.GetRootAs(builder.Output())
    field = next(f for f in TABLES["OperatorCode"] if f.name == "builtin_code")
    assert code.BuiltinCode() == tflite.BuiltinOperator.ADD
    assert model._operator_code(code).code == tflite.BuiltinOperator.CONV_2D
    assert field.slot == model._BUILTIN_CODE_SLOT
    assert (field.kind, field.width) == ("scalar", 4)


@pytest.mark.parametrize("table", REAL_TABLES)
def test_no_field_is_forgotten(table: str) -> None:
    known = {camel(field.name) for field in TABLES[table]}
    unread = {name for owner, name in UNREAD if owner == table}
    assert set(accessors(table)) - known == unread


def test_every_member_of_the_union_has_a_table() -> None:
    numbers = {c: n for n, c in vars(tflite.BuiltinOptions).items() if not n.startswith("_")}
    del numbers[0]
    assert UNIONS["BuiltinOptions"] == numbers
    assert len(numbers) == 126
    assert set(numbers.values()) <= set(TABLES)


def test_tables_lead_only_to_tables_that_exist_and_never_in_a_circle() -> None:
    """The walk recurses along these links, so a circle could recurse without end."""
    links = {
        name: {
            target
            for field in fields
            for target in (
                UNIONS[field.target].values() if field.kind == "union" else [field.target]
            )
            if target
        }
        for name, fields in TABLES.items()
    }
    assert set().union(*links.values()) <= set(TABLES)

    def depth(name: str, above: tuple[str, ...] = ()) -> int:
        assert name not in above
        return 1 + max((depth(n, (*above, name)) for n in links[name]), default=0)

    assert depth("Model") == 4


def test_fields_of_a_table_have_different_slots() -> None:
    for name, fields in TABLES.items():
        slots = [field.slot for field in fields]
        assert slots == sorted(set(slots)), name
        assert all(slot >= 4 and slot % 2 == 0 for slot in slots), name

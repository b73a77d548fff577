"""The page of file formats, made from the schemas when the site is built."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
_HEAD = """# File formats

## Packed models

`.mipk`, written by `microinterp pack` and `board deploy`, read by boards. What each step means:
[packed steps](steps.md). Compiled with `flatc` into the code that reads and writes it.

"""
_GOLDEN = """
## Golden bundles

`.golden`, written by `microinterp golden record`: [what they are for](../golden.md).

"""
_BENCH = """
## Bench results

What `board bench --json` prints, and what [kept results](../results.md) hold
(`schemas/bench_result.schema.json`, a JSON schema). {description}

| field | type | what it is |
|---|---|---|
"""


def markdown() -> str:
    """The page."""
    bench = json.loads((_SCHEMAS / "bench_result.schema.json").read_text(encoding="utf-8"))
    return "".join(
        [
            _HEAD,
            _quoted("packed_model.fbs"),
            _GOLDEN,
            _quoted("golden.fbs"),
            _BENCH.format(description=bench["description"]),
            *(f"| `{name}` | {kind} | {text} |\n" for name, kind, text in fields(bench)),
        ]
    )


def fields(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Name, type and meaning of every field; `a.b` is b in a, `a[].b` is b in each of a list."""
    for key, each in schema.get("properties", {}).items():
        name = f"{prefix}{key}"
        inner = each.get("items", {})
        yield name, _type(each), each.get("description", "").replace("|", "\\|")
        yield from fields(each, f"{name}.")
        yield from fields(inner, f"{name}[].")


def _type(schema: dict[str, Any]) -> str:
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "")
    kinds = kind if isinstance(kind, list) else [kind]
    if kinds == ["array"]:
        return f"list of {_type(schema.get('items', {}))}"
    return " or ".join(kinds)


def _quoted(name: str) -> str:
    text = (_SCHEMAS / name).read_text(encoding="utf-8")
    return f"```c\n{text.rstrip()}\n```\n"

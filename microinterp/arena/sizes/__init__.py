"""Tables of struct sizes: one JSON file per ABI, TFLM version and kernel library, read on demand.

A table says sizeof and alignof of each C++ type that TFLM puts into its arena, with the compiler,
flags and source version that they come from; tests/struct_sizes obtains them. A table may extend
another one: then it has only what is different or new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from microinterp.errors import ArenaError

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Layout:
    """sizeof and alignof of a C++ type, in bytes."""

    size: int
    align: int


@dataclass(frozen=True)
class Table:
    """Struct sizes of one build of TFLM.

    Attributes:
        name: the file's name, which has the ABI and the version.
        source: where the figures come from, in words.
        structs: by C++ name.
    """

    name: str
    source: str
    structs: Mapping[str, Layout] = field(repr=False)

    def __getitem__(self, struct: str) -> Layout:
        """Layout of one type. Raises ArenaError where the table lacks it."""
        try:
            return self.structs[struct]
        except KeyError:
            raise ArenaError(
                f"table '{self.name}' has no size of {struct}",
                hint="the op does not exist in that build of TFLM, or the table is too old",
            ) from None

    def size(self, struct: str, count: int = 1) -> int:
        """Bytes of `count` values of one type."""
        return count * self[struct].size


@cache
def load_table(name: str) -> Table:
    """The table of that name.

    Raises:
        ArenaError: there is none; the message lists those that there are.
    """
    path = _FOLDER / f"{name}.json"
    known = sorted(p.stem for p in _FOLDER.glob("*.json"))
    if name not in known:
        raise ArenaError(f"no table '{name}' of struct sizes", hint=f"there are {', '.join(known)}")
    return table_from(name, json.loads(path.read_text(encoding="utf-8")))


def table_from(name: str, contents: Mapping[str, object]) -> Table:
    """A table from the contents of its JSON file.

    Raises:
        ArenaError: they are no such table.
    """
    source, structs = contents.get("source"), contents.get("structs")
    base = contents.get("extends")
    if not isinstance(source, str) or not isinstance(structs, dict):
        raise ArenaError(f"table '{name}' of struct sizes has no source, or no structs")
    layouts = dict(load_table(base).structs) if isinstance(base, str) else {}
    for struct, figures in structs.items():
        size, align = figures
        layouts[struct] = Layout(int(size), int(align))
    return Table(name, source, layouts)

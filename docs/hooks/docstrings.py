"""A griffe extension: docstrings here tell of several arguments in one entry, `a, b: ...`."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_TOGETHER = re.compile(r"^( +)(\*{0,2}\w+(?:, \*{0,2}\w+)+): (.*(?:\n\1 +.*)*)", re.MULTILINE)


class SplitNames(Extension):
    """Gives each name an entry of its own, with the same text."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Change an object's docstring before it is parsed."""
        if obj.docstring is not None:
            obj.docstring.value = split(obj.docstring.value)


def split(text: str) -> str:
    """A docstring with an entry for each name."""

    def each(found: re.Match[str]) -> str:
        indent, names, rest = found.groups()
        return "\n".join(f"{indent}{name}: {rest}" for name in names.split(", "))

    return _TOGETHER.sub(each, text)

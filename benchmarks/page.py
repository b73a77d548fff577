"""Parts of a Markdown page that are made from figures: tables, lines, and what is replaced."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from textwrap import fill


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], words: Collection[str] | None = None
) -> Iterator[str]:
    """Its lines; columns named in `words` hold no numbers, the first one where none are named."""
    words = head[:1] if words is None else words
    yield f"| {' | '.join(head)} |"
    yield "|" + "".join("---|" if name in words else "---:|" for name in head)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def wrapped(lines: Iterable[str]) -> str:
    """The text of lines, of which tables and headings stay as they are."""
    return "\n".join(
        line if line.startswith(("|", "#")) else fill(line, 100, break_on_hyphens=False)
        for line in lines
    )


def replaced(text: str, parts: Mapping[str, str]) -> str:
    """The page with each part between its marks. Raises ValueError where marks are not one pair."""
    for name, part in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, first, rest = text.partition(begin)
        _, last, after = rest.partition(end)
        if not first or not last or begin in after or end in after:
            raise ValueError(f"wanted one '{begin}' and after it one '{end}'")
        text = f"{before}{begin}\n{part}\n{end}{after}"
    return text

"""Blocks of code in pages, and the comments before them that say how they are run.

A comment stands right before a block, alone on its lines; several may. A note of commands may name
in parentheses the lines that it is about, by words that they hold:

    <!-- not run: REASON -->            nothing runs it
    <!-- not run (WORDS): REASON -->    lines with these words are not run
    <!-- run by: tests/FILE.py -->      that test runs it
    <!-- file: NAME -->                 it is the contents of a file
    <!-- given: CODE -->                Python, or a command, before it that the page does not show
    <!-- on: board -->                  it runs on the page's virtual board, in MicroPython
    <!-- status (WORDS): 1 -->          the exit status that is wanted, if not 0

A block of `text` without a note is what the block before it prints. A line of `...` stands for any
lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("not run", "run by", "file", "given", "on", "status")
_FENCE = re.compile(r"^( *)(```+)(.*)$")
_NOTE = re.compile(r"<!--\s*([a-z ]+?)(?:\s*\(([^)]*)\))?:\s*(.*?)\s*-->", re.DOTALL)


@dataclass(frozen=True)
class Note:
    """`<!-- kind (words): value -->`."""

    kind: str
    words: str
    value: str


@dataclass(frozen=True)
class Block:
    """A fenced block: of which page and line, in which language, with which notes."""

    page: str
    line: int
    language: str
    text: str
    notes: tuple[Note, ...] = ()

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.page}:{self.line}"

    def note(self, kind: str) -> str | None:
        """The value of a note about the whole block; "" may be one, None is no such note."""
        values = [note.value for note in self.notes if note.kind == kind and not note.words]
        return "\n".join(values) if values else None

    def note_of(self, kind: str, line: str) -> str | None:
        """The value of a note about a line: one that names words of it, else of the whole block."""
        for note in self.notes:
            if note.kind == kind and note.words and note.words in line:
                return note.value
        return self.note(kind)


def pages() -> list[str]:
    """Every page whose blocks are held to something."""
    inside = (path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
    others = (name for name in inside if "/node_modules/" not in name)
    return sorted([*others, "README.md", "firmware/README.md", "examples/tflm_dump/README.md"])


def blocks_of(page: str, text: str) -> list[Block]:
    """The blocks of a page, in order. A wrong note or an unfinished block is an AssertionError."""
    lines = text.splitlines()
    found, at, before = [], 0, 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if not fence:
            at += 1
            continue
        indent, ticks, language = fence.groups()
        end = at + 1
        while end < len(lines) and lines[end].strip() != ticks:
            end += 1
        assert end < len(lines), f"{page}:{at + 1}: a block without an end"
        inner = "".join(f"{line.removeprefix(indent)}\n" for line in lines[at + 1 : end])
        notes = _notes_before("\n".join(lines[before:at]), f"{page}:{at + 1}")
        found.append(Block(page, at + 1, language.strip(), inner, notes))
        at = before = end + 1
    return found


def _notes_before(text: str, where: str) -> tuple[Note, ...]:
    """The notes that end a text."""
    notes: list[Note] = []
    text = text.rstrip()
    while text.endswith("-->"):
        start = text.rindex("<!--")
        matched = _NOTE.fullmatch(text[start:])
        assert matched, f"{where}: {text[start:]} is no note"
        kind, words, value = matched.groups()
        assert kind in KINDS, f"{where}: there is no note '{kind}'"
        assert value, f"{where}: the note '{kind}' is empty"
        notes.insert(0, Note(kind, words or "", value))
        text = text[:start].rstrip()
    return tuple(notes)


def shown_matches(shown: str, printed: str) -> bool:
    """Whether a text is what was printed; a line of `...` stands for any lines."""
    got = [line.rstrip() for line in printed.strip("\n").splitlines()]
    parts: list[list[str]] = [[]]
    for line in shown.strip("\n").splitlines():
        if line.strip() == "...":
            parts.append([])
        else:
            parts[-1].append(line.rstrip())
    at = 0
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        starts = [0] if number == 0 else range(at, len(got) - len(part) + 1)
        if last and number:
            starts = [len(got) - len(part)] if len(got) - len(part) >= at else []
        place = next((start for start in starts if got[start : start + len(part)] == part), None)
        if place is None:
            return False
        at = place + len(part)
    return at == len(got)

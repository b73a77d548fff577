"""Links: from where files lie in the repository to where pages lie on the site."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parents[2]
PLAYGROUND_PAGE = "docs/playground/README.md"
PLAYGROUND = "browser"
"""Where the playground itself is on the site: docs/playground/ is not."""
OUTSIDE: Mapping[str, str] = MappingProxyType(
    {
        "CHANGELOG.md": "reference/changelog.md",
        "schemas/steps.md": "reference/steps.md",
        "schemas/link.md": "reference/link_format.md",
        "firmware/README.md": "explanation/firmware.md",
        "docs/README.md": "explanation/documentation.md",
        "examples/digits/README.md": "explanation/digits.md",
        "examples/tflm_dump/README.md": "how-to/tflm_dump.md",
        "examples/apps/README.md": "how-to/apps_examples.md",
        "labs/README.md": "labs.md",
        PLAYGROUND_PAGE: "playground.md",
    }
)
"""Pages whose text lies elsewhere in the repository, and where they are on the site."""
_INSIDE_OUT: Mapping[str, str] = MappingProxyType({"README.md": "index.md", "docs": "index.md"})
_FENCE = re.compile(r"^ *(```|~~~)")
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_NAMED = re.compile(r"\b(docs|schemas)/([\w/-]+)\.md\b(?![^<]*>)")


def source_of(page: str) -> str | None:
    """The file in the repository that a page of the site is made from; None: it is generated."""
    for source, path in OUTSIDE.items():
        if path == page:
            return source if (ROOT / source).is_file() else None
    return f"docs/{page}" if (ROOT / "docs" / page).is_file() else None


def page_of(source: str) -> str | None:
    """The page of the site that is made from a file of the repository; None if there is none."""
    if source in OUTSIDE:
        return OUTSIDE[source] if (ROOT / source).is_file() else None
    if source in _INSIDE_OUT:
        return _INSIDE_OUT[source]
    inside = source.removeprefix("docs/")
    is_page = source.startswith("docs/") and source.endswith(".md")
    return inside if is_page and (ROOT / source).is_file() else None


def title_of(source: str) -> str:
    """The title of a page that is made from a file of the repository; "Start" of README.md."""
    if source in _INSIDE_OUT:
        return "Start"
    text = (ROOT / source).read_text(encoding="utf-8")
    return next(line[2:] for line in text.splitlines() if line.startswith("# "))


def rewritten(markdown: str, source: str, page: str) -> str:
    """A page's text with the links of the file `source` in the repository made into the site's.

    A link that shows a file's name shows the page's title. One to a file that is not on the site
    becomes the file's path; one that leads nowhere stays, for MkDocs to complain of.
    """

    def replace(found: re.Match[str]) -> str:
        text, target = found[1], found[2]
        path, mark, anchor = target.partition("#")
        if not path or "://" in path or path.startswith("mailto:"):
            return found[0]
        origin = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        where = page_of(origin)
        if where is not None:
            shown = title_of(origin) if text.endswith(".md") and not anchor else text
            return f"[{shown}]({_relative(where, page)}{mark}{anchor})"
        if (ROOT / origin).exists() and not origin.startswith("docs/api/"):
            return text if path in text or origin in text else f"{text} (`{origin}`)"
        return found[0]

    lines, in_code = [], False
    for line in markdown.splitlines():
        if _FENCE.match(line):
            in_code = not in_code
        if not in_code:
            line = _LINK.sub(replace, line)
            line = line if source.startswith("docs/") else line.replace("][", "]\\[")
        lines.append(line)
    return "\n".join(lines) + "\n"


def with_named_pages(html: str, page: str) -> str:
    """A page's HTML in which `docs/NAME.md` in running text, as in docstrings, is a link."""

    def replace(found: re.Match[str]) -> str:
        where = page_of(found[0])
        if where is None:
            return found[0]
        target = _relative(where, page).removesuffix(".md") + ".html"
        return f'<a href="{target}">{title_of(found[0])}</a>'

    return _NAMED.sub(replace, html)


def with_playground(markdown: str, is_built: bool) -> str:
    """The page about the playground, with the way to it first."""
    way = (
        f"[**Open the playground**]({PLAYGROUND}/index.html)"
        if is_built
        else "This site was built without the playground itself: `make playground docs` has it."
    )
    title, _, rest = markdown.partition("\n")
    return f"{title}\n\n{way}\n{rest}"


def _relative(target: str, page: str) -> str:
    return posixpath.relpath(target, posixpath.dirname(page) or ".")

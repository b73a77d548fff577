"""Whether a built site is sound: links and anchors lead somewhere, and no other host is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
_NOT_LOADED = {"canonical", "alternate", "prev", "next"}
_CSS_URL = re.compile(r"(?:url\(\s*[\"']?|@import\s+[\"'])(https?:)?//")


class _Page(HTMLParser):
    """Ids of a page, where it leads to, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.leads: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if "id" in has:
            self.ids.add(has["id"])
        if tag == "a" and "name" in has:
            self.ids.add(has["name"])
        if tag == "a" and "href" in has:
            self.leads.append(has["href"])
        if tag == "link" and has.get("rel") not in _NOT_LOADED:
            self.loads.append(has.get("href", ""))
        if tag in _LOADED and has.get(_LOADED[tag]):
            self.loads.append(has[_LOADED[tag]])


def faults(site: Path) -> list[str]:
    """One line for each link that leads nowhere and each thing that another host is asked for.

    Args:
        site: the folder that MkDocs has built.
    """
    paths = sorted(site.rglob("*.html"))
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in paths}
    found = [line for path, page in pages.items() for line in _faults_of(site, path, page, pages)]
    for style in sorted(site.rglob("*.css")):
        if _CSS_URL.search(style.read_text(encoding="utf-8")):
            found.append(f"{style.relative_to(site)}: loads from another host")
    return found


def _faults_of(site: Path, path: Path, page: _Page, pages: dict[Path, _Page]) -> Iterator[str]:
    name = path.relative_to(site)
    for url in page.loads:
        if urlsplit(url).netloc:
            yield f"{name}: loads {url} from another host"
    for url in (*page.leads, *page.loads):
        parts = urlsplit(url)
        if parts.scheme or parts.netloc or url == "#":
            continue
        target = _target(site, path, unquote(parts.path))
        if not target.is_file():
            yield f"{name}: {url} leads nowhere"
        elif target in pages and unquote(parts.fragment) not in pages[target].ids | {""}:
            yield f"{name}: {url}: no such place on that page"


def _target(site: Path, path: Path, to: str) -> Path:
    """The file that a link leads to."""
    if not to:
        return path
    target = site / to.lstrip("/") if to.startswith("/") else (path.parent / to).resolve()
    return target / "index.html" if target.is_dir() else target

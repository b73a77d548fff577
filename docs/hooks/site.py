"""MkDocs hooks: pages from outside of docs/, generated pages, a check of what is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from docs.hooks import boards_page, cli_pages, formats_page, links, pictures
from docs.hooks.check import faults

ROOT = Path(__file__).resolve().parents[2]
PLAYGROUND = ROOT / "build" / "playground"
"""What `make playground` builds."""
OPTIONAL = ("apps.md",)
"""Pages that the navigation has a place for, and that need not be there."""
_drawn: dict[str, list[list[pictures.Picture]]] = {}


def on_config(config: Any) -> Any:
    """Fill in the parts of the navigation that follow from what there is."""
    filled: dict[str, list[Any]] = {
        "COMMANDS": [{title: path} for title, path in cli_pages.navigation()],
        "DECISIONS": [
            path.relative_to(ROOT / "docs").as_posix()
            for path in sorted((ROOT / "docs" / "decisions").glob("*.md"))
        ],
    }
    config.nav = _filled(config.nav, filled)
    return config


def _filled(nav: Any, filled: dict[str, list[Any]]) -> Any:
    """The navigation with the lists in their places, without pages of files that are absent."""
    if isinstance(nav, list):
        kept = [_filled(item, filled) for item in nav]
        return [item for item in kept if item is not None]
    if isinstance(nav, dict):
        ((title, value),) = nav.items()
        inner = _filled(value, filled)
        return None if inner is None else {title: inner}
    if nav in filled:
        return filled[nav]
    may_be_absent = nav in OPTIONAL or nav in links.OUTSIDE.values()
    return None if may_be_absent and links.source_of(nav) is None else nav


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs/."""
    texts = dict(cli_pages.pages())
    texts["reference/boards.md"] = boards_page.markdown()
    texts["reference/formats.md"] = formats_page.markdown()
    for source, path in links.OUTSIDE.items():
        if (ROOT / source).is_file():
            texts[path] = (ROOT / source).read_text(encoding="utf-8")
    for path, text in texts.items():
        files.append(File.generated(config, path, content=text))
    for path in pictures.PAGES:
        _drawn[path] = pictures.drawn((ROOT / "docs" / path).read_text(encoding="utf-8"), path)
        for picture in (each for block in _drawn[path] for each in block):
            files.append(File.generated(config, picture.path, content=picture.data))
    for built in sorted(PLAYGROUND.rglob("*")):
        if built.is_file():
            name = f"{links.PLAYGROUND}/{built.relative_to(PLAYGROUND).as_posix()}"
            files.append(File.generated(config, name, abs_src_path=str(built)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Make links of the repository into links of the site."""
    source = links.source_of(page.file.src_uri)
    markdown = pictures.with_pictures(markdown, _drawn.get(page.file.src_uri, []))
    if page.file.src_uri == links.OUTSIDE.get(links.PLAYGROUND_PAGE):
        built = files.get_file_from_path(f"{links.PLAYGROUND}/index.html") is not None
        markdown = links.with_playground(markdown, built)
    return markdown if source is None else links.rewritten(markdown, source, page.file.src_uri)


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Make the names of pages in docstrings into links; a page without sections is all table."""
    if not any(each.children for each in page.toc):
        page.meta.setdefault("hide", ["toc"])
    return links.with_named_pages(html, page.file.src_uri) if "api/" in page.file.src_uri else html


def on_post_build(config: Any) -> None:
    """Refuse a site with a dead link, or one that asks another host for anything."""
    found = faults(Path(config.site_dir))
    if found:
        raise PluginError("\n".join(["the site is not sound:", *found]))

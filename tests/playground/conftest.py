"""Chromium, and the built page on a server of ours."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

import pytest

from tests.browser import browser as chromium
from tests.conftest import require_or_skip
from tests.playground.page import BUILT, NODE_FOLDER, SOURCES, Browser, Page

PATH = "courses/2026/playground/"
"""Any path: the page asks for nothing, so that it works under each."""
OpenPage: TypeAlias = Callable[..., Page]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    node = shutil.which("node")
    if node is None:
        require_or_skip("node", "make system-deps")
    if not BUILT.exists() or not (NODE_FOLDER / "node_modules" / "playwright-core").exists():
        require_or_skip("the playground's page", "make playground")
    sources = (path for path in SOURCES.rglob("*") if path.is_file() and path.suffix != ".md")
    if BUILT.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        require_or_skip("a page as new as docs/playground", "make playground")
    assert node is not None
    opened = Browser(node, chromium())
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page's address on a static server, below a path of several folders."""
    root = tmp_path_factory.mktemp("site")
    folder = root / PATH
    folder.parent.mkdir(parents=True)
    folder.symlink_to(BUILT.parent)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{PATH}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def open_page(browser: Browser, url: str) -> Iterator[OpenPage]:
    """Opens pages as `Page` does, and closes them when the test is over."""
    pages: list[Page] = []

    def opened(address: str = url, *screen: Any, is_late: bool = False) -> Page:
        pages.append(Page(browser, address, *screen, is_late=is_late))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


@pytest.fixture(scope="module")
def shared(browser: Browser, url: str) -> Iterator[Page]:
    """One page for the tests of a module."""
    page = Page(browser, url)
    yield page
    page.close()

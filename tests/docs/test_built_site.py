"""The built site in a browser: the search answers, from the disk and from a server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest

from tests.browser import visited
from tests.conftest import require_or_skip
from tests.docs.blocks import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec("material") is None or find_spec("mkdocstrings") is None:
        require_or_skip("MkDocs", "pip install 'microinterp[docs]'")
    folder = tmp_path_factory.mktemp("site")
    words = ["-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


FRAME = """<!doctype html><iframe src="/%s/index.html?q=requantise"></iframe><img src="/wait">
<script>
setInterval(() => {
  const shown = document.querySelector("iframe").contentDocument.documentElement.innerHTML;
  if (/[0-9] matching documents/.test(shown)) fetch("/done", {method: "POST", body: shown});
}, 100);
</script>"""
"""A page whose image, and so its load event, waits until the search has answered."""


class _Server(SimpleHTTPRequestHandler):
    """The site, the page around it, and what that page reports."""

    found: ClassVar[list[str]] = []
    is_done: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/frame.html":
            self._answer(200, (FRAME % next(Path(self.directory).glob("site*")).name).encode())
        elif self.path == "/wait":
            self.is_done.wait(30)
            self._answer(404, b"")
        else:
            super().do_GET()

    def do_POST(self) -> None:
        self.found.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.is_done.set()
        self._answer(200, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def assert_found(shown: str) -> None:
    found = re.search(r"(\d+) matching documents", shown)
    assert found is not None
    assert int(found[1]) > 5
    assert "explanation/arithmetic.html" in shown


def test_search_from_the_disk(site: Path, tmp_path: Path) -> None:
    shown, console = visited(f"{site.as_uri()}/index.html?q=requantise", tmp_path)
    assert console == []
    assert_found(shown)


def test_search_from_a_server(site: Path, tmp_path: Path) -> None:
    """Below some path of it. The browser's own workers run, in a time of their own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Server, directory=site.parent)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        visited(f"http://127.0.0.1:{server.server_port}/frame.html", tmp_path, budget=0)
        server.shutdown()
    assert_found(_Server.found[0])


@pytest.mark.parametrize("page", ["reference/cli/board.html", "api/interpreter.html"])
def test_pages_have_no_errors(site: Path, tmp_path: Path, page: str) -> None:
    shown, console = visited(f"{site.as_uri()}/{page}", tmp_path)
    assert console == []
    assert "<h1" in shown


def test_pages_show_what_they_are_made_from(site: Path) -> None:
    for page, words in {
        "reference/cli/plan.html": "--no-table",
        "reference/boards.html": "Raspberry Pi Pico 2",
        "reference/changelog.html": "Unreleased",
        "reference/link_format.html": "frame",
        "api/interpreter.html": 'id="microinterp.interpreter.Interpreter.run_batch"',
        "api/boards.html": 'id="microinterp_boards.Board.validate"',
        "api/operators.html": 'id="microinterp.graph.Node.require"',
    }.items():
        assert words in (site / page).read_text(encoding="utf-8"), page

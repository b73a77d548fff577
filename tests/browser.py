"""Pages in headless Chromium: what their scripts make of them, and what the console says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.conftest import require_or_skip

POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
_CONSOLE = re.compile(r":CONSOLE[(:]\d+[^\]]*\] (.*)")


def browser() -> str:
    """The browser's path; skips, or fails in CI, where there is none."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        require_or_skip("Chromium", "make system-deps")
    assert found is not None
    return found


def opened(folder: Path, text: str, name: str = "page.html") -> tuple[str, list[str]]:
    """The document after its scripts have run, and the lines of the console.

    The console tells errors of scripts, and everything that the page's policy has kept from
    running or from being loaded.
    """
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return visited(file.as_uri(), folder)


def visited(address: str, folder: Path, budget: int = 10_000) -> tuple[str, list[str]]:
    """The same of a page that is there; `folder` takes the browser's own files.

    Timers get `budget` milliseconds, which pass as fast as the page's work is done; with 0 the
    document is that of the load event.
    """
    command = [
        *(browser(), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
        *((f"--virtual-time-budget={budget}",) if budget else ()),
        *(f"--user-data-dir={folder / 'profile'}", "--dump-dom", address),
    ]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return done.stdout.decode(), _CONSOLE.findall(done.stderr.decode(errors="replace"))


def loaded(folder: Path, text: str, name: str = "page.html") -> str:
    """The document as a browser has it after its scripts have run."""
    return opened(folder, text, name)[0]


def with_script(text: str, script: str) -> str:
    """The page with one more script, and no policy against it."""
    text, count = POLICY.subn("", text)
    assert count == 1
    return text.replace("</body>", f"<script>{script}</script></body>")


def title_of(shown: str) -> str:
    """The document's title, where scripts of tests put what they have seen."""
    found = re.search(r"<title>(.*?)</title>", shown, re.DOTALL)
    assert found is not None
    return found[1]

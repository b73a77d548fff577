"""The runner of the pages' blocks notices what it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import Block, Note, blocks_of, shown_matches
from tests.docs.running import PageRun, require_real_command


def run(folder: Path, text: str) -> PageRun:
    page_run = PageRun(folder)
    for block in blocks_of("page.md", text):
        page_run.run(block)
    return page_run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_blocks_and_their_notes() -> None:
    text = "a\n<!-- far: away -->\nb\n\n<!-- file: x.toml -->\n<!-- status (two): 1 -->\n\n"
    text += "```toml\na=1\n```\n"
    (block,) = blocks_of("page.md", text)
    notes = (Note("file", "", "x.toml"), Note("status", "two", "1"))
    assert block == Block("page.md", 8, "toml", "a=1\n", notes)
    assert (block.note("file"), block.note("status"), block.note("given")) == ("x.toml", None, None)
    assert (block.note_of("status", "one"), block.note_of("status", "one two")) == (None, "1")


def test_a_block_in_a_list_is_a_block() -> None:
    (block,) = blocks_of("page.md", "1. a\n\n    ```sh\n    one\n      two\n    ```\n")
    assert block.text == "one\n  two\n"


@pytest.mark.parametrize(
    "text",
    [
        "```sh\na\n",
        "<!-- not run -->\n```sh\na\n```\n",
        "<!-- not run:  -->\n```sh\na\n```\n",
        "<!-- perhaps: x -->\n```sh\na\n```\n",
    ],
)
def test_what_no_page_may_have(text: str) -> None:
    with pytest.raises(AssertionError):
        blocks_of("page.md", text)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb\n", "a  \nb", True),
        ("a\n", "a\nb", False),
        ("a\n...\n", "a\nb\nc", True),
        ("...\nc\n", "a\nb\nc", True),
        ("...\nb\n", "a\nb\nc", False),
        ("a\n...\nc\n", "a\nc", True),
        ("...\nb\n...\n", "a\nb\nc", True),
        ("...\nc\n...\nb\n...", "a\nb\nc", False),
        ("b\n...\n", "a\nb\nc", False),
        ("a\n...\na\n", "a", False),
    ],
)
def test_what_is_shown(shown: str, printed: str, same: bool) -> None:
    assert shown_matches(shown, printed) is same


def test_python_runs_in_one_namespace(folder: Path) -> None:
    run(folder, "```python\na = 2\n```\n```python\nprint(a + 1)\n```\n```text\n3\n```\n")


@pytest.mark.parametrize(
    "text",
    [
        "```python\nprint(3)\n```\n```text\n4\n```\n",
        "```text\n4\n```\n",
        "```\n4\n```\n",
        "```c\nint a;\n```\n",
        "```toml\na =\n```\n",
        "```json\n{\n```\n",
        "```sh\nfalse\n```\n",
        "```sh\nmicrointerp verify none.tflite\n```\n",
        "```console\n$ microinterp --version\n0.0.0\n```\n",
        "<!-- not run: a reason -->\n```sh\nmicrointerp verify --no-such-option\n```\n",
        "<!-- not run: a reason -->\n```sh\nmicrointerp verfy a.tflite\n```\n",
        "<!-- not run: a reason -->\n```sh\nmake no-such-target\n```\n",
        "<!-- run by: tests/none.py -->\n```sh\nfalse\n```\n",
        "<!-- run by: tests/test_house.py -->\n```sh\nfalse\n```\n",
    ],
)
def test_what_fails(folder: Path, text: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        run(folder, text)


def test_commands_run(folder: Path) -> None:
    text = """
<!-- not run (rm): a reason -->
<!-- status (none): 2 -->
```sh
microinterp ops CONV_2D --json > ops.json  # a comment
microinterp verify none.tflite
rm -r /none
printf 'a b' \\
    > text.txt
```

<!-- file: deep/config.toml -->
```toml
a = 1
```
"""
    run(folder, text)
    assert "CONV_2D" in (folder / "ops.json").read_text()
    assert (folder / "text.txt").read_text() == "a b"
    assert (folder / "deep" / "config.toml").read_text() == "a = 1\n"


def test_commands_that_there_are() -> None:
    for line in (
        "microinterp",
        "microinterp --help",
        "microinterp board results compare a.json b.json --fail-above 1",
        "microinterp run a.tflite b.npy --raw  # --not-an-option",
        "make test-slow WORKERS=2",
        "anything --else",
    ):
        require_real_command(line, "page.md:1")

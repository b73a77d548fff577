"""What makes the site: links, pages from commands and boards, and the check that refuses it."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from mkdocs.exceptions import PluginError

from docs.hooks import boards_page, cli_pages, docstrings, formats_page, links, site
from docs.hooks.check import faults
from microinterp_boards.boards_table import boards
from tests.cli import good
from tests.docs.blocks import ROOT


def rewritten(text: str, source: str = "docs/boards.md", page: str = "boards.md") -> str:
    return links.rewritten(text, source, page).rstrip("\n")


def test_links_between_pages_stay() -> None:
    for link in ("[a](arena.md)", "[a](#sizes)", "[a](https://x.y/z.md)", "[a](decisions/none.md)"):
        assert rewritten(link) == link
    assert rewritten("[a](arena.md#x)", "docs/api/arena.md", "api/arena.md") == "[a](arena.md#x)"


def test_links_out_of_docs_lead_to_the_site() -> None:
    assert rewritten("[a](../schemas/link.md#frames)") == "[a](reference/link_format.md#frames)"
    assert rewritten("[a](../README.md)") == "[a](index.md)"
    assert rewritten("see [docs/fit.md](fit.md)") == "see [Does it fit?](fit.md)"
    assert rewritten("see [the README.md](../README.md)") == "see [Start](index.md)"
    assert rewritten("[fit.md](fit.md#the-heap)") == "[fit.md](fit.md#the-heap)"
    from_schema = rewritten("[a](../docs/arena.md)", "schemas/link.md", "reference/link_format.md")
    assert from_schema == "[a](../arena.md)"


@pytest.mark.parametrize("page", ["README.md", *links.OUTSIDE])
def test_links_of_files_outside_of_docs_lead_somewhere(page: str) -> None:
    """As they are read in the repository; anchors are those of the site."""
    if links.source_of(links.OUTSIDE.get(page, "index.md")) is None:
        pytest.skip(f"there is no {page}")
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    for target in re.findall(r"\]\(([^()#\s]+)[^()\s]*\)", text):
        assert "://" in target or (ROOT / page).parent.joinpath(target).exists(), target


def test_files_that_are_not_on_the_site_are_named() -> None:
    assert rewritten("[one](../schemas/golden.fbs) x") == "one (`schemas/golden.fbs`) x"
    assert rewritten("[`schemas/golden.fbs`](../schemas/golden.fbs)") == "`schemas/golden.fbs`"


def test_links_in_code_stay() -> None:
    text = "```\n[a](../schemas/link.md)\n```"
    assert rewritten(text) == text


def test_names_of_pages_in_docstrings_are_links() -> None:
    html = '<p>see docs/arena.md, docs/none.md <a title="docs/arena.md">x</a></p>'
    made = links.with_named_pages(html, "api/arena.md")
    assert made == (
        '<p>see <a href="../arena.html">The arena</a>, docs/none.md '
        '<a title="docs/arena.md">x</a></p>'
    )


def test_every_page_from_outside_is_there_or_to_come() -> None:
    for source in ("CHANGELOG.md", "schemas/steps.md", "schemas/link.md", "firmware/README.md"):
        assert links.source_of(links.OUTSIDE[source]) == source
        assert links.page_of(source) == links.OUTSIDE[source]
    assert links.source_of("reference/cli/run.md") is None


def test_every_command_and_option_has_its_place() -> None:
    pages = cli_pages.pages()
    for words, command in cli_pages.commands():
        page = pages[f"{cli_pages.FOLDER}/{words[0]}.md"]
        assert f"# microinterp {' '.join(words)}\n" in page
        shown = good(*words, "--help")
        for option in re.findall(r"^│[ *]+(--[a-z-]+)", shown, re.MULTILINE):
            assert f"`{option}`" in page or option == "--help", (words, option)
        assert f"`{' '.join(words)}`" in pages[f"{cli_pages.FOLDER}/index.md"]
        for parameter in command.params:
            assert parameter.help or parameter.name == "help", (words, parameter.name)


def test_nothing_is_escaped_in_code() -> None:
    for path, page in cli_pages.pages().items():
        assert "\\" not in "".join(re.findall(r"`[^`\n]*`", page)), path
    assert "`auto|full|raw|LOW:HIGH`" in cli_pages.pages()[f"{cli_pages.FOLDER}/run.md"]


def test_every_board_has_its_row() -> None:
    rows = [line for line in boards_page.markdown().splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(boards())
    for row, board in zip(rows, boards().values(), strict=True):
        assert f"| `{board.id}` |" in row
        assert row.count("|") == 12


def test_every_field_of_a_bench_result_is_told() -> None:
    schema = json.loads((ROOT / "schemas" / "bench_result.schema.json").read_text())
    page = formats_page.markdown()
    for name, kind, _ in formats_page.fields(schema):
        assert f"| `{name}` | {kind} |" in page
        assert kind.strip(), name
    assert "| `model.tflite_sha256` | string |" in page
    assert "| `ops[].name` | string |" in page


def test_members_that_pages_list_are_there() -> None:
    """mkdocstrings leaves out what it does not find, without a word."""
    count = 0
    for path in (ROOT / "docs" / "api").glob("*.md"):
        found = re.findall(r"^::: (\S+)\n((?: .*\n)*)", path.read_text(), re.MULTILINE)
        for name, options in found:
            module = name.removesuffix(".default_registry")
            for members in re.findall(r"members: \[(.*)\]", options):
                for member in members.split(", "):
                    assert hasattr(import_module(module), member), (path.name, name, member)
                    count += 1
    assert count > 30


def test_names_together_get_entries_of_their_own() -> None:
    text = "Args:\n    a, *b: of these\n        two.\n    c: one, two: three.\n"
    assert docstrings.split(text) == (
        "Args:\n    a: of these\n        two.\n    *b: of these\n        two.\n"
        "    c: one, two: three.\n"
    )


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ('<a href="b.html">x</a>', ""),
        ('<a href="b.html#here">x</a>', ""),
        ('<a href="https://elsewhere.org/x">x</a>', ""),
        ('<a href="/b.html">x</a>', ""),
        ('<a href="c.html">x</a>', "c.html leads nowhere"),
        ('<a href="b.html#there">x</a>', "no such place"),
        ('<a href="#there">x</a>', "no such place"),
        ('<img src="c.png">', "c.png leads nowhere"),
        ('<script src="https://cdn.org/a.js"></script>', "from another host"),
        ('<link rel="stylesheet" href="//cdn.org/a.css">', "from another host"),
        ('<link rel="canonical" href="https://own.org/">', ""),
    ],
)
def test_the_check_of_a_site(tmp_path: Path, html: str, fault: str) -> None:
    (tmp_path / "a.html").write_text(f"<!doctype html>{html}")
    (tmp_path / "b.html").write_text('<h1 id="here">b</h1>')
    found = faults(tmp_path)
    assert len(found) == bool(fault)
    assert fault in "".join(found)


def test_a_site_with_a_dead_link_is_not_built(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<!doctype html><a href="c.html">x</a>')
    with pytest.raises(PluginError, match=r"c\.html leads nowhere"):
        site.on_post_build(SimpleNamespace(site_dir=str(tmp_path)))


def test_the_check_of_styles(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@font-face { src: url(https://fonts.org/a.woff2); }")
    assert faults(tmp_path) == ["a.css: loads from another host"]


def test_the_readme_of_docs_tells_where_the_pages_come_from() -> None:
    text = (ROOT / "docs" / "README.md").read_text()
    for name in re.findall(r"`(hooks/[a-z_]+\.py|tests/docs[/a-z_.]*)`", text):
        assert (ROOT / "docs" / name).exists() or (ROOT / name).exists(), name

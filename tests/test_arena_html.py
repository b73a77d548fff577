"""The page with the arena: its parts, its policy, and what a browser makes of it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from microinterp.arena.plan import plan
from microinterp.interpreter import prepare_model
from microinterp.report import Mark, arena_section, arena_svg, page
from microinterp.report.arena_section import SCRIPT
from tests.arena_pictures import BAD_NAMES, SCRIPTED, hostile_model
from tests.browser import POLICY, loaded, with_script
from tests.test_arena_report import doubling_model, mean_model


class Parts(HTMLParser):
    """Scripts, cells and elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.handlers: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "src"]
        if tag != "meta":
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" in self._open:
            self.scripts[-1] += data
        if "td" in self._open or "th" in self._open:
            self.rows[-1][-1] += data.strip()


def made(data: bytes, title: str = "model.tflite", **more: object) -> str:
    prepared = prepare_model(data, kernels="plain")
    section = arena_section(prepared, plan(prepared), **more)  # type: ignore[arg-type]
    return page(title, [section]).decode()


def test_figures_and_buffers() -> None:
    figures = [("extra MACs", "0.0 %")]
    parts = Parts(made(doubling_model(), marks=[Mark("RAM", 192)], figures=figures))
    assert parts.rows == [
        ["head", "96 bytes"],
        ["RAM", "192 bytes; the head is 50.0% of it"],
        ["planner", "tflm"],
        ["peak", "96 bytes alive at once: 1 CONCATENATION"],
        ["extra MACs", "0.0 %"],
        ["buffer", "offset", "size", "from", "to", "what", "name"],
        ["0", "0", "32", "inputs", "0 RELU", "int8[32]", "x"],
        ["1", "64", "32", "0 RELU", "1 CONCATENATION", "int8[32]", "a"],
        ["2", "0", "64", "1 CONCATENATION", "1 CONCATENATION", "int8[64]", "b"],
    ]


def test_only_our_script_may_run() -> None:
    text = made(hostile_model(), SCRIPTED["script"])
    parts = Parts(text)
    assert parts.scripts == [SCRIPT]
    assert parts.handlers == []
    assert not {"img", "link", "iframe", "object", "base"} & parts.tags
    policy = POLICY.search(text)
    assert policy is not None
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert policy[1] == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )
    names = {row[-1] for row in parts.rows}
    assert set(SCRIPTED.values()) <= names


def test_sections_stand_side_by_side() -> None:
    """No ids that would clash, and each section is marked by itself."""
    prepared = prepare_model(mean_model())
    section = arena_section(prepared, plan(prepared), heading="Twice")
    text = page("two", [section, section]).decode()
    assert text.count("<h2>Twice</h2>") == 2
    assert " id=" not in text


def test_in_a_browser_pointing_marks_bar_and_row(tmp_path: Path) -> None:
    script = """
    const marked = () => [...document.querySelectorAll(".mi-on")].map((each) => each.tagName
      + each.dataset.buffer).sort().join(" ");
    const point = (what) => document.querySelector(what).dispatchEvent(
      new MouseEvent("mouseover", {bubbles: true}));
    const said = [];
    point("tr[data-buffer='1']"); said.push(marked());
    point("g[data-buffer='2'] path"); said.push(marked());
    point("[data-step='0']"); said.push(marked());
    point("h2"); said.push(marked());
    document.title = said.join("; ");
    """
    shown = loaded(tmp_path, with_script(made(doubling_model()), script))
    title = re.search(r"<title>(.*?)</title>", shown)
    assert title is not None
    assert title[1] == "TR1 g1; TR2 g2; TR0 g0; "


@pytest.mark.parametrize("has_policy", [True, False])
def test_in_a_browser_names_do_nothing(tmp_path: Path, has_policy: bool) -> None:
    """Our script runs under the policy; names stay words even without it."""
    text = made(hostile_model(), "fine")
    shown = loaded(tmp_path, text if has_policy else with_script(text, ""))
    assert '<section class="mi-section mi-live">' in shown
    assert "<title>fine</title>" in shown
    assert shown.count("<script") == (1 if has_policy else 2)
    assert "<img" not in shown


def test_in_a_browser_the_picture_is_sound(tmp_path: Path) -> None:
    prepared = prepare_model(hostile_model())
    shown = loaded(tmp_path, arena_svg(prepared, plan(prepared), heading="fine"), "arena.svg")
    assert "parsererror" not in shown
    assert shown.count('class="mi-bar') == len(BAD_NAMES) + 1

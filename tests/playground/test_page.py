"""The page as a page: every way to open it, what it weighs, who can use it, and on what screen."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.playground.conftest import OpenPage
from tests.playground.page import BUILT, SOURCES
from tests.playground.strokes import DIGITS

SCREENS = {"desktop": (1280, 900, False), "phone": (390, 844, True)}
MOST_BYTES = 1_500_000
CONTRAST = """
(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = numbers(colour).slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour.startsWith("rgb") && (numbers(colour)[3] ?? 1) > 0.5) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const element of document.querySelectorAll("body *:not(svg *):not(script):not(:disabled)")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !element.checkVisibility() || element.matches(".pixel")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(style.color), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push([element.textContent.trim().slice(0, 40), ratio]);
  }
  return found;
})()
"""
NAMELESS = """
[...document.querySelectorAll("button, input, select, canvas, svg, [role=img], [role=region]")]
  .filter((e) => e.checkVisibility() && e.getAttribute("aria-hidden") !== "true")
  .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length))
  .map((e) => e.outerHTML.slice(0, 80))
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_screens(open_page: OpenPage, url: str, screen: str, scheme: str) -> None:
    """Nothing hangs over the edge, all texts are readable, everything has a name."""
    width, height, is_phone = SCREENS[screen]
    page = open_page(url, width, height, scheme, is_phone)
    assert page.js("document.documentElement.scrollWidth") <= width
    assert page.js(CONTRAST) == []
    assert page.js(NAMELESS) == []
    canvas = page.js("document.getElementById('canvas').getBoundingClientRect().toJSON()")
    assert canvas["width"] > 200
    assert canvas["bottom"] < height, "who opens the page sees where to draw"


def test_from_a_file(open_page: OpenPage) -> None:
    page = open_page(BUILT.as_uri())
    page.draw(DIGITS[2])
    assert page.text("answer-value") == "2"
    assert page.text("about").startswith("microinterp ")


def test_it_asks_for_nothing_but_itself(open_page: OpenPage, url: str) -> None:
    """Also by what its policy allows: no host, no script and no style but its own."""
    page = open_page()
    requests = [each for each in page.do("seen")["requests"] if not each.startswith("blob:")]
    assert requests == [url]
    policy = page.js("document.querySelector('meta[http-equiv]').content")
    assert "default-src 'none'" in policy
    assert not re.search(r"unsafe-inline|'unsafe-eval'|https?:|\*", policy)
    assert BUILT.stat().st_size < MOST_BYTES


def test_keyboard_reaches_everything(open_page: OpenPage) -> None:
    page = open_page()
    seen = []
    for _ in range(60):
        page.do("press", key="Tab")
        seen.append(page.js("document.activeElement.id || document.activeElement.className"))
    drawing = ["clear", "undo", "picture", "pixel", "before", "example", "next", "any", "save"]
    assert {"run", *drawing, "op", "choose", "many", "check-run"} <= {*seen}


def test_ops_and_the_arena_show_the_op_that_is_chosen(open_page: OpenPage) -> None:
    page = open_page()
    assert page.js("document.querySelectorAll('#op-rows tr').length") == 10
    page.do("click", selector="#op-rows tr:nth-child(6) button")
    assert page.text("op").startswith("Op 5: CONV_2D")
    crc = page.crcs()[0, 5][0]
    assert f"{crc:08x}" in page.text("op")
    assert page.js("document.activeElement.textContent").startswith("5 CONV_2D")
    page.do("click", selector="#arena-picture .column:nth-of-type(3) text")
    assert page.text("op").startswith("Op 2: CONV_2D")


def test_a_model_is_dropped(open_page: OpenPage) -> None:
    page = open_page()
    page.js(
        """(() => {
          const data = new DataTransfer();
          data.items.add(new File([playground.engine.model], "mine.mipk"));
          const drop = { dataTransfer: data, bubbles: true, cancelable: true };
          document.body.dispatchEvent(new DragEvent("dragover", drop));
          document.body.dispatchEvent(new DragEvent("drop", drop));
        })()"""
    )
    page.until("playground.files === 1")
    page.wait()
    assert page.text("model-name") == "mine.mipk"


def test_the_lock_file_names_no_host() -> None:
    lock: dict[str, Any] = json.loads((SOURCES / "package-lock.json").read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert all("integrity" in each and "resolved" not in each for each in packages.values())
    assert "://" not in re.sub(
        r'"url": "https://[^"]*"', "", (SOURCES / "package-lock.json").read_text()
    )


def test_no_source_names_a_host() -> None:
    """But for the name of SVG's namespace, and this machine."""
    for path in sorted(SOURCES.rglob("*")):
        if path.is_file() and path.suffix in (".js", ".mjs", ".py", ".css", ".html"):
            found = set(re.findall(r"https?://[^\s\"'`)]+", path.read_text()))
            assert found <= {"http://www.w3.org/2000/svg", "http://localhost:8000."}, path

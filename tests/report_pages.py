"""What tests of reports share: pages made in this process, their figures, and their text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

from microinterp.errors import printable
from microinterp.inputs import random_samples
from microinterp.interpreter import Interpreter
from microinterp.report.figures import Measured, ReportSamples, measure
from microinterp.report.model_page import model_page

_VOID = {"meta", "br", "hr", "img", "link", "input"}


def random_ones(interpreter: Interpreter) -> ReportSamples:
    """Two samples of random numbers."""
    return ReportSamples(random_samples(interpreter.graph.main.inputs, 2, 0), 0)


def measured_of(data: bytes, name: str = "model.tflite") -> Measured:
    """A model's figures, by two random samples."""
    return measure(data, name, random_ones)


def page_of(data: bytes, name: str = "model.tflite") -> str:
    """The page of a model."""
    return model_page(measured_of(data, name)).decode()


class Shown(HTMLParser):
    """Figures, ids, links and attributes of a page.

    Attributes:
        figures: text of each element that names a figure, by its path; all texts of one path.
        data: the JSON in the page.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.figures: dict[str, list[str]] = {}
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.scripts: list[str] = []
        self.json_text = ""
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self._open == []

    @property
    def data(self) -> Any:
        return json.loads(self.json_text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag in _VOID:
            return
        self._open.append((tag, dict(attrs)))
        path = dict(attrs).get("data-figure")
        if path:
            self.figures.setdefault(path, []).append("")
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for tag, attributes in self._open:
            if path := attributes.get("data-figure"):
                self.figures[path][-1] += data
            if tag == "script":
                self.scripts[-1] += data
                if attributes.get("id") == "mi-data":
                    self.json_text += data


def lookup(data: Any, path: str) -> Any:
    """What lies at a path of the page's JSON."""
    for key in path.split("."):
        data = data[int(key)] if isinstance(data, list) else data[key]
    return data


def says(text: str, value: Any) -> bool:
    """True if a text on the page is that figure: integers exactly, others to four digits."""
    if value is None or value == "":
        return text == "-"
    if isinstance(value, bool):
        return text == ("yes" if value else "no")
    if isinstance(value, int):
        return re.fullmatch(r"-?[\d,]+", text) is not None and int(text.replace(",", "")) == value
    if isinstance(value, float):
        shown = float(text.replace(",", ""))
        return abs(shown - value) <= max(5e-4 * abs(value), 0.05 if abs(value) >= 100 else 0)
    if isinstance(value, list):
        return text == ("\u00d7".join(map(str, value)) or "scalar")
    return text == printable(str(value), 400)

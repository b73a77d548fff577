"""What tests of pictures share: models with bad names, and SVG taken apart."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from microinterp.model_builder import ModelBuilder
from tests.cli import HOSTILE

SVG = "{http://www.w3.org/2000/svg}"
SCRIPTED = {
    "script": "</script><script>document.title='owned'</script>",
    "style": "</style><script>document.title='owned'</script>",
    "image": "<img src=x onerror=\"document.title='owned'\">",
    "attribute": "\" onload=\"document.title='owned'\" x='",
    "cdata": "]]><script>document.title='owned'</script><![CDATA[",
    "entity": "&lt;b&gt;&amp;&#x41;&nosuch;",
    "comment": "--><script>document.title='owned'</script><!--",
}
BAD_NAMES = {**HOSTILE, **SCRIPTED}


def hostile_model() -> bytes:
    """A chain of RELUs whose subgraph and tensors have the worst names there are."""
    b = ModelBuilder(description=SCRIPTED["script"])
    g = b.subgraph(SCRIPTED["script"])
    tensor = g.input(SCRIPTED["image"], (64,), "int8", scale=1.0, zero_point=0)
    for name in BAD_NAMES.values():
        after = g.tensor(name, (64,), "int8", scale=1.0, zero_point=0)
        g.op("RELU", [tensor], [after])
        tensor = after
    g.output(tensor)
    return b.finish()


def parsed(svg: str) -> ElementTree.Element:
    """The picture as a tree; raises where it is no XML."""
    return ElementTree.fromstring(svg)


def with_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """Elements of a class, in the order of the document."""
    return [each for each in root.iter() if name in (each.get("class") or "").split()]


def texts(root: ElementTree.Element) -> list[str]:
    """Every text that is drawn."""
    return [each.text or "" for each in root.iter(f"{SVG}text")]


def points(path: ElementTree.Element) -> list[tuple[float, float]]:
    """Corners of a path of M, L, H and V in absolute coordinates."""
    x = y = 0.0
    found = []
    for letter, numbers in re.findall(r"([MLHV])([-\d. ]+)", path.get("d") or ""):
        values = [float(number) for number in numbers.split()]
        if letter == "H":
            x = values[0]
        elif letter == "V":
            y = values[0]
        else:
            x, y = values
        found.append((x, y))
    return found

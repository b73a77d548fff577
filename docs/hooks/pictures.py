"""Pictures that a page's own Python blocks draw: made when the site is built, so never stale."""

from __future__ import annotations

import io
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGES = ("plots.md",)
"""Pages whose blocks are run for their pictures."""
MOST = 3
"""Pictures of a block that are shown."""
_ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
_DOTS_PER_INCH = 100


@dataclass(frozen=True)
class Picture:
    """One that a block has drawn.

    Attributes:
        path: on the site.
        title: of the picture, for those who do not see it.
        data: PNG.
    """

    path: str
    title: str
    data: bytes


def drawn(markdown: str, page: str) -> list[list[Picture]]:
    """Run a page's Python blocks one after the other; gives the pictures of each.

    They run in a folder of their own, in which examples/digits lies.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.close("all")  # what others have drawn is no picture of this page
    names: dict[str, Any] = {}
    found = []
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(_ROOT / "examples", Path(folder) / "examples")
        os.chdir(folder)
        try:
            for number, match in enumerate(_BLOCK.finditer(markdown), 1):
                exec(match.group(1), names)
                found.append(_figures(f"assets/{Path(page).stem}_{number}"))
        finally:
            os.chdir(before)
    return found


def _figures(start: str) -> list[Picture]:
    """All open figures as pictures; they are closed."""
    import matplotlib.pyplot as plt

    made = []
    for number in plt.get_fignums()[:MOST]:
        figure = plt.figure(number)
        titles = [axes.get_title("left") or axes.get_title() for axes in figure.axes]
        written = io.BytesIO()
        figure.savefig(written, format="png", dpi=_DOTS_PER_INCH)
        path = f"{start}_{len(made) + 1}.png"
        made.append(Picture(path, " ".join(titles), written.getvalue()))
    plt.close("all")
    return made


def with_pictures(markdown: str, pictures: list[list[Picture]]) -> str:
    """The page with each block's pictures behind it."""
    behind = iter(pictures)

    def shown(match: re.Match[str]) -> str:
        lines = [f"![{_alt(picture.title)}]({picture.path})" for picture in next(behind, [])]
        return match.group(0) + "".join(f"\n{line}\n" for line in lines)

    return _BLOCK.sub(shown, markdown)


def _alt(title: str) -> str:
    return re.sub(r"[\[\]\n]", " ", title).strip() or "picture"

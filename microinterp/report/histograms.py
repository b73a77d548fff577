"""Histograms of activations and weights against their quantised range, as small SVG pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from microinterp.errors import printable
from microinterp.report.cells import figure, heading, words
from microinterp.report.markup import element, escaped

Figures = Mapping[str, Any]

_ENDS = ("at_lowest", "at_highest")
_WIDTH, _HEIGHT, _FLOOR = 256, 62, 16
STYLE = """
.mi-grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(272px, 1fr));
  gap: 12px; margin: 8px 0; }
.mi-hist { border: 1px solid var(--rule); border-radius: 6px; padding: 8px 10px; margin: 0;
  background: var(--card); break-inside: avoid; min-width: 0; }
.mi-hist svg { display: block; width: 100%; height: auto; font: 10px system-ui, sans-serif; }
.mi-hist text { fill: var(--dim); }
.mi-hist figcaption { font-size: 13px; overflow-wrap: anywhere; }
.mi-hist small { color: var(--dim); display: block; font-size: 12px; }
.mi-hist .mi-clip { color: var(--alarm); font-weight: 600; }
.mi-range { fill: var(--range); }
.mi-bars { fill: var(--blue); }
.mi-cut { fill: var(--alarm); }
.mi-zero { stroke: var(--dim); stroke-dasharray: 2 2; }
"""
_ACTIVATIONS = (
    "Codes that the samples reach, from the lowest to the highest that the type has; heights are "
    "logarithmic. The dashed line is the zero point. An end in red holds values that the range "
    "cuts off."
)
_WEIGHTS = "Codes of each filter, heights logarithmic; symmetric weights use -127 to 127."


def activations_section(figures: Figures) -> str:
    """A <section> with a histogram of every tensor that the samples filled; "" without any."""
    if not figures["activations"]:
        return ""
    samples, hint = figures["samples"], _ACTIVATIONS
    noise = ""
    if samples["random"]:
        text = "These are answers to random numbers: give --input FILES to see your data's."
        noise = element("p", element("strong", text))
    cut = {
        _place(found["where"]): tuple(end for end in _ENDS if end in found["figures"])
        for found in figures["health"]
        if found["rule"] == "saturating-range"
    }
    pictures = (_activation(figures, number, cut) for number in range(len(figures["activations"])))
    return element(
        "section",
        heading("Activations in their ranges"),
        noise,
        element("p", hint, class_="mi-dim"),
        element("div", *pictures, class_="mi-grid"),
    )


def weights_section(figures: Figures) -> str:
    """A <section> with a histogram of every quantised filter; "" without any."""
    if not figures["weights"]:
        return ""
    pictures = (_weight(figures, number) for number in range(len(figures["weights"])))
    return element(
        "section",
        heading("Weights in their ranges"),
        element("p", _WEIGHTS, class_="mi-dim"),
        element("div", *pictures, class_="mi-grid"),
    )


def _place(where: Mapping[str, Any]) -> tuple[int, int | None]:
    return where["subgraph"] or 0, where["tensor_index"]


def _activation(figures: Figures, number: int, cut: Mapping[Any, tuple[str, ...]]) -> str:
    path = f"activations.{number}"
    use = figures["activations"][number]
    ends = cut.get((use["subgraph"], use["tensor"]), ())
    lines = [element("small", *_seen(figures, path, use))]
    if use["scale"] is not None:
        lines.append(element("small", *_ends(figures, path), class_="mi-clip" if ends else None))
    label = f"input {use['position']}"
    if use["op"] is not None:
        label = f"op {use['subgraph']}:" if use["subgraph"] else "op "
        label += f"{figure(figures, f'{path}.op')} {figure(figures, f'{path}.op_name')}"
    kind = f"{figure(figures, f'{path}.type')} {figure(figures, f'{path}.shape')}"
    return element(
        "figure",
        element("figcaption", element("b", label), " ", kind),
        _picture(use, ends),
        *lines,
        class_="mi-hist",
        title=printable(use["name"], 200),
    )


def _seen(figures: Figures, path: str, use: Figures) -> Iterator[str]:
    lowest, highest = (figure(figures, f"{path}.{name}") for name in ("lowest", "highest"))
    yield f"{figure(figures, f'{path}.values')} values from {lowest} to {highest}"
    if use["range_used_percent"] is not None:
        yield f": {figure(figures, f'{path}.range_used_percent')}&nbsp;% of the range"


def _ends(figures: Figures, path: str) -> Iterator[str]:
    yield f"at the lowest code {figure(figures, f'{path}.at_lowest_percent')}&nbsp;%, "
    yield f"at the highest {figure(figures, f'{path}.at_highest_percent')}&nbsp;%"


def _weight(figures: Figures, number: int) -> str:
    path = f"weights.{number}"
    made = figures["weights"][number]
    label = f"op {made['subgraph']}:" if made["subgraph"] else "op "
    label += f"{figure(figures, f'{path}.op')} {figure(figures, f'{path}.op_name')}"
    scales = f"one scale {figure(figures, f'{path}.smallest_scale')}"
    if made["scales"] > 1:
        low, high = (figure(figures, f"{path}.{name}_scale") for name in ("smallest", "largest"))
        scales = f"{figure(figures, f'{path}.scales')} scales from {low} to {high}"
    lines = [element("small", f"{figure(figures, f'{path}.values')} weights, {scales}")]
    if made["dead_channels"]:
        dead = f"{figure(figures, f'{path}.dead_channels')} of {words(made['channels'])} channels"
        lines.append(element("small", f"{dead} are all 0"))
    kind = f"{figure(figures, f'{path}.type')} {figure(figures, f'{path}.shape')}"
    return element(
        "figure",
        element("figcaption", element("b", label), " ", kind),
        _picture(made),
        *lines,
        class_="mi-hist",
        title=printable(made["name"], 200),
    )


def _picture(made: Figures, cut: tuple[str, ...] = ()) -> str:
    """Bars over the range, the ends in `cut` marked, a line at zero, both ends' numbers."""
    low, high = made["edges"]
    bins = made["bins"]
    parts = [element("rect", class_="mi-range", width=_WIDTH, height=_HEIGHT)]
    parts.append(element("path", class_="mi-bars", d=_bars(bins)))
    zero = made["zero_point"] if made["scale"] is not None else 0
    if low <= zero < high:
        x = _WIDTH * (zero - low + (0.5 if made["scale"] is not None else 0)) / (high - low)
        parts.append(element("line", class_="mi-zero", x1=x, y1=0, x2=x, y2=_HEIGHT))
    for end in cut:
        at = 0 if end == "at_lowest" else len(bins) - 1
        parts.append(element("path", class_="mi-cut", d=_bars(bins, only=at)))
    left, right = map(words, _real_ends(made))
    y = _HEIGHT + 12
    parts.append(element("text", escaped(left), x=0, y=y))
    parts.append(element("text", escaped(right), x=_WIDTH, y=y, text_anchor="end"))
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT + _FLOOR}",
        role="img",
        aria_label=f"histogram from {left} to {right}",
    )


def _real_ends(made: Figures) -> tuple[float, float]:
    """What the ends of the histogram stand for: real numbers; the codes of weights."""
    low, high = made["edges"]
    if "channels" in made:  # each channel may have a scale of its own
        return low, high - 1
    if made["scale"] is None:
        return float(low), float(high)
    first, last = ((code - made["zero_point"]) * made["scale"] for code in (low, high - 1))
    return first, last


def _bars(bins: list[int], only: int | None = None) -> str:
    """One path for all bars, heights by logarithm."""
    top = math.log1p(max(bins, default=0)) or 1.0
    wide = _WIDTH / max(1, len(bins))
    parts = []
    for i, count in enumerate(bins):
        if count and only in (None, i):
            tall = max(1.5, (_HEIGHT - 4) * math.log1p(count) / top)
            x = f"{i * wide:.1f}".removesuffix(".0")
            parts.append(f"M{x} {_HEIGHT}v-{tall:.1f}h{wide - 0.5:.1f}v{tall:.1f}z")
    return "".join(parts)

"""The picture of a run: four panels from the JSON file's contents."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BARS = {
    "plain": "#bbbbbb",
    "fast": "#4477aa",
    "batched": "#114477",
    "LiteRT reference": "#ddaa33",
    "XNNPACK, 1 thread": "#cc6677",
    "XNNPACK batched, 2 threads": "#882255",
}
LINES = {
    "fast": "#4477aa",
    "batched, 1 thread": "#66bbee",
    "batched, 2 threads": "#114477",
    "TFLM": "#222222",
    "XNNPACK, 1 thread": "#cc6677",
    "XNNPACK batched, 1 thread": "#cc6677",
    "XNNPACK batched, 2 threads": "#882255",
}


def save_plot(found: dict[str, Any], path: Path) -> Path | None:
    """Draw what `Report.as_json` gave; None where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 11), layout="constrained")
    ((top_left, top_right), (low_left, low_right)) = figure.subplots(2, 2)
    _ratios(top_left, found["models"])
    _sizes(top_right, found["growth"])
    _batches(low_left, found["growth"])
    _roofline(low_right, found)
    figure.suptitle(f"microinterp on {found['machine']['cpu']}, {found['machine']['cores']} cores")
    figure.savefig(path)
    return path


def _ratios(axes: Any, models: list[dict[str, Any]]) -> None:
    shown = [m for m in models if "TFLM" in m["times"]]
    height = 0.8 / len(BARS)
    for place, (name, colour) in enumerate(BARS.items()):
        rows = [(i, m["times_faster_than_tflm"].get(name)) for i, m in enumerate(shown)]
        known = [(i, value) for i, value in rows if value is not None]
        places = [i + (place - (len(BARS) - 1) / 2) * height for i, _ in known]
        widths = [value - 1 for _, value in known]  # bars start at TFLM's own speed
        axes.barh(places, widths, height, left=1, color=colour, label=name)
    axes.set_yticks(range(len(shown)), [m["model"] for m in shown])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1, color="#222222", linewidth=1)
    axes.set_xlabel("times faster than TFLM's wheel, per sample (log)")
    axes.set_title("Speed against TFLM")
    axes.set_axisbelow(True)
    axes.grid(axis="x", which="both", alpha=0.3)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.4, -0.09), ncols=3)


def _sizes(axes: Any, growth: dict[str, Any]) -> None:
    for series, style in (("channels", "o-"), ("depths", "s:")):
        rows = growth[series]
        for name in dict.fromkeys(name for row in rows for name in row["times"]):
            points = [(r["macs"], r["times"][name]["median"]) for r in rows if name in r["times"]]
            what = "channels doubled" if series == "channels" else "depth doubled"
            label = f"{name}, {what}"
            _line(axes, points, style, LINES[name], label)
    axes.set_xlabel("multiply-accumulates of the model (log)")
    axes.set_ylabel("microseconds per sample (log)")
    axes.set_title("Time by size of the model (convolutions 3x3 on 16 x 16)")
    axes.legend(fontsize=8)


def _batches(axes: Any, growth: dict[str, Any]) -> None:
    for name, row in growth["batches"].items():
        points = [(int(size), timing["median"]) for size, timing in row.items()]
        style = "o:" if name == "XNNPACK batched, 1 thread" else "o-"
        _line(axes, points, style, LINES[name], name)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("samples of a batch (log)")
    axes.set_ylabel("microseconds per sample (log)")
    axes.set_title(f"Time by size of the batch, {growth['batch_model']}")
    axes.legend(fontsize=8)


def _line(
    axes: Any, points: Sequence[tuple[float, float]], style: str, colour: str, label: str
) -> None:
    places, seconds = [p for p, _ in points], [s * 1e6 for _, s in points]
    axes.loglog(places, seconds, style, color=colour, label=label, markersize=4, linewidth=1.4)
    axes.grid(which="both", alpha=0.3)


def _roofline(axes: Any, found: dict[str, Any]) -> None:
    markers = "osd^v"
    for marker, (model, rows) in zip(markers, found["layers"].items(), strict=False):
        for kind, colour in (("DEPTHWISE", "#cc6677"), ("", "#4477aa")):
            depthwise = kind == "DEPTHWISE"
            some = [r for r in rows if r["name"].startswith("DEPTHWISE") == depthwise]
            if not some:
                continue
            label = f"{model}, {'depthwise' if depthwise else 'other layers'}"
            axes.loglog(
                [r["macs"] for r in some],
                [r["rate"] / 1e9 for r in some],
                marker,
                color=colour,
                label=label,
                markersize=6,
                alpha=0.7,
            )
    for name, style in (("product, 1 thread", "-"), ("product, 2 threads", "--")):
        axes.axhline(
            found["limits"][name] / 1e9, color="#222222", linestyle=style, label=f"matrix {name}"
        )
    axes.set_xlabel("multiply-accumulates of the layer (log)")
    axes.set_ylabel("GMAC/s in a single invoke (log)")
    axes.set_title("What each layer reaches of the machine's float32 matrix product")
    axes.grid(which="both", alpha=0.3)
    axes.legend(fontsize=8)

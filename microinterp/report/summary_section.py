"""The head of a model's report: what the file is, what it costs, what it takes on each target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from microinterp.report.cells import figure, heading, named_rows
from microinterp.report.markup import element, escaped

Figures = Mapping[str, Any]

STYLE = """
.mi-cards { display: flex; flex-wrap: wrap; gap: 10px; margin: 14px 0; }
.mi-card { border: 1px solid var(--rule); border-radius: 6px; padding: 8px 14px; min-width: 92px;
  background: var(--card); }
.mi-card b { display: block; font-size: 19px; font-weight: 600;
  font-variant-numeric: tabular-nums; }
.mi-card small { color: var(--dim); }
.mi-good { color: var(--green); } .mi-bad { color: var(--alarm); }
.mi-figures td { overflow-wrap: anywhere; }
.mi-dim { color: var(--dim); }
"""


def summary_section(figures: Figures) -> str:
    """A <section> with the model's figures at a glance."""
    rows = (
        ("bytes", figure(figures, "file.bytes")),
        ("sha256", figure(figures, "file.sha256")),
        ("description", figure(figures, "file.description")),
        *_ends(figures, "inputs"),
        *_ends(figures, "outputs"),
        ("numbers", f"profile {figure(figures, 'profile')}"),
        *_samples(figures),
        *_targets(figures),
    )
    return element("section", element("div", *_cards(figures), class_="mi-cards"), named_rows(rows))


def _cards(figures: Figures) -> Iterator[str]:
    class_ = "mi-good" if figures["runs"] else "mi-bad"
    yield _card(element("span", figure(figures, "runs"), class_=class_), "runs as in TFLM")
    yield _card(figure(figures, "totals.ops"), "ops")
    yield _card(figure(figures, "totals.macs"), "MACs")
    yield _card(figure(figures, "totals.weight_bytes"), "bytes of constants")
    if figures["arena"] is not None:
        yield _card(figure(figures, "arena.head_bytes"), "bytes of arena head")
    if figures["invoke_us"] is not None:
        yield _card(figure(figures, "invoke_us"), "\u00b5s an invoke here")
    errors, warnings = (
        sum(each["severity"] == severity for each in figures["health"])
        for severity in ("error", "warning")
    )
    if errors or warnings:
        yield _card(element("span", f"{errors + warnings:,}", class_="mi-bad"), "health findings")


def _card(value: str, label: str) -> str:
    return element("div", element("b", value), element("small", escaped(label)), class_="mi-card")


def _ends(figures: Figures, role: str) -> Iterator[tuple[str, str]]:
    for number, tensor in enumerate(figures[role]):
        path = f"{role}.{number}"
        kind = f"{figure(figures, f'{path}.type')} {figure(figures, f'{path}.shape')}"
        scale = ""
        if len(tensor["scales"]) == 1 and len(tensor["zero_points"]) == 1:
            scale = (
                f", scale {figure(figures, f'{path}.scales.0')}, "
                f"zero point {figure(figures, f'{path}.zero_points.0')}"
            )
        name = f"{figure(figures, f'{path}.name')}: " if tensor["name"] else ""
        yield f"{role[:-1]} {number}", f"{name}{kind}{scale}"


def _samples(figures: Figures) -> Iterator[tuple[str, str]]:
    samples = figures["samples"]
    if samples is None:
        return
    count = figure(figures, "samples.count")
    if samples["random"]:
        text = (
            f"{count} of random numbers (seed {figure(figures, 'samples.seed')}): ranges below are "
            "those of noise, not of your data, and are not judged"
        )
        yield "samples", element("strong", text)
    else:
        yield "samples", f"{count}, from the files given"
    for note in samples["notes"]:
        yield "note", escaped(note, 400)


def _targets(figures: Figures) -> Iterator[tuple[str, str]]:
    for number, target in enumerate(figures["targets"]):
        path = f"targets.{number}"
        if target["used_bytes"] is None:
            yield f"arena on {target['target']}", escaped(target["reason"], 300)
            continue
        yield (
            f"arena on {target['target']}",
            f"{figure(figures, f'{path}.used_bytes')} bytes used, "
            f"{figure(figures, f'{path}.minimum_bytes')} needed at least",
        )


def problems_section(figures: Figures) -> str:
    """What verify finds wrong with the file; "" for a good one."""
    if not figures["problems"]:
        return ""
    items = (
        element(
            "li",
            element("b", figure(figures, f"problems.{i}.severity")),
            " ",
            escaped(_place(problem["where"])),
            " ",
            figure(figures, f"problems.{i}.message"),
            element("div", escaped(problem["hint"], 400), class_="mi-dim"),
        )
        for i, problem in enumerate(figures["problems"])
    )
    return element("section", heading("What is wrong with the file"), element("ul", *items))


def _place(where: Mapping[str, Any]) -> str:
    op = "" if where["op_index"] is None else f"op {where['op_index']} {where['op_name']}:"
    tensor = "" if where["tensor_index"] is None else f"tensor {where['tensor_index']}:"
    return op or tensor

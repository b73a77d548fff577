"""The whole report of a model: all sections and all figures in one self-contained page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from microinterp.report import graph_svg, health_section, histograms, ops_section, summary_section
from microinterp.report.arena_section import arena_section
from microinterp.report.comparison_section import comparison_section
from microinterp.report.figures import Measured
from microinterp.report.page import page

STYLE = """
:root { --card: #fbfcfd; --line: #8b96a3; --blue: #2f6fb0; --green: #1b7f5c; --alarm: #b3370b;
  --range: #eef1f4; }
@media (prefers-color-scheme: dark) { :root { --card: #1a2027; --line: #66727f; --blue: #69a8e6;
  --green: #4fc3a1; --alarm: #ff9d66; --range: #232b34; } }
body { max-width: 1120px; }
h3 { font-size: 14px; margin: 14px 0 6px; }
a { color: var(--blue); }
section { margin-bottom: 28px; }
.mi-buffers { display: block; overflow-x: auto; }
.mi-buffers td:last-child { min-width: 260px; width: 100%; }
@media (max-width: 600px) { body { padding: 14px; } h1 { font-size: 19px; }
  .mi-figures th { padding-right: 10px; } }
@media print { :root { --page: #fff; --text: #000; --dim: #333; --rule: #bbb; --card: #fff;
  --line: #333; --blue: #333; --alarm: #000; --green: #000; --range: #eee; }
  body { max-width: none; } .mi-graph { max-height: none; overflow: visible; border: 0; }
  .mi-graph svg, .mi-picture svg { max-width: 100%; height: auto; }
  svg.mi-arena { --paper: #fff; --ink: #000; --faint: #333; --grid: #ccc; --peak: #000;
    --band: #00000018; --curve: #999; }
  .mi-buffers { display: table; } .mi-buffers td:last-child { min-width: 0; }
  .mi-hint { display: none !important; } a { color: inherit; } tr { break-inside: avoid; } }
"""
"""Colours on light, on dark, and on paper, where nothing is told by colour alone."""


def model_page(measured: Measured, more: Sequence[str] = ()) -> bytes:
    """The page, UTF-8: it loads nothing and runs its own scripts only.

    Args:
        measured: a model's figures, from `figures.measure`.
        more: sections of markup, such as an element explained; they stand behind the ops.
    """
    styles = (
        STYLE,
        summary_section.STYLE,
        graph_svg.STYLE,
        ops_section.STYLE,
        histograms.STYLE,
        health_section.STYLE,
    )
    return page(
        measured.figures["file"]["name"],
        [each for each in _sections(measured, more) if each],
        scripts=(ops_section.SCRIPT,),
        style="".join(styles),
        data=measured.figures,
    )


def _sections(measured: Measured, more: Sequence[str]) -> Iterator[str]:
    figures, interpreter = measured.figures, measured.interpreter
    yield summary_section.summary_section(figures)
    yield summary_section.problems_section(figures)
    if figures["comparison"] is not None:
        yield comparison_section(figures["comparison"], _compared(figures["comparison"]))
    yield health_section.health_section(figures)
    if interpreter is not None:
        yield ops_section.graph_section(figures, interpreter.graph)
    yield ops_section.ops_section(figures)
    yield from more
    if interpreter is not None:
        yield arena_section(interpreter.prepared, interpreter.arena.plan)
    yield histograms.activations_section(figures)
    yield histograms.weights_section(figures)


def _compared(comparison: Mapping[str, Any]) -> str:
    name = comparison.get("other_name")
    return f"Compared with {name}" if name else "Comparison"

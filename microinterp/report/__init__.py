"""Pictures and pages: plain SVG and HTML text, self-contained, the same for the same input.

Names inside a model are untrusted: they only enter a page through `markup`, which escapes them.
"""

from __future__ import annotations

from microinterp.report.arena_section import arena_section
from microinterp.report.arena_svg import Mark, arena_svg
from microinterp.report.page import page

__all__ = ["Mark", "arena_section", "arena_svg", "page"]

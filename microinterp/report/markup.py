"""Small functions that write XML and HTML text, so that nothing enters a page unescaped."""

from __future__ import annotations

import html

from microinterp.errors import printable

NAME_LIMIT = 120
"""Characters of a name that a page shows."""


def escaped(text: str, limit: int = NAME_LIMIT) -> str:
    """Untrusted text as markup: what a page would act on, or XML forbids, is escaped or spelt."""
    return html.escape(printable(text, limit), quote=True)


def number(value: float) -> str:
    """A coordinate with at most one decimal: "12", "12.5"."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


def element(name: str, *children: str, **attributes: str | float | None) -> str:
    """One element; the children are markup already.

    Args:
        attributes: a trailing underscore is dropped, others become hyphens (class_, stroke_width);
            text is escaped, numbers are coordinates, None is left out.
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None:
            continue
        text = html.escape(value, quote=True) if isinstance(value, str) else number(value)
        parts.append(f'{key.rstrip("_").replace("_", "-")}="{text}"')
    return f"<{' '.join(parts)}>{''.join(children)}</{name}>"

"""One self-contained HTML page around sections: its look, its script, and that it loads nothing.

The policy in its head lets a browser run this page's own script alone, so that even a name that
got past the escaping could not act.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from microinterp.report.arena_section import SCRIPT
from microinterp.report.markup import element, escaped

STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --text: #1f2328; --dim: #59636e;
  --rule: #d9dee4; --on: #fff1c2; }
@media (prefers-color-scheme: dark) { :root { --page: #14181d; --text: #e8edf2; --dim: #9aa7b4;
  --rule: #303841; --on: #453a17; } }
body { margin: 0 auto; padding: 24px; max-width: 1000px; background: var(--page);
  color: var(--text); font: 14px/1.45 system-ui, sans-serif; }
h1 { font-size: 22px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 24px 0 8px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--dim); }
th, td { padding: 2px 16px 2px 0; vertical-align: top; }
.mi-picture { overflow-x: auto; margin: 12px 0; }
.mi-picture svg { display: block; }
.mi-buffers { width: 100%; font-size: 13px; }
.mi-buffers td { border-top: 1px solid var(--rule); white-space: nowrap; }
.mi-buffers td:last-child { white-space: normal; overflow-wrap: anywhere; }
.mi-buffers .mi-number { text-align: right; }
.mi-buffers .mi-row-full td:first-child { font-weight: 600; }
.mi-buffers tr.mi-on { background: var(--on); }
.mi-hint { display: none; color: var(--dim); font-size: 13px; }
.mi-live .mi-hint { display: block; }
.mi-swatch { display: inline-block; width: 10px; height: 10px; margin-right: 4px; }
footer { margin-top: 24px; color: var(--dim); }
"""


def page(
    title: str,
    sections: Sequence[str],
    *,
    scripts: Sequence[str] = (),
    style: str = "",
    data: Any = None,
) -> bytes:
    """An HTML document, UTF-8.

    Args:
        title: untrusted text.
        sections: markup, as arena_section makes it.
        scripts: more of the page's own.
        style: more of its look.
        data: JSON to put into the page, in the element with the id "mi-data".
    """
    scripts = (SCRIPT, *scripts)
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}"
    head = (
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width">',
        element("title", escaped(title)),
        element("style", STYLE + style),
    )
    body = (
        element("h1", escaped(title)),
        *sections,
        element("footer", "Made by microinterp."),
        *(() if data is None else (_data(data),)),
        *(element("script", script) for script in scripts),
    )
    document = element(
        "html",
        element("head", "\n".join(head)),
        element("body", "\n".join(body)),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{document}\n".encode()


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _data(data: Any) -> str:
    """No browser runs a script of this type, and no name in it can end the element."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return element("script", text, type="application/json", id="mi-data")

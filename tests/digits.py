"""Where the digits example lies, and its scripts as modules."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits"


def script(name: str) -> Any:
    """Import a script of the example; they import each other by their bare names."""
    if str(DIGITS) not in sys.path:
        sys.path.insert(0, str(DIGITS))
    return importlib.import_module(name)

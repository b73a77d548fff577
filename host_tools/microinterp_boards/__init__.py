"""Host tools for MicroPython boards: find them, deploy models, validate, benchmark."""

from __future__ import annotations

__version__ = "0.1.0"

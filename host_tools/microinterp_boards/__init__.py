"""Host tools for MicroPython boards that run microinterp's models: find, deploy, validate, bench."""

from __future__ import annotations

__version__ = "0.1.0"

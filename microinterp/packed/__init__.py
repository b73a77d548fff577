"""Packed models: .tflite files turned into integer steps for boards (schemas/steps.md)."""

from __future__ import annotations

from microinterp.packed.host import PackedInterpreter
from microinterp.packed.pack import PackReport, pack, pack_with_report
from microinterp.packed.reader import load
from microinterp.packed.records import PackedModel

__all__ = ["PackReport", "PackedInterpreter", "PackedModel", "load", "pack", "pack_with_report"]

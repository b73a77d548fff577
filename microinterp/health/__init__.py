"""Quantisation health: what in a sound model costs accuracy, or is one step from being refused.

Static rules look at scales, weights and biases in the file (`model_findings`); dynamic ones at the
codes that samples reach (`activation_findings`). Each finding names its rule, the place, the
figures it rests on, and what to do. Rules and thresholds: docs/health.md.
"""

from __future__ import annotations

from microinterp.health.activations import activation_findings
from microinterp.health.finding import RULES, Finding
from microinterp.health.model import model_findings

__all__ = ["RULES", "Finding", "activation_findings", "model_findings"]

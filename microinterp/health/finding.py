"""A finding of quantisation health, and the list of all rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from microinterp.errors import NOWHERE, Where

Severity = Literal["error", "warning", "note"]
Figure = int | float | str | tuple[int, ...]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""error: TFLM refuses it, or computes nothing of use. warning: it costs accuracy or may compute
wrong numbers. note: unusual, worth a look, often harmless."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's name in findings, how grave it is, and what to do where it is broken."""

    name: str
    severity: Severity
    remedy: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One place at which a rule is broken.

    Attributes:
        rule: its name, a key of RULES.
        severity: "error", "warning" or "note".
        message: what is, in a sentence without the place.
        where: op and tensor.
        figures: the numbers that the rule looked at, by name.
        remedy: what to do about it, in a sentence.
    """

    rule: str
    severity: Severity
    message: str
    where: Where = NOWHERE
    figures: Mapping[str, Figure] = field(default_factory=dict)
    remedy: str = ""


_ALL = (
    Rule("refused-op", "error", "Convert the model without this op or type, or register a kernel."),
    Rule(
        "multiplier-too-large",
        "error",
        "Calibrate the output's range again: its scale is far too small for those of its inputs.",
    ),
    Rule(
        "fixed-output-scale",
        "error",
        "Convert again with a current converter, which writes the scale and zero point that this "
        "op's kernel has built in.",
    ),
    Rule(
        "multiplier-vanishes",
        "warning",
        "Calibrate again: the channel's scale is so small that its output is its zero point.",
    ),
    Rule(
        "multiplier-above-one",
        "note",
        "Calibrate the output's range with more samples: a sum's step is wider than the output's, "
        "so that codes of the output are never reached.",
    ),
    Rule(
        "channel-scale-outlier",
        "note",
        "Look at these channels in the float model: equalise their weights across layers, or prune "
        "those that have vanished.",
    ),
    Rule(
        "dead-channels",
        "note",
        "Prune these channels before training ends: they cost as many MACs and bytes as others.",
    ),
    Rule(
        "coarse-channels",
        "note",
        "Quantise these weights per channel, so that each one uses all codes.",
    ),
    Rule(
        "per-tensor-depthwise",
        "warning",
        "Convert again with per-channel weights, the default of today's converters.",
    ),
    Rule(
        "saturated-weights",
        "warning",
        "Widen the weights' scale, or train without clipping them: they are cut at the ends.",
    ),
    Rule(
        "bias-near-limit",
        "warning",
        "Widen the scales of input or weights: converters keep biases within 2^30, so that sums "
        "do not overflow.",
    ),
    Rule(
        "bias-scale",
        "warning",
        "Convert again: kernels take the bias in steps of input scale times weight scale, whatever "
        "the file says.",
    ),
    Rule(
        "accumulator-overflow",
        "warning",
        "Use a 64-bit bias (int16 activations), or widen the weights' scale: for some inputs the "
        "32-bit sum wraps around.",
    ),
    Rule(
        "relu-zero-point",
        "warning",
        "Calibrate the output's range after its activation: codes below zero's are never used.",
    ),
    Rule(
        "float-op",
        "warning",
        "Quantise the whole model: float ops are slow without an FPU and compute other bits on "
        "other chips.",
    ),
    Rule(
        "requantise-chain",
        "warning",
        "Convert again so that the tensor keeps one scale: each QUANTIZE or DEQUANTIZE costs time "
        "and half a step of accuracy.",
    ),
    Rule(
        "saturating-range",
        "warning",
        "Calibrate with samples that reach these values, so that the range holds them.",
    ),
    Rule(
        "barely-used-range",
        "warning",
        "Calibrate with samples like these: the range is several times as wide as the values.",
    ),
    Rule(
        "constant-activation",
        "warning",
        "Look at the layers before it: none of the samples changes this tensor.",
    ),
)
RULES: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in _ALL})
"""All rules by name, the gravest of each kind first."""


def finding(rule: str, message: str, where: Where, remedy: str = "", **figures: Figure) -> Finding:
    """A finding of `rule`, with the rule's own severity, and remedy unless another is given."""
    known = RULES[rule]
    return Finding(rule, known.severity, message, where, figures, remedy or known.remedy)


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The gravest first; otherwise in the order in which they were found."""
    return tuple(sorted(findings, key=lambda each: SEVERITIES.index(each.severity)))


def many(count: int, of: int, what: str) -> str:
    """How many of them, in words: "3 of 64 channels"."""
    return f"{count:,} of {of:,} {what}{'' if of == 1 else 's'}"


MOST_LISTED = 8
"""Numbers of channels that a finding lists."""


def listed(numbers: Iterable[int]) -> tuple[int, ...]:
    """The first MOST_LISTED of them."""
    return tuple(int(n) for _, n in zip(range(MOST_LISTED), numbers, strict=False))

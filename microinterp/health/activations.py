"""Dynamic findings: how the codes that samples reach fill each tensor's quantised range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from tflite import ActivationFunctionType

from microinterp.graph import Node
from microinterp.health.finding import Finding, finding, sorted_findings
from microinterp.health.model import fused_activation
from microinterp.health.recording import Use

SATURATING = 0.01
"""Share of values at an end. Calibration by percentiles cuts 0.01 % to 0.1 % on purpose; of one in
a hundred the sum that follows takes notice."""
BARELY_USED = 0.25
"""Share of the codes between the lowest and the highest that was reached: below a quarter two bits
of eight are never used."""
ENOUGH_VALUES = 256
"""Fewer values than codes say little of a range."""
ENOUGH_SAMPLES = 4
"""Fewer samples say little, too: a dark picture is no reason to calibrate again."""

_BOUNDED = ("SOFTMAX", "LOGISTIC", "TANH", "HARD_SWISH", "LOG_SOFTMAX", "L2_NORMALIZATION")
"""Ops whose range their kernel dictates."""
_COPIES = (
    "RESHAPE",
    "TRANSPOSE",
    "SLICE",
    "SPLIT",
    "PACK",
    "PAD",
    "PADV2",
    "GATHER",
    "SQUEEZE",
    "STRIDED_SLICE",
    "EXPAND_DIMS",
    "MAX_POOL_2D",
    "AVERAGE_POOL_2D",
    "CONCATENATION",
    "SPLIT_V",
    "UNPACK",
    "SPACE_TO_BATCH_ND",
    "BATCH_TO_SPACE_ND",
    "DEPTH_TO_SPACE",
    "SPACE_TO_DEPTH",
)
"""Ops whose output has its input's scale: whoever wrote that is told already."""

_INPUT_REMEDY = (
    "Scale the inputs as in training, or calibrate the input's range with samples like these."
)
_LIMITS = {
    ActivationFunctionType.RELU: (0.0, inf),
    ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
    ActivationFunctionType.RELU6: (0.0, 6.0),
}
"""Where fused activations cut."""


def activation_findings(uses: Iterable[Use]) -> tuple[Finding, ...]:
    """What the rules say of the codes that samples reached, the gravest first.

    Args:
        uses: of real samples; of random ones the findings would be about the random numbers.
    """
    return sorted_findings(each for use in uses for each in _findings(use))


def _findings(use: Use) -> Iterator[Finding]:
    if not use.is_quantised or use.samples < ENOUGH_SAMPLES or use.values < ENOUGH_VALUES:
        return
    if use.node is not None and use.node.name in _COPIES:
        return
    if use.lowest == use.highest:
        yield finding(
            "constant-activation",
            f"all {use.values:,} values in {use.samples:,} samples are {use.lowest}",
            use.where,
            value=int(use.lowest),
            values=use.values,
        )
        return
    if use.node is None or use.node.name not in _BOUNDED:
        yield from _saturating(use)
        yield from _barely_used(use)


def _saturating(use: Use) -> Iterator[Finding]:
    """Ends that cut values off; a model's input comes cut (white pixels), and says so if we cut."""
    if use.node is None:
        return
    on_purpose = cut_on_purpose(use.node, use)
    counts = {"lowest": use.at_lowest, "highest": use.at_highest}
    cut = {
        end: count
        for (end, count), meant in zip(counts.items(), on_purpose, strict=True)
        if not meant and count > SATURATING * use.values
    }
    if cut:
        first, *more = (f"{count / use.values:.2%}|at the {end} code" for end, count in cut.items())
        told = first.replace("|", f" of {use.values:,} values lie ")
        yield finding(
            "saturating-range",
            ", ".join((told, *(each.replace("|", " ") for each in more))),
            use.where,
            "",
            values=use.values,
            **{f"at_{end}": count for end, count in cut.items()},
        )


def cut_on_purpose(node: Node, use: Use) -> tuple[bool, bool]:
    """Whether the op's activation cuts at the lowest and at the highest code, not the range.

    Zero at the lowest code is what a ReLU makes of half of all values, and what is read from it.
    Nor does the range cut where the kernel dictates it.
    """
    if node.name in _BOUNDED:
        return True, True
    scale, zero_point = float(use.tensor.scale), use.tensor.zero_point
    low, high = ((code - zero_point) * scale for code in use.limits)
    least, most = _LIMITS.get(fused_activation(node), (-inf, inf))
    return low == 0 or low <= least + scale, high >= most - scale


def _barely_used(use: Use) -> Iterator[Finding]:
    low, high = use.limits
    codes = high - low + 1
    reached = int(use.highest) - int(use.lowest) + 1
    if reached < BARELY_USED * codes:
        yield finding(
            "barely-used-range",
            f"the values lie between {int(use.lowest)} and {int(use.highest)}: {reached:,} of "
            f"{codes:,} codes",
            use.where,
            _INPUT_REMEDY if use.node is None else "",
            lowest=int(use.lowest),
            highest=int(use.highest),
            codes=codes,
        )

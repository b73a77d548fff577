"""Names of the package's own plain kernels, by which their twins are found."""

from __future__ import annotations

from types import FunctionType

from microinterp.kernels.common import Evaluate

_PACKAGE = "microinterp.kernels."


def plain_name(evaluate: Evaluate) -> str:
    """Like "conv_2d.evaluate_int"; empty for what is no function of a module in that package."""
    if not isinstance(evaluate, FunctionType) or not evaluate.__module__.startswith(_PACKAGE):
        return ""
    return f"{evaluate.__module__.removeprefix(_PACKAGE)}.{evaluate.__qualname__}"

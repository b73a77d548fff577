"""Names of the package's own plain kernels, by which their twins are found."""

from __future__ import annotations

import sys
from types import FunctionType

from microinterp.kernels.common import Evaluate

_PACKAGE = "microinterp.kernels."


def plain_name(evaluate: Evaluate) -> str:
    """Like "conv_2d.evaluate_int"; empty for what is no function of a module in that package.

    A user's function may bear the name of one (functools.wraps), but it is not found under it.
    """
    if not isinstance(evaluate, FunctionType):
        return ""
    module, name = evaluate.__module__ or "", evaluate.__qualname__  # exec'd ones have no module
    if not module.startswith(_PACKAGE):
        return ""
    is_own = getattr(sys.modules.get(module), name, None) is evaluate
    return f"{module.removeprefix(_PACKAGE)}.{name}" if is_own else ""

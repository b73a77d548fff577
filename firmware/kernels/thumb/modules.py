"""The modules of a Thumb set that are made here: their texts by file name."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

_SHARED = {f"_{name}.py": name for name in ("add", "lut", "mean", "mul", "pool")}
_FILTERS = {
    "armv6m": {"_conv.py": "conv_v6", "_depthwise.py": "depthwise_v6"},
    "armv7m": {"_conv.py": "conv_v7", "_depthwise.py": "depthwise_v7"},
}
_FILTERS["armv7em"] = _FILTERS["armv7m"]


def texts(arch: str) -> dict[str, str]:
    """Sources of the kernels for one of armv6m, armv7m and armv7em."""
    found = {}
    for name, stem in (_SHARED | _FILTERS[arch]).items():
        module = f"{__package__}.{stem}"
        if find_spec(module) is not None:  # TEMPORARY: until all kernels have landed
            try:
                found[name] = import_module(module).module(arch)
            except Exception as error:
                print("skipped", module, error)  # noqa: T201
    return found

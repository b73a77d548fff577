"""Numeric profiles: which rounding each operator family uses, by runtime to be reproduced."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from microinterp.errors import UnsupportedError
from microinterp.quant import fixedpoint

Rounding = Literal["double", "single"]
_REQUANTISE: Mapping[str, fixedpoint.Requantise] = MappingProxyType(
    {"double": fixedpoint.multiply_double, "single": fixedpoint.multiply_single}
)


@dataclass(frozen=True, slots=True)
class Profile:
    """Rounding of the int32 requantisation: a default, and operators that depart from it."""

    name: str
    description: str
    default: Rounding
    exceptions: Mapping[str, Rounding] = field(default_factory=dict)

    def rounding(self, op_name: str) -> Rounding:
        """Rounding that operator `op_name` uses."""
        return self.exceptions.get(op_name, self.default)

    def requantise(self, op_name: str) -> fixedpoint.Requantise:
        """The function f(int32 array, multiplier, shift) that operator `op_name` uses."""
        return _REQUANTISE[self.rounding(op_name)]


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile("tflm", "TensorFlow Lite Micro and CMSIS-NN as they are built", "double"),
            Profile("single", "built with TFLITE_SINGLE_ROUNDING", "single"),
            Profile(
                "litert-ref",
                "LiteRT's reference kernels: FULLY_CONNECTED rounds once",
                "double",
                MappingProxyType({"FULLY_CONNECTED": "single"}),
            ),
        )
    }
)


def get_profile(name: str) -> Profile:
    """The profile called `name`. Raises UnsupportedError with the names there are."""
    try:
        return PROFILES[name]
    except KeyError:
        near = difflib.get_close_matches(str(name), PROFILES, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise UnsupportedError(
            f"no numeric profile '{name}'", hint=f"{hint}there are: {', '.join(PROFILES)}"
        ) from None

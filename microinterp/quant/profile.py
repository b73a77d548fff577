"""Numeric profiles: which rounding each operator family uses, by runtime to be reproduced.

A profile changes how sums are requantised, and may follow rules (quant/rules.py) where its
runtime's kernels depart from TFLM's reference kernels. LiteRT's reference kernels also have other
algorithms than TFLM for int8 SUM, RELU6, LOGISTIC and TANH and for int16 SOFTMAX; no profile
imitates those. All profiles plan the arena as TFLM's reference kernels do.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from microinterp.errors import UnsupportedError
from microinterp.quant import fixedpoint
from microinterp.quant.params import Multiplier, exact_multiplier, quantize_multiplier
from microinterp.quant.rules import RULES

Rounding = Literal["double", "single", "real"]
"""double, single: fixed point, rounded twice or once. real: double precision, rounded once."""
_REQUANTISE: Mapping[str, fixedpoint.Requantise] = MappingProxyType(
    {
        "double": fixedpoint.multiply_double,
        "single": fixedpoint.multiply_single,
        "real": fixedpoint.multiply_real,
    }
)


@dataclass(frozen=True, slots=True)
class Profile:
    """How sums are requantised, and what else a runtime does differently.

    Attributes:
        default: rounding of all operators but those in `exceptions`.
        rules: names of the rules that it follows.
        chip: what chips it speaks for; "" for none.
    """

    name: str
    description: str
    default: Rounding
    exceptions: Mapping[str, Rounding] = field(default_factory=dict)
    rules: frozenset[str] = frozenset()
    chip: str = ""

    def follows(self, rule: str) -> bool:
        """True if the profile follows the rule of that name. KeyError: there is no such rule."""
        return RULES[rule].name in self.rules

    def rounding(self, op_name: str) -> Rounding:
        """Rounding that operator `op_name` uses."""
        return self.exceptions.get(op_name, self.default)

    def requantise(self, op_name: str) -> fixedpoint.Requantise:
        """The function f(int32 array, multiplier, shift) that operator `op_name` uses."""
        return _REQUANTISE[self.rounding(op_name)]

    def requantise_int64(self, op_name: str) -> fixedpoint.Requantise:
        """The same for 64-bit sums, where single and double rounding are one function."""
        is_real = self.rounding(op_name) == "real"
        if is_real:
            return fixedpoint.multiply_real
        rule = "int64-sums-to-31-bits"
        is_short = self.follows(rule) and op_name in RULES[rule].ops
        return fixedpoint.multiply_int64_short if is_short else fixedpoint.multiply_int64

    def split(self, op_name: str) -> Callable[[float], Multiplier]:
        """What turns a real factor into the multiplier and shift that `requantise` takes."""
        is_real = self.rounding(op_name) == "real"
        return exact_multiplier if is_real else quantize_multiplier


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile(
                "tflm",
                "TensorFlow Lite Micro with its reference kernels, as they are built",
                "double",
                chip="TensorFlow Lite Micro",
            ),
            Profile("single", "built with TFLITE_SINGLE_ROUNDING", "single"),
            Profile(
                "litert-ref",
                "LiteRT's reference kernels: FULLY_CONNECTED requantises in double precision",
                "double",
                MappingProxyType({"FULLY_CONNECTED": "real"}),
            ),
            Profile(
                "cmsis-nn",
                "TensorFlow Lite Micro with CMSIS-NN, for Cortex-M: as tflm but for its rules",
                "double",
                rules=frozenset(RULES),
                chip="TensorFlow Lite Micro with CMSIS-NN",
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

"""What CMSIS-NN itself computed for single layers: compare names the rules that made it differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from microinterp.compare import Account, Comparison, Told, compare
from microinterp.quant.profile import get_profile
from microinterp.quant.rules import RULES
from microinterp.sides.host import HostSide
from tests.cmsis_nn import vectors
from tests.cmsis_nn.vectors import Vector
from tests.compare.planting import names, outputs_only

RUN = [vector for vector in vectors.load()[1] if vector.outputs and vector.rules]
FEW = list({vector.rules: vector for vector in RUN}.values())
REFUSING = {
    "lstm-constants",
    "fully-connected-int16-channels",
    "int16-zero-points",
    "batch-matmul-rank",
    "depthwise-int4-odd-channels",
    "conv-2d-groups",
    "transpose-conv-rows",
}
"""They never give other bytes, only refusals."""


def account_of(vector: Vector, tensors: bool) -> Account:
    """What CMSIS-NN has written; the layer's output also as its op's tensor."""
    outputs = np.stack([array.reshape(array.shape) for array in vector.outputs])
    samples = [np.stack(column) for column in zip(*vector.samples, strict=True)]
    node = HostSide(vector.model).interpreter.graph.main.nodes[0]
    values = outputs.reshape(len(outputs), *node.outputs[0].shape)
    place = (0, 0, node.outputs[0].index)
    told = {place: Told(values)} if tensors else {}
    return Account("device", "CMSIS-NN", len(values), samples, [Told(values)], told)


def compared(vector: Vector, tensors: bool = True) -> Comparison:
    account = account_of(vector, tensors)
    return compare(vector.model, account, account.inputs)


@pytest.mark.parametrize("vector", FEW, ids=lambda v: f"{v.case} {'+'.join(v.rules)}")
def test_layers_that_differ_on_the_device(vector: Vector) -> None:
    assert check(vector, tensors=True)


@pytest.mark.thorough
def test_all_layers_that_differ_on_the_device() -> None:
    """A rule of theirs can matter beside others only, so that by chance TFLM gives the same."""
    differ = [check(vector, tensors) for vector in RUN for tensors in (True, False)]
    assert sum(differ) > 0.9 * len(differ)


def check(vector: Vector, tensors: bool) -> bool:
    """One rule is named by itself, several as the profile. False where nothing differs."""
    result = compared(vector, tensors)
    if result.equal:
        return False
    found = names(result)
    assert "cmsis-nn" in found
    if len(vector.rules) == 1:
        assert f"cmsis-nn:{vector.rules[0]}" in found
        assert RULES[vector.rules[0]].description in str(result.cause)
    rules = {name.removeprefix("cmsis-nn:") for name in found if name.startswith("cmsis-nn:")}
    assert rules <= set(vector.rules)  # what does not matter cannot be the cause
    return True


@pytest.mark.parametrize("tell", [lambda a: a, outputs_only], ids=["tensors", "outputs"])
@pytest.mark.parametrize("rule", sorted(set(RULES) - REFUSING))
def test_a_runtime_with_one_rule_alone(
    rule: str, tell: Callable[[Account], Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    """TFLM's kernels but for one rule, on a layer where CMSIS-NN's own bytes show it."""
    for vector in sorted(
        (v for v in RUN if rule in v.rules), key=lambda v: (len(v.rules), len(v.model))
    ):
        account = account_with(rule, vector, monkeypatch)
        result = compare(vector.model, tell(account), account.inputs)
        if not result.equal:
            assert f"cmsis-nn:{rule}" in names(result)
            return
    pytest.fail("no layer shows the rule by itself")


def account_with(rule: str, vector: Vector, monkeypatch: pytest.MonkeyPatch) -> Account:
    """What our kernels give with that rule and no other."""
    profile = replace(get_profile("tflm"), rules=frozenset({rule}))
    with monkeypatch.context() as patch:
        patch.setattr("microinterp.interpreter.get_profile", lambda name: profile)
        host = HostSide(vector.model)
    samples = [np.stack(column) for column in zip(*vector.samples, strict=True)]
    place = (0, 0, host.interpreter.graph.main.nodes[0].outputs[0].index)
    seen = host.run(samples, [place])
    tensors = {place: Told(seen.tensors[place])}
    outputs = [Told(seen.outputs[0])]
    return Account("planted", rule, len(seen.outputs[0]), samples, outputs, tensors)


def test_a_rule_and_a_profile_of_one_result_are_both_named() -> None:
    vector = next(v for v in RUN if len(v.rules) == 1)
    found = names(compared(vector))
    assert {f"cmsis-nn:{vector.rules[0]}", "cmsis-nn"} <= set(found)


def test_our_side_may_be_the_chip_too() -> None:
    """With CMSIS-NN's profile as ours, the device's own bytes are equal, and TFLM's are named."""
    vector = next(v for v in RUN if v.rules == ("transpose-conv-activation",))
    account = account_of(vector, True)
    assert compare(vector.model, account, account.inputs, profile="cmsis-nn").equal
    host = HostSide(vector.model)
    place = next(iter(account.tensors))
    seen = host.run(account.inputs, [place])
    theirs = Account(
        "x", "TFLM", account.samples, account.inputs, [Told(seen.outputs[0])],
        {place: Told(seen.tensors[place])},
    )  # fmt: skip
    result = compare(vector.model, theirs, account.inputs, profile="cmsis-nn")
    assert "double-rounding" in names(result)
    only_outputs = compare(vector.model, outputs_only(theirs), account.inputs, profile="cmsis-nn")
    assert "double-rounding" in names(only_outputs)

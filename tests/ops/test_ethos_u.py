"""ethos-u has a row and is refused with its reason."""

from __future__ import annotations

from microinterp.errors import UnsupportedError
from microinterp.kernels import default_registry
from tests.ops.custom import custom_model
from tests.ops.movement import Input, assert_refused


def test_ethos_u_is_refused_with_its_reason() -> None:
    one = Input((1,), "int8")
    data = custom_model("ethos-u", [one], [one])
    assert_refused(data, "a command stream that only an Ethos-U NPU can run", kind=UnsupportedError)
    (row,) = (op for op in default_registry() if op.name == "ethos-u")
    assert row.is_custom
    assert row.refused == "a command stream that only an Ethos-U NPU can run"

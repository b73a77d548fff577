"""Ways to change a node or the parameters of its kernel."""

from __future__ import annotations

import dataclasses
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from microinterp.graph import Node, Tensor


def with_fields(params: Any, **values: Any) -> Any:
    """Parameters with these fields changed, in all dataclasses inside them that have them all.

    Returns None where there is none.
    """
    if not is_dataclass(params) or isinstance(params, type):
        return None
    names = {field.name for field in fields(params)}
    if values.keys() <= names:
        return replace(params, **values)
    for field in fields(params):
        inner = with_fields(getattr(params, field.name), **values)
        if inner is not None:
            return replace(params, **{field.name: inner})
    return None


def field_of(params: Any, name: str) -> Any:
    """The first field of that name in the parameters or the dataclasses inside them, or None."""
    if not is_dataclass(params) or isinstance(params, type):
        return None
    for field in fields(params):
        value = getattr(params, field.name)
        if field.name == name:
            return value
    found = (field_of(getattr(params, field.name), name) for field in fields(params))
    return next((value for value in found if value is not None), None)


def without_zero_point(tensor: Tensor) -> Tensor:
    """The tensor with zero points of 0."""
    assert tensor.quantization is not None
    zeros = np.zeros_like(tensor.quantization.zero_point)
    return replace(tensor, quantization=replace(tensor.quantization, zero_point=zeros))


def has_zero_point(tensor: Tensor | None) -> bool:
    """True if a zero point is not 0."""
    return bool(tensor and tensor.quantization and tensor.quantization.zero_point.any())


def with_input(node: Node, position: int, tensor: Tensor | None) -> Node:
    """The node with another input; none at the end shortens the list."""
    inputs = (*node.inputs[:position], tensor, *node.inputs[position + 1 :])
    if tensor is None and position == len(node.inputs) - 1:
        inputs = inputs[:-1]
    return dataclasses.replace(node, inputs=inputs)


def with_output(node: Node, tensor: Tensor) -> Node:
    """The node with another output."""
    return dataclasses.replace(node, outputs=(tensor, *node.outputs[1:]))

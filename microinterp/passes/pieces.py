"""Pieces of ops: nodes that compute a box of the output from parts of the inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from microinterp.graph import Part, Tensor
from microinterp.passes.crop import Box, cropped
from microinterp.passes.draft import Draft
from microinterp.prepare import PreparedNode

WHY = "it computes a piece of the op, which has no fast twin"


def part_of(draft: Draft, whole: Tensor, box: Box) -> Tensor:
    """A tensor that is a box of another one."""
    name = f"{whole.name}[{box.rows.start}:{box.rows.stop},{box.columns.start}:{box.columns.stop}]"
    return draft.add(whole, name, box.shape(whole.shape), Part(whole, box.index()))


def piece(
    item: PreparedNode, box: Box, inputs: Mapping[int, Tensor], output: Tensor
) -> PreparedNode:
    """The node that computes `box` of an op's output.

    Args:
        inputs: what it reads, by position: the boxes that `box_needed` tells.
        output: where it writes, of the box's shape.
    """
    node = replace(
        item.node,
        inputs=tuple(inputs.get(i, tensor) for i, tensor in enumerate(item.node.inputs)),
        outputs=(output,),
    )
    return replace(item, node=node, kernel=cropped(item, box), fast=None, why=WHY, is_piece=True)

"""Fast FULLY_CONNECTED: rows of inputs times a matrix of weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microinterp.fast_path import Call, Fast, Workspace
from microinterp.graph import Node
from microinterp.kernels.fast.matrix import Product, bias_of, filter_of, integer_product
from microinterp.prepare import Arrays, Kernel


@dataclass(frozen=True)
class Dense:
    """A dense layer: weights [depth, channels] and what follows."""

    product: Product

    def bind(self, arrays: Arrays, workspace: Workspace) -> list[Call]:
        """The calls from x [...] of n * depth elements to out [..., channels]."""
        x, out = arrays.inputs[0], arrays.outputs[0]
        assert x is not None
        depth, channels = self.product.weights.shape
        return self.product.bind_rows(x.reshape(-1, depth), out.reshape(-1, channels), workspace)


def choose(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of fully_connected.evaluate_int, or why there is none."""
    if node.input(0).type_name != "int8":
        return f"activations of {node.input(0).type_name}"
    params = kernel.params
    w = filter_of(node).T.astype(np.int64) - params.filter_zero_point
    product = integer_product(w, bias_of(node, w.shape[1]), params.quant)
    return product if isinstance(product, str) else Fast(product.how, Dense(product).bind)

"""Static findings: of problems that were found, of each op, and of neighbouring ops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import tflite
from tflite import ActivationFunctionType, TensorType

from microinterp.errors import Problem
from microinterp.graph import Graph, Node, Tensor
from microinterp.health.finding import Finding, finding, sorted_findings
from microinterp.health.layers import layer_findings

RELU_LOST = 1 / 16
"""Share of codes below zero's that a ReLU's output may have: 16 of 256 are rounding and headroom.
Converters put zero at the lowest code exactly."""
SCALE_ERROR = 0.001
"""Relative difference from a scale that a kernel has built in: as near as TFLM asks for."""

_FIXED = {
    ("SOFTMAX", "int8"): (1 / 256, -128),
    ("LOGISTIC", "int8"): (1 / 256, -128),
    ("TANH", "int8"): (1 / 128, 0),
    ("LOGISTIC", "int16"): (1 / 32768, 0),
    ("TANH", "int16"): (1 / 32768, 0),
    ("SOFTMAX", "int16"): (1 / 32768, 0),
}
"""Scale and zero point of the output, by op and type of input and output."""
_FUSED_RELUS = (ActivationFunctionType.RELU, ActivationFunctionType.RELU6)
_RELUS = ("RELU", "RELU6")
_FUSED_OPTIONS = {
    "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
    "FULLY_CONNECTED": tflite.FullyConnectedOptions,
    "ADD": tflite.AddOptions,
    "SUB": tflite.SubOptions,
    "MUL": tflite.MulOptions,
}
_BROKEN_RULE = "Convert the model again: the op breaks a rule of TFLM's kernel."
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
_FLOATS = (TensorType.FLOAT32, TensorType.FLOAT16, TensorType.FLOAT64)
_QUANTISED = (TensorType.INT8, TensorType.INT16, TensorType.INT4, TensorType.UINT8)


def model_findings(graph: Graph | None, problems: Sequence[Problem]) -> tuple[Finding, ...]:
    """What the rules say of a model, the gravest first.

    Args:
        graph: None where the file's rules are broken, so that there is none; then only the ops
            that do not run are told.
        problems: what verify and prepare found.
    """
    found = [] if graph is None else list(_graph_findings(graph))
    told = {
        (each.where.subgraph, each.where.op_index) for each in found if each.severity == "error"
    }
    refused = [each for each in _refused(problems) if _place(each) not in told]
    return sorted_findings([*refused, *found])


def _place(found: Finding) -> tuple[int | None, int | None]:
    return found.where.subgraph, found.where.op_index


def _refused(problems: Sequence[Problem]) -> Iterator[Finding]:
    """Ops that do not run: what verify says of them, and its hint."""
    for problem in problems:
        if problem.severity == "error" and problem.where.op_index is not None:
            yield finding("refused-op", problem.message, problem.where, _remedy(problem))


def _remedy(problem: Problem) -> str:
    """The problem's own hint; the rule's remedy is for ops and types that do not exist."""
    if problem.hint:
        return f"{problem.hint[:1].upper()}{problem.hint[1:]}."
    return "" if problem.rule == "unsupported" else _BROKEN_RULE


def _graph_findings(graph: Graph) -> Iterator[Finding]:
    writers = {(t.subgraph, t.index): node for node in graph.nodes() for t in node.outputs}
    is_quantised = _is_quantised(graph)
    for node in graph.nodes():
        yield from layer_findings(node)
        yield from _fixed_scale(node)
        yield from _relu_zero_point(node)
        yield from _requantised_twice(node, writers)
        if is_quantised:
            yield from _float_op(node)


def _fixed_scale(node: Node) -> Iterator[Finding]:
    """Outputs of ops whose kernels take their scale for granted."""
    if not node.outputs or not node.inputs or node.inputs[0] is None:
        return
    x, out = node.inputs[0], node.outputs[0]
    wanted = _FIXED.get((node.name, out.type_name))
    if wanted is None or x.type_name != out.type_name or out.quantization is None:
        return
    scale, zero_point = wanted
    is_near = abs(float(out.scale) - scale) <= SCALE_ERROR * scale
    if not is_near or out.zero_point != zero_point:
        yield finding(
            "fixed-output-scale",
            f"scale {float(out.scale):.6g} and zero point {out.zero_point}, the kernel computes "
            f"with {scale:.6g} and {zero_point}",
            node.where(out),
            scale=float(out.scale),
            zero_point=out.zero_point,
            wanted_scale=scale,
            wanted_zero_point=zero_point,
        )


def fused_activation(node: Node) -> int:
    """Number of an op's fused activation, of a RELU op the same; 0 where there is none."""
    if node.name in _RELUS:
        return int(_FUSED_RELUS[_RELUS.index(node.name)])
    kind = _FUSED_OPTIONS.get(node.name)
    number = None if kind is None else getattr(tflite.BuiltinOptions, kind.__name__)
    if kind is None or node.operator.options is None or node.operator.options_type != number:
        return int(ActivationFunctionType.NONE)
    return int(node.options(kind).FusedActivationFunction())


def _relu_zero_point(node: Node) -> Iterator[Finding]:
    """Codes that no value of a ReLU can have."""
    if fused_activation(node) not in _FUSED_RELUS:
        return
    out = node.outputs[0]
    if out.quantization is None or out.type_code != TensorType.INT8:
        return
    lost = out.zero_point + 128
    if lost > RELU_LOST * 256:
        yield finding(
            "relu-zero-point",
            f"the zero point of a ReLU's output is {out.zero_point}: {lost} of 256 codes stand for "
            "numbers below 0",
            node.where(out),
            zero_point=out.zero_point,
            lost_codes=lost,
        )


def _requantised_twice(node: Node, writers: dict[tuple[int, int], Node]) -> Iterator[Finding]:
    """A conversion of what another conversion has just made."""
    if node.name not in _CONVERSIONS or not node.inputs or node.inputs[0] is None:
        return
    x = node.inputs[0]
    before = writers.get((x.subgraph, x.index))
    if before is not None and before.name in _CONVERSIONS:
        yield finding(
            "requantise-chain",
            f"{node.name} of what op {before.index} {before.name} has made",
            node.where(x),
            before=before.index,
        )


def _is_quantised(graph: Graph) -> bool:
    """True for a model of integers: a layer or more with quantised weights."""
    return any(
        t is not None and t.is_constant and t.quantization is not None and _is_code(t)
        for node in graph.nodes()
        for t in node.inputs[1:]
    )


def _is_code(tensor: Tensor) -> bool:
    return tensor.type_code in _QUANTISED and tensor.rank > 1


def _float_op(node: Node) -> Iterator[Finding]:
    """An op of a quantised model that computes in float."""
    floats = [t for t in node.outputs if t.type_code in _FLOATS]
    reads = [t for t in node.inputs if t is not None and t.type_code in _FLOATS]
    if floats and reads and node.name not in _CONVERSIONS:
        yield finding(
            "float-op",
            f"computes in {floats[0].type_name} in a model of integers",
            node.where(floats[0]),
            elements=floats[0].elements,
        )

"""What a model must be to run: every rule of microinterp/rules, run over a loaded model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice

from microinterp import structure
from microinterp.errors import Problem
from microinterp.model import Model
from microinterp.rules import calls, compression, dataflow, file, operators, quantization, tensors
from microinterp.rules.common import Rule

RULES: tuple[Rule, ...] = (
    file.schema_version,
    file.has_subgraph,
    file.operator_codes_known,
    file.custom_operators_named,
    file.first_buffer_empty,
    file.metadata_buffers_exist,
    file.offline_plan_fits,
    file.signatures_exist,
    file.signature_names_differ,
    compression.compression_sound,
    tensors.tensor_types_supported,
    tensors.shapes_fit,
    tensors.ranks_fit,
    tensors.buffers_exist,
    tensors.constants_complete,
    tensors.variables_without_contents,
    tensors.no_sparse_tensors,
    quantization.zero_points_match_scales,
    quantization.channels_match_shape,
    quantization.scales_usable,
    quantization.zero_points_in_range,
    operators.operator_codes_exist,
    operators.op_tensors_exist,
    operators.subgraph_tensors_exist,
    operators.subgraph_tensors_differ,
    operators.model_tensor_names_differ,
    dataflow.inputs_not_constant,
    dataflow.outputs_writable,
    dataflow.one_writer,
    dataflow.written_before_read,
    dataflow.outputs_written,
    calls.called_subgraphs_exist,
    calls.no_recursion,
    calls.calls_bounded,
    file.aligned,
)
"""Every rule, in the order in which findings are told."""

MAX_PER_RULE = 100


def verify(model: Model) -> list[Problem]:
    """Every rule that the model breaks, in the order of RULES; empty for a sound model.

    Problem.rule is the name of a rule (see rule_texts). A model with an error must not be built;
    warnings are for people. A rule tells its first MAX_PER_RULE findings, and, if these are
    warnings, the first error behind them.
    """
    return [
        replace(finding, rule=rule.__name__) for rule in RULES for finding in _told(rule(model))
    ]


def _told(findings: Iterator[Problem]) -> Iterator[Problem]:
    listed = list(islice(findings, MAX_PER_RULE))
    yield from listed
    beyond = next(findings, None)
    if beyond is None:
        return
    is_error = any(each.severity == "error" for each in listed)
    if not is_error:
        for each in chain((beyond,), findings):
            if is_error := each.severity == "error":
                yield each
                break
    more = f"there are more: only the first {MAX_PER_RULE} are listed"
    yield Problem("", more, severity="error" if is_error else "warning")


def rule_texts() -> dict[str, str]:
    """Rule name -> its text: those of the file's structure, then those of the model."""
    texts = {rule.__name__: (rule.__doc__ or "").strip() for rule in RULES}
    return {**structure.RULES, **texts}

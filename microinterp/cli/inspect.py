"""`microinterp inspect`: what a .tflite file holds and whether it runs here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from microinterp.cli import model_text, options, output
from microinterp.cli.health_report import show_health
from microinterp.inspect_model import ModelFacts, SubgraphFacts, inspect_model
from microinterp.model import contents_of
from microinterp.operators_file import registry_with


def command(
    model: options.Model,
    tensors: Annotated[
        bool, typer.Option("--tensors", help="List every tensor of each subgraph too.")
    ] = False,
    paths: Annotated[
        bool,
        typer.Option(
            "--paths", help="Say of each op which kernel runs here, and why (docs/performance.md)."
        ),
    ] = False,
    operators: options.Operators = None,
    json: options.Json = False,
) -> None:
    """Show a model's operators, shapes, quantisation, cost, and whether it runs.

    MACs are multiply-accumulates of convolutions, dense and recurrent layers and BATCH_MATMUL,
    padding counted; weights are bytes of an op's constants. "runs" says how exactly an op equals
    TFLM, or why it does not run. Fast ops run as float products that are proved to give the same
    bytes (--paths).

    JSON: file_bytes, sha256, version, description, runs, macs, weight_bytes, ops, subgraphs (each
    with index, name, inputs, outputs, tensors, ops), metadata, signatures, problems, health (rule,
    severity, message, where, figures, remedy of each finding: docs/health.md).
    """
    facts = inspect_model(contents_of(model), registry_with(operators))
    if json:
        output.print_json(asdict(facts))
        return
    screen = output.console()
    screen.print(_header(model, facts))
    for subgraph in facts.subgraphs:
        screen.print()
        if len(facts.subgraphs) > 1:
            title = Text(f"subgraph {subgraph.index} ", style="bold")
            screen.print(title + output.safe(subgraph.name))
        screen.print(model_text.op_table(subgraph))
        if paths and facts.runs:
            screen.print()
            screen.print(_path_table(subgraph))
        if tensors:
            screen.print()
            screen.print(_tensor_table(subgraph))
    if facts.health:
        screen.print()
        show_health(screen, facts.health)
    screen.print()
    screen.print(_totals(facts))


def _header(path: str, facts: ModelFacts) -> Table:
    rows = output.table("", "")
    rows.show_header = False
    main = facts.subgraphs[0] if facts.subgraphs else None
    rows.add_row("model", output.safe(path, "bold", 200))
    rows.add_row("size", f"{facts.file_bytes:,} bytes, sha256 {facts.sha256}")
    rows.add_row("description", output.safe(facts.description or "-", limit=200))
    for role, numbers in (("input", main.inputs), ("output", main.outputs)) if main else ():
        for number in numbers:
            if main is not None and 0 <= number < len(main.tensors):
                rows.add_row(role, _tensor_line(main, number))
    for signature in facts.signatures:
        arguments = f"({', '.join(signature.inputs)}) -> ({', '.join(signature.outputs)})"
        text = f"{signature.key}{arguments}, subgraph {signature.subgraph}"
        rows.add_row("signature", output.safe(text, limit=200))
    for entry in facts.metadata:
        rows.add_row("metadata", output.safe(entry.name) + Text(f", {entry.nbytes:,} bytes"))
    return rows


def _tensor_line(subgraph: SubgraphFacts, number: int) -> Text:
    tensor = subgraph.tensors[number]
    numbers = model_text.quantisation_text(tensor.scales, tensor.zero_points)
    quantised = f"  scale, zero: {numbers}" if tensor.scales else ""
    kind = output.safe(f"{model_text.tensor_text(tensor)}{quantised}  ", limit=120)
    return kind + output.safe(tensor.name, "dim")


def _tensor_table(subgraph: SubgraphFacts) -> Table:
    columns = ("tensor", "type", "scale, zero", "bytes", "kind", "name")
    made = output.table(*columns, right=("tensor", "bytes"), firm=("type", "scale, zero"))
    for tensor in subgraph.tensors:
        kind = "constant" if tensor.is_constant else "variable" if tensor.is_variable else ""
        made.add_row(
            str(tensor.index),
            output.safe(model_text.tensor_text(tensor)),
            model_text.quantisation_text(tensor.scales, tensor.zero_points),
            "-" if tensor.nbytes is None else f"{tensor.nbytes:,}",
            kind,
            output.safe(tensor.name),
        )
    return made


def _path_table(subgraph: SubgraphFacts) -> Table:
    made = output.table("op", "name", "kernel", "why", right=("op",), firm=("name", "kernel"))
    for op in subgraph.ops:
        style = "green" if op.path == "fast" else ""
        made.add_row(
            str(op.index),
            output.safe(op.name, limit=40),
            Text(op.path, style=style),
            output.safe(op.path_reason, limit=200),
        )
    return made


def _totals(facts: ModelFacts) -> Text:
    ops = f"{facts.ops} op{'s' if facts.ops != 1 else ''}"
    total = f"{ops}, {facts.macs:,} MACs, {facts.weight_bytes:,} bytes of constants: "
    errors = [problem for problem in facts.problems if problem.severity == "error"]
    if facts.runs:
        fast = sum(op.path == "fast" for subgraph in facts.subgraphs for op in subgraph.ops)
        return Text(total) + Text("runs", style="bold green") + Text(f", {fast} of them fast")
    count = f"does not run, {len(errors)} error{'s' if len(errors) != 1 else ''}"
    return Text(total) + Text(f"{count} (see `microinterp verify`)", style="bold red")

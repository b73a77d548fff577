"""What `microinterp run` shows: answers per sample, timings, and how exact the model's ops are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.console import Console
from rich.text import Text

from microinterp.cli import model_text, output
from microinterp.inputs import Samples
from microinterp.inspect_model import ModelFacts, inspect_model
from microinterp.quant.profile import get_profile
from microinterp.registry import Registry

_SHOWN_SAMPLES = 20
_IN_FULL = 3  # samples whose scores have a line each; of more, each has one line
_ON_A_LINE = 3  # scores, if there is room
_SCORE_WIDTH = 24  # columns: a label, a number, what stands between


@dataclass(frozen=True)
class Timing:
    """Seconds: medians over repeats.

    Attributes:
        invoke: of one whole invoke.
        repeats: how many invokes the medians are over.
        ops: by (subgraph, op index), without the time of the hooks around them; None if not asked.
    """

    invoke: float
    repeats: int
    ops: dict[tuple[int, int], float] | None


@dataclass(frozen=True)
class Report:
    """Everything that a run has to tell.

    Attributes:
        model: contents of the file.
        profile: numeric profile it ran in.
        samples: what it ran on.
        answers: [sample][output], as `run` makes them: name, top.
        timing: medians.
        frontend: contents of the front end's file, if one made the samples.
        registry: operators of the model; None for those of the package.
    """

    model: bytes
    profile: str
    samples: Samples
    answers: Sequence[Sequence[dict[str, Any]]]
    timing: Timing
    frontend: bytes | None = None
    registry: Registry | None = None

    @cached_property
    def facts(self) -> ModelFacts:
        """What `inspect` knows of the model; worked out once, as it prepares the whole model."""
        return inspect_model(self.model, self.registry)

    def inexact_ops(self) -> dict[str, str]:
        """Ops of the model, and of its front end, that are not simply exact, and why."""
        models = (
            [self.facts]
            if self.frontend is None
            else [inspect_model(self.frontend, self.registry), self.facts]
        )
        ops = (op for facts in models for subgraph in facts.subgraphs for op in subgraph.ops)
        return {op.name: op.exactness for op in ops if op.exactness != "exact"}

    def as_dict(self) -> dict[str, Any]:
        """The keys that `run --json` promises."""
        inexact = self.inexact_ops()
        ops = None
        if self.timing.ops is not None:
            names = self._op_names()
            ops = [
                {"subgraph": s, "index": i, "name": names[s, i], "seconds": seconds}
                for (s, i), seconds in sorted(self.timing.ops.items())
            ]
        return {
            "profile": self.profile,
            "exact": bool(get_profile(self.profile).chip) and not inexact,
            "inexact_ops": inexact,
            "notes": list(self.samples.notes),
            "samples": [
                {"name": name, "outputs": [{"index": i, **o} for i, o in enumerate(outputs)]}
                for name, outputs in zip(self.samples.names, self.answers, strict=True)
            ],
            "timing": {
                "invoke_seconds": self.timing.invoke,
                "repeats": self.timing.repeats,
                "ops": ops,
            },
        }

    def show(self, screen: Console) -> None:
        """Print for people."""
        shown = list(zip(self.samples.names, self.answers, strict=True))[:_SHOWN_SAMPLES]
        if len(shown) > _IN_FULL and all(len(outputs) == 1 for _, outputs in shown):
            _show_lines(screen, [(name, outputs[0]["top"]) for name, outputs in shown])
            shown_in_full = []
        else:
            shown_in_full = shown
        for name, outputs in shown_in_full:
            screen.print(output.safe(name, "bold", 4200), soft_wrap=True)
            for answer in outputs:
                self._show_output(screen, answer, several=len(outputs) > 1)
        hidden = len(self.samples) - len(shown)
        if hidden:
            screen.print(Text(f"... and {hidden} more samples: --output keeps them all"))
        self._show_timing(screen)
        screen.print(self._verdict())

    def _show_output(self, screen: Console, answer: dict[str, Any], several: bool) -> None:
        rows = output.table("", "score", "raw", right=("score", "raw"))
        for entry in answer["top"]:
            rows.add_row(_label(entry), f"{entry['score']:.6g}", str(entry["raw"]))
        if several:
            screen.print(output.safe(answer["name"], "dim"))
        screen.print(rows)

    def _show_timing(self, screen: Console) -> None:
        milliseconds = 1e3 * self.timing.invoke
        count = self.timing.repeats
        over = f"median of {count}" if count > 1 else "one run"
        screen.print(Text(f"\n{milliseconds:.3f} ms an invoke ({over})"))
        if self.timing.ops is not None:
            for subgraph in self.facts.subgraphs:
                times = {i: t for (s, i), t in self.timing.ops.items() if s == subgraph.index}
                if times:
                    screen.print(model_text.op_table(subgraph, times, quantisation=False))

    def _verdict(self) -> Text:
        chip = get_profile(self.profile).chip
        if not chip:
            return Text(f"computed in the profile {self.profile}, which is not the chip's")
        inexact = self.inexact_ops()
        if not inexact:
            return Text(f"bit for bit as {chip} computes it", style="green")
        lines = Text(f"bit for bit as {chip}, except for what is said of:")
        for name, reason in inexact.items():
            lines += Text("\n  ") + output.safe(f"{name}: {reason}", limit=300)
        return lines

    def _op_names(self) -> dict[tuple[int, int], str]:
        return {(s.index, op.index): op.name for s in self.facts.subgraphs for op in s.ops}


def _show_lines(screen: Console, samples: Sequence[tuple[str, Sequence[dict[str, Any]]]]) -> None:
    """A line for each sample: its highest scores, the first as raw number too."""
    room = screen.width - max(len(name) for name, _ in samples)
    count = min(_ON_A_LINE, max(1, room // _SCORE_WIDTH), max(len(top) for _, top in samples))
    ranks = ("highest", "second", "third")[:count]
    rows = output.table("sample", *(c for rank in ranks for c in (rank, "score")), firm=("sample",))
    for column in rows.columns[2::2]:
        column.justify, column.no_wrap = "right", True
    for name, top in samples:
        cells = [(_label(entry), f"{entry['score']:.6g}") for entry in top[:count]]
        rows.add_row(output.safe(name), *(cell for pair in cells for cell in pair))
    screen.print(rows)


def _label(entry: dict[str, Any]) -> Text:
    """The name of a score; its index, if it has none."""
    return output.safe(entry["label"] if entry["label"] is not None else f"[{entry['index']}]")

"""What `microinterp run` shows: answers per sample, timings, and how exact the model's ops are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.console import Console
from rich.text import Text

from microinterp.cli import output
from microinterp.inputs import Samples
from microinterp.inspect_model import ModelFacts, inspect_model
from microinterp.quant.profile import get_profile

_SHOWN_SAMPLES = 20


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
    """

    model: bytes
    profile: str
    samples: Samples
    answers: Sequence[Sequence[dict[str, Any]]]
    timing: Timing
    frontend: bytes | None = None

    @cached_property
    def facts(self) -> ModelFacts:
        """What `inspect` knows of the model; worked out once, as it prepares the whole model."""
        return inspect_model(self.model)

    def inexact_ops(self) -> dict[str, str]:
        """Ops of the model, and of its front end, that are not simply exact, and why."""
        models = (
            [self.facts] if self.frontend is None else [inspect_model(self.frontend), self.facts]
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
        for name, outputs in shown:
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
            label = entry["label"] if entry["label"] is not None else f"[{entry['index']}]"
            rows.add_row(output.safe(label), f"{entry['score']:.6g}", str(entry["raw"]))
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
                    screen.print(output.op_table(subgraph, times, quantisation=False))

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

"""What `microinterp eval` shows: figures, the confusion matrix, what it cost."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from microinterp.cli import output
from microinterp.evaluation import Evaluation
from microinterp.evaluation.figures import Agreement, AnomalyFigures, ClassFigures, ValueFigures

_SQUARE = 16  # classes whose whole confusion matrix is shown
_ROWS = 30  # classes that are listed
_CONFUSIONS = 10


def as_dict(model: bytes, profile: str, found: Evaluation, passed: bool | None) -> dict[str, Any]:
    """The keys that `eval --json` promises."""
    return {
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "profile": profile,
        "task": found.task,
        "samples": found.samples,
        "answers": found.answers,
        "sequences": found.sequences,
        "classes": None if found.classes is None else _classes(found.classes, found.names),
        "values": None if found.values is None else asdict(found.values),
        "anomaly": None if found.anomaly is None else asdict(found.anomaly),
        "agreement": None if found.agreement is None else asdict(found.agreement),
        "passed": passed,
        "notes": list(found.notes),
        "note_count": found.note_count,
        "timing": {
            **asdict(found.timing),
            "samples_per_second": found.samples / found.timing.seconds,
        },
    }


def show(screen: Console, found: Evaluation, passed: bool | None) -> None:
    """Print for people."""
    if found.classes is not None:
        _show_classes(screen, found.classes, found.names)
    if found.values is not None:
        _show_values(screen, found.values)
    if found.anomaly is not None:
        _show_anomaly(screen, found.anomaly)
    if found.agreement is not None:
        _show_agreement(screen, found.agreement, found.answers)
    screen.print(Text(_cost(found)))
    if passed is not None:
        verdict = (
            Text("within the limits", "green") if passed else Text("out of limits", "bold red")
        )
        screen.print(verdict)


def _classes(figures: ClassFigures, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "correct": figures.correct,
        "accuracy": figures.accuracy,
        "k": figures.k,
        "top_k": figures.top_k,
        "auc": figures.auc,
        "per_class": [
            {"index": i, "label": names[i] if names else None, **row}
            for i, row in enumerate(_rows(figures))
        ],
        "confusion": figures.confusion.tolist(),
    }


def _rows(figures: ClassFigures) -> list[dict[str, Any]]:
    """Of every class: samples, answers, and what follows from them; None for 0 / 0."""
    matrix = figures.confusion
    hits, samples, answers = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    return [
        {
            "samples": int(samples[i]),
            "answers": int(answers[i]),
            "precision": int(hits[i]) / int(answers[i]) if answers[i] else None,
            "recall": int(hits[i]) / int(samples[i]) if samples[i] else None,
            "f1": 2 * int(hits[i]) / int(samples[i] + answers[i])
            if samples[i] + answers[i]
            else None,
            "auc": figures.class_auc[i],
        }
        for i in range(len(matrix))
    ]


def _show_classes(screen: Console, figures: ClassFigures, names: tuple[str, ...]) -> None:
    total = int(figures.confusion.sum())
    facts = [f"accuracy {_share(figures.accuracy)} ({figures.correct:,} of {total:,})"]
    if figures.k > 1:
        facts.append(f"top {figures.k} {_share(figures.top_k)}")
    facts.append(f"AUC {_figure(figures.auc)}")
    screen.print(Text(", ".join(facts), "bold"))
    numbers = ("samples", "precision", "recall", "F1", "AUC")
    table = output.table("class", *numbers, right=numbers)
    for i, row in enumerate(_rows(figures)[:_ROWS]):
        table.add_row(
            output.safe(names[i] if names else str(i), limit=40),
            f"{row['samples']:,}",
            _share(row["precision"]),
            _share(row["recall"]),
            _share(row["f1"]),
            "-" if row["auc"] is None else f"{row['auc']:.6f}",
        )
    screen.print()
    screen.print(table)
    if len(figures.confusion) > _ROWS:
        screen.print(Text(f"... and {len(figures.confusion) - _ROWS} more classes: see --json"))
    screen.print()
    if len(figures.confusion) <= _SQUARE:
        _show_matrix(screen, figures, names)
    else:
        _show_confusions(screen, figures, names)


def _show_matrix(screen: Console, figures: ClassFigures, names: tuple[str, ...]) -> None:
    screen.print(Text("rows: true class; columns: answer", "dim"))
    columns = [str(i) for i in range(len(figures.confusion))]
    table = output.table("", *columns, right=columns)
    for i, row in enumerate(figures.confusion.tolist()):
        cells = [
            Text(str(n) if n else ".", "green" if i == j else "red" if n else "dim")
            for j, n in enumerate(row)
        ]
        name = f"{i} {names[i]}" if names and names[i] != str(i) else str(i)
        table.add_row(output.safe(name, limit=24), *cells)
    screen.print(table)
    screen.print()


def _show_confusions(screen: Console, figures: ClassFigures, names: tuple[str, ...]) -> None:
    """The most frequent wrong answers."""
    wrong = figures.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    table = output.table("true class", "answer", "samples", right=("samples",))
    for place in order.tolist():
        true, answer = divmod(place, len(wrong))
        if wrong[true, answer]:
            shown = [output.safe(names[i] if names else str(i), limit=40) for i in (true, answer)]
            table.add_row(*shown, f"{wrong[true, answer]:,}")
    if table.row_count:
        screen.print(Text("most frequent wrong answers", "dim"))
        screen.print(table)
        screen.print()


def _show_values(screen: Console, figures: ValueFigures) -> None:
    screen.print(
        Text(
            f"mean absolute error {_figure(figures.mean_absolute_error)}, root mean squared error "
            f"{_figure(figures.root_mean_squared_error)}, largest {_figure(figures.largest_error)}",
            "bold",
        )
    )


def _show_anomaly(screen: Console, figures: AnomalyFigures) -> None:
    what = "sequences" if figures.by_sequence else "samples"
    screen.print(Text(f"AUC {_figure(figures.auc)} of the reconstruction error", "bold"))
    table = output.table("", what, "mean squared error", right=(what, "mean squared error"))
    table.add_row("normal", f"{figures.normal:,}", _figure(figures.normal_error))
    table.add_row("anomalous", f"{figures.anomalous:,}", _figure(figures.anomalous_error))
    screen.print(table)


def _show_agreement(screen: Console, figures: Agreement, answers: int) -> None:
    if not figures.differing_bytes:
        text = f"equal to {figures.against}: {figures.compared_bytes:,} bytes of outputs"
        screen.print(Text(text, "green"), soft_wrap=True)
        return
    share = _share(figures.same_top / answers if answers else None)
    screen.print(
        Text(
            f"differs from {figures.against}: {figures.differing_bytes:,} of "
            f"{figures.compared_bytes:,} bytes, in {figures.differing_samples:,} of {answers:,} "
            f"samples, by up to {figures.largest_difference:g}; the same highest output in {share}",
            "yellow",
        ),
        soft_wrap=True,
    )


def _cost(found: Evaluation) -> str:
    timing = found.timing
    rate = found.samples / timing.seconds
    where = "on the cluster" if timing.workers is None else _many(timing.workers, "process", "es")
    lost = (
        f"; {_many(timing.lost_workers, 'worker')} lost and replaced" if timing.lost_workers else ""
    )
    silent = found.samples - found.answers
    return (
        f"{_many(found.samples, 'sample')} in {timing.seconds:.2f} s, {rate:,.0f} a second "
        f"({where}{lost})" + (f"; {_many(silent, 'sample')} without an answer" if silent else "")
    )


def _many(count: int, what: str, plural: str = "s") -> str:
    return f"{count:,} {what}{'' if count == 1 else plural}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"

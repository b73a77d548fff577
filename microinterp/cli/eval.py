"""`microinterp eval`: a model over a data set: accuracy, errors, agreement, throughput."""

from __future__ import annotations

from typing import Annotated

import typer

from microinterp.cli import options, output
from microinterp.cli.eval_report import as_dict, show
from microinterp.cli.labels import labels_for
from microinterp.errors import InputError
from microinterp.evaluation import Evaluation, Settings, evaluate, open_data
from microinterp.evaluation.runners import AGAINST
from microinterp.evaluation.truth import TASKS
from microinterp.images import parse_range
from microinterp.inputs import Reading
from microinterp.interpreter import prepare_model
from microinterp.model import contents_of
from microinterp.operators_file import registry_with


def command(
    model: options.Model,
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA",
            help="An .npz with inputs and labels, a .csv with a row for each sample, a .npy for "
            "each input, or a folder of pictures, .wav or .npy files: a folder for each class, or "
            "a labels.csv with lines file,label.",
        ),
    ],
    truth: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="Where labels are: an array of the .npz (without this: y, labels, label, targets "
            "or target), a column of the .csv (0, -1, or 4,5 for several), or a file.",
        ),
    ] = None,
    task: Annotated[
        str,
        typer.Option(
            metavar="|".join(TASKS),
            help="What labels are: numbers or names of classes, real values, or 0 normal and 1 "
            "anomalous, told by how badly the output repeats the input. auto: classes, or values "
            "if they are no whole numbers or as many as the output has elements.",
        ),
    ] = "auto",
    labels: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Names of the classes, as for `microinterp run`."),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="Also count answers right within the K highest; 5 if not told, where there are "
            "more than 5 classes.",
        ),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(
            metavar="X", help="For an output of one element: the real value from which it says yes."
        ),
    ] = 0.5,
    output_index: Annotated[
        int, typer.Option("--output-index", min=0, metavar="N", help="The output that answers.")
    ] = 0,
    sequences: Annotated[
        str | None,
        typer.Option(
            metavar="sample|file|folder|WHERE",
            help="Which samples follow each other, for models with state, and for anomalies, which "
            "are scored by sequence: each sample, file or folder is one, or an array, column or "
            "file that numbers them. Without this a model with state takes all as one.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(AGAINST),
            help="Also run this, and count what differs: TFLM's wheel, LiteRT (with XNNPACK, with "
            "its reference kernels, with its own fast ones), the plain kernels here, or host in "
            "--other-profile.",
        ),
    ] = None,
    other_profile: options.OtherProfile = "single",
    workers: Annotated[
        int, typer.Option(min=1, metavar="N", help="Processes on this machine.")
    ] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Scheduler of a Dask cluster that computes instead, for example "
            "tcp://host:8786 (pip install 'microinterp[cluster]').",
        ),
    ] = None,
    piece: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Samples that a worker takes at once."),
    ] = None,
    min_accuracy: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="X", help="Exit status 1 if accuracy is below."),
    ] = None,
    min_auc: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="X", help="Exit status 1 if the AUC is below."),
    ] = None,
    max_error: Annotated[
        float | None,
        typer.Option(min=0, metavar="X", help="Exit status 1 if the mean absolute error is above."),
    ] = None,
    raw: options.Raw = False,
    resize: options.Resize = False,
    image_range: options.ImageRange = "auto",
    frontend: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.tflite", help="Model that turns sound into features, as for `run`."
        ),
    ] = None,
    stride: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of the front end, as for `run`.")
    ] = None,
    profile: options.Profile = "tflm",
    kernels: Annotated[
        str,
        typer.Option(metavar="auto|plain", help="plain: without the fast twins; the same bytes."),
    ] = "auto",
    operators: options.Operators = None,
    json: options.Json = False,
) -> None:
    """Run a model over a data set and tell how well it does, as the chip would.

    The figures are the same to the last bit however the work is split: on one process, on
    --workers, on a --cluster, and if workers die.

    JSON: model_sha256, profile, task, samples, answers, sequences, classes, values, anomaly,
    agreement (null where they do not apply), passed (null without a limit), notes, note_count,
    timing (the only part that differs from run to run).
    """
    contents = contents_of(model)
    main = prepare_model(contents, profile, registry_with(operators), "plain").graph.main
    opened = open_data(data, main.inputs, truth, sequences)
    settings = Settings(
        profile=profile,
        kernels=kernels,
        reading=Reading(raw=raw, resize=resize, image_range=parse_range(image_range)),
        frontend=None if frontend is None else contents_of(frontend),
        stride=stride,
        task=task,
        names=labels_for(model, labels, main.outputs),
        output=output_index,
        k=top,
        threshold=threshold,
        against=against,
        other_profile=other_profile,
        workers=workers,
        cluster=cluster,
        piece=piece,
        operators=operators,
    )
    with output.progress("evaluating", len(opened)) as advance:
        found = evaluate(contents, opened, settings, advance)
    passed = _passed(found, min_accuracy, min_auc, max_error)
    if json:
        output.print_json(as_dict(contents, profile, found, passed))
    else:
        for text in found.notes:
            output.note(text)
        if found.note_count > len(found.notes):
            output.note(f"... and {found.note_count - len(found.notes)} more of the kind")
        show(output.console(), found, passed)
    if passed is False:
        raise typer.Exit(output.NO)


def _passed(
    found: Evaluation,
    min_accuracy: float | None,
    min_auc: float | None,
    max_error: float | None,
) -> bool | None:
    """Whether every limit is kept; None if there is none. A figure that is undefined keeps none."""
    classes, values, anomaly = found.classes, found.values, found.anomaly
    ranked = classes or anomaly
    accuracy = classes.accuracy if classes else None
    auc = ranked.auc if ranked else None
    error = values.mean_absolute_error if values else None
    checks = (
        ("--min-accuracy", min_accuracy, classes is not None, accuracy, 1),
        ("--min-auc", min_auc, ranked is not None, auc, 1),
        ("--max-error", max_error, values is not None, error, -1),
    )
    kept = []
    for option, limit, fits, figure, sign in checks:
        if limit is None:
            continue
        if not fits:
            raise InputError(f"{option} does not fit the task, which is '{found.task}'")
        kept.append(figure is not None and sign * figure >= sign * limit)
    return all(kept) if kept else None

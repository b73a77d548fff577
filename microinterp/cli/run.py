"""`microinterp run`: run a model on files and show what it answers."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from microinterp.cli import options, output
from microinterp.cli.labels import labels_for
from microinterp.cli.run_report import Report, Timing
from microinterp.errors import InputError
from microinterp.files import write_bytes
from microinterp.frontend import Frontend
from microinterp.graph import Tensor
from microinterp.images import parse_range
from microinterp.inputs import Reading, Samples, dequantise, random_samples, read_samples
from microinterp.interpreter import Interpreter
from microinterp.model import contents_of
from microinterp.operators_file import registry_with
from microinterp.registry import Registry
from microinterp.trace import Timer

Array = npt.NDArray[Any]


def command(
    model: options.Model,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="Files: .npy, .npz, .csv, .wav, .png, .bmp or .jpg. For a model with one input "
            "each file holds one sample or more; else one file per input in order, or one .npz.",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--samples", min=1, metavar="N", help="Make N random samples instead of reading files."
        ),
    ] = None,
    seed: options.Seed = 0,
    top: Annotated[int, typer.Option(min=1, metavar="K", help="Show the K highest scores.")] = 5,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Text file with one label per line. Without it NAME.labels.txt beside NAME.tflite "
            "is used, if it is there.",
        ),
    ] = None,
    repeat: Annotated[
        int, typer.Option(min=1, metavar="N", help="Time N invokes and show the median.")
    ] = 1,
    per_op: Annotated[bool, typer.Option("--per-op", help="Show the time of each op.")] = False,
    raw: options.Raw = False,
    resize: options.Resize = False,
    image_range: Annotated[
        str,
        typer.Option(
            metavar="auto|full|raw|LOW:HIGH",
            help="What the pixels 0 and 255 mean. full: the lowest and highest value of the "
            "model's integers (for int8 that is pixel - 128). raw: a pixel's byte is the tensor's "
            "byte. LOW:HIGH: these real numbers, for example 0:1, -1:1 or 0:255. auto: full, or "
            "raw for a .bmp of signed bytes, which is said. If not auto, uint8 arrays are pixels "
            "too.",
        ),
    ] = "auto",
    frontend: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.tflite",
            help="Model that turns sound into the features this model takes; it runs once per "
            "frame, and its features one after the other are the input.",
        ),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Samples from one frame of the front end to the next; without it two thirds of "
            "a frame (30 ms every 20 ms, as TFLM's micro_speech).",
        ),
    ] = None,
    profile: options.Profile = "tflm",
    to: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="OUT.npz", help="Save raw outputs: output_0, output_1..."
        ),
    ] = None,
    operators: options.Operators = None,
    json: options.Json = False,
) -> None:
    """Run a model on data and show the highest outputs, bit for bit as TFLM computes them.

    Integers of the input's own type are taken as they are, and integers of another type only with
    --raw. Floats, and numbers in a .csv, are real values and are quantised by the model's scale and
    zero point. Sound is a real value from -1 to 1 (for int16 inputs the samples themselves).

    JSON: profile, exact (true if every op equals the bytes of TFLM, or of TFLM with CMSIS-NN in
    that profile), inexact_ops (name to reason),
    notes, samples (a list of name and outputs; each output has index, name, and top, a list of
    index, label or null, score, raw), timing (invoke_seconds, repeats, ops or null: subgraph,
    index, name, seconds).
    """
    data = contents_of(model)
    registry = registry_with(operators)
    interpreter = Interpreter.from_bytes(data, profile=profile, registry=registry)
    if (count is None) == (not inputs) and frontend is None:
        raise InputError(
            "give either input files or --samples N",
            hint="--samples 1 runs the model on random numbers; files: .npy, .npz, .csv, ...",
        )
    if count is not None and (frontend is not None or stride is not None):
        raise InputError("a front end takes files of sound, not --samples")
    front = None if frontend is None else contents_of(frontend)
    if count is not None:
        tensors = interpreter.graph.main.inputs
        given = (f"random sample {number}, seed {seed}" for number in range(count))
        samples = Samples(random_samples(tensors, count, seed), tuple(given))
    elif front is not None:
        samples = _through(front, profile, registry, stride, inputs or [], interpreter)
    else:
        if stride is not None:
            raise InputError("--stride is of no use without --frontend")
        reading = Reading(raw=raw, resize=resize, image_range=parse_range(image_range))
        samples = read_samples(inputs or [], interpreter.graph.main.inputs, reading)
    names = labels_for(model, labels, interpreter.graph.main.outputs)
    outputs, seconds = _invoke_all(interpreter, samples)
    timing = _time(data, profile, registry, samples, seconds, repeat, per_op)
    if to is not None:
        _save(to, outputs)
    answers = [
        [_top(array[i], tensor, top, names) for array, tensor in _pairs(interpreter, outputs)]
        for i in range(len(samples))
    ]
    report = Report(data, profile, samples, answers, timing, front, registry)
    if json:
        output.print_json(report.as_dict())
        return
    for text in samples.notes:
        output.note(text)
    report.show(output.console())


def _through(
    front: bytes,
    profile: str,
    registry: Registry,
    stride: int | None,
    paths: Sequence[str],
    model: Interpreter,
) -> Samples:
    """Files of sound as features; the front end computes in the same profile."""
    frontend = Frontend(Interpreter.from_bytes(front, profile=profile, registry=registry), stride)
    return frontend.read(paths, model.graph.main.inputs)


def _invoke_all(interpreter: Interpreter, samples: Samples) -> tuple[list[Array], list[float]]:
    """Outputs [samples, *shape] and the seconds of each invoke."""
    tensors = interpreter.graph.main.outputs
    outputs = [np.empty((len(samples), *tensor.shape), tensor.dtype) for tensor in tensors]
    seconds = []
    for number in output.with_progress(range(len(samples)), "running"):
        for index, array in enumerate(samples.arrays):
            interpreter.set_input(array[number], index)
        started = time.perf_counter()
        interpreter.invoke()
        seconds.append(time.perf_counter() - started)
        for index, array in enumerate(outputs):
            array[number] = interpreter.get_output(index)
    return outputs, seconds


def _time(
    model: bytes,
    profile: str,
    registry: Registry,
    samples: Samples,
    seconds: list[float],
    repeat: int,
    per_op: bool,
) -> Timing:
    """Medians; repeats run in an interpreter of their own, so that they change no state."""
    if repeat == 1 and not per_op:
        return Timing(statistics.median(seconds), len(seconds), None)
    interpreter = Interpreter.from_bytes(model, profile=profile, registry=registry)
    plain, by_op = [], []
    for _ in output.with_progress(range(repeat), "timing"):
        for watch in (None, Timer()) if per_op else (None,):
            for index, array in enumerate(samples.arrays):
                interpreter.set_input(array[0], index)
            started = time.perf_counter()
            interpreter.invoke(watch)
            if watch is None:
                plain.append(time.perf_counter() - started)
            else:
                by_op.append(watch.seconds)
    keys = by_op[0] if by_op else ()
    ops = {key: statistics.median(each.get(key, 0.0) for each in by_op) for key in keys}
    return Timing(statistics.median(plain), repeat, ops if per_op else None)


def _pairs(interpreter: Interpreter, outputs: Sequence[Array]) -> list[tuple[Array, Tensor]]:
    return list(zip(outputs, interpreter.graph.main.outputs, strict=True))


def _top(values: Array, tensor: Tensor, count: int, labels: Sequence[str]) -> dict[str, Any]:
    """The `count` highest elements; equal ones in their order."""
    flat = values.ravel()
    order = np.argsort(-flat.astype(np.float64), kind="stable")[:count]
    scores = dequantise(flat, tensor)
    known = len(labels) == flat.size
    return {
        "name": tensor.name,
        "top": [
            {
                "index": int(i),
                "label": labels[i] if known else None,
                "score": float(scores[i]),
                "raw": flat[i].item(),
            }
            for i in order
        ],
    }


def _save(path: str, outputs: Sequence[Array]) -> None:
    packed = io.BytesIO()
    arrays: dict[str, Any] = {f"output_{i}": array for i, array in enumerate(outputs)}
    np.savez_compressed(packed, **arrays)
    write_bytes(path, packed.getvalue())

"""Models and data sets for the tests of `evaluation`, and the digits in ten thousand copies."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from microinterp import Interpreter
from microinterp.evaluation import Data, Evaluation, Settings, Timing, evaluate, open_data
from microinterp.evaluation.data import Pieces
from microinterp.model_builder import ModelBuilder
from tests.cli import copying_model
from tests.digits import DIGITS

DIGITS_MODEL = DIGITS / "digits_int8.tflite"


def opened(model: bytes, *paths: object, **options: Any) -> Data:
    """`open_data` for a model in memory."""
    inputs = Interpreter(model).graph.main.inputs
    return open_data([str(path) for path in paths], inputs, **options)


def npz(path: Path, **arrays: Any) -> Path:
    """An .npz file of these arrays."""
    np.savez(path, **arrays)
    return path


def of_scores(
    folder: Path, scores: Any, y: Any, dtype: str = "int8", **settings: Any
) -> Evaluation:
    """Evaluate a model that answers its input: `scores` [n, classes] are the raw answers."""
    rows = np.asarray(scores, dtype)
    scale, zero_point = (None, None) if dtype == "float32" else (0.5, 0)
    model = copying_model((1, rows.shape[1]), dtype, scale, zero_point)
    data = opened(model, npz(folder / "scores.npz", x=rows[:, None], y=np.asarray(y)))
    return evaluate(model, data, Settings(**settings))


def timeless(found: Evaluation) -> str:
    """Everything but the times, every digit of it."""
    return str(dataclasses.replace(found, timing=Timing(0.0, 0.0, None, None)))


def adding_model(size: int = 2, once: bool = False) -> bytes:
    """int8 [1, size]: each answer is the sum of all inputs since the start (scale 1).

    With `once` CALL_ONCE sets the sum to 0 first, without which LiteRT does not read it.
    """
    b = ModelBuilder()
    g = b.subgraph("main")
    if once:
        start = b.subgraph("once")
        zero = start.constant("zero", np.zeros((1, size), np.int8), scale=1.0, zero_point=0)
        held = start.tensor("handle", (), "resource")
        start.op("VAR_HANDLE", [], [held], container="", shared_name="sum")
        start.op("ASSIGN_VARIABLE", [held, zero], [])
        g.op("CALL_ONCE", [], [], init_subgraph_index=start.index)
    x = g.input("x", (1, size), "int8", scale=1.0, zero_point=0)
    handle = g.tensor("handle", (), "resource")
    before, after = (
        g.tensor(name, (1, size), "int8", scale=1.0, zero_point=0) for name in ("before", "after")
    )
    g.op("VAR_HANDLE", [], [handle], container="", shared_name="sum")
    g.op("READ_VARIABLE", [handle], [before])
    g.op("ADD", [x, before], [after])
    g.op("ASSIGN_VARIABLE", [handle, after], [])
    g.output(after)
    return b.finish()


def many_digits(path: Path, count: int, seed: int = 7) -> Path:
    """`count` test images with noise, as real values, and their labels."""
    rng = np.random.default_rng(seed)
    with np.load(DIGITS / "test_images.npz") as arrays:
        images, labels = arrays["images"], arrays["labels"]
    chosen = rng.integers(0, len(images), count)
    noisy = images[chosen].astype(np.int64) + rng.integers(-4, 5, (count, 8, 8, 1))
    return npz(path, x=(np.clip(noisy, 0, 16) / 16).astype(np.float32), y=labels[chosen])


def killer(pid: Callable[[], int], after: int) -> Callable[[int], None]:
    """A progress function that kills a process once, when `after` entries are done."""
    killed: list[int] = []

    def progress(done: int) -> None:
        if done >= after and not killed:
            killed.append(pid())
            os.kill(killed[0], signal.SIGKILL)

    return progress


class DeadlyPieces(Pieces):
    """Piece 3 ends every process that takes it."""

    def __getitem__(self, number: Any) -> Any:
        piece = super().__getitem__(number)
        return _Fatal(piece) if number == 3 else piece


class _Fatal:
    """Ends every other process that unpickles it, as running out of memory would."""

    def __init__(self, piece: Any, home: int = 0) -> None:
        self.piece, self.home = piece, home or os.getpid()
        self.where, self.paths = piece.where, piece.paths

    def __reduce__(self) -> tuple[Any, ...]:
        return _end_elsewhere, (self.piece, self.home)


def _end_elsewhere(piece: Any, home: int) -> _Fatal:
    if os.getpid() != home:  # Dask's scheduler, which unpickles too, runs in this process
        os._exit(3)
    return _Fatal(piece, home)

"""What a worker is told once (Job), and what it answers for each piece (Result)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

import microinterp
from microinterp.inputs import Reading

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Job:
    """Everything that computing a piece needs, but the piece.

    Attributes:
        model: contents of the .tflite file.
        profile, kernels: of the interpreter.
        task: "classes", "values", "anomaly" or "none".
        output: index of the output that answers.
        reading: how files become numbers.
        frontend: contents of the model that makes features of sound, None for none.
        stride: of the front end.
        against: name of the runtime to compare with, None for none.
        other_profile: numeric profile of "host" in `against`.
        in_order: samples depend on those before them in their sequence.
        threads: for run_batch; None takes as many as win.
        operators: Python file with operators of the user's, None for none.
        version: of this package, which every worker must have.
    """

    model: bytes
    profile: str = "tflm"
    kernels: str = "auto"
    task: str = "none"
    output: int = 0
    reading: Reading = field(default_factory=Reading)
    frontend: bytes | None = None
    stride: int | None = None
    against: str | None = None
    other_profile: str = "single"
    in_order: bool = False
    threads: int | None = None
    operators: str | None = None
    version: str = microinterp.__version__


@dataclass(frozen=True)
class Result:
    """What a piece gives.

    Attributes:
        columns: what is kept of every answer, each [answers, ...]; see `measures`.
        answers: how many each entry gave, int64 [entries].
        invokes: samples that were run; a streaming model may be silent on some.
        notes: the first things to know of how samples were read, one each.
        note_count: how many there were.
        seconds: spent in the interpreter.
    """

    columns: Mapping[str, Array]
    answers: npt.NDArray[np.int64]
    invokes: int
    notes: tuple[str, ...]
    note_count: int
    seconds: float

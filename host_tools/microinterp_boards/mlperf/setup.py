"""From a .tflite file to a board that waits for the runner."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microinterp.errors import DeviceError
from microinterp_boards import source_form
from microinterp_boards.deploy import Deployment, deploy
from microinterp_boards.files import Files
from microinterp_boards.link import Link
from microinterp_boards.mlperf import service
from microinterp_boards.mlperf.accuracy import Accuracy, check
from microinterp_boards.mlperf.client import Client
from microinterp_boards.mlperf.kinds import Kind, kind_of, stimulus_bytes
from microinterp_boards.mlperf.runner_files import require_own, usb_ids, write_files
from microinterp_boards.mlperf.stimuli import read_labels
from microinterp_boards.mlperf.timing import Iterations, Timing, iterations, measure
from microinterp_boards.packing import NO_PASSES, MemoryPasses, ModelSource
from microinterp_boards.ports import Port, ports

PROTOCOL = "MLPerf Tiny protocol, unofficial"
Told = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Setup:
    """A board that answers.

    Attributes:
        kind, model: of the benchmark: kws and kws01.
        deployment: of the model.
        timing: of one inference.
        iterations: for the runner's infer; None where none meet its limits.
        files: that were written for the runner.
        usb: vendor and product of the port, by which the runner finds it; None if it has none.
        boots: whether the board answers after each boot.
        accuracy: on the stimuli, if there were any.
    """

    kind: str
    model: str
    deployment: Deployment
    timing: Timing
    iterations: Iterations | None
    files: tuple[Path, ...]
    usb: tuple[int, int] | None
    boots: bool
    accuracy: Accuracy | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done.

    Attributes:
        kind: of the benchmark.
        folder: for the runner's files; None writes none.
        stimuli: a folder of them, None for no look at the accuracy.
        boot: answer after each boot.
    """

    kind: str
    folder: str | os.PathLike[str] | None = None
    stimuli: str | os.PathLike[str] | None = None
    boot: bool = False


def set_up(
    link: Link,
    source: ModelSource,
    wanted: Wanted,
    name: str | None = None,
    passes: MemoryPasses = NO_PASSES,
    progress: Told = lambda done, of: None,
) -> Setup:
    """See Board.mlperf. The port is closed in the end, and the board goes on."""
    kind = kind_of(wanted.kind)
    size = stimulus_bytes(kind, source)
    labels = [] if wanted.stimuli is None else read_labels(Path(wanted.stimuli), size)
    folder = None if wanted.folder is None else Path(wanted.folder)
    if folder is not None:
        require_own(folder)
    if wanted.boot:
        service.require_own(link, Files(link))
    done = deploy(link, source, name, None, lambda done, of: None, passes)
    if done.mpy_set == source_form.NAME:
        raise DeviceError(
            "this board's firmware loads no .mpy files, which the service is",
            hint="`microinterp board bench` times a model on it",
        )
    if not wanted.boot:
        service.remove_boot(link)
    client = service.start(link, done.path, kind)
    require_model(client, kind)
    client.load(_stimulus(kind, size))
    timing = measure(client)
    counts = iterations(timing)
    accuracy = check(client, labels, progress) if labels else None
    port = next((each for each in ports() if each.port == link.port), Port(link.port, "serial", ""))
    written: tuple[Path, ...] = ()
    if folder is not None:
        written = write_files(folder, kind, port, link.transport.baud, counts)
    _leave(link, done, kind, wanted.boot)
    return Setup(
        kind=kind.name,
        model=kind.model,
        deployment=done,
        timing=timing,
        iterations=counts,
        files=written,
        usb=usb_ids(port),
        boots=wanted.boot,
        accuracy=accuracy,
    )


def require_model(client: Client, kind: Kind) -> None:
    """Raise DeviceError unless the board answers for this benchmark."""
    client.name()
    if (model := client.model()) != kind.model:
        raise DeviceError(
            f"the board answers for {model}, not {kind.model}",
            hint="something else answers on this line: reset the board and try again",
        )


def _leave(link: Link, done: Deployment, kind: Kind, boot: bool) -> None:
    """Let the service run, from main.py or without one."""
    if boot:
        link.enter()
        service.start_at_boot(link, done.name, done.path, kind)
    service.leave(link)


def _stimulus(kind: Kind, size: int) -> bytes:
    """Something to time: int8 kernels take the same time for whatever comes."""
    rng = random.Random(0)
    if kind.value_bytes == 1:
        return rng.randbytes(size)
    return np.array([rng.uniform(-80, 20) for _ in range(size // 4)], "<f4").tobytes()

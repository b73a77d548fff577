"""Runs mutants of a model in a child process: only our errors or a completed run are allowed.

python -m tests.fuzz kws --seed 1 --count 3000      all of them
python -m tests.fuzz kws --seed 1 --number 217      one, in this process, with its traceback
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import queue
import random
import resource
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from microinterp import Interpreter
from microinterp.errors import MicrointerpError
from microinterp.kernels import default_registry
from microinterp.model import load
from microinterp.verify import verify
from tests.fuzz_models import ALL_MODELS, model_bytes
from tests.mutations import Mutator

ROOT = Path(__file__).resolve().parents[1]
CPU_SECONDS = 5.0  # what one mutant may take
WALL_SECONDS = 60.0  # after that it hangs: the machine may be busy with other things
MEGABYTES = 512
START_SECONDS = 120.0

Target = Callable[[bytes, random.Random], str]


def check_only(data: bytes, rng: random.Random) -> str:
    """Load and verify."""
    try:
        problems = verify(load(data))
    except MicrointerpError as error:
        return _refused(error)
    assert all(str(problem) and problem.rule for problem in problems)
    return "unsound" if any(p.severity == "error" for p in problems) else "sound"


def run_all(data: bytes, rng: random.Random) -> str:
    """Load, verify, and whatever verify said, the whole interpreter on random inputs."""
    verdict = check_only(data, rng)
    try:
        interpreter = Interpreter.from_bytes(data)
        for i in range(len(load(data).subgraphs[0].inputs)):
            details = interpreter.get_input_details(i)
            interpreter.set_input(noise(details["shape"], details["dtype"], rng), i)
        interpreter.invoke()
    except MicrointerpError as error:
        return _refused(error)
    assert verdict == "sound", "the interpreter ran a model that verify refuses"
    return "ran"


def noise(shape: Any, dtype: Any, rng: random.Random) -> Any:
    """Random contents of an input: floats around 0, bools, other types any bytes."""
    count = int(np.prod(shape, dtype=np.int64))
    source = np.random.default_rng(rng.getrandbits(32))
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return source.standard_normal(count).astype(kind).reshape(shape)
    if kind.kind == "b":
        return source.integers(0, 2, shape).astype(kind)
    return np.frombuffer(source.bytes(count * kind.itemsize), kind).reshape(shape)


def _refused(error: MicrointerpError) -> str:
    assert error.message
    assert str(error)
    return type(error).__name__


@dataclass(frozen=True)
class Failure:
    """A mutant that did what none may do."""

    model: str
    seed: int
    number: int
    what: str

    def __str__(self) -> str:
        again = f"python -m tests.fuzz {self.model} --seed {self.seed} --number {self.number}"
        return f"{self.what}\n  reproduce: {again}"


@dataclass
class Report:
    """What became of the mutants: how many of each outcome, and the failures."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)


def fuzz(
    model: str,
    seed: int,
    count: int,
    target: str = "tests.fuzz:run_all",
    cpu_seconds: float = CPU_SECONDS,
    max_failures: int = 20,
) -> Report:
    """Run mutants 0 to count-1 of a seed, in child processes that are replaced when they break."""
    report, number = Report(), 0
    options = {"seed": seed, "count": count, "target": target, "cpu-seconds": cpu_seconds}
    while number < count and len(report.failures) < max_failures:
        for outcome, failed in _child(model, count - number, {**options, "first": number}):
            report.outcomes[outcome if not failed else "FAILED"] += 1
            if failed:
                report.failures.append(Failure(model, seed, number, outcome))
            number += 1
            if len(report.failures) >= max_failures:
                break
    return report


def _child(model: str, expected: int, options: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Outcomes of a child's mutants, up to the last or the first that breaks the child."""
    arguments = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "tests.fuzz", model, *arguments, "--child"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    lines: queue.Queue[bytes] = queue.Queue()
    pipe = process.stdout

    def pump() -> None:
        for line in pipe:
            lines.put(line)
        lines.put(b"")  # the child is gone

    reader = threading.Thread(target=pump, daemon=True)
    reader.start()
    try:
        ready = lines.get(timeout=START_SECONDS)
        assert ready == b"ready\n", f"the child does not start: {ready!r}"
        for _ in range(expected):
            line = lines.get(timeout=WALL_SECONDS)
            if not line:
                yield f"the process died with status {process.wait()}", True
                return
            result = json.loads(line)
            yield result["outcome"], result["failed"]
            if result["last"]:
                return
    except queue.Empty:
        yield f"hangs for more than {WALL_SECONDS:.0f} s", True
    finally:
        process.kill()
        process.wait()
        reader.join()
        pipe.close()


def _child_main(options: argparse.Namespace) -> None:
    """The child: one line per mutant, and the last line says so."""
    mutator, target = Mutator(model_bytes(options.model)), _target(options.target)
    default_registry()  # loads all kernels, which no mutant should pay for
    _limit_memory()
    print("ready", flush=True)
    for number in range(options.first, options.count):
        data = mutator.mutant(options.seed, number)
        outcome, failed = _watched(target, data, number, options.cpu_seconds)
        swollen = _peak_megabytes() > MEGABYTES
        if swollen and not failed:
            outcome, failed = f"takes {_peak_megabytes():.0f} MB of memory", True
        result = {"outcome": outcome, "failed": failed, "last": swollen}
        print(json.dumps(result), flush=True)
        if swollen:  # the peak never falls again, so the next mutant needs a new process
            return


def _watched(target: Target, data: bytes, number: int, limit: float) -> tuple[str, bool]:
    start = time.process_time()
    try:
        outcome = target(data, random.Random(number))
    except BaseException:
        return "".join(traceback.format_exc(limit=-4)).strip(), True
    seconds = time.process_time() - start
    if seconds > limit:
        return f"takes {seconds:.1f} s ({outcome})", True
    return outcome, False


def _target(path: str) -> Target:
    module, name = path.split(":")
    target: Target = getattr(importlib.import_module(module), name)
    return target


def _limit_memory() -> None:
    """Runaway allocations end in a MemoryError in the child, not in a machine that swaps."""
    if not sys.platform.startswith("linux"):
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEGABYTES * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _peak_megabytes() -> float:
    """This program's own peak: what getrusage tells on Linux may be that of who started it."""
    if sys.platform.startswith("linux"):
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, usage="python -m tests.fuzz MODEL ...")
    parser.add_argument("model", choices=ALL_MODELS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--number", type=int, help="run only this mutant, in this process")
    parser.add_argument("--save", type=Path, help="with --number: write the mutant here")
    parser.add_argument("--target", default="tests.fuzz:run_all")
    parser.add_argument("--cpu-seconds", type=float, default=CPU_SECONDS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child_main(options)
        return 0
    if options.number is not None:
        data = Mutator(model_bytes(options.model)).mutant(options.seed, options.number)
        if options.save:
            options.save.write_bytes(data)
        print(_target(options.target)(data, random.Random(options.number)))
        return 0
    report = fuzz(options.model, options.seed, options.count, options.target, options.cpu_seconds)
    print(*report.failures, dict(report.outcomes), sep="\n")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())

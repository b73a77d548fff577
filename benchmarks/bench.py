"""Times microinterp against TFLM's wheel: same machine, same run, interleaved, medians.

    python benchmarks/bench.py [MODEL.tflite ...] [--rounds 9] [--json]

Without models it takes the digits example and, where the folder is there, ../shared/models.
The answers are compared too: a fast wrong answer is not a result.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from microinterp import Interpreter, MicrointerpError
from microinterp.inputs import random_samples
from microinterp.runtimes.tflm import TflmRuntime

ROOT = Path(__file__).resolve().parents[1]
INVOKES_PER_ROUND = 3


def default_models() -> list[Path]:
    shared = sorted((ROOT.parent / "shared" / "models").glob("*_int8.tflite"))
    return [ROOT / "examples" / "digits" / "digits_int8.tflite", *shared]


def our_seconds(interpreter: Interpreter, sample: list[Any]) -> list[float]:
    times = []
    for _ in range(INVOKES_PER_ROUND):
        start = time.perf_counter()
        for i, array in enumerate(sample):
            interpreter.set_input(array, i)
        interpreter.invoke()
        times.append(time.perf_counter() - start)
    return times


def time_model(path: Path, tflm: TflmRuntime, rounds: int) -> dict[str, Any]:
    data = path.read_bytes()
    interpreter = Interpreter.from_bytes(data)
    sample = [batch[0] for batch in random_samples(interpreter.graph.main.inputs, 1, seed=0)]
    our_seconds(interpreter, sample)
    ours, theirs = [], []
    for _ in range(rounds):  # interleaved, so that both see the same noise
        ours += our_seconds(interpreter, sample)
        theirs += tflm.seconds_per_invoke(data, sample, INVOKES_PER_ROUND)
    fresh = Interpreter.from_bytes(data)
    for i, array in enumerate(sample):
        fresh.set_input(array, i)
    fresh.invoke()
    expected = tflm.run(data, [sample]).outputs[0]
    equal = all(
        fresh.get_output(i).tobytes() == output.tobytes() for i, output in enumerate(expected)
    )
    return {
        "model": path.name,
        "ours_ms": statistics.median(ours) * 1e3,
        "tflm_ms": statistics.median(theirs) * 1e3,
        "ratio": statistics.median(ours) / statistics.median(theirs),
        "equal": equal,
    }


def import_ratio(rounds: int) -> dict[str, float]:
    """Wall time of a Python that imports microinterp against one that imports what it stands on."""
    commands = {"microinterp": "import microinterp", "base": "import numpy, flatbuffers, tflite"}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", command], check=True)
            times[name].append(time.perf_counter() - start)
    medians = {f"{name}_ms": statistics.median(t) * 1e3 for name, t in times.items()}
    return {**medians, "ratio": medians["microinterp_ms"] / medians["base_ms"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    with TflmRuntime() as tflm:
        for path in arguments.models or default_models():
            try:
                rows.append(time_model(path, tflm, arguments.rounds))
            except MicrointerpError as error:
                rows.append({"model": path.name, "skipped": str(error)})
    result = {"invoke": rows, "import": import_ratio(arguments.rounds)}
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    for row in rows:
        if "skipped" in row:
            print(f"{row['model']:32} skipped: {row['skipped']}")
            continue
        verdict = "equal" if row["equal"] else "DIFFERENT OUTPUT"
        print(
            f"{row['model']:32} ours {row['ours_ms']:8.2f} ms  TFLM {row['tflm_ms']:8.2f} ms  "
            f"ours/TFLM {row['ratio']:6.2f}  {verdict}"
        )
    imports = result["import"]
    print(
        f"{'import microinterp':32} {imports['microinterp_ms']:.0f} ms, numpy + flatbuffers + "
        f"tflite {imports['base_ms']:.0f} ms, ratio {imports['ratio']:.2f}"
    )


if __name__ == "__main__":
    main()

"""Compares random models between TFLM's wheel and this package.

python -m tests.differential --op CONV_2D --n 1000 --seed 7     one operator, all its types
python -m tests.differential --n 200                            every operator
python -m tests.differential --list                             the cases there are
python -m tests.differential --model FILE.tflite --seed 7       one saved model again

TFLM runs in a process of its own, since it can crash. A model that fails is made as small as it
can be and saved with its reason. Exit status: 0 all equal, 1 a difference, 2 bad use.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path

from hypothesis import strategies as st

from microinterp.errors import MicrointerpError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.case import Case
from tests.differential.cases import all_cases
from tests.differential.check import Tally, check_model
from tests.differential.run import Failure, run_case


def main() -> int:
    options = _options()
    cases = [
        case
        for case in all_cases()
        if options.op in (None, case.op) and options.types in (None, case.types)
    ]
    if options.list:
        print("\n".join(case.name for case in cases))
        return 0
    with TflmRuntime() as tflm:
        if options.model:
            return _one(tflm, options.model, options.seed)
        if not cases:
            print(f"no case {options.op} {options.types or ''}; see --list", file=sys.stderr)
            return 2
        return _many(tflm, cases, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.differential",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--op", help="operator, for example CONV_2D")
    parser.add_argument("--types", help='one of its type combinations, for example "int8 x int8"')
    parser.add_argument("--n", type=int, default=200, help="models per case (200)")
    parser.add_argument("--seed", type=int, default=0, help="of the models and inputs (0)")
    parser.add_argument("--save", type=Path, default=Path("."), help="folder for models that fail")
    parser.add_argument("--model", type=Path, help="run this file instead")
    parser.add_argument("--list", action="store_true", help="list the cases and end")
    return parser.parse_args()


def _many(tflm: TflmRuntime, cases: list[Case], options: argparse.Namespace) -> int:
    total, failures = Tally(), 0
    for case in cases:
        start = time.perf_counter()
        tally, failure = run_case(tflm, case, options.n, options.seed)
        total.models += tally.models
        total.bytes += tally.bytes
        seconds = time.perf_counter() - start
        print(
            f"{case.name:50} {tally.models:6} models  {tally.bytes:12,} bytes"
            f"  {tally.varied} of {tally.tensors} tensors varied  {seconds:.1f} s"
            f"{'' if failure is None else '  DIFFERS'}",
            flush=True,
        )
        if failure is not None:
            failures += 1
            print(f"  {failure.reason}\n  saved as {_save(options.save, case, failure)}")
    print(f"{total.models:,} models, {total.bytes:,} bytes, {failures} cases with a difference")
    return 1 if failures else 0


def _save(folder: Path, case: Case, failure: Failure) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"\W+", "_", case.name).strip("_")
    path = folder / f"{stem}.tflite"
    path.write_bytes(failure.model)
    path.with_suffix(".txt").write_text(
        f"{case.name}\n{failure.reason}\n"
        f"python -m tests.differential --model {path.name} --seed {failure.seed}\n"
    )
    return f"{path} (inputs: --seed {failure.seed})"


def _one(tflm: TflmRuntime, path: Path, seed: int) -> int:
    data = path.read_bytes()
    try:
        check_model(tflm, Case("file", "any", st.just(data)), data, seed, tally := Tally())
    except (AssertionError, MicrointerpError) as problem:
        print(f"{path}: {problem}")
        return 1
    print(f"{path}: equal, {tally.bytes:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())

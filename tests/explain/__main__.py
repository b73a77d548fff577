"""Explains random elements of random models and adds them up again.

python -m tests.explain --op CONV_2D --n 200        one operator (a regular expression), all types
python -m tests.explain --profile cmsis-nn          all that can be explained, in another profile

Exit status: 0 all add up, 1 one does not.
"""

from __future__ import annotations

import argparse
import re
import sys
import time

from tests.differential.cases import all_cases
from tests.explain.readding import explain_case


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.explain", description=__doc__)
    parser.add_argument("--op", default=".*", help="operators, as a regular expression")
    parser.add_argument("--n", type=int, default=20, help="models per case (20)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", default="tflm")
    options = parser.parse_args()
    failures = total = 0
    for case in all_cases():
        if not re.fullmatch(options.op, case.op):
            continue
        started = time.perf_counter()
        tally, problem = explain_case(case, options.n, options.seed, options.profile)
        total += tally.elements
        failures += problem is not None
        if tally.elements or problem:
            print(
                f"{case.name:48} {tally.elements:5} elements, {len(tally.values)} values, "
                f"{time.perf_counter() - started:.1f} s {problem or ''}",
                flush=True,
            )
    print(f"{total} elements, {failures} cases that do not add up")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

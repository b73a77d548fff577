"""`make coverage`: which lines and branches of the two packages the plain tests run.

    python -m benchmarks.covered [--report] [PYTEST'S OPTIONS ...]

The plain suite runs under coverage.py, its children and the CLI's processes too, with fewer random
examples a test than `make test`, without tests of the code that boards run (ON_BOARDS), and without
those of many models that compare the same lines' values (OF_VALUES): what the suite reaches is this
at least. pyproject.toml tells which files are left out, and why. --report
runs nothing. Exit status: 0 when both packages have TARGET of their lines and of their branches,
1 not. Whether tests pass is `make test`'s matter: with fewer examples those fail that count what
was drawn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "coverage"
TARGET, EXAMPLES, WORST = 95.0, "20", 15
PACKAGES = {
    "microinterp": "microinterp/",
    "microinterp_boards": "host_tools/microinterp_boards/",
}
TESTS = ("-n", "auto", "-q", "-m", "not slow and not thorough", "--ignore=tests/playground")
ON_BOARDS = (
    *("thumb", "test_steps.py", "test_extreme_steps.py", "test_recorded_steps.py"),
    *("test_board_mutations.py", "test_passed_models.py", "test_requantisation.py"),
    *("test_thumb_gate.py", "test_thumb_models.py", "test_thumb_steps.py"),
    *("test_thumb_troubles.py", "test_qemu_models.py"),
    *("test_qemu_port_code.py", "test_qemu_port_console.py"),
    *("test_qemu_port_files.py", "test_qemu_port_machine.py", "test_qemu_refusals.py"),
    *("test_service_faults.py", "test_service_requests.py", "test_board_loader.py"),
    *("test_fit_heap.py", "test_framed_qemu.py"),
)
"""Below tests/boards: of kernels, loader, service and QEMU's port, no Python of the PC."""
OF_VALUES = ("differential", "cmsis_nn", "test_arena_sizes_wheel.py", "test_arena_sizes_chip.py")
"""Below tests: tests/ops, tests/fast and tests/test_arena*.py run the same lines on fewer."""

Summary = dict[str, int]


def run_tests(options: Sequence[str]) -> None:
    """Run the suite and collect what its processes have seen."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("data*"):
        path.unlink()
    few = {"MICROINTERP_EXAMPLES": EXAMPLES} | os.environ
    paths = [*(f"boards/{name}" for name in ON_BOARDS), *OF_VALUES]
    left_out = [f"--ignore=tests/{path}" for path in paths]
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", *TESTS, *left_out, *options]
    subprocess.run(command, cwd=ROOT, env=few, check=False)
    coverage("combine", "-q")


def coverage(*words: str) -> None:
    """One of coverage.py's commands."""
    subprocess.run([sys.executable, "-m", "coverage", *words], cwd=ROOT, check=True)


def files() -> dict[str, Summary]:
    """By path: numbers of lines and branches, and of those that ran."""
    path = FOLDER / "report.json"
    coverage("json", "-q", "-o", str(path))
    return {name: each["summary"] for name, each in json.loads(path.read_text())["files"].items()}


def share(summaries: Iterable[Summary], done: str, all_of: str) -> float:
    """Per cent of something, over files."""
    kept = list(summaries)
    of = sum(each[all_of] for each in kept)
    return 100 * sum(each[done] for each in kept) / of if of else 100.0


def report() -> bool:
    """Print a line for each package, then the files that miss most; whether the target is met."""
    measured = files()
    is_good = True
    for package, folder in PACKAGES.items():
        own = [each for name, each in measured.items() if name.startswith(folder)]
        lines = share(own, "covered_lines", "num_statements")
        branches = share(own, "covered_branches", "num_branches")
        print(f"{package:20} {len(own)} files: lines {lines:.1f} %, branches {branches:.1f} %")
        is_good &= bool(own) and min(lines, branches) >= TARGET
    missing = {
        name: each["missing_lines"] + each["missing_branches"]
        for name, each in measured.items()
        if name.startswith(tuple(PACKAGES.values()))
    }
    for name in sorted(missing, key=lambda name: -missing[name])[:WORST]:
        each = measured[name]
        print(
            f"  {name}: {each['missing_lines']} of {each['num_statements']} lines,"
            f" {each['missing_branches']} of {each['num_branches']} branches not run"
        )
    return is_good


def main(words: Sequence[str]) -> int:
    """Run unless told not to, then report."""
    if "--report" not in words:
        run_tests(words)
    return 0 if report() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

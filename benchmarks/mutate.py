"""`make mutate AREA=quant`: do the fast tests notice when the code changes? By cosmic-ray.

    python -m benchmarks.mutate AREA ... [--again] [--fresh] [--report]

An area's mutants are drawn by a fixed seed, up to 300, and each is run against those of the area's
tests that run its lines, in a copy of the repository below build/mutate/. A run that was broken off
goes on where it ended. --again takes the newest tests, and runs all of them on the survivors,
--fresh begins anew, --report runs nothing. Survivors that compute the same as the original stand in
equivalent_mutants.toml, with the reason. Exit status: 0 all done and 90 % killed in each area, else
1.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.mutant_tests import keep_survived, note_tests
from benchmarks.mutants import is_in_annotation

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "mutate"
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")
SEED, MOST, TARGET = 20261122, 300, 0.9
BOARDS = "host_tools/microinterp_boards"


@dataclass(frozen=True, slots=True)
class Area:
    """Code, and the fast tests that must notice when it changes."""

    code: tuple[str, ...]
    tests: tuple[str, ...]


AREAS = {
    "quant": Area(
        ("microinterp/quant",),
        (
            "tests/test_fixedpoint.py",
            "tests/test_fixedpoint_roots.py",
            "tests/test_params.py",
            "tests/test_tables.py",
            "tests/test_profile.py",
            "tests/ops/test_logistic_tanh.py",
            "tests/ops/test_signal_by_hand.py",
            "tests/ops/test_signal.py",
        ),
    ),
    "arena": Area(
        ("microinterp/arena",),
        (
            "tests/test_arena_cmsis.py",
            "tests/test_arena_cmsis_layers.py",
            "tests/test_arena_searches.py",
            "tests/test_arena_kernels.py",
            "tests/test_arena_placing.py",
            "tests/test_arena_extents.py",
            "tests/test_arena_findings.py",
            "tests/test_arena_embed_bytes.py",
            "tests/test_arena_map.py",
            "tests/test_arena_targets.py",
            "tests/test_arena.py",
            "tests/test_arena_best.py",
            "tests/test_arena_embed.py",
            "tests/test_arena_regions.py",
            "tests/test_arena_sizes.py",
            "tests/test_arena_poison.py",
            "tests/test_arena_oracle.py",
            "tests/test_arena_report.py",
            "tests/test_arena_sizes_chip.py",
            "tests/test_arena_sizes_wheel.py",
            "tests/test_arena_svg.py",
            "tests/test_cli_plan.py",
            "tests/test_cli_plan_files.py",
            "tests/test_cli_plan_regions.py",
        ),
    ),
    "verify": Area(
        ("microinterp/verify.py", "microinterp/rules"),
        (
            "tests/test_rules_file.py",
            "tests/test_rules_tensors.py",
            "tests/test_rules_quantization.py",
            "tests/test_rules_flow.py",
            "tests/test_rules_calls.py",
            "tests/test_rules_compressed.py",
            "tests/test_compression_rules.py",
            "tests/test_verify.py",
            "tests/test_verify_graph.py",
            "tests/test_cli_verify.py",
        ),
    ),
    "link": Area(
        (f"{BOARDS}/framed", f"{BOARDS}/store"),
        (
            "tests/boards/test_codec_bounds.py",
            "tests/boards/test_exchange_order.py",
            "tests/boards/test_exchange_waits.py",
            "tests/boards/test_sending_unit.py",
            "tests/boards/test_framed_sessions.py",
            "tests/boards/test_service_unit.py",
            "tests/boards/test_requests_unit.py",
            "tests/boards/test_upload_unit.py",
            "tests/boards/test_committing_unit.py",
            "tests/boards/test_committing_troubles.py",
            "tests/boards/test_store_models.py",
            "tests/boards/test_selftest_samples.py",
            "tests/boards/test_framed_codec.py",
            "tests/boards/test_framed_window.py",
            "tests/boards/test_framed_client.py",
            "tests/boards/test_store_delta.py",
            "tests/boards/test_store_sign.py",
            "tests/boards/test_framed_service.py",
            "tests/boards/test_deploy.py",
        ),
    ),
    "pack": Area(
        ("microinterp/packed",),
        (
            "tests/packed/test_lower_means.py",
            "tests/packed/test_pack_places.py",
            "tests/packed/test_lower_moves.py",
            "tests/packed/test_lower_tables.py",
            "tests/packed/test_joined_pieces.py",
            "tests/packed/test_lower_filters.py",
            "tests/packed/test_tier_layouts.py",
            "tests/packed/test_steps.py",
            "tests/packed/test_check_model_bounds.py",
            "tests/packed/test_run_filters.py",
            "tests/packed/test_run_steps.py",
            "tests/packed/test_check_filters.py",
            "tests/packed/test_check_bounds.py",
            "tests/packed/test_pack.py",
            "tests/packed/test_reader.py",
            "tests/packed/test_tiers.py",
            "tests/packed/test_values.py",
            "tests/packed/test_graphs.py",
        ),
    ),
}


def prepare(area: Area, folder: Path) -> None:
    """A copy of the repository, a list of all mutants, and a draw of them."""
    shutil.rmtree(folder, ignore_errors=True)
    copy_repository(folder / "tree")
    for each in area.code:
        copy_code(folder / "tree" / each, folder / "original" / each)
    if note_tests(folder, area.code, area.tests, environment(folder / "tree")):
        raise SystemExit("the tests fail on the code as it is")
    modules = ", ".join(f'"{each}"' for each in area.code)
    (folder / "config.toml").write_text(
        f"[cosmic-ray]\nmodule-path = [{modules}]\ntimeout = 0.0\nexcluded-modules = []\n"
        'test-command = ""\n[cosmic-ray.distributor]\nname = "local"\n'
    )
    program = Path(sys.executable).with_name("cosmic-ray")
    in_copy(folder, [program, "init", folder / "config.toml", folder / "session.sqlite"])
    draw(folder)


def copy_repository(tree: Path) -> None:
    """The files that git knows, as they are now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


def copy_code(source: Path, target: Path) -> None:
    """A file, or a folder over what is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


def refresh(area: Area, folder: Path) -> None:
    """The newest tests, and the code without the mutant that a broken run leaves there."""
    copy_repository(folder / "tree")
    for each in area.code:
        copy_code(folder / "original" / each, folder / "tree" / each)
    # Byte code that is held to the source's hash: what is not mutated need not be compiled again.
    words = ("-m", "compileall", "-q", "--invalidation-mode", "checked-hash")
    in_copy(folder, [sys.executable, *words, "microinterp", "host_tools", "tests"])


def environment(tree: Path) -> dict[str, str]:
    """The copy is imported, not what is installed; nothing of a mutant is kept as byte code."""
    paths = os.pathsep.join((str(tree), str(tree / "host_tools")))
    return os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}


def in_copy(folder: Path, words: Sequence[str | Path]) -> None:
    """Run a program in the copy."""
    subprocess.run(words, cwd=folder / "tree", env=environment(folder / "tree"), check=True)


def session(folder: Path) -> Any:
    """Its data base, as a context manager."""
    from cosmic_ray.work_db import WorkDB, use_db

    return use_db(str(folder / "session.sqlite"), WorkDB.Mode.open)


def draw(folder: Path) -> None:
    """Leave MOST mutants to be done; none in annotations, which nothing evaluates."""
    from cosmic_ray.work_item import WorkerOutcome, WorkResult

    with session(folder) as db:
        good: list[str] = []
        rest: list[str] = []
        for item in sorted(db.work_items, key=place_of):  # they come in random order
            (mutation,) = item.mutations
            path = folder / "tree" / mutation.module_path
            outside = not is_in_annotation(path, mutation.start_pos)
            (good if outside else rest).append(item.job_id)
        drawn = set(random.Random(SEED).sample(range(len(good)), min(MOST, len(good))))
        rest += [job for number, job in enumerate(good) if number not in drawn]
        for job in rest:
            db.set_result(job, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))
    (folder / "count").write_text(f"{len(good)}\n")


def place_of(item: Any) -> tuple[str, tuple[int, int], str, int]:
    """What is one mutant's alone, and the same in every run."""
    (mutation,) = item.mutations
    path, operator = mutation.module_path.as_posix(), mutation.operator_name
    return path, mutation.start_pos, operator, mutation.occurrence


def again(area: Area, folder: Path) -> None:
    """Note which of the newest tests run what, and leave survivors to be done by all of them."""
    from cosmic_ray.work_item import TestOutcome

    if note_tests(folder, area.code, area.tests, environment(folder / "tree")):
        raise SystemExit("the newest tests fail on the code that mutants were drawn from")
    with session(folder) as db:
        jobs = [job for job, result in db.results if result.test_outcome is TestOutcome.SURVIVED]
    keep_survived(folder, jobs)
    with sqlite3.connect(folder / "session.sqlite") as plain:
        plain.executemany("DELETE FROM work_results WHERE job_id = ?", [(job,) for job in jobs])


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that no test has noticed: its file, operator, and the change as a diff."""

    path: str
    operator: str
    diff: str

    @property
    def change(self) -> str:
        """The lines that went and came, without the file's head."""
        lines = self.diff.splitlines()[3:]
        return "\n".join(line for line in lines if line[:1] in "+-")


def survivors(folder: Path) -> tuple[int, int, list[Survivor]]:
    """How many mutants were run and are still to be run, and those that have survived."""
    from cosmic_ray.work_item import TestOutcome, WorkerOutcome

    found, run, seen = [], 0, set()
    with session(folder) as db:
        items = {item.job_id: item.mutations[0] for item in db.work_items}
        for job, result in db.results:
            seen.add(job)
            if result.worker_outcome is WorkerOutcome.SKIPPED:
                continue
            run += 1
            if result.test_outcome is TestOutcome.SURVIVED:
                path = items[job].module_path.as_posix()
                found.append(Survivor(path, items[job].operator_name, result.diff or ""))
        left = len(items) - len(seen)
    return run, left, found


def equivalents() -> dict[tuple[str, str], str]:
    """By file and change: why a mutant computes the same."""
    if not EQUIVALENT.exists():
        return {}
    listed = tomllib.loads(EQUIVALENT.read_text())["mutant"]
    return {(each["path"], each["change"].strip("\n")): each["reason"] for each in listed}


def report(name: str, folder: Path) -> bool:
    """Print an area's figures and its survivors; whether it is done and good."""
    run, left, found = survivors(folder)
    known = equivalents()
    open_ones = [each for each in found if (each.path, each.change) not in known]
    same = len(found) - len(open_ones)
    counted = run - same
    killed = counted - len(open_ones)
    share = killed / counted if counted else 0.0
    of = (folder / "count").read_text().strip()
    print(
        f"{name}: {run} of {of} mutants run, {left} to go; {killed} killed, {same} equivalent,"
        f" {len(open_ones)} survived: {100 * share:.1f} %"
    )
    for each in open_ones:
        print(f"\n{each.path} ({each.operator})\n{each.change}")
    return left == 0 and share >= TARGET


def chosen(words: Sequence[str]) -> Iterator[tuple[str, Area, Path]]:
    """The areas that are named, or all."""
    names = [word for word in words if not word.startswith("-")] or list(AREAS)
    for name in names:
        if name not in AREAS:
            raise SystemExit(f"no such area '{name}'; there are: {', '.join(AREAS)}")
        yield name, AREAS[name], BUILD / name


def main(words: Sequence[str]) -> int:
    """Run what is left of each area, then report."""
    is_good = True
    for name, area, folder in chosen(words):
        if "--report" not in words:
            if "--fresh" in words or not (folder / "count").exists():
                prepare(area, folder)
            refresh(area, folder)
            if "--again" in words:
                again(area, folder)
            in_copy(folder, [sys.executable, "-m", "benchmarks.mutant_runs", str(folder)])
        is_good &= report(name, folder)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Damaged packed models: the board gives an error or runs; it never leaves its arena or crashes.

In MicroPython canaries stand round the arena, the heap is locked during invoke, and a crash ends
the test. Under CPython every single access of the kernels is checked.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from microinterp.errors import ModelError
from microinterp.packed.reader import TABLES, load
from tests.boards import qemu_port
from tests.boards.packed_builder import INT8, Packed, Subgraph, build
from tests.boards.random_steps import MAKERS, make
from tests.boards.thumb_steps import tiered
from tests.boards.unix_port import SETS, Job, run_jobs
from tests.boards.viper_emulator import Board
from tests.marks import slow, slow_but, thorough
from tests.packed.compare import pack_model
from tests.packed.mutants import layout_of, weights_of
from tests.packed.mutants import mutants as zoo_mutants
from tests.packed.zoo import every_step

COUNT, EMULATED = 2000, 400
THUMB = [("m4", "armv7em"), ("m3", "armv7m"), ("m3", "armv6m")]
_BATCH = 400  # mutants that a board gets at a time
INTERESTING = (0, 1, -1, 2, 7, 127, 128, -128, 255, 2**15, 2**16, 2**28, 2**29, 2**30, 2**31 - 1)


def value_like(rng: random.Random, value: int) -> int:
    """Another int32: near, of the other side, or a notorious one."""
    kind = rng.randrange(8)
    if kind < 3:
        return value + rng.choice((-2, -1, -1, 1, 1, 2, 8, -8))
    if kind == 3:
        return ~value
    if kind == 4:
        return value * rng.choice((2, 3, 16, -1))
    if kind == 5:
        return rng.randint(-(2**31), 2**31 - 1)
    return rng.choice(INTERESTING) * rng.choice((1, 1, -1))


def int32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def whole_model(name: str, rng: random.Random, tier: str = "portable") -> tuple[Packed, bytes]:
    """A step of that name, called from the main sub-graph too, with tensors, state and ops."""
    case = make(name, rng)
    if tier != "portable":
        case = tiered(case, tier)
    n = len(case.arena)
    arena = case.arena + bytes(8)
    op = (0, name, 0, 2, [(1, 0, n)])
    main = Subgraph([("CALL_ONCE", [1, n]), case.step], [op])
    packed = Packed(
        len(arena),
        [main, Subgraph([case.step], [(0, name, 0, 1, [])])],
        case.weights,
        [(0, min(n, 4), INT8)],
        [(n // 2, 2, INT8)],
        [(n, 1, 0, True), (n + 1, 2, 7, False)],
        tier=tier,
    )
    return packed, arena


def mutated_arguments(packed: Packed, rng: random.Random) -> bytes:
    """One to three arguments of steps are others."""
    for _ in range(rng.choice((1, 1, 1, 1, 2))):
        subgraph = rng.choice(packed.subgraphs)
        steps = [(name, list(args)) for name, args in subgraph.steps]
        args = rng.choice(steps)[1]
        i, j = rng.randrange(len(args)), rng.randrange(len(args))
        kind = rng.random()
        if kind < 0.1:
            args[i], args[j] = args[j], args[i]
        elif kind < 0.25:
            args[i] = args[j] - rng.choice((0, args[j] % 4))
        else:
            args[i] = int32(value_like(rng, args[i]))
        subgraph.steps = steps
    return build(packed)


def mutated_file(packed: Packed, rng: random.Random) -> bytes:
    """Words, bytes or the length of the file are others; rarely in the weights."""
    file = bytearray(build(packed))
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(0, len(file) - 4)
        if rng.random() < 0.7:
            at = rng.randrange(0, len(file) - max(len(packed.weights), 4) - 3)
        kind = rng.randrange(4)
        if kind == 0:
            file[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            file[at] = rng.randrange(256)
        else:
            at &= -4
            word = int.from_bytes(file[at : at + 4], "little", signed=True)
            file[at : at + 4] = (value_like(rng, word) % 2**32).to_bytes(4, "little")
    return bytes(file[: rng.randrange(len(file))] if rng.random() < 0.03 else file)


def mutants(count: int, seed: str, tier: str = "portable") -> list[Job]:
    rng = random.Random(seed)
    names = list(MAKERS)
    jobs = []
    for i in range(count):
        packed, arena = whole_model(names[i % len(names)], rng, tier)
        change = mutated_arguments if rng.random() < 0.6 else mutated_file
        jobs.append(Job(change(packed, rng), arena, per_op=rng.random() < 0.3))
    return jobs


@pytest.mark.parametrize("tier", SETS)
def test_mutants_in_micropython(tier: str, tmp_path: Path) -> None:
    outcomes = run_jobs(mutants(COUNT, tier), tier, tmp_path)
    errors = [outcome.error for outcome in outcomes if outcome.arena is None]
    assert COUNT // 5 < len(errors) < COUNT * 4 // 5
    assert not [error for error in errors if error.startswith("MemoryError")]


@pytest.mark.usefixtures("qemu")
@pytest.mark.parametrize("count", [COUNT // 10, thorough(COUNT // 2)])
@pytest.mark.parametrize("tier", SETS)
@pytest.mark.parametrize("cpu", slow_but(qemu_port.CPUS, "m4"))
def test_mutants_on_a_cortex_m(cpu: str, tier: str, count: int, tmp_path: Path) -> None:
    """The same arenas and the same words as on the unix port, whose ints have 64 bits."""
    jobs = mutants(count, tier)
    outcomes = qemu_port.run_jobs(jobs, tier, cpu)
    assert outcomes == run_jobs(jobs, tier, tmp_path)
    assert count // 5 < sum(outcome.arena is None for outcome in outcomes) < count * 4 // 5


def told_by_host(job: Job) -> str:
    """What the host's reader has against a model; nothing if it takes it."""
    try:
        load(job.model)
    except ModelError as error:
        return str(error)
    return ""


# What only a board has to say: names are text to it, and an arena and a set are given.
BOARD_ONLY = ("UnicodeError", "ModelError: arena has", "ModelError: packed for")


@pytest.mark.usefixtures("qemu")
@pytest.mark.parametrize("count", [COUNT // 10, thorough(COUNT // 2)])
@pytest.mark.parametrize(("cpu", "tier"), [THUMB[0], *(slow(*each) for each in THUMB[1:])])
def test_mutants_for_thumb_kernels(cpu: str, tier: str, count: int) -> None:
    """No canary is touched, nothing faults or hangs; what the host takes, the board takes too."""
    refused = 0
    for first in range(0, count, _BATCH):
        jobs = mutants(min(_BATCH, count - first), f"{tier} {first}", tier)
        for job, outcome in zip(jobs, qemu_port.run_jobs(jobs, tier, cpu), strict=True):
            refused += bool(outcome.error)
            if outcome.error and not told_by_host(job):
                assert outcome.error.startswith(BOARD_ONLY)
    assert count // 5 < refused < count * 4 // 5


def other_weights(data: bytes, rng: random.Random) -> bytes:
    """A packed model with some bytes of its weights changed, where channel tables are too."""
    changed, places = bytearray(data), range(*weights_of(data))
    for _ in range(rng.choice((1, 1, 4, 40))):
        changed[rng.choice(places)] = rng.choice((0, 1, 31, 32, 127, 128, 255))
    return bytes(changed)


@pytest.mark.usefixtures("qemu")
@pytest.mark.parametrize("count", [40, thorough(COUNT // 8)])
@pytest.mark.parametrize(("cpu", "tier"), [THUMB[0], *(slow(*each) for each in THUMB[1:])])
@pytest.mark.parametrize("passes", [(), ("in-place", "in-place-depthwise")])
def test_mutants_of_a_packed_zoo(passes: tuple[str, ...], cpu: str, tier: str, count: int) -> None:
    """A model with every step, as the packer writes it: its structure or its weights changed."""
    data = pack_model(every_step(), passes, tier)
    layout = layout_of(data, TABLES, "Model", weights_of(data))
    rng = random.Random(tier)
    arena = rng.randbytes(load(data).arena_bytes)
    changed = [data, *zoo_mutants(data, layout, 9, count)]
    changed += [other_weights(data, rng) for _ in range(count // 2)]
    refused = 0
    for first in range(0, len(changed), _BATCH):
        jobs = [
            Job(each, arena, per_op=i % 3 == 0) for i, each in enumerate(changed[first:][:_BATCH])
        ]
        outcomes = qemu_port.run_jobs(jobs, tier, cpu)
        assert first or not outcomes[0].error
        for job, outcome in zip(jobs, outcomes, strict=True):
            refused += bool(outcome.error)
            if outcome.error and not told_by_host(job):
                assert outcome.error.startswith(BOARD_ONLY)
    assert count // 5 < refused < count


@pytest.mark.parametrize("tier", ["viper", *(slow(tier) for _, tier in THUMB)])
def test_host_and_board_refuse_the_same_steps(
    tier: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Two readers of schemas/steps.md, written apart."""
    rng = random.Random("refuse")
    names = list(MAKERS)
    jobs = []
    layout = "portable" if tier == "viper" else tier
    for i in range(COUNT // 8):
        packed, arena = whole_model(names[i % len(names)], rng, layout)
        jobs.append(Job(mutated_arguments(packed, rng), arena))
    if tier == "viper":
        outcomes = run_jobs(jobs, tier, tmp_path)
    else:
        request.getfixturevalue("qemu")
        outcomes = qemu_port.run_jobs(jobs, tier, "m4" if tier == "armv7em" else "m3")
    for job, outcome in zip(jobs, outcomes, strict=True):
        told = told_by_host(job)
        assert bool(told) == bool(outcome.error), (told, outcome.error)


@pytest.mark.parametrize("kind", [("bytecode", 32), ("viper", 32), ("viper", 64)], ids=str)
def test_mutants_with_every_access_checked(kind: tuple[str, int]) -> None:
    board = Board(*kind)
    refused = 0
    for job in mutants(EMULATED, str(kind)):
        try:
            board.run(job.model, job.arena)
        except ValueError:  # ModelError, or a string that is not UTF-8
            refused += 1
    assert EMULATED // 5 < refused < EMULATED * 4 // 5

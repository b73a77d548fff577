"""Random steps for Thumb kernels: portable ones, with their filters laid out for a tier; run there.

What is expected is computed from the portable step, so that a layout is proved along with kernels.
"""

from __future__ import annotations

import struct
from binascii import crc32
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from firmware.build import compile_set
from microinterp.packed import steps as s
from microinterp.packed.run import Buffers, run_step
from microinterp.packed.tiers import layout_of
from tests.boards.packed_builder import build
from tests.boards.qemu_port import run_jobs
from tests.boards.random_steps import Case
from tests.boards.step_reference import CODES
from tests.boards.unix_port import Job, Outcome

TIERS_OF = {"m3": ("armv7m", "armv6m"), "m4": ("armv7em",), "m7": ("armv7em",)}
"""What each emulated CPU is to run: the M3 also stands for a Cortex-M0+."""
_MOST_TOLD = 3
KERNELS = (
    "MOVE",
    "FILL",
    "CONV",
    "DEPTHWISE",
    "DEPTHWISE_IN_PLACE",
    "AVERAGE_POOL",
    "MAX_POOL",
    "MEAN",
    "ADD",
    "MUL",
    "LUT",
    "SOFTMAX",
)
"""Steps that have Thumb kernels."""


def tiered(case: Case, tier: str) -> Case:
    """The same step with its filters laid out for a tier, and scratch for that tier's kernel."""
    step = _step(case)
    if not isinstance(step, s.Conv | s.Depthwise | s.DepthwiseInPlace):
        return case
    old, new = layout_of("portable"), layout_of(tier)
    raw = np.frombuffer(case.weights, np.uint8)
    taps = step.taps if isinstance(step, s.Conv) else step.kh * step.kw
    table = raw[~step.channels :][: 12 * step.oc]
    if isinstance(step, s.Conv):
        w = raw[~step.w :][: old.conv_bytes(step.oc, step.groups, taps)]
        filters = old.read_conv(w, table, step.groups, step.oc, taps, step.zx)
    elif isinstance(step, s.Depthwise):
        w = raw[~step.w :][: taps * step.oc]
        filters = old.read_depthwise(w, table, step.multiplier, step.zx)
    else:
        w = raw[~step.w :][: taps * step.oc]
        filters = old.read_depthwise_in_place(w, table, step.zx)
    filters = replace(filters, zo=step.zo)
    if isinstance(step, s.Conv):
        blocks, patch = new.conv(filters, step.groups), new.conv_patch(taps)
    elif isinstance(step, s.Depthwise):
        blocks = new.depthwise(filters, step.multiplier)
        patch = new.depthwise_patch(taps, step.ic)
    else:
        blocks, patch = new.depthwise_in_place(filters), new.depthwise_patch(taps, 1)
    arena, weights = bytearray(case.arena), bytearray(case.weights)
    refs = []
    for block in blocks:
        weights += bytes(-len(weights) % 4)
        refs.append(~len(weights))
        weights += block.tobytes()
    arena += bytes(-len(arena) % 4)
    scratch = len(arena), patch
    arena += bytes(b"\xa5" * (patch + 5))
    moved = step._replace(w=refs[0], channels=refs[1], wide=new.is_wide(filters), patch=scratch[0])
    mine = [] if isinstance(step, s.Conv) else list(case.scratch)
    name, _ = case.step
    return Case((name, list(moved)), bytes(arena), bytes(weights), (*mine, scratch))


def narrowed(case: Case) -> Case:
    """The same step with shifts that the short way to requantise takes."""
    step = _step(case)
    if not isinstance(step, s.Conv | s.Depthwise | s.DepthwiseInPlace):
        return case
    weights = bytearray(case.weights)
    for at in range(~step.channels, ~step.channels + 12 * step.oc, 12):
        weights[at + 8 : at + 10] = 0, min(max(weights[at + 9], 1), 22)
    return replace(case, weights=bytes(weights))


def expected(case: Case) -> bytes:
    """The arena after the step, by the host's NumPy steps; the case is portable."""
    arena = bytearray(case.arena)
    weights = np.frombuffer(case.weights, np.uint8)
    run_step(_step(case), Buffers(np.frombuffer(arena, np.uint8), weights))
    return bytes(arena)


def _step(case: Case) -> s.Step:
    name, args = case.step
    step = s.step_of(s.STEP_TYPES[CODES[name]], args)
    assert step is not None
    return step


@cache
def thumb_files(tier: str) -> list[tuple[str, bytes]]:
    """The runtime of a tier, compiled from the sources as they are."""
    return [(f"lib/microinterp/{name}", data) for name, data in compile_set(tier).items()]


def run_tiered(cases: Sequence[Case], tier: str, cpu: str, brief: bool = False) -> list[Outcome]:
    """Load and run the cases, which are laid out for the tier, on an emulated CPU.

    brief: have only the arenas' CRC32s sent, zeros being in the place of scratch.
    """
    jobs = [
        Job(build(replace(case.packed, tier=tier)), case.arena, brief=brief, ignored=case.scratch)
        for case in cases
    ]
    return run_jobs(jobs, tier, cpu, thumb_files(tier))


def differing(cases: Sequence[Case], tier: str, cpu: str) -> list[str]:
    """Run portable cases on an emulated CPU; what is wrong, nothing where every byte is right."""
    laid = [tiered(case, tier) for case in cases]
    outcomes = run_tiered(laid, tier, cpu, brief=True)
    bad = [
        i
        for i, (case, there, outcome) in enumerate(zip(cases, laid, outcomes, strict=True))
        if outcome.arena != struct.pack("<I", crc32(_wanted(case, there)))
    ]
    again = [laid[i] for i in bad[:_MOST_TOLD]]
    told = run_tiered(again, tier, cpu) if again else []
    texts = [_difference(cases[i], laid[i], out) for i, out in zip(bad, told, strict=False)]
    return texts + ["differs too"] * (len(bad) - len(texts))


def _wanted(case: Case, laid: Case) -> bytes:
    """The arena after the run of `laid`, made from `case`, with zeros in the place of scratch."""
    wanted = bytearray(laid.arena)
    wanted[: len(case.arena)] = expected(case)
    for offset, count in laid.scratch:
        wanted[offset : offset + count] = bytes(count)
    return bytes(wanted)


def _difference(case: Case, laid: Case, outcome: Outcome) -> str:
    if outcome.arena is None:
        return outcome.error
    found, wanted = outcome.arena, _wanted(case, laid)
    places = [i for i, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b]
    shown = ", ".join(f"{i}: {found[i]} for {wanted[i]}" for i in places[:4])
    return f"{len(places)} bytes differ ({shown}) in {laid.step}"

"""Compares packed models with the interpreter: on the host, and on MicroPython's unix port."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from microinterp import Interpreter
from microinterp.binding import bind
from microinterp.errors import UnsupportedError
from microinterp.interpreter import prepare_model
from microinterp.packed import PackedInterpreter, pack
from microinterp.packed.checksums import PackedChecksums
from microinterp.packed.reader import load
from microinterp.packed.tiers import TIERS, Tier
from microinterp.passes import Passed, run_passes
from microinterp.trace import Checksums
from tests.oracle import Sample, random_samples
from tests.packed.boards import (
    KEEP,
    PLAIN,
    RESET,
    BoardJob,
    BoardRun,
    BoardSample,
    run_on_board,
    run_on_cortex_m,
)

CORTEX_M_HEAP = 1 << 20
TOO_WIDE = ("partial sum", "sum too wide", "shift", "accumulator")


@dataclass(frozen=True)
class Packed:
    """A packed model, what it was given, and what it must answer sample by sample.

    thumb: the same model packed for Thumb tiers.
    """

    data: bytes
    samples: tuple[BoardSample, ...]
    answers: tuple[tuple[bytes, tuple[tuple[int, int, int], ...]], ...]
    thumb: Mapping[str, bytes]

    @property
    def output_bytes(self) -> int:
        """Bytes of all outputs."""
        return len(self.answers[0][0])


def pack_model(data: bytes, passes: Sequence[str] = (), tier: Tier = "portable") -> bytes:
    """Pack the contents of a .tflite file."""
    passed = run_passes(prepare_model(data), passes, strips=True)
    return pack(passed.prepared, passed.plan, tier)


def compare(data: bytes, samples: Sequence[Sample], passed: Passed | None = None) -> Packed:
    """Run both (None resets): outputs and the CRC of each written tensor must be equal.

    Outputs are those of the interpreter without memory passes; of a model that has gone through
    passes, the CRCs are those of the rewritten graph, run on the host.
    Raises UnsupportedError where the model cannot be packed.
    """
    wanted = Interpreter.from_bytes(data)
    prepared, plan = wanted.prepared, wanted.arena.plan
    if passed is not None:
        prepared, plan = passed.prepared, passed.plan
    binding = bind(prepared, plan) if passed is not None else None
    packed = pack(prepared, plan)
    assert packed == pack(prepared, plan)
    got = PackedInterpreter(packed)
    for_thumb = {tier: pack(prepared, plan, tier) for tier in TIERS[1:]}
    thumb = [PackedInterpreter(data) for data in for_thumb.values()]
    given, answers, mode = [], [], KEEP
    for sample in samples:
        if sample is None:
            wanted.reset()
            for other in (got, *thumb):
                other.reset()
            if binding is not None:
                binding.reset(everything=False)
            mode = RESET
            continue
        for i, array in enumerate(sample):
            wanted.set_input(array, i)
            for other in (got, *thumb):
                other.set_input(array, i)
            if binding is not None:
                binding.of(prepared.graph.main.inputs[i])[...] = array
        checksums = Checksums()
        wanted.invoke(checksums)
        by_piece = PackedChecksums(prepared)
        if binding is not None:
            binding.run(by_piece)
        crcs = got.op_crcs()
        assert crcs == (checksums if binding is None else by_piece).crcs
        assert all(other.op_crcs() == crcs for other in thumb)
        outputs = range(len(wanted.graph.main.outputs))
        for i in outputs:
            have, want = got.get_output(i), wanted.get_output(i)
            assert (have.dtype, have.shape) == (want.dtype, want.shape)
            assert have.tobytes() == want.tobytes()
        told = tuple((*place, crc) for place, each in crcs.items() for crc in each)
        given.append(BoardSample(sample, mode))
        answers.append((b"".join(wanted.get_output(i).tobytes() for i in outputs), told))
        mode = KEEP
    return Packed(packed, tuple(given), tuple(answers), for_thumb)


@dataclass
class Family:
    """Random models of one family of ops, packed, compared, and kept for the board.

    Attributes:
        seen: counts models, those packed, and those whose outputs vary.
        refused: the first words of each refusal, counted.
    """

    seen: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    packed: list[Packed] = field(default_factory=list)

    def add(self, data: bytes, seed: int) -> None:
        """Compare a model on ten random samples: of fewer, more layers give one output."""
        self.seen["models"] += 1
        graph = Interpreter.from_bytes(data).graph
        samples = random_samples(np.random.default_rng(seed), graph, 3)
        try:
            packed = compare(data, samples)
        except UnsupportedError as error:
            self.refused[error.message] += 1
            return
        self.seen["packed"] += 1
        self.seen["varied"] += len({outputs for outputs, _ in packed.answers}) > 1
        self.packed.append(packed)

    def finish(self, folder: Path, share: float, varied: float = 0.5) -> None:
        """Most were packed and vary; the board gives the same in both tiers."""
        print(f"\n{dict(self.seen)}, refused: {dict(self.refused)}")
        assert self.seen["packed"] >= share * self.seen["models"]
        assert self.seen["varied"] >= varied * self.seen["packed"]
        refusals = check_on_board(self.packed, "viper", folder)
        assert not refusals
        refusals = check_on_board(self.packed, "bytecode", folder)
        print(f"the bytecode tier refused {refusals}")
        assert sum(refusals.values()) < 0.5 * len(self.packed)


def check_on_board(models: Sequence[Packed], tier: str, folder: Path) -> Counter[str]:
    """Run all on the unix port and compare; what was refused is counted by the reason."""
    jobs = [_job(model, model.data) for model in models]
    refusals: Counter[str] = Counter()
    for model, run in zip(models, run_on_board(jobs, tier, folder), strict=True):
        if run.error:
            refusals[run.error.split(": ")[-1]] += 1
        else:
            _check_run(model, run)
    return refusals


def check_on_cortex_m(
    models: Sequence[Packed], tier: str, cpu: str, heap: int = CORTEX_M_HEAP
) -> None:
    """Run all, packed for a Thumb tier, on a board under QEMU; nothing may differ or be refused."""
    jobs = [_job(model, model.thumb[tier]) for model in models]
    for model, run in zip(models, run_on_cortex_m(jobs, tier, cpu, heap), strict=True):
        assert not run.error
        _check_run(model, run)


def _job(model: Packed, data: bytes) -> BoardJob:
    """All samples, and the first again, once with a plain invoke, after a reset of any state."""
    again = BoardSample(model.samples[0].inputs, RESET)
    plain = BoardSample(model.samples[0].inputs, PLAIN)
    return data, [*model.samples, again, plain], model.output_bytes


def _place(told: tuple[int, int, int]) -> tuple[int, int]:
    return told[:2]


def _check_run(model: Packed, run: BoardRun) -> None:
    count = len(model.answers)
    for i, (have, want) in enumerate(zip(run.answers[:count], model.answers, strict=True)):
        # pieces of an op in their order, whatever the board ran between them
        pairs = zip(sorted(have[1], key=_place), sorted(want[1], key=_place), strict=True)
        differing = [pair for pair in pairs if pair[0] != pair[1]]
        assert not differing, f"sample {i}: the first of {len(differing)} CRCs: {differing[0]}"
        assert have[0] == want[0], f"sample {i}: outputs"
    assert len(run.answers[-1][0]) == model.output_bytes
    if not load(model.data).state:
        assert {outputs for outputs, _ in run.answers[-2:]} == {model.answers[0][0]}

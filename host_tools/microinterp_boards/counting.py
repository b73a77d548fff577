"""Instructions of an invoke, inside of kernels and outside, on a board whose clock counts them.

A plain invoke is counted as a whole. The same inputs then run again from the same state, step by
step: each step's call is counted, and the call of an empty kernel with the same arguments. The
difference is what the kernel itself executes; the rest of the whole is Python: the interpreter's
loop, and the calls. Nothing else runs on the board, so that the counts are exact, and the same in
every run of the same inputs.

All of that happens in a session of its own, whose code takes some of the heap. The whole is not to
the instruction what it is in another session: MicroPython's cache of look-ups and its table of
names are not in the same state. So plain invokes are counted one after the other, and then steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from microinterp_boards.link import Link
from microinterp_boards.session import Session
from microinterp_boards.session_facts import OpCount

UNIT = "instructions"
"""What the clock of such a board counts."""


@dataclass(frozen=True)
class Counts:
    """Of one sample: a plain invoke, and each op of the main subgraph."""

    whole: int
    ops: list[OpCount]

    @property
    def in_kernels(self) -> int:
        """Instructions that kernels execute."""
        return sum(op.in_kernels for op in self.ops)

    @property
    def outside(self) -> int:
        """Instructions of Python between the kernels."""
        return self.whole - self.in_kernels


def count(link: Link, path: str, samples: Sequence[Sequence[bytes]]) -> Iterator[Counts]:
    """Count each sample, given as the bytes of every input, with the model in the file `path`.

    Raises DeviceError when board or line fail, or its counts contradict each other.
    """
    with Session(link, path, counts=True) as session:
        session.invoke()  # what runs once only is done behind this, whatever the inputs
        wholes = [_run(session, sample) for sample in samples]
        for whole, sample in zip(wholes, samples, strict=True):
            _set_inputs(session, sample)
            counts = Counts(whole, session.count_ops())
            if counts.whole < max(1, counts.in_kernels):
                raise link.transport.error(
                    f"an invoke takes {whole} instructions, and its kernels {counts.in_kernels}",
                    "is something else running on the board?",
                )
            yield counts


def _run(session: Session, sample: Sequence[bytes]) -> int:
    _set_inputs(session, sample)
    return session.invoke()


def _set_inputs(session: Session, sample: Sequence[bytes]) -> None:
    """From a fresh state."""
    session.reset()
    for index, data in enumerate(sample):
        session.set_input(index, data)

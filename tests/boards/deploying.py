"""Deployments in trouble: models for them, what programs on the board open then, time limits."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp_boards import Board, runtime
from microinterp_boards.framed.client import Client, Counters
from microinterp_boards.packing import pack_for_board
from tests.boards.tiny_models import dense_model

SIZES = (196, 512)
"""100,352 bytes of weights."""
HEAP = 1 << 20
LOOSE = 16384 + 1024
"""Bytes that a board may have taken and not flushed, with those under way."""
_SAMPLES = 3
_OPEN = """
import sys
for name in list(sys.modules):
    if name.split(".")[0] == "microinterp": del sys.modules[name]
def opened(name, samples):
    from hashlib import sha256
    from binascii import hexlify
    from microinterp import models
    digest = sha256()
    with open(models.find(name), "rb") as file:
        while True:
            data = file.read(4096)
            if not data: break
            digest.update(data)
    it = models.load(name)
    print(models.find(name), hexlify(digest.digest()).decode())
    for sample in samples:
        it.set_input(sample, 0)
        it.invoke()
        print(hexlify(it.get_output(0)).decode())
opened(%r, %r)
del opened
import gc
gc.collect()
"""


@dataclass(frozen=True)
class Variant:
    """A model of 100 kB that differs everywhere from one of another seed.

    `opened` is what `what_is_opened` says of it behind the path.
    """

    seed: int
    tflite: bytes
    opened: tuple[str, ...]


_inputs = np.random.default_rng(9).integers(-128, 128, (_SAMPLES, SIZES[0]), np.int8)


def variant(seed: int, mpy_set: str = "x64") -> Variant:
    """Another one for each seed; an activation may leave nothing, then it is drawn again."""
    while True:
        found = _variant(seed, mpy_set)
        if len({*found.opened}) == 1 + _SAMPLES:
            return found
        seed += 1_000_000


def _variant(seed: int, mpy_set: str) -> Variant:
    tflite = dense_model(SIZES, seed)
    packed = pack_for_board(tflite, "any").for_tier(runtime.tier_of(mpy_set)).packed
    assert len(packed) > 100_000
    assert packed.count(3) > 200  # 0x03 is ctrl-c
    host = Interpreter.from_bytes(tflite)
    outputs = []
    for sample in _inputs:
        host.set_input(sample.reshape(host.graph.main.inputs[0].shape), 0)
        host.invoke()
        outputs.append(host.get_output(0).tobytes().hex())
    return Variant(seed, tflite, (hashlib.sha256(packed).hexdigest(), *outputs))


def what_is_opened(board: Board, name: str) -> tuple[str, tuple[str, ...]]:
    """Path of the model in use; SHA-256 of its file, and its outputs for some inputs.

    By a program on the board as its users write them.
    """
    samples = tuple(sample.tobytes() for sample in _inputs)
    path, *rest = board.exec(_OPEN % (name, samples), timeout=30).split()
    return path, tuple(rest)


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """What takes longer fails, wherever it hangs."""

    def over(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def counted() -> Iterator[Counters]:
    """What goes over framed links in the block; complete at its end."""
    total, close = Counters(), Client.close

    def closing(client: Client) -> None:
        was_open = client._is_open
        close(client)
        if was_open:
            for name in Counters.__slots__:
                setattr(total, name, getattr(total, name) + getattr(client.counters, name))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "close", closing)
        yield total

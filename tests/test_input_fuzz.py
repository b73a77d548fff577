"""Damaged input files: the package's own error or a completed run, no other."""

from __future__ import annotations

import io
import random
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from microinterp import Interpreter, MicrointerpError
from microinterp.input_files import read_npy, read_wav
from microinterp.inputs import Reading, read_samples
from tests.cli import copying_model
from tests.models import conv_model

MODEL = conv_model()
SAMPLE = np.arange(16, dtype=np.int8).reshape(1, 4, 4, 1)
MUTANTS = 300
WORDS = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"9999", b"((((")


def written(write: Callable[[io.BytesIO], Any]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def picture(kind: str) -> bytes:
    pixels = SAMPLE.reshape(4, 4).astype(np.uint8)
    return written(lambda file: Image.fromarray(pixels).save(file, kind))


def sound() -> bytes:
    def write(file: io.BytesIO) -> None:
        with wave.open(file, "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(16_000)
            wav.writeframes(np.arange(16, dtype="<i2").tobytes())

    return written(write)


FILES = {
    "raw.npy": written(lambda file: np.save(file, SAMPLE)),
    "real.npy": written(lambda file: np.save(file, SAMPLE.astype(">f4"))),
    "stored.npz": written(lambda file: np.savez(file, x=SAMPLE)),
    "packed.npz": written(lambda file: np.savez_compressed(file, x=SAMPLE, y=SAMPLE * 1.0)),
    "a.png": picture("PNG"),
    "a.bmp": picture("BMP"),
    "a.jpg": picture("JPEG"),
    "a.wav": sound(),
    "a.csv": b"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16\n" * 2,
}


def damaged(data: bytes, rng: random.Random) -> bytes:
    mutant = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        kind, at = rng.randrange(5), rng.randrange(len(mutant) + 1)
        if kind == 0:
            mutant[at : at + 1] = rng.randbytes(1)
        elif kind == 1:
            mutant[at : at + 1] = (
                bytes([mutant[at] ^ 1 << rng.randrange(8)]) if at < len(mutant) else b""
            )
        elif kind == 2:
            mutant[at : at + 4] = rng.choice(WORDS)
        elif kind == 3:
            mutant[at:at] = rng.randbytes(rng.randrange(8))
        elif rng.random() < 0.3:
            del mutant[at:]
    return bytes(mutant)


def outcomes(data: bytes, path: Path, use: Callable[[str], object]) -> tuple[int, int]:
    """(mutants that ran, mutants refused); any other exception ends the test."""
    rng = random.Random(path.name)
    messages = []
    for _ in range(MUTANTS):
        path.write_bytes(damaged(data, rng))
        try:
            use(str(path))
        except MicrointerpError as error:
            messages.append(str(error))
    assert all(messages)
    return MUTANTS - len(messages), len(messages)


@pytest.mark.parametrize("name", FILES)
def test_input_files(name: str, tmp_path: Path) -> None:
    is_sound = name.endswith(".wav")
    model = copying_model((1, 16), "int16", None, None) if is_sound else MODEL
    interpreter = Interpreter.from_bytes(model)

    def use(path: str) -> None:
        samples = read_samples([path], interpreter.graph.main.inputs, Reading(resize=True))
        interpreter.run_batch(*samples.arrays)

    path = tmp_path / name
    path.write_bytes(FILES[name])
    use(str(path))
    ran, refused = outcomes(FILES[name], path, use)
    assert ran
    assert refused


def npy(shape: str, content: bytes = b"", kind: str = "|i1") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


@pytest.mark.parametrize("shape", [f"(0, {2**40})", f"(0, {2**40}, {2**40})", f"(0, {10**30})"])
def test_a_zero_hides_no_huge_size(shape: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(npy(shape))
    with pytest.raises(MicrointerpError, match="cannot read"):
        read_npy(str(path))


def test_a_bool_is_0_or_1(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(npy("(3,)", b"\x00\x01\x80", "|b1"))
    assert read_npy(str(path)).tobytes() == b"\x00\x01\x01"


def test_a_wav_chunk_that_leaves_its_file(tmp_path: Path) -> None:
    data = bytearray(sound())
    data[36:44] = b"LIST\xff\xff\xff\x7f"  # in place of the data chunk's name and size
    path = tmp_path / "a.wav"
    path.write_bytes(bytes(data))
    with pytest.raises(MicrointerpError, match="no sound PCM"):
        read_wav(str(path))

"""Sound through a front end into a model: real speech against TFLM, a small one by hand."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microinterp import Interpreter
from microinterp.errors import InputError
from microinterp.frontend import Frontend
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import TflmRuntime
from tests.cli import good_json, refused, stored
from tests.conftest import SHARED_MODELS, shared_model
from tests.ops.custom import custom_options

ANSWERS = {"yes": "yes", "no": "no", "silence": "silence", "noise": "silence"}
LABELS = ("silence", "unknown", "yes", "no")
FRAME, STRIDE, FRAMES = 480, 320, 49


def speech(name: str) -> npt.NDArray[np.int16]:
    with wave.open(str(SHARED_MODELS / "inputs" / f"{name}_1000ms.wav")) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (16000, 2, 1)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


@pytest.mark.parametrize("name", ANSWERS)
def test_real_speech_equals_tflm(tflm: TflmRuntime, name: str) -> None:
    front, model = (
        shared_model("audio_preprocessor_int8.tflite"),
        shared_model("micro_speech_int8.tflite"),
    )
    sound = speech(name)
    frames = [[sound[i * STRIDE :][:FRAME].reshape(1, FRAME)] for i in range(FRAMES)]
    theirs = np.stack([outputs[0] for outputs in tflm.run(front, frames).outputs])
    ours = Frontend(Interpreter.from_bytes(front))
    assert (ours.length, ours.stride) == (FRAME, STRIDE)
    features = ours.features(sound, FRAMES)
    assert features.tobytes() == theirs.tobytes()
    assert features.tobytes() == ours.features(sound, FRAMES).tobytes()  # state starts anew
    assert len(np.unique(features)) > 30
    interpreter = Interpreter.from_bytes(model)
    interpreter.set_input(features.reshape(1, -1), 0)
    assert interpreter.invoke() == 0
    scores = interpreter.get_output(0)
    ((wanted,),) = tflm.run(model, [[theirs.reshape(1, -1)]]).outputs
    assert scores.tobytes() == wanted.tobytes()
    assert LABELS[int(scores.argmax())] == ANSWERS[name]


@pytest.mark.parametrize("name", ANSWERS)
def test_real_speech_on_the_command_line(tmp_path: Path, name: str) -> None:
    shared_model("audio_preprocessor_int8.tflite")
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(LABELS))
    document = good_json(
        "run",
        SHARED_MODELS / "micro_speech_int8.tflite",
        SHARED_MODELS / "inputs" / f"{name}_1000ms.wav",
        "--frontend",
        SHARED_MODELS / "audio_preprocessor_int8.tflite",
        "--labels",
        labels,
    )
    (sample,) = document["samples"]
    assert sample["outputs"][0]["top"][0]["label"] == ANSWERS[name]
    assert "SignalRfft" in document["inexact_ops"]


def copying(inputs: list[tuple[tuple[int, ...], str]], out: tuple[tuple[int, ...], str]) -> bytes:
    """A model whose output holds the elements of its first input."""
    b = ModelBuilder()
    g = b.subgraph("main")
    tensors = [g.input(f"x{i}", shape, dtype) for i, (shape, dtype) in enumerate(inputs)]
    y = g.tensor("y", *out)
    if inputs[0][1] == out[1]:
        g.op("RESHAPE", [tensors[0]], [y])
    else:
        g.op("CAST", [tensors[0]], [y])
    g.output(y)
    return b.finish()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A front end that copies frames of 3 samples, and a model that takes 4 of them."""
    front = stored(tmp_path, copying([((1, 3), "int16")], ((3,), "int16")), "front.tflite")
    model = stored(tmp_path, copying([((1, 12), "int16")], ((12,), "int16")), "model.tflite")
    return front, model


def sound_file(folder: Path, values: Any, dtype: str = "int16") -> Path:
    np.save(folder / "x.npy", np.asarray(values, dtype))
    return folder / "x.npy"


def raw_outputs(document: Any) -> list[int]:
    top = document["samples"][0]["outputs"][0]["top"]
    return [entry["raw"] for entry in sorted(top, key=lambda entry: int(entry["index"]))]


@pytest.mark.parametrize(
    ("stride", "want"),
    [
        ((), [0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8]),
        (("--stride", 1), [0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5]),
        (("--stride", 3), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ],
)
def test_frames_by_hand(
    tmp_path: Path, files: tuple[Path, Path], stride: tuple[Any, ...], want: list[int]
) -> None:
    front, model = files
    sound = sound_file(tmp_path, range(12))
    document = good_json("run", model, sound, "--frontend", front, "--top", 12, *stride)
    assert raw_outputs(document) == want
    assert document["notes"] == (
        [f"{sound}: only its first 6 samples were used"]
        if stride == ("--stride", 1)
        else []
        if stride
        else [f"{sound}: only its first 9 samples were used"]
    )


def test_refusals(tmp_path: Path, files: tuple[Path, Path]) -> None:
    front, model = files
    ends = ("--frontend", front)
    assert "wanted int16 samples, mono, 9 or more (4 frames of 3, 2 apart)" in refused(
        "run", model, sound_file(tmp_path, range(8)), *ends
    )
    assert "got int32" in refused("run", model, sound_file(tmp_path, range(9), "int32"), *ends)
    assert "[9, 2]" in refused("run", model, sound_file(tmp_path, [[1, 2]] * 9), *ends)
    sound = sound_file(tmp_path, range(9))
    assert "got no file" in refused("run", model, *ends)
    assert "is no sound" in refused("run", model, tmp_path / "x.png", *ends)
    assert "--stride is of no use" in refused("run", model, sound, "--stride", 2)
    odd = stored(tmp_path, copying([((1, 13), "int16")], ((13,), "int16")), "odd.tflite")
    assert "the front end makes int16[3] of each frame" in refused("run", odd, sound, *ends)
    real = stored(tmp_path, copying([((1, 12), "float32")], ((12,), "float32")), "real.tflite")
    assert "the model takes float32[1, 12]" in refused("run", real, sound, *ends)
    assert "wanted one int16 tensor" in refused("run", model, sound, "--frontend", real)


def test_a_stride_below_1_is_refused(files: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="the stride is 0 samples"):
        Frontend(Interpreter.from_file(files[0]), 0)


def test_a_front_end_that_aborts_is_refused() -> None:
    """Its output would be that of an earlier frame."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 1, 1, 3), "int16")
    narrow = g.tensor("narrow", (1, 1, 1, 3), "int8")
    kept = g.tensor("kept", (1, 2, 1, 3), "int8")
    g.op("CAST", [x], [narrow])
    g.custom_op("CIRCULAR_BUFFER", [narrow], [kept], custom_options({"cycles_max": 2}))
    g.output(kept)
    front = Frontend(Interpreter.from_bytes(b.finish()))
    with pytest.raises(InputError, match="makes no features of frame 0"):
        front.features(np.arange(9, dtype=np.int16), 2)

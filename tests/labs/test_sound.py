"""What labs 07 and 09 build is what they say: TFLM's front end, a network of a camera's size."""

from __future__ import annotations

import importlib.util
from importlib import resources
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microinterp import Interpreter
from microinterp.frontend import Frontend
from microinterp.runtimes.tflm import TflmRuntime
from tests.conftest import require_or_skip, shared_model
from tests.labs.labs import module

sound, networks = module("sound"), module("networks")
FRAMES, STRIDE = 60, 160


def noises() -> npt.NDArray[np.int16]:
    """Loud, quiet, silent, and a sweep."""
    rng = np.random.default_rng(9)
    time = np.arange(3200) / sound.RATE
    sweep = 9000 * np.sin(2 * np.pi * (100 + 9000 * time) * time)
    parts = [rng.normal(0, level, 2400) for level in (8000, 40, 0, 1500)]
    return np.clip(np.concatenate([*parts, sweep]), -32768, 32767).astype(np.int16)


def features(model: bytes) -> npt.NDArray[Any]:
    return Frontend(Interpreter.from_bytes(model), STRIDE).features(noises(), FRAMES)


def test_the_front_end_is_that_of_micro_speech() -> None:
    ours = features(sound.front_end())
    assert len(np.unique(ours)) > 100
    assert np.array_equal(ours, features(shared_model("audio_preprocessor_int8.tflite")))


def test_the_front_end_equals_tflm(tflm: TflmRuntime) -> None:
    frames = [[noises()[i * STRIDE :][: sound.FRAME].reshape(1, -1)] for i in range(FRAMES)]
    theirs = np.stack([outputs[0] for outputs in tflm.run(sound.front_end(), frames).outputs])
    assert np.array_equal(features(sound.front_end()), theirs)


def test_tables_by_hand() -> None:
    window = sound.window()
    assert window[:8].tolist() == [0, 0, 1, 2, 4, 5, 7, 10]  # 4096 * sin(pi * (i + 0.5) / 480)^2
    assert window.max() == 4096
    gains = sound.gain_table()
    assert gains[:8].tolist() == [32636, 32633, 32630, -6, 0, 0, 32624, -12]
    assert len(gains) == 125
    weights, rest, bins, starts, widths = sound.filter_bank()
    assert np.isin(weights + rest, (4095, 4096)).all()
    assert [(a + w, s + w) for a, w, s in zip(bins, widths, starts, strict=True)][:-1] == [
        (b, t) for (_, b), (_, t) in zip(pairwise(bins), pairwise(starts), strict=True)
    ]
    assert (bins[0], bins[-1] + widths[-1]) == (5, 241)  # from 125 to 7500 Hz, 31.25 Hz each


def test_what_a_keyword_model_hears() -> None:
    """The model of another package takes these features, and knows its name."""
    if not sound.can_speak():
        require_or_skip("espeak-ng", "apt install espeak-ng")
    if importlib.util.find_spec("pymicro_wakeword") is None:
        require_or_skip("pymicro-wakeword", "pip install 'microinterp[dev]'")
    data = (resources.files("pymicro_wakeword") / "models" / "okay_nabu.tflite").read_bytes()
    heard = {}
    for text in ("okay nabu", "hello world"):
        spoken = sound.padded(sound.say(text))
        frontend = Frontend(Interpreter.from_bytes(sound.front_end()), STRIDE)
        made = frontend.features(spoken, (len(spoken) - sound.FRAME) // STRIDE + 1)
        triples = made[: len(made) // 3 * 3].reshape(-1, 1, 3, 40)
        (outputs,) = Interpreter.from_bytes(data).run_batch(triples)
        heard[text] = int(outputs.max())
    assert heard["okay nabu"] > 200
    assert heard["hello world"] < 50


def test_a_robot_speaks_where_espeak_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "can_speak", lambda: False)
    spoken = sound.say("okay nabu")
    assert spoken.dtype == np.int16
    assert len(spoken) > sound.RATE // 2
    assert not np.array_equal(spoken, sound.say("alexa"))


def test_the_camera_equals_tflm(tflm: TflmRuntime) -> None:
    model = networks.camera()
    interpreter = Interpreter.from_bytes(model)
    assert interpreter.arena.head_bytes == 55_296 == 48 * 48 * (8 + 16)
    images = np.random.default_rng(1).integers(-128, 128, (3, 1, 96, 96, 1)).astype(np.int8)
    (ours,) = interpreter.run_batch(images)
    theirs = np.stack([o[0] for o in tflm.run(model, [[image] for image in images]).outputs])
    assert np.array_equal(ours, theirs)
    assert len(np.unique(ours)) > 2

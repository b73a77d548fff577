"""A model in front of another one: sound, frame by frame, to the features that the second takes.

    frontend = Frontend(Interpreter.from_file("audio_preprocessor_int8.tflite"))
    samples = frontend.read(["yes_1000ms.wav"], model.graph.main.inputs)

The front end runs once per frame: its input is a frame of samples, its first output that frame's
features. Frames start `stride` samples apart. State (noise estimates, ...) goes from frame to
frame and starts anew with each file. The frames' features, one after the other, are the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError, printable_path
from microinterp.graph import Tensor
from microinterp.input_files import read_npy, read_wav, suffix_of
from microinterp.inputs import Samples
from microinterp.interpreter import Interpreter


class Frontend:
    """Runs a front end over sound, whose sample rate it takes to be the model's own.

    Attributes:
        length: samples of a frame.
        stride: samples from the start of a frame to that of the next one.
    """

    def __init__(self, interpreter: Interpreter, stride: int | None = None) -> None:
        """Wrap the interpreter of a front end.

        Args:
            interpreter: of a model with one int16 input.
            stride: None takes two thirds of a frame, as TFLM's micro_speech does (20 of 30 ms).

        Raises:
            InputError: the model is no front end, or the stride is below 1.
        """
        inputs = interpreter.graph.main.inputs
        if len(inputs) != 1 or inputs[0].dtype != np.int16 or not interpreter.graph.main.outputs:
            listed = ", ".join(map(str, inputs)) or "none"
            raise InputError(
                f"the front end takes {listed}, wanted one int16 tensor: a frame of samples",
                hint="--frontend takes the model that makes features of sound",
            )
        self._interpreter = interpreter
        self._frame, self._features = inputs[0], interpreter.graph.main.outputs[0]
        self.length = self._frame.elements
        self.stride = max(1, self.length * 2 // 3) if stride is None else stride
        if self.stride < 1:
            raise InputError(f"the stride is {stride} samples, wanted 1 or more")

    def features(self, sound: npt.NDArray[np.int16], frames: int) -> npt.NDArray[Any]:
        """Features [frames, ...] of the first frames of `sound` [n]; state starts anew.

        Raises:
            InputError: the front end makes no features of some frame: one of its ops aborts.
        """
        self._interpreter.reset()
        found = np.empty((frames, *self._features.shape), self._features.dtype)
        for number in range(frames):
            start = number * self.stride
            frame = sound[start : start + self.length].reshape(self._frame.shape)
            self._interpreter.set_input(frame, 0)
            if self._interpreter.invoke():
                raise InputError(
                    f"the front end makes no features of frame {number}: it waits for more frames",
                    hint="take one that has no CIRCULAR_BUFFER",
                )
            found[number] = self._interpreter.get_output(0)
        return found

    def read(self, paths: Sequence[str], inputs: Sequence[Tensor]) -> Samples:
        """The inputs of a model, one sample per file.

        Args:
            paths: .wav files, or .npy files of int16 samples; mono.
            inputs: of the model behind; it must have one, of the features' type.

        Raises:
            InputError: the two models do not fit, or a file is too short; says what was wanted.
        """
        frames = self._frames_for(inputs)
        if not paths:
            raise InputError("got no file", hint="a front end takes .wav files")
        (tensor,) = inputs
        notes, arrays = [], []
        for path in paths:
            sound = self._sound(path, frames)
            used = (frames - 1) * self.stride + self.length
            if len(sound) >= used + self.stride:
                notes.append(f"{printable_path(path)}: only its first {used} samples were used")
            arrays.append(self.features(sound, frames).reshape(tensor.shape))
        return Samples((np.stack(arrays),), tuple(map(printable_path, paths)), tuple(notes))

    def _frames_for(self, inputs: Sequence[Tensor]) -> int:
        """How many frames fill the input of the model behind."""
        features = self._features
        fits = (
            len(inputs) == 1
            and inputs[0].dtype == features.dtype
            and features.elements > 0
            and inputs[0].elements % features.elements == 0
            and inputs[0].elements > 0
        )
        if not fits:
            listed = ", ".join(map(str, inputs)) or "nothing"
            raise InputError(
                f"the front end makes {features} of each frame, the model takes {listed}",
                hint="the model's input must hold a whole number of such features",
            )
        return inputs[0].elements // features.elements

    def _sound(self, path: str, frames: int) -> npt.NDArray[np.int16]:
        readers = {".wav": read_wav, ".npy": read_npy}
        reader = readers.get(suffix_of(path))
        if reader is None:
            raise InputError(
                f"'{printable_path(path)}' is no sound", hint="a front end takes .wav or .npy files"
            )
        sound = np.asarray(reader(path))
        needed = (frames - 1) * self.stride + self.length
        if sound.dtype != np.int16 or sound.ndim != 1 or len(sound) < needed:
            raise InputError(
                f"'{printable_path(path)}': wanted int16 samples, mono, {needed} or more ({frames} "
                f"frames of {self.length}, {self.stride} apart); got {sound.dtype} "
                f"{list(sound.shape)}",
            )
        return sound

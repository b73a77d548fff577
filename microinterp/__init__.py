"""microinterp runs .tflite models bit for bit like TensorFlow Lite Micro on the chip."""

from __future__ import annotations

from microinterp.errors import (
    ArenaError,
    DeviceError,
    InputError,
    MicrointerpError,
    ModelError,
    PrepareError,
    UnsupportedError,
)
from microinterp.interpreter import Interpreter

__version__ = "0.1.0"

__all__ = [
    "Interpreter",
    "MicrointerpError",
    "ModelError",
    "UnsupportedError",
    "PrepareError",
    "ArenaError",
    "InputError",
    "DeviceError",
    "__version__",
]

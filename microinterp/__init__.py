"""microinterp runs .tflite models on a PC bit for bit like TensorFlow Lite Micro on the chip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from microinterp.errors import (
    ArenaError,
    DeviceError,
    InputError,
    MicrointerpError,
    ModelError,
    PrepareError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from microinterp.interpreter import Interpreter
else:

    def __getattr__(name: str) -> object:
        """Load the interpreter, and NumPy with it, when it is asked for.

        Every start of pytest imports this package, where it is installed, for its plugin.
        """
        if name != "Interpreter":
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        from microinterp.interpreter import Interpreter

        globals()[name] = Interpreter
        return Interpreter


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

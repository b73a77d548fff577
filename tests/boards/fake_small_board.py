"""A board that loads no .mpy files, as an object: CPython runs what it is sent, in a folder."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from microinterp.errors import DeviceError


class SmallBoard:
    """A link to it, and what lies on it.

    Attributes:
        texts: all code that it ran.
        resets: how often it was.
        locked: whether its heap is.
        damage: called with each output; what it returns comes to the host.
        fail: called with each text before it runs; it may raise, as the board does.
        clock: microseconds, which pass by 5 with each look at it.
    """

    port = "fake"
    FREE = 9000
    MODULE, HELD = 600, 1500  # bytes that an imported module takes, without and with its blocks

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.texts: list[str] = []
        self.resets, self.clock, self.locked = 0, 0, False
        self.damage: Callable[[str], str] = lambda output: output
        self.fail: Callable[[str], object] = lambda text: None
        self.transport = self
        self._said: list[str] = []
        self._names: dict[str, Any] = {}
        self._modules: dict[str, Any] = {
            "gc": SimpleNamespace(collect=lambda: None, mem_free=self._free),
            "micropython": SimpleNamespace(
                heap_lock=lambda: setattr(self, "locked", True),
                heap_unlock=lambda: setattr(self, "locked", False),
            ),
            "utime": SimpleNamespace(
                ticks_us=self._ticks, ticks_diff=lambda end, start: end - start
            ),
            "os": SimpleNamespace(listdir=lambda: sorted(self.files()), remove=self._remove),
        }
        self.soft_reset()
        self.resets = 0

    def files(self) -> dict[str, bytes]:
        """All of its filesystem."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def soft_reset(self) -> None:
        self.resets += 1
        own = {"__import__": self._import, "open": self._open, "print": self._print}
        self._names = {"__builtins__": vars(builtins) | own}

    def exec(self, code: str | bytes, timeout: float = 10.0) -> bytes:
        text = code if isinstance(code, str) else code.decode()
        self.texts.append(text)
        self._said.clear()
        try:
            self.fail(text)
            exec(text, self._names)
        except DeviceError:
            raise
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            raise DeviceError(f"fake: the board raised {told}\n  Traceback") from None
        return self.damage("".join(self._said)).replace("\n", "\r\n").encode()

    def error(self, message: str, hint: str = "") -> DeviceError:
        return DeviceError(f"fake: {message}", hint=hint)

    def _free(self) -> int:
        module = self._names.get("m")
        if module is None:
            return self.FREE
        return self.FREE - (self.MODULE if module.A is None else self.HELD)

    def _ticks(self) -> int:
        assert self.locked
        self.clock += 5
        return self.clock

    def _print(self, *values: object, end: str = "\n") -> None:
        self._said.append(" ".join(map(str, values)) + end)

    def _open(self, name: str, mode: str = "r") -> Any:
        return (self.folder / name).open(mode)

    def _remove(self, name: str) -> None:
        (self.folder / name).unlink()

    def _import(self, name: str, *about: object) -> Any:
        if name in self._modules:
            return self._modules[name]
        module = ModuleType(name)
        vars(module)["__builtins__"] = self._names["__builtins__"]
        exec((self.folder / f"{name}.py").read_text(), vars(module))
        return module

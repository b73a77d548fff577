"""Which sides there are, and how one is opened by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from microinterp.errors import InputError, ModelError, RuntimeUnavailableError, printable
from microinterp.graph import Graph, build
from microinterp.model import load
from microinterp.registry import Registry
from microinterp.sides.side import Side
from microinterp.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

LITERT = ("litert", "litert-ref", "litert-noxnn")
NAMES = ("host", "tflm", *LITERT, "board", "board:PORT")
"""What open_side takes."""
AFTER_INVOKE = ("tflm", *LITERT)
"""Sides that tell what lies in a tensor's own memory after an invoke: also what no op has written
there, or an op of an earlier sample."""
_BOARD, _AT_PORT = "board", "board:"


def open_side(
    name: str,
    model: bytes,
    profile: str = "tflm",
    registry: Registry | None = None,
    kernels: str = "auto",
) -> Side:
    """A runtime with a model in it.

    Args:
        name: "host" (this package), "tflm" (TFLM's wheel), "litert" (XNNPACK), "litert-ref"
            (reference kernels), "litert-noxnn" (its own kernels), "board" (the only one there
            is) or "board:PORT".
        model: contents of a .tflite file.
        profile, registry, kernels: of the host, as for Interpreter; the others have their own.

    Raises:
        InputError: there is no such side.
        RuntimeUnavailableError: it is not installed, or refuses the model.
        ModelError: the model is damaged.
        UnsupportedError, PrepareError, ArenaError, DeviceError: the host or the board refuses it.
    """
    if name == "host":
        from microinterp.sides.host import HostSide

        return HostSide(model, profile, registry, kernels)
    if name == _BOARD:
        return _board(None, model)
    if name.startswith(_AT_PORT) and name != _AT_PORT:
        return _board(name.removeprefix(_AT_PORT), model)
    if name == "tflm":
        from microinterp.sides.tflm import TflmSide

        return TflmSide(model, sound_graph(model))
    if name in LITERT:
        from microinterp.sides.litert import LiteRtSide

        return LiteRtSide(name, model, sound_graph(model))
    raise InputError(f"no runtime '{printable(name)}'", hint=f"there are: {', '.join(NAMES)}")


def _board(port: str | None, model: bytes) -> Side:
    """The side of a board; None is the only one there is."""
    try:
        from microinterp_boards.ports import choose_line
        from microinterp_boards.side import BoardSide
    except ImportError:
        raise RuntimeUnavailableError(
            "boards need the package microinterp_boards, which is not installed"
        ) from None
    make = cast("Callable[..., Side]", BoardSide)
    line = choose_line(port)
    return make(line.port, model, baud=line.baud)


def sound_graph(model: bytes) -> Graph:
    """The graph of a sound model, also of one whose operators this package lacks.

    Raises ModelError for any other.
    """
    loaded = load(model)
    errors = [problem for problem in verify(loaded) if problem.severity == "error"]
    if errors:
        raise ModelError.from_problems(errors)
    return build(loaded)

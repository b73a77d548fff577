"""Whether a runtime is here at all, so that a test without it can be skipped, or failed in CI."""

from __future__ import annotations

import os
from importlib.util import find_spec

from microinterp.errors import DeviceError, printable

_BOARD = "board"
_URL = "://"


def missing(runtime: str) -> str:
    """What is missing for a runtime, and how to get it; empty if it is here.

    A runtime that is here and fails is not missing: that is a failure of the test.
    """
    if runtime == "tflm":
        from microinterp.runtimes.tflm import version

        if version() is None:
            return "TFLM's wheel is missing: pip install 'microinterp[oracle]' (Linux x86-64)"
    elif runtime.startswith("litert"):
        if find_spec("ai_edge_litert") is None:
            return "LiteRT is missing: pip install ai-edge-litert"
    elif runtime.startswith(_BOARD):
        return _missing_board(runtime)
    return ""


def resolved(runtime: str) -> str:
    """The runtime by its full name: "board" becomes that of the only board's port.

    Raises:
        DeviceError: there are several boards, or none.
    """
    if runtime != _BOARD:
        return runtime
    boards = _boards()
    if len(boards) != 1:
        names = ", ".join(printable(each) for each in boards) or "none"
        raise DeviceError(
            f"runtime 'board' is the only board there is; there are: {names}",
            hint="name one: board:PORT",
        )
    return f"{_BOARD}:{boards[0]}"


def port_of(runtime: str) -> str | None:
    """The port of a resolved runtime that is a board, else None."""
    return runtime.partition(":")[2] if runtime.startswith(f"{_BOARD}:") else None


def _boards() -> list[str]:
    """Ports on USB, and virtual boards; a PC's own serial ports are there without a board too."""
    from microinterp_boards.ports import ports

    return [each.port for each in ports() if each.kind == "virtual" or each.vid is not None]


def _missing_board(runtime: str) -> str:
    if find_spec("microinterp_boards") is None:
        return "boards need the package microinterp_boards: pip install microinterp"
    port = port_of(runtime)
    if port is None:
        hint = "plug one in, or start `microinterp board virtual unix`"
        return "" if _boards() else f"there is no board: {hint}"
    from microinterp_boards.ports import ports

    if _URL in port or os.path.exists(port) or port in {each.port for each in ports()}:
        return ""
    return (
        f"no board at {printable(port)}: plug it in, or name another port"
        " (`microinterp board list` shows them)"
    )

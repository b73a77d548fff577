"""The page of supported boards, made from boards.toml when the site is built."""

from __future__ import annotations

from microinterp_boards.boards_table import BoardRow, boards

_HEAD = """# Supported boards

What `microinterp fit` knows of each board, from `host_tools/microinterp_boards/boards.toml`, which
also says where each figure is told. Sizes are in KiB. *heap* is what MicroPython's stock firmware
leaves to programs, and how that is known: [Does it fit?](../fit.md) has the words. *kernels* is the
set of kernels that `board deploy` takes on that firmware
([Firmware and kernels](../board_kernels.md)); `source`: it loads no .mpy files, and takes tiny
models as generated source. A dash: no source was found.

A row tells what a board has. Which kernels were tried on what is told in
[Firmware and kernels](../board_kernels.md).

| board | id | chip | core | MHz | RAM | flash | files | heap | kernels | flashed by |
|---|---|---|---|---|---|---|---|---|---|---|
"""


def markdown() -> str:
    """The page."""
    return _HEAD + "".join(_row(board) for board in boards().values())


def _row(board: BoardRow) -> str:
    heap = _kibibytes(board.micropython_heap_bytes)
    if board.heap_basis:
        heap = f"{heap} {board.heap_basis}"
    name = board.name
    if board.source.startswith("https://"):
        name = f"[{name}]({board.source})"
    cells = (
        name,
        f"`{board.id}`",
        board.mcu,
        board.core,
        "-" if board.clock_hz is None else f"{board.clock_hz / 1e6:g}",
        _kibibytes(board.ram_bytes),
        _kibibytes(board.flash_bytes),
        _kibibytes(board.filesystem_bytes),
        heap,
        board.kernels,
        board.flashing,
    )
    return f"| {' | '.join(cells)} |\n"


def _kibibytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1024:,.0f}"

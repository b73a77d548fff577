"""The table of operators: all that TFLM has, and what is known here about each.

`microinterp ops` prints it, and docs/SUPPORTED_OPS.md is made from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from microinterp.kernels import default_registry
from microinterp.kernels.fast.coverage import fast_types
from microinterp.packed.lower import LOWER
from microinterp.registry import Op

TFLM_BUILTINS = frozenset(
    """
    ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL
    BATCH_TO_SPACE_ND BROADCAST_ARGS BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION CONV_2D
    COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV DYNAMIC_UPDATE_SLICE ELU
    EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED
    GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF L2_NORMALIZATION L2_POOL_2D
    LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX
    MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2 PRELU
    QUANTIZE READ_VARIABLE REDUCE_ALL REDUCE_MAX REDUCE_MIN RELU RELU6 RESHAPE
    RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT_V2 SHAPE SIN SLICE
    SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE
    SQUEEZE STRIDED_SLICE SUB SUM SVDF TANH TRANSPOSE TRANSPOSE_CONV
    UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK VAR_HANDLE WHILE ZEROS_LIKE
    """.split()  # noqa: SIM905
)
"""Builtin operators of TFLM's Python package (python_ops_resolver.cc)."""

TFLM_CUSTOM = frozenset(
    """
    CIRCULAR_BUFFER SignalDelay SignalEnergy SignalFftAutoScale SignalFilterBank
    SignalFilterBankLog SignalFilterBankSpectralSubtraction SignalFilterBankSquareRoot
    SignalFramer SignalIrfft SignalOverlapAdd SignalPCAN SignalRfft SignalStacker
    SignalWindow TFLM_DECODE TFLite_Detection_PostProcess ethos-u
    """.split()  # noqa: SIM905
)
"""Its custom operators, by the names that files give them."""

BOARD_TIERS = ("thumb", "viper", "bytecode")
"""Kinds of kernels on boards; an operator that boards have is in all of them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One operator of TFLM.

    Attributes:
        name: as files give it.
        kind: "builtin" or "custom".
        types: combinations of element types that it takes.
        limits: TFLM's limits, which are ours.
        exactness: "exact", or the bound against TFLM with its reason, or "refused: " and why.
        refused: why no model with it runs; empty where it runs.
        fast: types that some layers run in a fast twin of the plain kernel.
        boards: kinds of kernels on boards that have it (int8); empty where boards lack it.
        test: the command that compares it with TFLM on random models.
    """

    name: str
    kind: str
    types: tuple[str, ...]
    limits: tuple[str, ...]
    exactness: str
    refused: str
    fast: tuple[str, ...]
    boards: tuple[str, ...]
    test: str


def rows() -> list[Row]:
    """The operators of the package that TFLM has, by name."""
    return [_row(op) for op in sorted(default_registry(), key=lambda op: op.name)]


def missing() -> list[str]:
    """Operators of TFLM that the package lacks."""
    have = {(op.is_custom, op.name) for op in default_registry()}
    want = {(False, name) for name in TFLM_BUILTINS} | {(True, name) for name in TFLM_CUSTOM}
    return sorted(name for _, name in want - have)


def markdown() -> str:
    """The table as a page of the documentation."""
    table = rows()
    lines = [
        "# Supported operators",
        "",
        f"{sum(not row.refused for row in table)} of the {len(TFLM_BUILTINS | TFLM_CUSTOM)}"
        " operators of TensorFlow Lite Micro run; the others say why not. Made by `make ops-table`;"
        " do not edit.",
        "",
        "`exact`: not one byte differs from TFLM. In a checkout `python -m tests.differential --op"
        " NAME` compares random models of an operator with TFLM's wheel. `int16 x int8` means an"
        " int16 input and int8 weights, `int8 -> float32` is from what to what. Limits are TFLM's"
        " own: what it refuses is refused here. `boards`: MicroPython [boards](boards.md) run it,"
        " in int8. `microinterp ops NAME` shows one operator.",
        "",
        "| operator | types | limits | against TFLM | boards |",
        "|---|---|---|---|---|",
    ]
    for row in table:
        name = f"{row.name}" + (" (custom)" if row.kind == "custom" else "")
        cells = (
            name,
            "; ".join(grouped(row.types)),
            "; ".join(row.limits),
            row.exactness,
            "yes" * bool(row.boards),
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def grouped(types: Iterable[str]) -> list[str]:
    """Combinations for reading: "a -> b" and "a -> c" become "a -> b / c"."""
    targets: dict[tuple[str, str], list[str]] = {}
    for combination in types:
        source, arrow, target = combination.partition(" -> ")
        targets.setdefault((source, arrow), []).append(target)
    return [source + arrow + " / ".join(to) for (source, arrow), to in targets.items()]


def _row(op: Op) -> Row:
    runs_on_boards = not op.is_custom and op.name in LOWER
    return Row(
        name=op.name,
        kind="custom" if op.is_custom else "builtin",
        types=op.types,
        limits=op.limits,
        exactness=f"refused: {op.refused}" if op.refused else op.all_exactness,
        refused=op.refused,
        fast=fast_types(op),
        boards=BOARD_TIERS if runs_on_boards else (),
        test="" if op.refused else f"python -m tests.differential --op {op.name}",
    )

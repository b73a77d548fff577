"""A packed model as MicroPython source: a module in pieces that a small heap can compile.

The steps and their integers are those of the packed model; constants become bytes literals, and
functions are copied from `code`. What a piece may not exceed is characters of source, because that
is what compiling takes heap for.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from microinterp import packed
from microinterp.errors import UnsupportedError, Where
from microinterp.packed.records import PackedModel, TensorInfo
from microinterp.packed.steps import Conv, Copy, Lut, Step
from microinterp.packed.tiers import layout_of
from microinterp_boards import device

MAX_PIECE = 800
"""Characters; 1,000 compile in the empty 9 kB heap of a micro:bit, 2,000 do not."""
_LITERAL = 300
"""Characters of a constant in one piece: less heap to compile it, at the price of more pieces."""
_SMALL = 1 << 29
_LARGEST_PRODUCT = 255 * 255
_CODE = f"{__package__}.code"
_API = ("set_input", "invoke", "get_output")
_Value: TypeAlias = int | bytes


@dataclass(frozen=True)
class Source:
    """A generated module.

    Attributes:
        pieces: source texts, to be executed one after the other in one namespace.
        code_bytes: of the source of functions, which come first.
        constant_bytes: of weights and tables, once they lie in the heap.
        arena_bytes: of the arena, without the scratch that only other kernels need.
        steps: how many.
    """

    pieces: tuple[str, ...]
    code_bytes: int
    constant_bytes: int
    arena_bytes: int
    steps: int

    @property
    def source_bytes(self) -> int:
        """Of all pieces."""
        return sum(map(len, self.pieces))


@dataclass(frozen=True)
class _Call:
    """One step: a function of `code`, what its tuple has behind it, the end of what it touches."""

    function: str
    values: tuple[_Value, ...]
    end: int


def generate(data: bytes) -> Source:
    """Write the module of a packed model.

    Raises:
        UnsupportedError: a step has no source form; the op is named.
    """
    model = packed.load(data)
    if model.state or len(model.subgraphs) != 1:
        raise UnsupportedError(
            "a model with variables has no source form", hint="use a board that loads .mpy files"
        )
    calls = list(_calls(model))
    arena = _used_arena(model, calls)
    constants = [value for call in calls for value in call.values if isinstance(value, bytes)]
    longs = [value for value in constants if len(device.literal(value)) > _LITERAL]
    functions = *_functions({call.function for call in calls}, bool(longs)), _frame(model)
    return Source(
        pieces=(*functions, _blocks(arena, longs), *_steps(calls, longs)),
        code_bytes=sum(map(len, functions)),
        constant_bytes=sum(map(len, constants)),
        arena_bytes=arena,
        steps=len(calls),
    )


def module_name(name: str) -> str:
    """What Python can import, from the name of a model on a board."""
    found = re.sub("[^A-Za-z0-9_]", "_", name)
    return f"m{found}" if found[0].isdigit() else found


def _calls(model: PackedModel) -> Iterator[_Call]:
    graph = model.subgraphs[0]
    for op in graph.ops:
        for number in range(op.first_step, op.first_step + op.steps):
            call = _call(graph.steps[number], model.weights)
            if call is None:
                raise UnsupportedError(
                    f"{op.name} has no source form: only FULLY_CONNECTED, 1 x 1 CONV_2D, RELU and"
                    " other activations by table, and RESHAPE have one",
                    Where(op_index=op.index, op_name=op.name),
                    "use a board that loads .mpy files (MicroPython 1.19 and later)",
                )
            yield call


def _call(step: Step, weights: bytes | memoryview) -> _Call | None:
    """A step with its constants; None for one that has no source form."""
    if isinstance(step, Copy) and step.x >= 0:
        return _Call("copy", tuple(step), max(step.x, step.dst) + step.nbytes)
    if isinstance(step, Lut) and step.x >= 0:
        table = bytes(weights[~step.table :][:256])
        return _Call("lut", (step.x, step.dst, step.n, table), max(step.x, step.dst) + step.n)
    if isinstance(step, Conv) and _is_dense(step):
        return _dense(step, weights)
    return None


def _is_dense(step: Conv) -> bool:
    """Whether each output pixel is a product of one input pixel and a matrix."""
    window = step.kh, step.kw, step.sh, step.sw, step.pt, step.pl, step.groups
    return step.x >= 0 and window == (1, 1, 1, 1, 0, 0, 1) and not step.order


def _dense(step: Conv, weights: bytes | memoryview) -> _Call | None:
    """None where a sum could leave small ints (schemas/steps.md, CONV)."""
    layout = layout_of("portable")
    row = layout.row(step.taps)
    rows = np.frombuffer(weights, np.uint8)[~step.w :][: step.oc * row]
    filters = rows.reshape(step.oc, row)[:, : step.taps]
    channels = bytes(weights[~step.channels :][: layout.entry_bytes * step.oc])
    for at in range(0, len(channels), layout.entry_bytes):
        bias = int.from_bytes(channels[at : at + 4], "little", signed=True)
        if (_LARGEST_PRODUCT * step.taps + abs(bias)) << channels[at + 8] >= _SMALL:
            return None
    pixels = step.batches * step.oh * step.ow
    shape = step.x, step.dst, filters.tobytes(), channels, pixels, step.taps
    end = max(step.x + pixels * step.taps, step.dst + pixels * step.oc)
    return _Call("dense", (*shape, step.zo, step.lo, step.hi), end)


def _used_arena(model: PackedModel, calls: list[_Call]) -> int:
    """Bytes up to the end of all that is used: the scratch behind it is for the patch of CONV."""
    ends = [each.offset + each.nbytes for each in (*model.inputs, *model.outputs)]
    return max([*ends, *(call.end for call in calls)], default=0)


def _blocks(arena: int, longs: list[bytes]) -> str:
    """The large blocks, before what they hold: later no hole may be large enough."""
    names = [f"k{number}=bytearray({len(value)})\n" for number, value in enumerate(longs)]
    return f"A=bytearray({arena})\n" + "".join(names)


def _functions(names: set[str], has_longs: bool) -> Iterator[str]:
    """The functions that the steps need, one piece each."""
    if "dense" in names:
        yield _read("requantise")
    if has_longs:
        yield _read("fill")
    for name in sorted(names):
        yield _read(name)


def _read(name: str) -> str:
    return f"{device.read(name, _CODE)}\n"


def _frame(model: PackedModel) -> str:
    """What users call, and an empty list of steps."""
    functions = "".join(_read(name).replace("def _", "def ", 1) for name in _API)
    tables = f"S=[]\nI={_places(model.inputs)}\nO={_places(model.outputs)}\n"
    return f"{functions}{tables}H={device.literal(model.tflite_sha256)}\n"


def _places(tensors: tuple[TensorInfo, ...]) -> str:
    return "(" + "".join(f"({each.offset},{each.nbytes})," for each in tensors) + ")"


def _steps(calls: list[_Call], longs: list[bytes]) -> Iterator[str]:
    """Pieces that append the steps, with their constants before them; then no name holds any."""
    names, used = iter(range(len(longs))), set()
    for call in calls:
        values = []
        for number, value in enumerate(call.values):
            name = str(value)
            if isinstance(value, bytes):
                name = f"k{next(names)}" if value in longs else f"c{number}"
                used.add(name)
                yield from _constant(name, value)
            values.append(name)
        yield f"S.append((_{call.function},{','.join(values)}))\n"
    if used:
        yield f"del {','.join(sorted(used))}\n"


def _constant(name: str, value: bytes) -> Iterator[str]:
    """Pieces that set a constant."""
    if not name.startswith("k"):
        yield f"{name}={device.literal(value)}\n"
        return
    at = 0
    for part in device.literals(value, _LITERAL):
        yield f"_fill({name},{at},{part})\n"
        at += len(ast.literal_eval(part))

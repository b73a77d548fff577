"""What a packed model takes of a board's heap, told before anything is sent.

The model's file and its arena are two pieces of their own sizes. The rest are objects: the session
that runs the model, the runtime, what it imports for the steps that the model has, and what each
step keeps. Their sizes are read off the virtual boards (docs/fit.md); tests measure them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from microinterp.errors import DeviceError, printable
from microinterp.packed.records import PackedModel
from microinterp.packed.steps import Conv, Depthwise
from microinterp_boards.kernel_sets import SETS, VIPER
from microinterp_boards.processor import TIERS

PORT_BYTES = 4096
"""Allowance for what a real board's firmware has in its heap at start: not measured."""
BYTECODE_LIMIT = 1 << 29
"""Accumulators on the bytecode tier stay below: a 32-bit board's small ints hold all of them."""

_FILTER = ("_check_filter", "_check_layout")
_STEP_MODULES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Copy": (),
        "CallOnce": (),
        "Move": ("_check_more", "_move"),
        "Fill": ("_check_more", "_move"),
        "Lut": ("_check_more", "_move"),
        "Conv": (*_FILTER, "_conv"),
        "Depthwise": (*_FILTER, "_depthwise"),
        "AveragePool": ("_check_filter", "_pool"),
        "MaxPool": ("_check_filter", "_pool"),
        "Mean": ("_check_more", "_mean"),
        "Add": ("_check_more", "_add"),
        "Mul": ("_check_more", "_mul"),
        "Softmax": ("_check_more", "_softmax"),
        "Dequantize": ("_check_more", "_dequantize"),
        "DepthwiseInPlace": (*_FILTER, "_in_place"),
    }
)


@dataclass(frozen=True, slots=True)
class Costs:
    """Bytes of heap that objects take, on one kind of board.

    Attributes:
        block: of the garbage collector; every object takes a whole number.
        base: all that does not depend on the model, at the moment when most is there.
        service: what the link's service takes to bring a model, before anything is loaded.
        step: of each step that has been loaded.
        state: of each buffer that outlives an invoke.
        modules: of the runtime, by name.
    """

    block: int
    base: int
    service: int
    step: int
    state: int
    modules: Mapping[str, int]


def _modules(sizes: str) -> Mapping[str, int]:
    names = (
        "_check_filter _check_layout _check_more _conv _depthwise _pool _softmax _add _mul _mean"
        " _move _dequantize _in_place _lut"
    )
    return MappingProxyType(dict(zip(names.split(), map(int, sizes.split()), strict=False)))


def _arm(base: int, step: int, modules: str) -> Costs:
    """Words of 32 bits; native code lies in the heap."""
    sizes = _modules(modules)
    return Costs(block=16, base=base, service=29_200, step=step, state=96, modules=sizes)


COSTS: Mapping[str, Costs] = MappingProxyType(
    {
        # MicroPython's unix port on x86-64: 64-bit words, native code outside of the heap.
        "x64": Costs(
            block=32,
            base=33_900,
            service=40_000,
            step=200,
            state=192,
            modules=_modules("1344 1152 2816 320 384 320 1056 352 224 384 512 736 384"),
        ),
        # Cortex-M under QEMU, Thumb kernels of each tier; then viper's, and plain Python.
        "armv6m": _arm(22_600, 192, "992 1472 2096 1632 976 1184 592 576 608 512 512 464 592 192"),
        "armv7m": _arm(22_600, 192, "992 1472 2096 1632 1632 1120 544 944 784 560 480 464 560 192"),
        "armv7em": _arm(
            23_500, 192, "992 1520 2128 1568 1552 1552 480 912 784 592 400 528 528 192"
        ),
        "viper": _arm(22_000, 176, "992 944 2048 2128 2256 2560 880 1360 1104 1136 1648 592 432"),
        # Taken for every other 32-bit processor too.
        "bytecode": _arm(22_000, 176, "1008 976 2048 912 896 928 1008 496 560 480 672 464 432"),
    }
)
"""By kind of kernels; what each figure is and how it was measured is told in docs/fit.md."""


@dataclass(frozen=True, slots=True)
class HeapNeed:
    """What a model takes of a heap, in bytes.

    Attributes:
        model: of its file in the heap, 0 where that is used in mapped flash.
        arena: of its arena.
        objects: of all else; of a real board with PORT_BYTES.
        service: of the link's service, which is there before these and gone when they come.
        total: of the whole heap that is needed, with the collector's own tables.
    """

    model: int
    arena: int
    objects: int
    service: int
    total: int


def costs_of(mpy_set: str) -> Costs:
    """The costs of a board that runs a set of .mpy files. Raises DeviceError if none runs it."""
    if mpy_set not in SETS:
        raise DeviceError(
            f"no board loads a set of .mpy files '{printable(mpy_set)}'",
            hint=f"there are: {', '.join(SETS)}",
        )
    return COSTS["viper" if mpy_set in VIPER.values() else mpy_set]


def modules_of(step: str, mpy_set: str) -> tuple[str, ...]:
    """Modules of the runtime that a step makes it import, besides those that every model needs.

    step: the name of its type in microinterp.packed.steps.
    """
    if step == "Lut" and mpy_set in TIERS:
        return "_check_more", "_lut"
    return _STEP_MODULES[step]


def heap_need(
    model: PackedModel,
    file_bytes: int,
    mpy_set: str,
    mapped: bool = False,
    is_virtual: bool = False,
) -> HeapNeed:
    """What `deploy` and an invoke need of the heap.

    Args:
        model, file_bytes: the model, packed for that set, and the size of its file.
        mpy_set: the runtime's files, as `probe` names them.
        mapped: the file lies in flash that the runtime reads in place.
        is_virtual: a board of ours: nothing but the collector is in its heap at start.

    Raises:
        DeviceError: no such set.
    """
    costs = costs_of(mpy_set)

    def blocks(size: int) -> int:
        return -(-size // costs.block) * costs.block

    steps = [step for subgraph in model.subgraphs for step in subgraph.steps]
    modules = {name for step in steps for name in modules_of(type(step).__name__, mpy_set)}
    objects = costs.base + costs.step * len(steps) + costs.state * len(model.state)
    objects += sum(costs.modules[name] for name in modules)
    objects += 0 if is_virtual else PORT_BYTES
    file = 0 if mapped else blocks(file_bytes)
    arena = blocks(model.arena_bytes)
    service = costs.service + (0 if is_virtual else PORT_BYTES)
    total = _with_tables(max(file + arena + objects, service), costs.block)
    return HeapNeed(file, arena, objects, service, total)


def _with_tables(usable: int, block: int) -> int:
    """Bytes of a heap in which `usable` are for objects: 3 bits for each block come on top."""
    return usable + -(-usable * 3 // (8 * block)) + 8 * block


def bytecode_refusal(model: PackedModel) -> str:
    """Why the bytecode kernels refuse a model, which boards find out when they load it; or ""."""
    weights = model.weights
    for number, subgraph in enumerate(model.subgraphs):
        for index, step in enumerate(subgraph.steps):
            if not isinstance(step, (Conv, Depthwise)):
                continue
            taps = step.taps if isinstance(step, Conv) else step.kh * step.kw
            largest = (65025 if isinstance(step, Conv) else 32640) * taps
            first = ~step.channels
            for at in range(first, first + 12 * step.oc, 12):
                bias = int.from_bytes(bytes(weights[at : at + 4]), "little", signed=True)
                if (largest + abs(bias)) << weights[at + 8] >= BYTECODE_LIMIT:
                    place = f"subgraph {number} step {index}" if number else f"step {index}"
                    return f"{place}: its sums are too wide for bytecode kernels"
    return ""

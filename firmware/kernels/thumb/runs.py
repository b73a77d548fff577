"""Operands of ADD and MUL: element i is of a[i % na] and b[i % nb].

Elements come in runs, in which neither operand starts again. An operand of one element is copied
to the stack often enough that its runs are long.
"""

from __future__ import annotations

from collections.abc import Callable

from . import limits
from .assembler import Kernel
from .frame import Arguments, Frame
from .operands import Register, r0, r1, r2, r3, r4, r5, r6, r7

_COPIES = 32
_WORDS = _COPIES // 4
FRAME = f"a na a_left a_copies:{_WORDS} b nb b_left b_copies:{_WORDS} n_left next_end end"
"""Words of a frame for what is in this file."""
A, B, DST = r0, r1, r2
"""Where the next elements are, while runs go on."""
_ARENA, _WEIGHTS = r0, r1


def locate(k: Kernel, name: str, place: Register) -> None:
    """`place`, a ref of one of the sources, becomes its address. r0: the arena, r1: the weights.

    name: of the source, for labels. place: one of r2 to r7.
    """
    k.cmp(place, 0)
    k.bge(f"{name}_in_arena")
    k.mvns(place, place)
    k.add(place, _WEIGHTS)
    k.b(f"{name}_found")
    k.label(f"{name}_in_arena")
    k.add(place, _ARENA)
    k.label(f"{name}_found")


def begin(k: Kernel, arguments: Arguments, p: Register, frame: Frame) -> None:
    """Set up the frame, and A, B and DST, which begin as arena, weights and p. Changes r3 to r5.

    p is another register.
    """
    for name in ("a", "b"):
        _operand(k, name, arguments, p, frame)
    arguments.load(k, p, dst=r2, n=r3)
    k.add(r2, _ARENA)
    frame.store(n_left=r3)
    frame.load(a=A, b=B)


def _operand(k: Kernel, name: str, arguments: Arguments, p: Register, frame: Frame) -> None:
    place, count, spare = r3, r4, r5
    arguments.load(k, p, **{name: place})
    locate(k, name, place)
    arguments.load(k, p, **{f"n{name}": count})
    k.cmp(count, 1)
    k.bne(f"{name}_is_long")
    k.ldrb(count, place[0])
    for shift in (8, 16):
        k.lsls(spare, count, shift)
        k.orrs(count, spare)
    frame.point(place, f"{name}_copies")
    for word in range(_WORDS):
        k.str(count, place[4 * word])
    k.movs(count, _COPIES)
    k.label(f"{name}_is_long")
    frame.store(**{name: place, f"n{name}": count, f"{name}_left": count})


def over(k: Kernel, frame: Frame, run: Callable[[Register], None]) -> None:
    """All runs. run(r6) emits one: as many elements as r6 says; it moves A, B and DST on.

    It may change r3 to r7; between runs r3 to r6 change.
    """
    lefts = {"a_left": r3, "b_left": r4, "n_left": r5}
    k.label("run")
    frame.load(**lefts)
    k.movs(r6, r3)
    for other in (r4, r5):
        k.cmp(r6, other)
        k.bls(f"not_{other}")
        k.movs(r6, other)
        k.label(f"not_{other}")
    for left in lefts.values():
        k.subs(left, left, r6)
    frame.store(**lefts)
    run(r6)
    for name, place in (("a", A), ("b", B)):
        k.ldr(r3, frame[f"{name}_left"])
        k.cmp(r3, 0)
        k.bne(f"{name}_goes_on")
        k.ldr(r3, frame[f"n{name}"])
        k.str(r3, frame[f"{name}_left"])
        k.subs(place, place, r3)
        k.label(f"{name}_goes_on")
    k.ldr(r3, frame["n_left"])
    k.cmp(r3, 0)
    k.beq("runs_done")
    k.b("run")
    k.label("runs_done")


def run_v7(
    k: Kernel, frame: Frame, count: Register, load: Callable[[], None], element: Callable[[], None]
) -> None:
    """A run for ARMv7-M: load() emits what loads constants, element() one element.

    Both may change r3; r4 on hold what load() has put there. Four elements at a time.
    """
    k.bic(r4, count, 3)
    k.add(r4, r4, DST)
    k.add(count, count, DST)
    frame.store(next_end=r4, end=count)
    k.cmp(DST, r4)
    load()
    k.beq("ones")
    for name, times, end in (("fours", 4, "next_end"), ("ones", 1, "end")):
        if times == 1:
            k.label("ones")
            k.ldr(r3, frame[end])
            k.cmp(DST, r3)
            k.beq("run_done")
        k.label(f"{name}_loop")
        for _ in range(times):
            element()
        k.ldr(r3, frame[end])
        k.cmp(DST, r3)
        k.bne(f"{name}_loop")
    k.label("run_done")


def run_v6(k: Kernel, count: Register, element: Callable[[], None]) -> None:
    """A run for ARMv6-M: element() emits one element, at A[r3], B[r3] and DST[r3].

    It may change r4 to r7.
    """
    for place in (A, B, DST):
        k.adds(place, place, count)
    k.negs(r3, count)
    k.label("element")
    element()
    k.adds(r3, 1)
    k.bne("element")


def kernel_v7(
    name: str,
    arch: str,
    arguments: Arguments,
    constants: tuple[Register, ...],
    prepare: Callable[[Kernel, Register, Frame], None],
    element: Callable[[Kernel, Frame], None],
    words: str = "",
) -> Kernel:
    """A kernel for ARMv7-M, name(arena, weights, arguments), from its first line to its last.

    constants: registers that hold the frame's words `constants` while a run goes on. prepare: puts
    these there, and is given p. element: one output. words: more of the frame, for both.
    """
    k = Kernel(name, 3, arch)
    frame = Frame(k, f"constants:{len(constants)} {words} p first {FRAME}")
    k.save_high()
    frame.open()
    p = r7
    k.mov(p, r2)
    prepare(k, p, frame)
    begin(k, arguments, p, frame)
    frame.store(p=p, first=DST)

    def load() -> None:
        frame.point(r3, "constants")
        k.ldm(r3, *constants)

    over(k, frame, lambda count: run_v7(k, frame, count, load, lambda: element(k, frame)))
    frame.load(first=r0, p=r4)
    arguments.load(k, r4, n=r1, low=r2, high=r3)
    limits.apply(k)
    frame.close()
    k.restore_high()
    return k

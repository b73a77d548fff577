"""Turns code into the text of a function for MicroPython's inline assembler.

MicroPython puts `push {r1, r4-r7, lr}` before the code and `pop {r1, r4-r7, pc}` after it. So a
kernel may change r0 to r7, r12 and lr as it likes; r8 to r11 it has to save; it ends by running
into its end, with the stack as it was. The stack is aligned to 8 at its start.

Arguments, at most 4, come in r0 to r3: ints as they are (modulo 2^32), buffers, bytes and arrays as
the address of their data, None and False as 0, True as 1.

The result is r0, made into an int. One outside of [-2^30, 2^30) is no small int: MicroPython takes
memory for it, or raises MemoryError where the heap is locked. So results go to memory, and r0 is
set to 0, unless the kernel promises a small one.
"""

from __future__ import annotations

from .operands import AssemblyError

RESULTS = ("none", "small")
_MOVS_R0_0 = 0x2000
_IN_A_LINE = 12


def source(name: str, arguments: int, code: list[int], result: str = "none") -> str:
    """Text of the function, which wants `import micropython` before it.

    arguments: 0 to 4. result: "none", and it returns 0; or "small", and it returns r0, for which
    the kernel promises the range [-2^30, 2^30).
    """
    if result not in RESULTS:
        raise AssemblyError(f"{name}: a result is one of {', '.join(RESULTS)}, not {result!r}")
    whole = [*code, _MOVS_R0_0] if result == "none" else code
    parameters = ", ".join(f"r{number}" for number in range(arguments))
    lines = ["@micropython.asm_thumb", f"def {name}({parameters}):"]
    for start in range(0, len(whole), _IN_A_LINE):
        halves = ", ".join(f"0x{half:04X}" for half in whole[start : start + _IN_A_LINE])
        lines.append(f"    data(2, {halves})")
    if not whole:
        lines.append("    pass")
    return "\n".join(lines) + "\n"

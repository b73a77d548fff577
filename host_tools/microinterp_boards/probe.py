"""What a board is: its firmware, processor, memory, and which of our .mpy files it can run."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from microinterp.errors import DeviceError, printable
from microinterp_boards import checked
from microinterp_boards.kernel_sets import choose, kernels_of
from microinterp_boards.link import Link
from microinterp_boards.processor import TIERS, identify

CEILING = "MICROINTERP_TIER"
"""Environment variable: no board gets kernels above this tier, as if its processor had no more."""

_ARCHITECTURES = (
    *("none", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp"),
    *("xtensa", "xtensawin", "rv32imc", "rv64imc"),
)
_THUMB = range(_ARCHITECTURES.index("armv6m"), _ARCHITECTURES.index("armv7emdp") + 1)
_LINE = re.compile(r"([a-z_0-9]{1,16}) (?:(-?[0-9]{1,20})|x([0-9a-f]{0,400}))")
_INTS = ("mpy", "bits", "heap_free", "heap_total")
_TEXTS = ("name", "version", "machine", "platform")


@dataclass(frozen=True, slots=True)
class Probe:
    """Facts about a board. Sizes are bytes; None is what the board does not tell.

    Attributes:
        implementation: "micropython", or another that calls itself so.
        version: of MicroPython, for example "1.26.0".
        machine: the board's own words for itself.
        platform: MicroPython's port, for example "rp2".
        mpy_version, mpy_subversion, architecture: the .mpy files it loads (sys.implementation);
            architecture "none" has no native code.
        cpu_id, cpu: the processor's CPUID register and the core it names (Cortex-M only).
        cpu_architecture: of that core: armv6m, armv7m, armv7em, armv8m.base, armv8m.main or
            armv8.1m.main. `architecture` is what the firmware says of itself.
        dsp: whether that core may execute DSP instructions.
        inline_asm: whether the firmware has MicroPython's inline assembler for Thumb, without which
            it loads no Thumb kernels; None where there is no native code for Thumb.
        tier: the highest kernel tier that firmware and core allow: armv6m, armv7m or armv7em; None
            without native code for Thumb. An unknown core gets armv7m at most.
        int_bits: of a machine word.
        heap_free, heap_total, files_free, files_total: after a garbage collection.
        frequency: Hz.
        sets: the sets of .mpy files that it runs, best first; see microinterp_boards.kernel_sets.
        mpy_set: the first of them; None if no file of ours can be loaded.
        kernels: of that set: "bytecode", "viper", or, of Thumb kernels, their tier; None like it.
        reason: why that set.
    """

    implementation: str
    version: str
    machine: str
    platform: str
    mpy_version: int
    mpy_subversion: int
    architecture: str
    cpu_id: int | None
    cpu: str | None
    cpu_architecture: str | None
    dsp: bool | None
    inline_asm: bool | None
    tier: str | None
    int_bits: int
    heap_free: int
    heap_total: int
    files_free: int | None
    files_total: int | None
    frequency: int | None
    sets: tuple[str, ...]
    mpy_set: str | None
    kernels: str | None
    reason: str


def probe(link: Link) -> Probe:
    """Ask a board what it is.

    Raises DeviceError if its answer makes no sense, or the environment holds tiers to one that
    does not exist.
    """
    ceiling = _ceiling()
    facts: dict[str, int | str] = {}
    for name in ("heap", "facts"):
        facts |= _asked(name, link)
    is_thumb = _is_thumb(facts)
    if is_thumb or facts.get("platform") == "microbit":
        facts |= _asked("registers", link)
    if is_thumb:
        facts |= _asked("inline_asm", link)
    numbers = {key: value for key, value in facts.items() if isinstance(value, int)}
    texts = {key: value for key, value in facts.items() if isinstance(value, str)}
    missing = [key for key in _INTS if key not in numbers]
    missing += [key for key in _TEXTS if key not in texts]
    if missing:
        raise _nonsense(link, f"nothing about {', '.join(missing)}")
    mpy = numbers["mpy"]
    version, subversion, number = mpy & 255, mpy >> 8 & 3, mpy >> 10 & 15
    architecture = _ARCHITECTURES[number] if number < len(_ARCHITECTURES) else f"unknown {number}"
    cpu_id = numbers.get("cpuid")
    core = identify(cpu_id, _isar(numbers))
    told = numbers.get("inline_asm")
    inline_asm = None if told is None else bool(told)
    choice = choose(version, subversion, architecture, core, inline_asm, ceiling)
    best = choice.sets[0] if choice.sets else None
    return Probe(
        implementation=texts["name"],
        version=texts["version"],
        machine=texts["machine"],
        platform=texts["platform"],
        mpy_version=version,
        mpy_subversion=subversion,
        architecture=architecture,
        cpu_id=cpu_id,
        cpu=None if core is None else core.name,
        cpu_architecture=None if core is None else core.architecture,
        dsp=None if core is None else core.has_dsp,
        inline_asm=inline_asm,
        tier=choice.tier,
        int_bits=numbers["bits"],
        heap_free=numbers["heap_free"],
        heap_total=numbers["heap_total"],
        files_free=numbers.get("files_free"),
        files_total=numbers.get("files_total"),
        frequency=numbers.get("frequency"),
        sets=choice.sets,
        mpy_set=best,
        kernels=None if best is None else kernels_of(best),
        reason=choice.reason,
    )


def _asked(name: str, link: Link) -> dict[str, int | str]:
    """What a function of device/ writes; several short ones, for the smallest heaps."""
    output = checked.run(link, name)
    return _parse(output.decode("ascii", "backslashreplace"), link)


def _ceiling() -> str | None:
    value = os.environ.get(CEILING, "")
    if value and value not in TIERS:
        raise DeviceError(
            f"the environment variable {CEILING} is '{printable(value)}', which is no kernel tier",
            hint=f"tiers: {', '.join(TIERS)}; or unset it",
        )
    return value or None


def _is_thumb(facts: dict[str, int | str]) -> bool:
    """Whether native code for it is a microcontroller's: Arm's Linux says the same of its own."""
    mpy = facts.get("mpy")
    if not isinstance(mpy, int) or facts.get("platform") == "linux":
        return False
    return mpy >> 10 & 15 in _THUMB


def _isar(numbers: dict[str, int]) -> tuple[int, int, int] | None:
    """ID_ISAR1 to 3, if the board told all of them."""
    try:
        return numbers["isar1"], numbers["isar2"], numbers["isar3"]
    except KeyError:
        return None


def _parse(text: str, link: Link) -> dict[str, int | str]:
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-2:] != ["end", ""]:
        raise _nonsense(link, f"'{printable(lines[-1])}' at the end")
    found: dict[str, int | str] = {}
    for line in lines[:-2]:
        match = _LINE.fullmatch(line)
        if match is None:
            raise _nonsense(link, f"'{printable(line)}'")
        key, number, digits = match[1], match[2], match[3]
        if number is not None:
            found[key] = int(number)
        elif len(digits) % 2:
            raise _nonsense(link, f"'{printable(line)}'")
        else:
            found[key] = printable(bytes.fromhex(digits).decode(errors="backslashreplace"), 200)
    return found


def _nonsense(link: Link, what: str) -> DeviceError:
    return link.transport.error(
        f"{what} came instead of facts about the board",
        "something else printed on the line, or the firmware is not MicroPython: try again",
    )

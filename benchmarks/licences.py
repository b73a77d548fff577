"""`make licences`: docs/licences.md, from the metadata of the packages that are installed.

    python -m benchmarks.licences > docs/licences.md

The closure of pyproject.toml's requirements on this machine, and the playground's npm packages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.dependencies import NPM_LOCK, npm_dependencies, python_dependencies

PERMISSIVE = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-CMU",
        "PSF-2.0",
        "Zlib",
    }
)
"""Licences under which something may be used beside Apache-2.0 with no duty but to name it.

BSD is one of 2 or 3 clauses: that is all that some packages tell.
"""
SPELLINGS: Mapping[str, str] = {
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD License": "BSD",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "ISC License": "ISC",
    "ISC license": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "The MIT License (MIT)": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""What packages write, as SPDX names it."""
NOT_TOLD = "not told"
_CLASSIFIER = "License :: OSI Approved :: "
_HEAD = """# Licences

microinterp is under Apache-2.0; the pictures of the digits model have
[a licence of their own](../examples/digits/README.md). What it is installed or worked on with comes
from PyPI and npm, under the licences below, as the packages' own metadata tells them.
[Decision 4](decisions/0004-dependencies.md) says what each of them is for, and why those are used
that are not permissive or tell nothing. Made by `make licences` from what is installed; do not
edit.

*asked for by*: a part of pyproject.toml (`run time` comes with every installation, the other words
are extras), or the package that brings this one. Linux x86-64.

| package | licence | asked for by |
|---|---|---|
"""


def told_licence(package: Distribution) -> str:
    """The licence in SPDX's words, if they are known; `not told` where the metadata has none."""
    told = package.metadata
    if expression := told.get("License-Expression"):
        return str(expression)
    line = (told.get("License") or "").strip()
    if line and "\n" not in line and re.match(r"Copyright|License agreement|UNKNOWN", line) is None:
        return SPELLINGS.get(line, line)
    classes = [
        name.removeprefix(_CLASSIFIER)
        for name in told.get_all("Classifier", [])
        if name.startswith(_CLASSIFIER)
    ]
    return " AND ".join(SPELLINGS.get(name, name) for name in classes) or NOT_TOLD


def is_permissive(licence: str) -> bool:
    """Whether every part of an expression is permissive, or offers that as a choice."""
    parts = licence.replace("(", "").replace(")", "").split(" AND ")
    return all(any(each in PERMISSIVE for each in part.split(" OR ")) for part in parts)


def npm_licences() -> dict[str, str]:
    """By npm package that package.json names: its licence, from the lock file."""
    locked = json.loads(NPM_LOCK.read_text(encoding="utf-8"))["packages"]
    return {
        each.name: locked[f"node_modules/{each.name}"].get("license", NOT_TOLD)
        for each in npm_dependencies()
    }


def closure() -> dict[str, tuple[Distribution, tuple[str, ...]]]:
    """By name: every installed package that pyproject.toml leads to, and what asks for it."""
    found: dict[str, tuple[Distribution, tuple[str, ...]]] = {}
    todo = [(each.name, each.group, each.extras) for each in python_dependencies()]
    while todo:
        name, asker, extras = todo.pop(0)
        package = _installed(name)
        if package is None:
            continue
        is_new = name not in found
        askers = found[name][1] if not is_new else ()
        found[name] = package, (*askers, asker) if asker not in askers else askers
        if is_new:
            todo += [(needed, name, frozenset()) for needed in _needs(package, extras)]
    return dict(sorted(found.items()))


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _needs(package: Distribution, extras: Iterable[str]) -> list[str]:
    """Names of what a package requires here."""
    needed = []
    for line in package.requires or ():
        wanted = Requirement(line)
        environments = [{"extra": extra} for extra in ("", *extras)]
        if wanted.marker is None or any(wanted.marker.evaluate(each) for each in environments):
            needed.append(canonicalize_name(wanted.name))
    return needed


def markdown() -> str:
    """The page."""
    rows = [
        (name, told_licence(package), ", ".join(askers))
        for name, (package, askers) in closure().items()
    ]
    rows += [(name, licence, "npm") for name, licence in npm_licences().items()]
    return _HEAD + "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


if __name__ == "__main__":
    print(markdown(), end="")

"""What pyproject.toml and the playground's package.json ask for; lowest versions as constraints.

    python -m benchmarks.dependencies > constraints.txt

`make test-lowest` installs by these constraints, so that the lowest versions stand in one place.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = ROOT / "pyproject.toml"
NPM = ROOT / "docs" / "playground" / "package.json"
NPM_LOCK = NPM.with_name("package-lock.json")
RUN_TIME, BUILD, PLAYGROUND = "run time", "build", "npm"
TOOLS = ("docs", "test", "dev", BUILD)
"""Groups that users do not install: always the newest, so that no constraint is made of them."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """A line of a list of requirements.

    Attributes:
        name: as the registry spells it.
        group: an extra, or one of the names above.
        versions: the specifier, like ">=2.18"; the version itself for npm.
        marker: where it is installed; empty: everywhere.
        extras: extras of the package that are asked for.
    """

    name: str
    group: str
    versions: str
    marker: str = ""
    extras: frozenset[str] = frozenset()


def python_dependencies() -> list[Dependency]:
    """Every requirement of pyproject.toml, in its order; extras that name extras are left out."""
    table = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    project = table["project"]
    found = list(_parsed(RUN_TIME, project["dependencies"]))
    for extra, lines in project["optional-dependencies"].items():
        found += [each for each in _parsed(extra, lines) if each.name != project["name"]]
    return [*found, *_parsed(BUILD, table["build-system"]["requires"])]


def npm_dependencies() -> list[Dependency]:
    """What the playground's page is built and tested with."""
    table: dict[str, Any] = json.loads(NPM.read_text(encoding="utf-8"))
    return [
        Dependency(name, PLAYGROUND, version)
        for section in ("dependencies", "devDependencies")
        for name, version in table.get(section, {}).items()
    ]


def _parsed(group: str, lines: Iterable[str]) -> Iterator[Dependency]:
    for line in lines:
        wanted = Requirement(line)
        name, marker = canonicalize_name(wanted.name), str(wanted.marker or "")
        extras = frozenset(wanted.extras)
        yield Dependency(name, group, str(wanted.specifier), marker, extras)


def constraints(dependencies: Iterable[Dependency]) -> list[str]:
    """Lines for pip that hold each dependency of users to its lowest version.

    Raises:
        ValueError: a requirement names no lowest version, so that anything might be installed.
    """
    lines = []
    for each in dependencies:
        if each.group in TOOLS:
            continue
        if each.versions[:2] not in (">=", "==") or "," in each.versions:
            raise ValueError(f"{each.name}{each.versions}: wanted >= or ==, and one version")
        line = f"{each.name}=={each.versions[2:]}"
        lines.append(f"{line}; {each.marker}" if each.marker else line)
    return list(dict.fromkeys(lines))


if __name__ == "__main__":
    print("\n".join(constraints(python_dependencies())))

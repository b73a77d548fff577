"""Power that goes, and disks that are full, at every step of a deployment, on real filesystems."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boards.service_port import run_service
from tests.marks import slow, slow_but, thorough

REAL = ("littlefs", "fat")
WRAPPED = ("replacing", "not-replacing")
SCENES = {"first", "update", "third", "back", "forget", "forget-half", "runtime"}
SMALL, LARGE = 1500, 17000
FLUSHED = {SMALL: 512, LARGE: 16384}
FRAME = 200


def scenes(kind: str, system: str, size: int, folder: Path) -> dict[tuple[str, int], list[int]]:
    lines = run_service("service_faults.py", kind, system, str(size), folder=folder)
    return {(name, int(tear)): [int(each) for each in rest] for name, tear, *rest in lines}


def require_cut(system: str, size: int, folder: Path) -> None:
    """The assertions on what is in use are in service_faults.py."""
    found = scenes("cut", system, size, folder)
    assert found.keys() == {(name, tear) for name in SCENES for tear in (0, 1)}
    assert all(steps >= 2 for steps, _ in found.values())
    assert min(found["first", 0][0], found["update", 0][0]) > size // 1000 + 15
    for _, again in found.values():
        # A part on FAT that a cut has torn is read with an error, and sent anew.
        assert again <= (size + 2 if system == "fat" else FLUSHED[size] + FRAME)


@pytest.mark.parametrize("system", [*REAL, "not-replacing"])
def test_power_goes_at_every_step(system: str, tmp_path: Path) -> None:
    require_cut(system, SMALL, tmp_path)


@pytest.mark.parametrize(
    ("system", "size"), [thorough("littlefs", LARGE), slow("replacing", SMALL)]
)
def test_power_goes_at_every_step_of_more(system: str, size: int, tmp_path: Path) -> None:
    require_cut(system, size, tmp_path)


@pytest.mark.parametrize("system", slow_but((*REAL, *WRAPPED), "fat"))
def test_power_goes_again_and_again(system: str, tmp_path: Path) -> None:
    ((done, cuts),) = run_service("service_faults.py", "chain", system, str(SMALL), folder=tmp_path)
    assert int(done) == 60
    assert int(cuts) > 60


@pytest.mark.parametrize("system", slow_but(WRAPPED, "not-replacing"))
def test_each_step_may_find_the_disk_full(system: str, tmp_path: Path) -> None:
    found = scenes("full", system, SMALL, tmp_path)
    assert {name for name, _ in found} == SCENES


@pytest.mark.parametrize("system", slow_but(WRAPPED, "replacing"))
def test_each_write_may_be_wrong(system: str, tmp_path: Path) -> None:
    """Flash that does not keep what was written: all is read again before it is relied on."""
    found = scenes("rot", system, SMALL, tmp_path)
    assert {name for name, _ in found} == SCENES


@pytest.mark.parametrize("system", slow_but(REAL, "fat"))
def test_a_disk_with_too_few_blocks(system: str, tmp_path: Path) -> None:
    lines = run_service("service_faults.py", "filled", system, str(SMALL), folder=tmp_path)
    assert [line[0] for line in lines] == ["first", "update"]
    assert all(int(full) >= 3 and int(done) > 10 for _, full, done in lines)

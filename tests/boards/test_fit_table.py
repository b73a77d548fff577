"""The table of boards: every row of it, and the rows that are refused."""

from __future__ import annotations

import re

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.boards_table import KNOWN, BoardRow, boards, find, parse
from microinterp_boards.fit import OTHER_TARGET, TARGET_OF_CORE
from microinterp_boards.heap_need import costs_of
from microinterp_boards.virtual import KINDS
from tests.boards.unix_port import ROOT

GOOD = """
[[board]]
id = "one"
name = "One"
mcu = "chip"
core = "cortex-m4"
kernels = "armv7em"
link = "usb"
flashing = "uf2"
ram_bytes = 4096
source = "https://example.org"
"""


def test_there_are_enough_and_of_all_kinds() -> None:
    real = [row for row in boards().values() if not row.is_virtual]
    assert len(real) >= 25
    for field in ("kernels", "link", "core", "heap_basis", "mapping"):
        unused = set(KNOWN[field]) - {getattr(row, field) for row in boards().values()} - {""}
        assert unused <= {"cortex-m55"}, (field, unused)


@pytest.mark.parametrize("row", boards().values(), ids=lambda row: row.id)
def test_every_row(row: BoardRow) -> None:
    """Sizes that make sense together; the loader has checked types, words and what is required."""
    if row.clock_hz is not None:
        assert 8_000_000 <= row.clock_hz <= 1_000_000_000
    if not row.is_virtual:
        assert row.ram_bytes is not None
        assert row.ram_bytes % 1024 == 0
        assert row.link != "virtual"
    if row.flash_bytes is not None and "stm32" not in row.source and "samd" not in row.source:
        assert (row.filesystem_bytes or 0) < row.flash_bytes  # others may have it on a second chip
    if row.micropython_heap_bytes is not None and row.kernels != "source":
        costs_of(row.kernels)
    wanted = {
        "armv6m": {"cortex-m0", "cortex-m0plus"},
        "armv7m": {"cortex-m3"},
        "armv7em": {"cortex-m4", "cortex-m7", "cortex-m33"},  # an RP2350's M33 has DSP
        "x64": {"x86-64"},
    }
    assert row.core in wanted.get(row.kernels, {row.core})


@pytest.mark.parametrize("row", boards().values(), ids=lambda row: row.id)
def test_every_source_is_a_place(row: BoardRow) -> None:
    for text in (row.source, row.heap_source):
        for path in re.findall(r"\bdocs/\w+\.md", text):
            assert (ROOT / path).is_file()
    if row.heap_basis == "estimate":
        assert re.search(r"\bless \d+ KiB", row.heap_source), "an estimate tells its arithmetic"


def test_estimates_are_their_own_arithmetic() -> None:
    """ "512 KiB of AXI SRAM less 16 KiB of stack and 80 KiB": the first less all others."""
    estimates = [row for row in boards().values() if row.heap_basis == "estimate"]
    assert len(estimates) > 10
    for row in estimates:
        sizes = [int(size) for size in re.findall(r"(\d+) KiB", row.heap_source)]
        assert row.micropython_heap_bytes == 1024 * (sizes[0] - sum(sizes[1:])), row.id


def test_the_virtual_boards_are_those_that_exist() -> None:
    ids = {row.id.split("-")[-1 if row.id == "qemu-microbit" else 0] for row in virtual()}
    assert ids == set(KINDS)


def virtual() -> list[BoardRow]:
    return [row for row in boards().values() if row.is_virtual]


def test_every_core_has_a_build_of_tflm() -> None:
    assert set(TARGET_OF_CORE) == {core for core in KNOWN["core"] if core.startswith("cortex")}
    assert OTHER_TARGET == "cortex-m-reference"


def test_costs_are_those_of_sets_that_boards_load() -> None:
    assert costs_of("viper-armv6m") == costs_of("viper-armv7m") != costs_of("x64")
    assert costs_of("armv6m") != costs_of("bytecode")
    with pytest.raises(
        DeviceError, match=r"no board loads a set of \.mpy files 'source'"
    ) as caught:
        costs_of("source")
    assert caught.value.hint.startswith("there are: armv6m, armv7m, armv7em, viper-armv6m")


def test_near_names() -> None:
    assert find("pico").mcu == "RP2040"
    with pytest.raises(DeviceError, match="there is no board 'pico3'") as caught:
        find("pico3")
    assert caught.value.hint.startswith("perhaps pico, pico2")
    with pytest.raises(DeviceError, match=r"'\\x1b\[31m'"):
        find("\x1b[31m")


def test_a_row_that_is_right_is_read() -> None:
    (row,) = parse(GOOD).values()
    assert (row.id, row.core, row.ram_bytes, row.flash_bytes) == ("one", "cortex-m4", 4096, None)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('id = "one"', "", "'0': id is missing"),
        ('id = "one"', 'id = "O ne"', "id has other characters"),
        ('core = "cortex-m4"', 'core = "cortex-m5"', "core is 'cortex-m5', none of"),
        ("ram_bytes = 4096", 'ram_bytes = "4096"', "ram_bytes is '4096', not a number"),
        ("ram_bytes = 4096", "ram_bytes = true", "ram_bytes is True, not a number"),
        ("ram_bytes = 4096", "ram_bytes = 0", "ram_bytes is 0, not a number"),
        ("ram_bytes = 4096", "ram_bytes = -1", "ram_bytes is -1, not a number"),
        ("ram_bytes = 4096", "rom_bytes = 4096", "rom_bytes is not known"),
        ('name = "One"', "name = 1", "name is 1, not a str"),
        ('name = "One"', 'name = ""', "name is missing"),
        ('source = "https://example.org"', 'source = "memory"', "neither a URL nor a file"),
        ('source = "https://example.org"', "", "source is missing"),
        ("ram_bytes = 4096", "micropython_heap_bytes = 9", "heap_basis and micropython_heap_bytes"),
        ("ram_bytes = 4096", 'heap_basis = "measured"', "heap_basis and micropython_heap_bytes"),
        ("ram_bytes = 4096", "filesystem_bytes = 9", "filesystem_block_bytes go together"),
        ("ram_bytes = 4096", 'mapping = "romfs"', "mapping has no size beside it"),
        ("[[board]]", "[board]", "is not a list"),
        (GOOD, "board = [3]", "the table of boards, '0': it is no table"),
        ("[[board]]", "[[", "is no TOML"),
    ],
)
def test_rows_that_are_wrong(old: str, new: str, told: str) -> None:
    with pytest.raises(DeviceError) as caught:
        parse(GOOD.replace(old, new))
    assert told in caught.value.message


def test_a_heap_larger_than_all_ram() -> None:
    heap = 'micropython_heap_bytes = 5000\nheap_basis = "measured"\nheap_source = "x"\n'
    with pytest.raises(DeviceError, match="'one': micropython_heap_bytes is more than ram_bytes"):
        parse(GOOD + heap)


def test_ids_are_there_once() -> None:
    with pytest.raises(DeviceError, match="'one': id is there twice"):
        parse(GOOD + GOOD)

"""TEST: the model that was just uploaded is loaded and held to its bundle, and leaves no trace."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from microinterp_boards.packing import pack_for_board
from tests.boards.golden_files import write_bundle
from tests.boards.model_boards import MODEL, needs_viper, other_digits
from tests.boards.qemu_port import mapped_model, qemu_board
from tests.boards.service_port import HERE, run_service
from tests.boards.unix_port import FIRMWARE

DIGITS = MODEL.read_bytes()
SAMPLES, OUTPUTS = 6, 10
GOOD = ["1", str(SAMPLES), str(SAMPLES * OUTPUTS)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and bundles of several kinds."""
    tmp_path = tmp_path_factory.mktemp("made")
    (tmp_path / "model").write_bytes(pack_for_board(DIGITS).packed)
    good = write_bundle(DIGITS, tmp_path / "good", SAMPLES)
    (tmp_path / "cut").write_bytes(good[:-5])

    def change(sample: int, outputs: list[Any], crcs: Any) -> None:
        if sample in (3, 5):
            outputs[0].view("u1")[0, 0, 6] ^= 1

    write_bundle(DIGITS, tmp_path / "bad", SAMPLES, change)
    write_bundle(other_digits(tmp_path).read_bytes(), tmp_path / "other", 2)
    return tmp_path


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """Copies of them, to work in."""
    return Path(shutil.copytree(made, tmp_path / "board"))


def test_only_what_passes_is_switched_to(folder: Path) -> None:
    lines = run_service("service_selftest.py", "samples", folder=folder)
    first, bare, *rest = [" ".join(line) for line in lines]
    assert first == "refused 2 VERIFY comes first"
    assert bare == "1 0 0"  # without a bundle it is only loaded
    told, switched = rest[0:10:2], rest[1:10:2]
    value = told[1].split("byte 6: ")[1]
    got, wanted = (int(word) for word in value.split(", not "))
    assert got ^ wanted == 1
    bad = (
        f"bad 0 {SAMPLES} {SAMPLES * OUTPUTS} 2 of {SAMPLES} samples differ,"
        f" first: sample 3 output 0 byte 6: {value}"
    )
    assert told[0] == " ".join(["good", *GOOD])
    assert told[1] == told[4] == bad
    assert told[2] == "other refused 7 BundleError: the bundle was recorded from another model"
    assert "cut refused 7 BundleError: the bundle is cut off" in told[3]
    assert switched == ["good None", "bad 7", "other 7", "cut 7", "bad 7"]
    damaged = rest[10:]
    assert len(damaged) == 3
    assert all(line.startswith("damaged refused 7 ModelError: ") for line in damaged)


@pytest.mark.parametrize(
    ("tier", "lost"), [("bytecode", 0), pytest.param("viper", 256, marks=needs_viper)]
)
def test_the_heap_is_as_free_as_before(tier: str, lost: int, folder: Path) -> None:
    """Firmware remembers machine code that it has loaded, a few bytes of each module, for ever."""
    ((*numbers,),) = run_service("service_selftest.py", "heap", folder=folder, tier=tier)
    first, *after, before, loaded = map(int, numbers)
    assert first <= after[0]  # the link's own modules have gone too: they come back when needed
    assert all(0 <= a - b <= lost for a, b in pairwise(after))
    assert after[-1] - 4096 < before <= after[-1]
    model = len(pack_for_board(DIGITS).packed)
    assert model < before - loaded < model + 32768


def test_too_little_memory(folder: Path) -> None:
    lines = run_service("service_selftest.py", "short", folder=folder, heap="1M")
    assert lines[0] == ["100000", *GOOD]
    refused = [line for line in lines if line[1] == "refused"]
    assert len(refused) >= 3
    assert all(line[2] == "8" for line in refused)
    assert lines[-1][-1] == "short"
    assert int(lines[-1][-2]) > 0


def test_a_program_opens_the_model_in_use(folder: Path) -> None:
    assert [
        " ".join(line) for line in run_service("service_selftest.py", "program", folder=folder)
    ] == [
        "no model 'digits' is deployed in the folder models",
        "2",
    ]


@pytest.mark.usefixtures("qemu")
def test_on_a_cortex_m4(folder: Path) -> None:
    """Where ints have 32 bits, files are the board's own, and kernels are Thumb code."""
    link = (FIRMWARE / "link" / "microinterp_link").glob("*.mpy")
    preload = [
        *mapped_model(pack_for_board(DIGITS, "m"), "m4"),
        *((f"lib/microinterp_link/{path.name}", path.read_bytes()) for path in link),
        ("good", (folder / "good").read_bytes()),
        ("service_side.py", (HERE / "service_side.py").read_bytes()),
    ]
    script = """
import gc
from service_side import *
host = Host()
host.deploy('digits', read('m.mipk'), test=False)
host.put(MODELS, 'digits', read('m.mipk'), 3)
host.put(TESTS, 'digits', read('good'))
for _ in range(3):
    answer = host.ask(TEST, field('digits'))
    gc.collect()
    print(list(answer[:9]), gc.mem_free())
print(number(host.ask(SWITCH, field('digits'))), host.model('digits')[:2], host.sent)
from microinterp import models
print(models.load('digits').get_output(0)[0], models.find('digits'))
print(number(host.ask(BACK, field('digits'))), host.ask(FORGET, field('digits')), files())
"""
    with qemu_board("m4", heap=1 << 18, preload=preload) as board:
        printed = board.exec(script, 60.0).replace("\r\n", "\n").splitlines()
    tests, (switched, loaded, ended) = printed[:3], printed[3:]
    counts = [1, SAMPLES, 0, 0, 0, SAMPLES * OUTPUTS, 0, 0, 0]
    assert [line.rpartition(" ")[0] for line in tests] == [str(counts)] * 3
    free = [int(line.rpartition(" ")[2]) for line in tests]
    assert free[0] == free[1] == free[2]
    size = len(pack_for_board(DIGITS).for_tier("armv7em").packed)
    sent = 2 * size + (folder / "good").stat().st_size
    assert switched == f"2 [2, 'b'] {sent}"
    assert loaded.endswith(" models/digits.b")
    assert ended == "3 b'\\x01' {}"

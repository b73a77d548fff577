"""Deploying: what is sent, what is kept, what is removed, and what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from microinterp.errors import DeviceError, InputError, ModelError, UnsupportedError
from microinterp_boards import runtime
from microinterp_boards.kernel_sets import Choice
from microinterp_boards.packing import pack_for_board
from microinterp_boards.store.selftest import samples_for
from tests.boards.model_boards import GOLDEN, MODEL, NAME, board_with, needs_viper
from tests.boards.unix_port import ROOT
from tests.digits import DIGITS

pytestmark = [pytest.mark.usefixtures("interpreter"), needs_viper]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The board's filesystem, as the host sees it."""
    return tmp_path / "files"


def test_deploy_sends_everything_once(files: Path) -> None:
    with board_with(folder=files) as board:
        first = board.deploy(MODEL)
        runtime_files = {f"lib/microinterp/{name}" for name in runtime.shipped("x64")}
        assert set(first.files_sent) == runtime_files | {first.path}
        assert (first.files_kept, first.files_removed) == ((), ())
        assert first.sha256 == hashlib.sha256(MODEL.read_bytes()).hexdigest()
        assert first.path == f"models/{NAME}.a"
        assert first.model_bytes == (files / first.path).stat().st_size
        on_board = {path.relative_to(files).as_posix() for path in files.rglob("*.*")}
        own = {path for path in on_board if path.startswith("lib/microinterp_link/")}
        assert on_board - own == {*first.files_sent, f"models/{NAME}.0"}
        sizes = sum((files / path).stat().st_size for path in first.files_sent)
        bundle = samples_for(pack_for_board(MODEL)).bundle
        assert first.sent_bytes == sizes + len(bundle)
        assert first.tested_samples == 4
        assert first.heap_start > first.heap_imported > first.heap_loaded
        second = board.deploy(MODEL)
        assert (second.files_sent, second.sent_bytes) == ((), 0)
        assert set(second.files_kept) == set(first.files_sent)


def test_deploy_repairs_and_cleans_up(files: Path) -> None:
    with board_with(folder=files) as board:
        board.deploy(MODEL)
        installed = files / "lib" / "microinterp"
        damaged = bytearray((installed / "_load.mpy").read_bytes())
        damaged[50] ^= 1
        (installed / "_load.mpy").write_bytes(damaged)
        (installed / "_pool.mpy").unlink()
        (installed / "_old.mpy").write_bytes(b"of an older version")
        done = board.deploy(MODEL)
        wanted = {"lib/microinterp/_load.mpy", "lib/microinterp/_pool.mpy"}
        assert set(done.files_sent) == wanted
        assert done.files_removed == ("lib/microinterp/_old.mpy",)
        assert board.validate(MODEL, samples=1).equal


def test_names(tmp_path: Path) -> None:
    strange = tmp_path / "größe 5; rm -rf '.tflite"
    strange.write_bytes(MODEL.read_bytes())
    long = tmp_path / f"{'x' * 60}.tflite"
    long.write_bytes(MODEL.read_bytes())
    assert pack_for_board(strange).name == "gr--e-5--rm--rf--"
    shortened = pack_for_board(long).name
    assert len(shortened) == 27
    assert shortened.startswith("xxxx")
    assert shortened != pack_for_board(long.rename(tmp_path / f"{'x' * 61}.tflite")).name
    assert pack_for_board(MODEL.read_bytes()).name == "model"
    refused = (
        "",
        "..",
        "a/b",
        "x" * 28,
        "a b",
        "a\n",
        ".a",
        "a.",
        "kws.a",
        "kws.B",
        "x.TEST",
        "x.2",
    )
    for name in refused:
        with pytest.raises(DeviceError, match="cannot be the name of a model"):
            pack_for_board(MODEL, name)


def test_names_are_those_that_the_service_takes(tmp_path: Path) -> None:
    """`is_good` and `has_suffix` are the board's own code."""
    fields: dict[str, Any] = {"Refused": DeviceError}
    source = (ROOT / "firmware" / "link" / "fields.py").read_text()
    exec(source.replace("from microinterp_link.refused import Refused", ""), fields)
    is_good, has_suffix = fields["is_good"], fields["has_suffix"]
    stems = ("kws.a", "kws.B", "kws.0.1", "x.test.part", "..a..", "v.2", "a.b.", "é.test", ".part")
    expected = ["kws-a", "kws-B", "kws.0-1", "x.test-part", "a", "v-2", "a-b", "--test", "part"]
    found = []
    for stem in (*stems, "x" * 30 + ".a", ".".join("ab012" * 3), "-.Test"):
        path = tmp_path / f"{stem}.tflite"
        path.write_bytes(MODEL.read_bytes())
        name = pack_for_board(path).name
        found.append(name)
        assert is_good(name.encode())
        assert not has_suffix(name)
        assert len(name) <= 27
    assert found[: len(stems)] == expected
    for name in ("a", "a.c", "digits_int8.mipk", "3", "x.part2", "part", "-", "A..b-.c"):
        assert is_good(name.encode())
        assert not has_suffix(name)
        assert pack_for_board(MODEL, name).name == name


def test_two_models_live_side_by_side() -> None:
    with board_with() as board:
        board.deploy(MODEL, "one")
        assert board.deploy(MODEL, "two").files_sent == ("models/two.a",)
        assert board.validate(MODEL, samples=1, name="one").equal
        assert board.validate(MODEL, samples=1, name="two").equal


def test_uninstall_leaves_the_users_files(files: Path) -> None:
    files.mkdir()
    (files / "main.py").write_text("")
    (files / "old.mipk.part").write_text("")
    with board_with(folder=files) as board:
        board.deploy(MODEL)
        (files / "lib" / "mine.py").write_text("")
        removed = board.uninstall()
        assert f"models/{NAME}.a" in removed
        assert "old.mipk.part" in removed
        assert "lib/microinterp/_conv.mpy" in removed
        left = sorted(path.relative_to(files).as_posix() for path in files.rglob("*"))
        assert left == ["lib", "lib/mine.py", "main.py"]
        assert board.uninstall() == []


def test_models_that_boards_do_not_run() -> None:
    with board_with() as board:
        with pytest.raises(UnsupportedError, match="cannot be packed") as caught:
            board.deploy(DIGITS / "digits_float.tflite")
        assert "op 0 CONV_2D" in str(caught.value)
        with pytest.raises(ModelError):
            board.deploy(GOLDEN)
        with pytest.raises(ModelError, match="cannot read"):
            board.deploy("nowhere.tflite")
        for version in (-1, 1 << 32):
            with pytest.raises(InputError, match=f"is 0 to 4294967295, not {version}"):
                board.deploy(MODEL, version=version)
        assert board.files.list() == []


def test_sets_that_do_not_exist_or_do_not_fit() -> None:
    with board_with() as board:
        for name in ("armv6m", "m33"):
            with pytest.raises(DeviceError, match=f"the set '{name}' is not for this board"):
                board.deploy(MODEL, mpy_set=name)


def test_another_module_of_that_name(files: Path) -> None:
    with board_with(folder=files) as board:
        board.deploy(MODEL)
        (files / "microinterp.py").write_text("x = 1\n")
        with pytest.raises(
            DeviceError, match=r"another module is named microinterp: microinterp\.py"
        ):
            board.validate(MODEL)
        (files / "microinterp.py").unlink()
        copy = files / "microinterp"
        copy.mkdir()
        for path in (files / "lib" / "microinterp").iterdir():
            (copy / path.name).write_bytes(path.read_bytes())
        with pytest.raises(DeviceError, match="imports another 'microinterp' than the one"):
            board.validate(MODEL)


def test_firmware_that_cannot_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with board_with() as board:
        _pretend_old(monkeypatch)
        with pytest.raises(DeviceError, match=r"micropython 1\.\d+\.\d+ on '.*' cannot run") as it:
            board.deploy(MODEL)
        assert "flash MicroPython 1.23 or later" in it.value.hint


def _pretend_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the firmware loaded only .mpy files of version 5."""
    answer = Choice(None, (), "it loads .mpy version 5")
    monkeypatch.setattr("microinterp_boards.probe.choose", lambda *facts: answer)


def test_installations_without_the_boards_files(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.manifest.cache_clear()
    monkeypatch.setattr(runtime, "_firmware", lambda: Path("/nowhere"))
    with pytest.raises(DeviceError, match="no files for boards"):
        runtime.manifest()


def test_nothing_stays_in_the_heap() -> None:
    look = "import gc, sys; gc.collect(); print(sorted(globals()), sorted(sys.modules))"
    with board_with() as board:
        board.soft_reset()
        before = board.exec(look)
        board.deploy(MODEL)
        board.validate(MODEL, samples=1)
        board.bench(MODEL, runs=1)
        assert board.exec(look) == before

"""`microinterp fit` on the command line."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from microinterp_boards.boards_table import boards
from microinterp_boards.fit_verdict import Verdict
from tests.boards.model_boards import MODEL
from tests.boards.test_fit_deploy import model_of
from tests.boards.unix_port import ROOT
from tests.cli import HOSTILE, call, good, good_json, refused, stored, sums_model
from tests.clock import quickest
from tests.digits import DIGITS
from tests.processes import command

FLOAT = DIGITS / "digits_float.tflite"


def test_all_boards_by_default() -> None:
    result = call("fit", MODEL, "--json")
    found = json.loads(result.stdout)
    assert [each["id"] for each in found["boards"]] == list(boards())
    assert found == json.loads(call("fit", MODEL, "--board", "all", "--json").stdout)
    assert found["model_bytes"] == MODEL.stat().st_size
    assert (found["packed_bytes"], found["packed_arena_bytes"]) == (9584, 3264)
    keys = {field.name for field in fields(Verdict)}
    for each in found["boards"]:
        assert set(each) == {"id", "name", "mcu", "core", "tflm", "micropython"}
        for verdict in (each["tflm"], each["micropython"]):
            assert verdict is None or set(verdict) == keys
    answers = [
        v["fits"] for each in found["boards"] for v in (each["tflm"], each["micropython"]) if v
    ]
    assert set(answers) == {True, False, None}
    assert result.exit_code == 1


def test_exit_status() -> None:
    assert call("fit", MODEL, "--board", "pico").exit_code == 0
    assert call("fit", MODEL, "--board", "pico", "--board", "microbit-v1").exit_code == 1
    assert call("fit", MODEL, "--board", "esp32-c6").exit_code == 1  # its heap is not known
    assert call("fit", MODEL, "--board", "esp32-c6", "--firmware", "tflm").exit_code == 0
    assert call("fit", MODEL, "--board", "esp32-c6", "--heap", 200_000).exit_code == 0
    assert call("fit", FLOAT, "--board", "pico").exit_code == 1
    assert call("fit", FLOAT, "--board", "pico", "--firmware", "tflm").exit_code == 0


def test_bad_use() -> None:
    assert "there is no board 'pico3'" in refused("fit", MODEL, "--board", "pico3")
    assert "no firmware 'zephyr'" in refused("fit", MODEL, "--firmware", "zephyr")
    assert "is for chips" in refused("fit", MODEL, "--board", "unix", "--firmware", "tflm")
    assert "cannot read" in refused("fit", "nowhere.tflite")
    assert call("fit", MODEL, "--heap", 0).exit_code == 2
    assert call("fit", MODEL, "--max-extra-macs", -1).exit_code == 2
    assert call("fit").exit_code == 2


def test_one_firmware_leaves_the_other_out() -> None:
    (found,) = good_json("fit", MODEL, "--board", "pico", "--firmware", "tflm")["boards"]
    assert (found["tflm"]["fits"], found["micropython"]) == (True, None)
    text = good("fit", MODEL, "--board", "pico", "--board", "pico2", "--firmware", "micropython")
    assert "TFLM  " not in text
    assert "heap" in text


def test_one_board_is_told_in_detail() -> None:
    text = good("fit", MODEL, "--board", "pico")
    for word in ("Raspberry Pi Pico (RP2040, cortex-m0plus, 125 MHz)", "cortex-m-cmsis-nn-c"):
        assert word in text
    (found,) = good_json("fit", MODEL, "--board", "pico")["boards"]
    for kind in ("tflm", "micropython"):
        assert f"{found[kind]['needed_bytes']:,} of {found[kind]['available_bytes']:,}" in text
        assert f"{found[kind]['flash_needed_bytes']:,} of" in text


def test_the_table_reads_well_at_100_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = call("fit", MODEL).stdout.splitlines()
    assert max(map(len, lines)) <= 100
    for row in boards().values():
        (line,) = (line for line in lines if line.startswith(f"{row.id} "))
        assert line.split()[0] == row.id


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(name: str, tmp_path: Path) -> None:
    path = stored(tmp_path, sums_model(name=HOSTILE[name]))
    text = call("fit", path).stdout
    assert "\x1b" not in text
    assert "\x00" not in text


def test_as_a_process_in_time() -> None:
    """Every board for vww_96: under 2 s on an idle machine; here others may compute too."""
    path = ROOT.parent / "shared" / "models" / "vww_96_int8.tflite"
    model_of("vww_96_int8")

    def fit() -> None:
        done = command("fit", path, "--json", cwd=ROOT)
        assert done.returncode == 1
        assert len(json.loads(done.stdout)["boards"]) == len(boards())

    took = quickest(fit, 6)
    print(f"\nfit, all boards: {took:.2f} s")
    assert took < 6

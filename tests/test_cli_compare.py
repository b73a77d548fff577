"""`microinterp compare`: its JSON, its exit status, its options, and what people read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp.cli import output
from microinterp.model_builder import ModelBuilder
from microinterp.sides.host import HostSide
from tests.cli import HOSTILE, call, good, good_json, refused, stored, sums_model
from tests.compare.nets import CONV, DENSE, picture_net, pictures
from tests.compare.planting import Plant, chain

NET = picture_net()
MODEL = chain(NET)
KEYS = {
    "equal", "differing_elements", "first_op", "cause", "compared_elements", "samples", "ours",
    "other", "other_name", "model_sha256", "ops", "outputs", "findings", "evidence", "notes",
}  # fmt: skip
ROW_KEYS = {
    "subgraph", "index", "name", "tensor", "tensor_name", "type", "elements", "told", "differing",
    "differing_samples", "max_difference", "isolated_differing", "isolated_max_difference",
    "norms", "causes",
}  # fmt: skip


def their_outputs(folder: Path, fault: int | None = CONV) -> Path:
    """An .npz of every op and of the input; a bias is left out in one."""
    faults = {} if fault is None else {fault: NET[fault].without_last()}
    account = Plant(NET, faults, pictures(3)).account()
    arrays = {f"op_{place[1]}": told.values for place, told in account.tensors.items()}
    path = folder / "their.npz"
    np.savez(path, input_0=pictures(3), **arrays)
    return path


def different_json(*arguments: object) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == 1
    assert result.stderr == ""
    return json.loads(result.stdout)


def test_json_of_a_difference(tmp_path: Path) -> None:
    model, theirs = stored(tmp_path, MODEL), their_outputs(tmp_path)
    found = different_json("compare", model, "--with", theirs)
    assert set(found) == KEYS
    assert found["equal"] is False
    assert found["differing_elements"] > 100
    assert found["first_op"] == {"subgraph": 0, "index": 0, "name": "CONV_2D"}
    assert isinstance(found["cause"], str)
    assert "CONV_2D (op 0) leaves its bias out" in found["cause"]
    assert {key for row in found["ops"] for key in row} == ROW_KEYS
    assert sum(row["differing"] for row in found["ops"]) == found["differing_elements"]
    assert found["findings"][0]["name"] == "bias-left-out"
    assert found["evidence"] == []
    assert len(found["model_sha256"]) == 64


def test_json_of_equal_sides(tmp_path: Path) -> None:
    model, theirs = stored(tmp_path, MODEL), their_outputs(tmp_path, None)
    found = good_json("compare", model, "--with", theirs)
    assert set(found) == KEYS
    assert (found["equal"], found["differing_elements"]) == (True, 0)
    assert (found["first_op"], found["cause"]) == (None, None)
    assert found["compared_elements"] == 3 * 276


def test_json_of_what_is_not_explained(tmp_path: Path) -> None:
    values = NET[DENSE].others[0].values.copy()
    values[:, 0] ^= 64
    account = Plant(NET, {DENSE: NET[DENSE].change(0, values=values)}, pictures(3)).account()
    path = tmp_path / "their.npz"
    tensors = {f"op_{place[1]}": told.values for place, told in account.tensors.items()}
    np.savez(path, input_0=pictures(3), **tensors)
    found = different_json("compare", stored(tmp_path, MODEL), "--with", path)
    assert found["cause"] is None
    assert found["findings"] == []
    assert len(found["evidence"]) >= 3


def test_numbers_that_json_lacks(tmp_path: Path) -> None:
    """NaN and infinity are words."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x, y = g.input("x", (1, 3), "float32"), g.tensor("y", (1, 3), "float32")
    g.op("NEG", [x], [y])
    g.output(y)
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros((1, 3), "f4"), y=np.array([[np.nan, np.inf, 0]], "f4"))
    found = different_json("compare", stored(tmp_path, b.finish()), "--with", path)
    assert found["ops"][0]["max_difference"] == "inf"


@pytest.mark.parametrize(
    ("other", "equal"), [("tflm", True), ("cmsis-nn", True), ("single", False)]
)
def test_the_host_in_another_profile(tmp_path: Path, other: str, equal: bool) -> None:
    model = stored(tmp_path, MODEL)
    options = ("--with", "host", "--other-profile", other, "--samples", 8)
    if equal:
        assert good_json("compare", model, *options)["equal"]
        return
    found = different_json("compare", model, *options)
    assert "single-rounding" in [each["name"] for each in found["findings"]]
    assert found["other"].endswith("profile single")


def test_both_profiles_may_be_chosen(tmp_path: Path) -> None:
    model = stored(tmp_path, MODEL)
    options = ("compare", model, "--with", "host", "--profile", "single", "--samples", 8)
    assert good_json(*options)["equal"]  # --other-profile is single by default
    found = different_json(*options, "--other-profile", "tflm")
    assert "double-rounding" in [each["name"] for each in found["findings"]]


def test_samples_and_seeds(tmp_path: Path) -> None:
    model = stored(tmp_path, MODEL)
    options = ("compare", model, "--with", "host", "--other-profile", "tflm")
    assert good_json(*options)["samples"] == 10
    assert good_json(*options, "--samples", 3)["samples"] == 3
    one = good_json(*options, "--seed", 1)
    assert one["outputs"] != good_json(*options, "--seed", 2)["outputs"] or one["equal"]


def test_files_as_inputs(tmp_path: Path) -> None:
    model, x = stored(tmp_path, sums_model()), tmp_path / "x.npy"
    np.save(x, np.arange(12, dtype=np.int8).reshape(3, 1, 4))
    found = good_json("compare", model, x, "--raw", "--with", "host", "--other-profile", "tflm")
    assert found["samples"] == 3
    outputs = tmp_path / "y.npz"
    theirs = HostSide(sums_model()).run([np.load(x)]).outputs[0]
    np.savez(outputs, output_0=theirs)
    assert good_json("compare", model, x, "--raw", "--with", outputs)["equal"]
    assert "INPUT" in refused("compare", model, "--with", outputs)
    np.savez(outputs, output_0=theirs[:2])
    assert "3 samples" in refused("compare", model, x, "--raw", "--with", outputs)


def test_a_dump_beside_it_and_back(tmp_path: Path) -> None:
    model, dump = stored(tmp_path, MODEL), tmp_path / "ours.dump"
    options = ("--with", "host", "--other-profile", "tflm", "--samples", 4)
    good("compare", model, *options, "--dump", dump)
    assert dump.read_text().startswith("# microinterp dump 1\nruntime microinterp ")
    found = good_json("compare", model, "--with", dump)
    assert (found["samples"], found["compared_elements"]) == (4, 4 * 276)
    refused("compare", model, *options, "--dump", tmp_path / "no" / "folder")


def test_bad_use(tmp_path: Path) -> None:
    model = stored(tmp_path, MODEL)
    assert call("compare", model).exit_code == 2
    assert call("compare", model, "--with", "host", "--samples", 0).exit_code == 2
    refused("compare", tmp_path / "nowhere.tflite", "--with", "host")
    refused("compare", stored(tmp_path, b"nonsense", "bad.tflite"), "--with", "host")
    refused("compare", model, "--with", "host", "--profile", "nobody")
    refused("compare", model, "--with", "host", "--other-profile", "nobody")
    refused("compare", model, tmp_path / "no.npy", "--with", "host")
    refused("compare", model, "--with", stored(tmp_path, b"\x00" * 50, "noise"))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(tmp_path: Path, name: str) -> None:
    """Nothing that a model or a file is called reaches the terminal as it is."""
    model = stored(tmp_path, sums_model(name=HOSTILE[name]))
    theirs = tmp_path / "y.npz"
    np.savez(theirs, input_0=np.ones((2, 1, 4), np.int8), op_0=np.zeros((2, 1, 2), np.int8))
    for options in ((), ("--all",), ("--json",)):
        result = call("compare", model, "--with", theirs, *options)
        assert result.exit_code == 1
        assert not set(result.stdout + result.stderr) & {"\x1b", "\x00", "\x07", "\r", "\u202e"}
        assert len(max((result.stdout + result.stderr).splitlines(), key=len)) < 12_000


def test_what_a_dump_calls_its_runtime_is_safe(tmp_path: Path) -> None:
    model, dump = stored(tmp_path, MODEL), tmp_path / "d"
    good("compare", model, "--with", "host", "--other-profile", "tflm", "--dump", dump)
    text = dump.read_text()
    line = text.splitlines()[1]
    dump.write_text(text.replace(line, "runtime [red]\x1b[31mevil\x07"))
    shown = good("compare", model, "--with", dump)
    assert "\x1b" not in shown
    assert "[red]" in shown


WIDTHS = (80, 120)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("every", [False, True])
def test_what_people_read(
    tmp_path: Path, width: int, every: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures stand whole, lines fit, and the verdict says first what matters."""
    monkeypatch.setenv("COLUMNS", str(width))
    model, theirs = stored(tmp_path, MODEL), their_outputs(tmp_path)
    found = different_json("compare", model, "--with", theirs)
    result = call("compare", model, "--with", theirs, *(["--all"] if every else []))
    assert result.exit_code == output.NO
    text = result.stdout
    for row in found["ops"]:
        if row["differing"] or every:
            start = [str(row["index"]), row["name"]]
            line = next(each for each in text.splitlines() if each.split()[:2] == start)
            assert f"{row['elements']:,}" in line.split()
            assert f"{row['differing']:,}" in line.split()
            assert len(line.rstrip()) <= width
    assert f"different: {found['differing_elements']:,} of {found['compared_elements']:,}" in text
    assert "first: op 0 CONV_2D" in text
    assert "leaves its bias out" in " ".join(text.split())
    assert "[bias-left-out]" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_equal_sides_in_a_few_lines(
    tmp_path: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    model = stored(tmp_path, MODEL)
    text = good("compare", model, "--with", "host", "--other-profile", "tflm")
    assert "equal: 2,760 elements" in text
    assert "CONV_2D" not in text
    assert "CONV_2D" in good("compare", model, "--with", "host", "--other-profile", "tflm", "--all")

"""`microinterp board results ...` as a user runs it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from microinterp.errors import InputError
from microinterp_boards.results.store import DEFAULT, Store
from tests.boards.bench_results import CONV, POOL, counted, op, result
from tests.boards.model_boards import MODEL, NAME, board_with, needs_viper
from tests.boards.test_results_environment import repository as repository
from tests.cli import HOSTILE, call, good, good_json, refused

RESULTS = ("board", "results")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, with four runs: the second is the baseline of the first model."""
    monkeypatch.chdir(tmp_path)
    with Store(write=True) as store:
        store.save(result(1000))
        store.save(result(1000), "baseline")
        store.save(counted(5000), "counted")
        store.save(result(1100, ops=[CONV, POOL | {"time": 400, "least": 395, "most": 410}]))
    return tmp_path


@pytest.fixture
def plots() -> None:
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")


def test_list(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    lines = [line.split() for line in good(*RESULTS, "list").splitlines()]
    assert lines[0] == ["run", "label", "UTC", "model", "board,", "kernels", "invoke", "commit"]
    assert [line[:2] for line in lines[1:]] == [
        ["4", "-"],
        ["3", "counted"],
        ["2", "baseline"],
        ["1", "-"],
    ]
    assert lines[1][-4:] == ["armv6m", "1,100", "us", "0123456"]
    found = good_json(*RESULTS, "list", "-n", "2", "--board", "rp2040")["runs"]
    assert [(run["run"], run["label"], run["median"]) for run in found] == [
        (4, None, 1100),
        (3, "counted", 5000),
    ]
    few, all_of_them = call(*RESULTS, "list", "-n", 3), call(*RESULTS, "list", "-n", 4)
    assert [line.split()[0] for line in few.stdout.splitlines()[1:]] == ["4", "3", "2"]
    assert "these are the last 3; -n shows more" in few.stderr
    assert all_of_them.stderr == ""
    for none in (("--model", "kws"), ("--board", "esp32")):
        assert good_json(*RESULTS, "list", *none) == {"runs": []}
    said = call(*RESULTS, "list", "--label", "none")
    assert (said.exit_code, said.stdout) == (0, "")
    assert "board bench MODEL --save" in said.stderr


def test_show_is_what_bench_printed(folder: Path) -> None:
    lines = good(*RESULTS, "show", "baseline").splitlines()
    assert lines[0].startswith("run        2 'baseline', 2026-01-01 ")
    assert lines[1] == "host       Some CPU, microinterp 0.1.0"
    assert "invoke     median 1,000 us, p10 990, p90 1,010 (20 runs)" in lines
    assert any(line.split() == ["1", "MAX_POOL_2D", "300"] for line in lines)
    assert good_json(*RESULTS, "show", "1")["median"] == 1000
    assert "5,000 instructions" in good(*RESULTS, "show", "3")


def test_compare(folder: Path) -> None:
    lines = good(*RESULTS, "compare", "baseline").splitlines()
    rows = [line.split() for line in lines]
    assert lines[1].startswith("before        2 'baseline', ")
    assert ["invoke", "1,000", "990..1,010", "1,100", "1,090..1,110", "+10.0", "%"] in rows
    assert ["0", "CONV_2D", "700", "650..750", "700", "650..750", "+0.0", "%"] in rows
    assert ["1", "MAX_POOL_2D", "300", "290..310", "400", "395..410", "+33.3", "%"] in rows
    assert "~" not in "".join(lines)
    found = good_json(*RESULTS, "compare", "baseline")
    assert (found["before"]["run"], found["after"]["run"]) == (2, 4)
    assert found["invoke"]["after"] == {"median": 1100, "low": 1090, "high": 1110}
    assert found["invoke"]["percent"] == pytest.approx(10)
    assert [each["within_spread"] for each in found["ops"]] == [True, False]
    assert (found["fail_above"], found["regression"]) == (None, None)


def test_ops_that_only_one_run_has(folder: Path) -> None:
    with Store(write=True) as store:
        store.save(result(ops=[CONV, op(7, "ADD", 50)]))
    rows = [line.split() for line in good(*RESULTS, "compare", "4", "5").splitlines()]
    (gone,) = (row for row in rows if row[1:2] == ["MAX_POOL_2D"])
    (new,) = (row for row in rows if row[1:2] == ["ADD"])
    assert (gone[-1], new[-1]) == ("gone", "new")
    _, *ops = good_json(*RESULTS, "compare", "4", "5")["ops"]
    assert [(each["before"] is None, each["after"] is None) for each in ops] == [
        (False, True),
        (True, False),
    ]
    assert ops[0]["before"] == {"median": 400, "low": 395, "high": 410}
    assert [each["percent"] for each in ops] == [None, None]


def test_instructions_have_no_spread(folder: Path) -> None:
    with Store(write=True) as store:
        store.save(counted(5005.5))
    rows = [line.split() for line in good(*RESULTS, "compare", "counted").splitlines()]
    assert ["invoke", "5,000", "5,005.5", "+0.1", "%"] in rows
    assert ["op", "name", "before", "instructions", "after", "change"] in rows


@pytest.mark.parametrize(("percent", "status"), [("9.9", 1), ("10", 0), ("0", 1), ("1e300", 0)])
def test_a_regression_is_status_1(folder: Path, percent: str, status: int) -> None:
    done = call(*RESULTS, "compare", "baseline", "--fail-above", percent)
    assert done.exit_code == status
    last = done.stdout.splitlines()[-1]
    assert last.startswith("regression: +10.0 %" if status else "no regression: +10.0 %")
    done = call(*RESULTS, "compare", "baseline", "--fail-above", percent, "--json")
    assert done.exit_code == status
    assert json.loads(done.stdout)["regression"] is bool(status)


def test_a_change_within_the_spread_is_marked(folder: Path) -> None:
    with Store(write=True) as store:
        store.save(result(1005))
    done = good(*RESULTS, "compare", "baseline")
    assert "~ +0.5 %" in done
    assert "~ within the spread of the runs" in done


def test_compare_refuses(folder: Path) -> None:
    (folder / "other.json").write_text(json.dumps(result(board__machine="ESP32")))
    (folder / "ports.json").write_text('{"ports": []}')
    for arguments, message in (
        (("4", "other.json"), "different boards: 'Pico with RP2040' and 'ESP32'"),
        (("3", "4", "--anyway"), "one run has instructions, the other us"),
        (("4", "4"), "are the same run"),
        (("9",), "there is no run 9 in"),
        (("none",), "there is no run with the label 'none'"),
        (("ports.json",), "cannot use 'ports.json': it is no result of a benchmark"),
        (("none.json",), "cannot read 'none.json'"),
        (("4", "--fail-above", "inf"), "--fail-above wants a number"),
        (("2", "--results", "none.sqlite"), "there is no file of results 'none.sqlite'"),
        (("2", "--plot", "a.pdf"), "a plot is a .png or .svg file"),
    ):
        assert message in refused(*RESULTS, "compare", *arguments), arguments
    assert "different  " in good(*RESULTS, "compare", "4", "other.json", "--anyway")
    assert call(*RESULTS, "compare", "2", "--fail-above", "-1").exit_code == 2
    assert call(*RESULTS, "compare", "4", "other.json", "--fail-above", "5").exit_code == 2


def test_files_of_json_are_compared_without_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, median in (("a", 100), ("b", 111)):
        (tmp_path / f"{name}.json").write_text(json.dumps(result(median, 1)))
    done = call(*RESULTS, "compare", "a.json", "b.json", "--fail-above", "10")
    assert done.exit_code == 1
    assert "regression: +11.0 % is more than 10 %" in done.stdout
    assert not (tmp_path / DEFAULT).exists()


def test_export_csv(folder: Path) -> None:
    runs = list(csv.DictReader(io.StringIO(good(*RESULTS, "export", "--csv", "-"))))
    assert [(run["run"], run["label"], run["median"]) for run in runs] == [
        ("4", "", "1100"),
        ("3", "counted", "5000"),
        ("2", "baseline", "1000"),
        ("1", "", "1000"),
    ]
    assert runs[0]["tflite_sha256"] == "a" * 64
    assert good(*RESULTS, "export", "--csv", "a.csv", "--ops", "--label", "baseline") == ""
    with open(folder / "a.csv", newline="", encoding="utf-8") as file:
        ops = list(csv.DictReader(file))
    assert [(row["run"], row["op"], row["name"], row["time"], row["most"]) for row in ops] == [
        ("2", "0", "CONV_2D", "700", "750"),
        ("2", "1", "MAX_POOL_2D", "300", "310"),
    ]


def test_export_refuses(folder: Path) -> None:
    for arguments, message in (
        ((), "nothing to write"),
        (("--csv", "-", "--model", "kws"), "there are no such runs"),
        (("--plot", "a"), "a plot is a .png or .svg file"),
        (("--csv", "none/a.csv"), "cannot write 'none/a.csv'"),
        (("--csv", "-", "--results", "a"), "there is no file of results"),
    ):
        assert message in refused(*RESULTS, "export", *arguments), arguments


def test_without_matplotlib(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    for arguments in (("export", "--plot", "a.png"), ("compare", "2", "--plot", "a.svg")):
        said = refused(*RESULTS, *arguments)
        assert "matplotlib, which is not installed" in said
        assert "pip install matplotlib" in said
    good(*RESULTS, "export", "--csv", "-")


def test_add_label_remove(folder: Path) -> None:
    for name in ("a", "b", "c"):
        (folder / f"{name}.json").write_text(json.dumps(result()))
    assert good(*RESULTS, "add", "a.json", "b.json", "--label", "old") == (
        "run 5: a.json\nrun 6: b.json\n"
    )
    assert good(*RESULTS, "add", "a.json") == "run 5: a.json\n"
    (folder / "bad.json").write_text("{")
    assert "cannot use 'bad.json': it is no JSON" in refused(*RESULTS, "add", "c.json", "bad.json")
    assert len(good_json(*RESULTS, "list")["runs"]) == 6  # nothing of c.json
    good(*RESULTS, "label", "6", "new")
    good(*RESULTS, "label", "5")
    assert [run["label"] for run in good_json(*RESULTS, "list", "-n", "2")["runs"]] == ["new", None]
    good(*RESULTS, "remove", "5", "6")
    assert len(good_json(*RESULTS, "list")["runs"]) == 4
    assert "there is no run 5" in refused(*RESULTS, "remove", "5")
    assert "cannot be a label" in refused(*RESULTS, "label", "1", "latest")
    assert "there is no file" in refused(*RESULTS, "label", "1", "a", "--results", "none")
    assert not (folder / "none").exists()


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_names(name: str, folder: Path) -> None:
    name = name.encode(errors="replace").decode()
    hostile: dict[str, Any] = {"board__machine": name, "board__version": name, "host__cpu": name}
    with Store(write=True) as store:
        store.save(result(ops=[op(0, name, 1)], **hostile))
        store.save(result(ops=[op(0, name, 2)], **hostile | {"board__version": name + "2"}))
    for arguments in (
        ("list",),
        ("show",),
        ("compare", "latest"),
        ("export", "--csv", "-"),
        ("export", "--csv", "-", "--ops"),
    ):
        said = good(*RESULTS, *arguments)
        assert not set(said) & set("\x1b\x07\x00\r\u202e")


@pytest.mark.usefixtures("plots")
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_plots(folder: Path, kind: str) -> None:
    ops = [op(index, "$\\frac{1$", 100 + index, 5) for index in range(60)]
    with Store(write=True) as store:
        store.save(result(ops=ops, board__machine="$x^$ \u4e00", model__name="many"), "$")
        store.save(result(ops=ops[:59], board__machine="$x^$ \u4e00", model__name="many"))
    for arguments in (("compare", "latest"), ("compare", "baseline", "4"), ("export",)):
        path = folder / f"{arguments[0]}.{kind}"
        good(*RESULTS, *arguments, "--plot", path)
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG" if kind == "png" else b"<?xml")
        assert len(data) > 5000


@pytest.mark.usefixtures("plots")
@pytest.mark.parametrize("ops", [[], [op(0, "RESHAPE", 0)]], ids=["no ops", "no time"])
def test_plots_of_next_to_nothing(folder: Path, ops: list[dict[str, Any]]) -> None:
    with Store(write=True) as store:
        store.save_all([result(0, 0, ops), result(0, 0, ops)])
    good(*RESULTS, "compare", "latest", "--plot", "a.png")
    good(*RESULTS, "export", "--plot", "b.png")
    for name in ("a.png", "b.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("plots")
def test_more_panels_than_a_picture_takes(folder: Path) -> None:
    with Store(write=True) as store:
        store.save_all([result(model__name=f"m{number}") for number in range(12)])
    said = call(*RESULTS, "export", "--plot", "a.png")
    assert said.exit_code == 0
    assert "note: 2 more models and boards are left out" in said.stderr


def full(*arguments: object) -> int:
    raise InputError("the disk is full")


@needs_viper
@pytest.mark.usefixtures("interpreter")
def test_bench_keeps_a_run(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    with board_with() as board:
        board.deploy(MODEL)
        port = board.port
        board.close()
        bench = ("board", "bench", MODEL, "--port", port, "--runs", 3)
        good(*bench)
        assert not Path(DEFAULT).exists()
        first = call(*bench, "--save", "--json")
        assert first.stderr == f"note: kept as run 1 in {DEFAULT}\n"
        assert "run 2" in call(*bench, "--label", "baseline").stderr
        assert "run 1" in call(*bench, "--results", "other.sqlite").stderr
        Path("text").write_text("no database " * 100)
        assert "is damaged, or no file" in refused(*bench, "--results", "text")
        assert "cannot be a label" in refused(*bench, "--label", "3")
        with monkeypatch.context() as patch:
            patch.setattr(Store, "save", full)
            unkept = call(*bench, "--save", "--json")
    assert (unkept.exit_code, unkept.stderr) == (2, "error: the disk is full\n")
    assert json.loads(unkept.stdout)["runs"] == 3  # what was measured is not lost
    printed = json.loads(first.stdout)
    assert printed["git"]["branch"] == "work"
    with Store() as store:
        kept = store.runs()
        assert [(each.id, each.label) for each in kept] == [(2, "baseline"), (1, None)]
        assert store.run(1).run.raw == printed
        assert kept[0].run.name == NAME
        assert kept[0].run.commit

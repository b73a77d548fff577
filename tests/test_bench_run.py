"""The whole benchmark, small: every table, the JSON file, the picture, the exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bench, growth, layers
from benchmarks.bench import Report, main, run, show
from benchmarks.markdown import PAGE, results
from benchmarks.measuring import Agreement, Settings
from benchmarks.models import conv_chain
from benchmarks.page import replaced
from benchmarks.plot import save_plot
from benchmarks.runtimes import is_ours
from benchmarks.tables import microseconds

BEGIN, END = "<!-- results -->", "<!-- end of results -->"
NEW = {"results": "new"}
SMALL = Settings(rounds=1, turn_seconds=0.0, patience=0.0, batch=4, checked=6, checked_slow=3)


@pytest.fixture(scope="module")
def report() -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growth, "CHANNELS", (2, 4))
        patch.setattr(growth, "DEPTHS", (1, 2))
        patch.setattr(growth, "BATCHES", (1, 2, 3))
        patch.setattr(layers, "PRODUCT_SECONDS", 0.01)
        return run([conv_chain(4, 2, side=8)], SMALL, lambda text: None)


def test_everything_is_measured_and_equal(report: Report) -> None:
    assert report.different == []
    (model,) = report.models
    ours = {name for name in model.times if is_ours(name)}
    assert ours == {n for n in bench.MAKERS if is_ours(n)}, model.failures
    assert set(model.agreement) >= ours - {model.reference}
    assert [r.model for r in report.growth.channels] == ["3 x 2 channels", "3 x 4 channels"]
    assert list(report.growth.batches["batched, 1 thread"]) == [1, 2, 3]
    (rows,) = report.layers.values()
    assert [row.name for row in rows] == ["CONV_2D", "CONV_2D"]
    assert all(row.rate > 0 and row.product_rate and row.how for row in rows)
    (startup,) = report.startup
    assert startup.failures == {} or set(startup.failures) == {"TFLM"}
    assert startup.batch_peak > 0
    assert report.limits["product, 1 thread"] > 1e8


def test_tables_json_and_picture(
    report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show(report)
    shown = capsys.readouterr().out
    assert "DIFFERENT" not in shown
    assert "times faster than TFLM's wheel" in shown
    found = json.loads(json.dumps(report.as_json()))
    assert found["different"] == []
    assert found["models"][0]["times"]["fast"]["median"] > 0
    assert {row["met"] for row in found["targets"]} <= {True, False, None}
    pytest.importorskip("matplotlib")
    picture = save_plot(found, tmp_path / "bench.svg")
    assert picture is not None
    text = picture.read_text()
    assert text.startswith("<?xml")
    assert len(text) > 20_000


def test_the_picture_is_left_out_without_matplotlib(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert save_plot({}, tmp_path / "bench.svg") is None


@pytest.mark.parametrize("different", [False, True])
def test_exit_status_says_whether_outputs_are_equal(
    report: Report,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    different: bool,
) -> None:
    if different:
        monkeypatch.setitem(report.models[0].agreement, "fast", Agreement(6, 60, 1, 1.0))
    asked: list[Any] = []

    def measured(models: Any, settings: Settings, say: Any) -> Report:
        asked.append((models[0].name, settings))
        return report

    monkeypatch.setattr(bench, "run", measured)
    monkeypatch.setattr(bench, "save_plot", lambda found, path: None)
    path = tmp_path / "new" / "bench.json"
    assert main(["--quick", "--models", "digits_int8", "--json", str(path)]) == int(different)
    assert asked == [("digits_int8", Settings.quick())]
    assert ("DIFFERENT" in capsys.readouterr().out) == different
    assert bool(json.loads(path.read_text())["different"]) == different


def test_a_batch_that_differs_counts(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report.growth, "different", ["batched, 2 threads, 3 samples"])
    assert report.different == [f"{report.growth.batch_model}: batched, 2 threads, 3 samples"]


@pytest.mark.parametrize(
    ("name", "status"), [("batched", 1), ("plain", 1), ("TFLM", 0), ("XNNPACK, 1 thread", 0)]
)
def test_only_a_failure_of_ours_is_one(
    report: Report,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    status: int,
) -> None:
    monkeypatch.setitem(report.models[0].failures, name, "no answer within 120 s")
    monkeypatch.setattr(bench, "run", lambda models, settings, say: report)
    monkeypatch.setattr(bench, "save_plot", lambda found, path: None)
    arguments = ["--models", "digits_int8", "--json", str(tmp_path / "bench.json")]
    assert main(arguments) == status
    assert (f"FAILED: {report.models[0].model}: {name}" in capsys.readouterr().out) == bool(status)


def test_a_missing_model_is_bad_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--models", "nowhere.tflite"]) == 2
    assert "nowhere.tflite" in capsys.readouterr().err


def test_the_page_shows_what_the_file_holds(report: Report) -> None:
    found = json.loads(json.dumps(report.as_json()))
    text = results(found)
    (model,) = found["models"]
    row = next(line for line in text.splitlines() if line.startswith(f"| {model['model']} | 0.02"))
    assert f"| {microseconds(model['times']['fast']['median'])} ±" in row
    assert "| 512 |" not in text
    assert text.count("| 3 | ") == 1  # the largest batch of this small run
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.count("|") > 2 and line.endswith("|") for line in tables)


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    page = f"# Title\n{BEGIN}\nold\n{END}\nthe rest\n"
    assert replaced(page, NEW) == f"# Title\n{BEGIN}\nnew\n{END}\nthe rest\n"
    assert replaced(PAGE.read_text(), NEW) != PAGE.read_text()


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_page_without_its_marks_is_left_alone(page: str) -> None:
    with pytest.raises(ValueError, match="wanted one"):
        replaced(page, NEW)

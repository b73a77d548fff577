"""What the command line prints of results that are seldom seen, made by hand; and its output."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from microinterp import golden
from microinterp.arena.plan import plan as make_plan
from microinterp.cli import compare_report, output, plan, verify
from microinterp.cli.eval_report import show as show_eval
from microinterp.cli.golden_verdict import verdict
from microinterp.cli.health_report import show_health
from microinterp.cli.model_text import quantisation_text
from microinterp.compare import Comparison, Finding, Norms, OutputRow, Row
from microinterp.compare.comparison import FirstOp
from microinterp.errors import Problem, Where
from microinterp.evaluation import Evaluation, Settings, evaluate
from microinterp.evaluation.figures import AnomalyFigures
from microinterp.golden import CheckResult
from microinterp.health import Finding as Health
from microinterp.interpreter import prepare_model
from microinterp.kernels import default_registry
from tests.cli import (
    broken_models,
    call,
    copying_model,
    good,
    good_json,
    stored,
    sums_model,
)
from tests.eval_data import adding_model, npz, opened
from tests.passes.nets import ImageNet

NORMS = Norms(*(0.5 for _ in dataclasses.fields(Norms)))
SIDES = {"model_sha256": "", "ours": "ours 1", "other": "theirs 2", "samples": 1}
CRC = Row(0, 3, "ADD", 6, "d", "int8", 50, "crc", None, 1)
SAME = Row(0, 2, "MUL", 5, "c", "int8", 50, "values", 0, 0, 0)
ODD = Row(0, 1, "PAD", 4, "b", "int8", 50, "values", 7, 1, 2.5, None, None, causes=("x", "y"))


def printed(capsys: pytest.CaptureFixture[str], result: Comparison, every: bool = False) -> str:
    compare_report.show(result, every)
    return " ".join(capsys.readouterr().out.split())


def different(*rows: Row, **more: Any) -> Comparison:
    first = FirstOp(0, rows[0].index, rows[0].name) if rows and rows[0].differs else None
    wanted: dict[str, Any] = {
        "equal": False,
        "differing_elements": 7,
        "compared_elements": 900,
        "first_op": first,
        "cause": None,
        "other_name": "tflm",
        "rows": rows,
        "outputs": (),
    }
    return Comparison(**(SIDES | wanted | more))


def test_what_a_side_does_not_tell_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    untold = dataclasses.replace(SAME, told="no", differing=None, differing_samples=None)
    told = printed(capsys, different(ODD, untold, CRC), every=True)
    assert "2 MUL 50 not told 0 not told" in told
    assert "3 ADD 50 CRC, 1 samples - CRC, 1 samples" in told
    assert "1 PAD 50 7 2.5 - - 1 2" in told  # its two causes by number
    assert "first: op 1 PAD writes tensor 4 'b'" in told


def test_ops_that_agree_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    rows = (ODD, *(dataclasses.replace(SAME, index=i) for i in range(2, 6)))
    told = printed(capsys, different(*rows))
    assert "4 more ops: --all lists them" in told
    assert "MUL" not in told
    assert "more ops" not in printed(capsys, different(*rows), every=True)


def test_many_ops_that_differ_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    rows = tuple(dataclasses.replace(ODD, index=i) for i in range(45))
    assert "5 more ops: --all lists them" in printed(capsys, different(*rows))


def test_where_no_op_is_told_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    untold = dataclasses.replace(SAME, told="no", differing=None, differing_samples=None)
    assert "only outputs are told: no op can be named" in printed(capsys, different(untold))
    assert "no op that is told differs" in printed(capsys, different(SAME))
    told = printed(capsys, different(SAME, other_name="float"))
    assert "no op" not in told
    assert "not explained" not in told


def test_norms_of_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    bare = OutputRow(0, "o", "int8", 5, "crc", None, 1, None, None)
    normed = OutputRow(1, "p\x1b", "int8", 5, "values", 1, 1, 1.0, NORMS)
    rows = (dataclasses.replace(ODD, norms=None), dataclasses.replace(ODD, norms=NORMS))
    told = printed(capsys, different(*rows, outputs=(bare, normed), other_name="float"))
    assert "output 0" not in told
    assert "output 1: int8 p\\x1b acc 50.00% rmse 0.5 mae 0.5 l2r 0.5" in told
    assert "7 2.5 - - 1 PAD 50 7 2.5 0.5 0.5" in told


def test_causes_of_later_ops_are_numbered_too(capsys: pytest.CaptureFixture[str]) -> None:
    found = (
        Finding("x", "rounds up", "half", "", 0, 1, "PAD", 2, 3),
        Finding("z", "turns colours", ""),
    )
    told = printed(capsys, different(ODD, findings=found, cause="x"))
    assert "cause, any of these gives the same bytes:" in told
    likewise = "So do 2 of the 3 ops that differ by themselves."
    assert f"1 [x] PAD (op 1) rounds up (half). {likewise}" in told
    assert "2 [z] the other side turns colours." in told
    assert "3 in later ops: [y]" in told


def test_anomalies_are_shown(tmp_path: Path) -> None:
    model = copying_model((1, 3))
    data = opened(model, npz(tmp_path / "d.npz", x=np.zeros((2, 1, 3), np.int8), y=[0, 1]))
    found = evaluate(model, data, Settings(task="anomaly"))

    def shown(figures: AnomalyFigures) -> str:
        screen = Console(file=io.StringIO(), width=100)
        made: Evaluation = dataclasses.replace(found, anomaly=figures)
        show_eval(screen, made, None)
        return " ".join(screen.file.getvalue().split())  # type: ignore[attr-defined]

    told = shown(AnomalyFigures(0.75, True, 3, 1, 0.125, None))
    assert "AUC 0.75" in told
    assert "sequences mean squared error normal 3 0.125" in told
    assert "anomalous 1 " in told
    assert "samples mean squared error" in shown(AnomalyFigures(None, False, 1, 0, 0.5, None))


def test_a_golden_verdict_tells_what_was_left_out() -> None:
    result = CheckResult(
        True, False, "host", "1", 2, compared_bytes=8, compared_crcs=3, recorded_crcs=4,
        changed_op="op 1 is MUL, not ADD",
    )  # fmt: skip
    lines = verdict(result).plain.split("\n")
    assert lines[1:] == [
        "not the same model: op 1 is MUL, not ADD",
        "not compared: 1 CRC32 of tensors that it does not tell",
    ]
    assert "though the model is another file" in lines[0]


def test_places_of_health_findings() -> None:
    screen = Console(file=io.StringIO(), width=100)
    show_health(
        screen,
        [
            Health("a", "warning", "in an op.", Where(subgraph=2, op_index=3, op_name=None)),
            Health("a", "warning", "at an end.", Where(role="input 1")),
            Health("a", "warning", "somewhere."),
            Health("b", "note", "quietly.", remedy="Do it."),
        ],
    )
    told = screen.file.getvalue()  # type: ignore[attr-defined]
    assert told == (
        "warning a\n  op 2:3 ?: in an op.\n  input 1: at an end.\n  : somewhere.\n"
        "note b\n  : quietly.\n  -> Do it.\n"
    )


@pytest.mark.parametrize(
    ("scales", "zeros", "words"),
    [
        ((), (), "-"),
        ((0.5,), (), "0.5"),
        ((0.5,), (3,), "0.5 +3"),
        ((0.25, 2.0, 1.0), (0, 0, 0), "0.25..2 x3"),
    ],
)
def test_quantisation_in_words(
    scales: tuple[float, ...], zeros: tuple[int, ...], words: str
) -> None:
    assert quantisation_text(scales, zeros) == words


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A net that passes make smaller."""
    made = ImageNet((8, 8, 2))
    made.conv(8, 3, 1, "PAD")
    made.conv(8)
    return stored(tmp_path, made.finish())


def test_pack_tells_of_its_passes(net: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.mipk"
    usual = good_json("pack", net, "-o", out)
    told = good("pack", net, "-o", out, "--passes", "auto")
    assert "tensors, with memory passes" in told
    assert told.index("overlap") < told.index("file")
    fewer = good_json("pack", net, "-o", out, "--passes", "auto")
    assert fewer["head_bytes"] < usual["head_bytes"]
    before = out.read_bytes()
    small = call("pack", net, "-o", out, "--ram", usual["head_bytes"] - 16)
    assert small.exit_code == 1
    assert small.stderr == f"the head of {usual['head_bytes']:,} bytes is 16 larger than --ram\n"
    assert out.read_bytes() == before
    assert call("pack", net, "-o", out, "--ram", usual["head_bytes"]).exit_code == 0


def test_a_broken_pipe_is_left_to_the_command_line() -> None:
    screen = output.console()
    with pytest.raises(BrokenPipeError):
        screen.on_broken_pipe()


def test_consoles_are_wide_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.delenv("COLUMNS", raising=False)
    assert output.console().width == 120
    monkeypatch.setenv("COLUMNS", "77")
    assert output.console().width == 77


def test_json_has_no_numbers_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({1: (float("nan"), [float("-inf"), 0.5]), "n\x1b\xe9": None})
    told = capsys.readouterr().out
    assert told.isascii()
    assert "\x1b" not in told
    assert json.loads(told) == {"1": ["nan", ["-inf", 0.5]], "n\x1b\xe9": None}


def test_streams_escape_what_they_cannot_encode(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    narrow = io.TextIOWrapper(raw, encoding="ascii")
    other = io.StringIO()  # that some tool has put there: it is left alone
    monkeypatch.setattr(sys, "stdout", narrow)
    monkeypatch.setattr(sys, "stderr", other)
    output.escape_what_cannot_be_encoded()
    narrow.write("\u03bc")
    narrow.flush()
    assert raw.getvalue() == b"\\u03bc"


def test_nothing_is_written_where_nobody_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(tmp_path / "out", "w", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdout", file)
        print("read", flush=True)
        output.give_up_stdout()
        print("never", flush=True)
        assert os.fstat(file.fileno()).st_rdev == os.stat(os.devnull).st_rdev
    assert (tmp_path / "out").read_text() == "read\n"


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "patience", "is_shown"),
    [(Screen(), -1.0, True), (Screen(), 60.0, False), (io.StringIO(), -1.0, False)],
)
def test_a_bar_appears_on_a_terminal_after_a_while(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, patience: float, is_shown: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(output, "_PATIENCE", patience)
    assert list(output.with_progress([5, 6, 7], "working")) == [5, 6, 7]
    assert ("working" in stream.getvalue()) == is_shown
    assert ("3/3" in stream.getvalue()) == is_shown


def test_the_page_of_operators_is_whole() -> None:
    told = call("ops", "ADD", "--markdown")
    assert told.exit_code == 2
    assert "give neither names nor" in " ".join(told.stderr.replace("│", " ").split())


def test_a_warning_does_not_make_a_file_bad(capsys: pytest.CaptureFixture[str]) -> None:
    odd = Problem("odd", "is odd", severity="warning")
    for problems, words in (
        ([], "m: good"),
        ([odd], "m: good, 1 warning"),
        ([odd, odd], "m: good, 2 warnings"),
        ([odd, Problem("bad", "is bad")], "m: 1 error, 1 warning"),
    ):
        verify._show(output.console(), "m", problems)
        assert capsys.readouterr().out.split("\n")[0] == words
        assert all(map(verify._is_good, [problems])) == ("error" not in words)


def test_plan_tells_of_variables_and_of_what_is_computed_twice(tmp_path: Path) -> None:
    told = good("plan", stored(tmp_path, adding_model()), "--no-map", "--no-table")
    assert "2 bytes in 1 beside the head" in " ".join(told.split())
    made = ImageNet((16, 16, 2))
    made.conv(8, 3)
    made.conv(8, 3)
    made.pool("MAX_POOL_2D", 2, 2)
    options = ("--passes", "patches", "--max-extra-macs", 5)
    net = stored(tmp_path, made.finish())
    told = " ".join(good("plan", net, *options, "--no-map", "--no-table").split())
    share = good_json("plan", net, *options)["extra_macs"]
    assert share > 0
    assert f"extra MACs {share:.1%}" in told
    assert "variables" not in told


def test_a_plan_that_tflm_would_spoil_is_not_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own plan is written instead."""
    data, path = sums_model(), tmp_path / "out.tflite"
    prepared, usual = prepare_model(data), make_plan(prepare_model(data), "tflm")
    chosen = dataclasses.replace(usual, planner="best")
    tried: list[str] = []

    def embedded(contents: bytes, model: Any, tensors: Any) -> bytes:
        tried.append("")
        return data

    def planned(*given: Any) -> Any:
        return dataclasses.replace(usual, head_bytes=usual.head_bytes + 16 * (len(tried) == 1))

    monkeypatch.setattr(plan, "embed", embedded)
    monkeypatch.setattr(plan, "make_plan", planned)
    found = plan._embedded(data, prepared, default_registry(), chosen, str(path))
    assert len(tried) == 2
    assert found == usual.head_bytes
    assert path.read_bytes() == data


def test_nothing_is_explained_of_a_model_that_does_not_run(tmp_path: Path) -> None:
    model = stored(tmp_path, broken_models()["operators"][0])
    told = call("report", model, "--json", "--explain", "0:0")
    assert told.exit_code == 1
    assert json.loads(told.stdout)["explanations"] == []
    assert "the model does not run" in told.stderr


def test_compare_tells_of_the_files_it_reads(tmp_path: Path) -> None:
    model = stored(tmp_path, sums_model())
    np.save(tmp_path / "x.npy", np.full((1, 4), 1e9, np.float32))
    told = call("compare", model, "--with", "host", tmp_path / "x.npy")
    assert told.exit_code == 0, told.stderr
    assert told.stderr.startswith("note: ")
    assert "x.npy" in told.stderr


def test_where_no_answer_is_wrong_none_is_listed(tmp_path: Path) -> None:
    model, rows = copying_model((1, 40)), 9 * np.eye(40, dtype=np.int8)[:, None]
    right = list(range(40))
    for labels, is_wrong in ((right, False), ([*right[:-1], 0], True)):
        data = opened(model, npz(tmp_path / "d.npz", x=rows, y=labels))
        screen = Console(file=io.StringIO(), width=100)
        show_eval(screen, evaluate(model, data), None)
        told = screen.file.getvalue()  # type: ignore[attr-defined]
        assert ("most frequent wrong answers" in told) == is_wrong


def test_a_bundle_without_checks_shows_none(tmp_path: Path) -> None:
    path, model = tmp_path / "a.golden", sums_model()
    shown = []
    for tensors in ("none", "crc"):
        golden.record(model, [np.zeros((1, 1, 4), np.int8)], path, tensors=tensors)
        shown.append(good("golden", "show", path))
    assert "FULLY_CONNECTED" not in shown[0]
    assert "FULLY_CONNECTED" in shown[1]

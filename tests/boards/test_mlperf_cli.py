"""What `board mlperf` prints, with a board that only tells what it was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import cli_mlperf
from microinterp_boards.deploy import Deployment
from microinterp_boards.mlperf import Accuracy, Setup
from microinterp_boards.mlperf.timing import Iterations, Timing
from tests.cli import call, good, good_json, refused

DEPLOYMENT = Deployment(
    *("digits", "models/digits.a", "ab" * 32, 9584, 3264, 100, 0, 0, (), (), ()),
    *("armv7em", "armv7em", 1, 0, 90_000, 80_000, 60_000, 1.5, (), 0.0, None),
)
FILES = (Path("out/devices.yaml"), Path("out/tests_accuracy.yaml"))
DONE = Setup(
    "kws",
    "kws01",
    DEPLOYMENT,
    Timing(5250, 0.006),
    Iterations(3400, 10),
    FILES,
    (1, 2),
    False,
    None,
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Setup], dict[str, Any]]:
    """Let a board answer with a setup; returns what the command will have asked it."""
    monkeypatch.chdir(tmp_path)

    def answer(done: Setup) -> dict[str, Any]:
        given: dict[str, Any] = {}

        class Fake:
            def __init__(self, port: str, baud: int) -> None:
                self.port = port
                given.update(port=port, baud=baud)

            def __enter__(self) -> Fake:
                return self

            def __exit__(self, *error: object) -> None:
                given["closed"] = True

            def probe(self) -> Any:
                return SimpleNamespace(machine="Pico with RP2040", kernels="armv6m", reason="so")

            def mlperf(self, model: str, kind: str, **more: Any) -> Setup:
                more["progress"](1, 4)
                given.update(more, model=model, kind=kind)
                return done

        monkeypatch.setattr(cli_mlperf, "Board", Fake)
        return given

    return answer


def run(*more: object) -> str:
    """All that it prints, on lines without their ends of blanks."""
    result = call("board", "mlperf", "m.tflite", "--kind", "kws", "--port", "/dev/x", *more)
    assert result.exit_code == 0, result.stderr
    return result.stdout + result.stderr


def test_in_words(asked: Callable[[Setup], dict[str, Any]]) -> None:
    given = asked(DONE)
    text = run("--baud", 9600, "--name", "it", "--boot", "--ram", "64k")
    lines = dict(line.split(maxsplit=1) for line in text.splitlines()[:5])
    assert lines["protocol"].endswith("unofficial: kws, which the runner calls kws01")
    assert lines["model"] == "digits, armv7em kernels, on /dev/x"
    assert lines["inference"] == "5.250 ms by the board's clock, 6.000 ms by this one's"
    assert lines["runner"] == "infer 3400 10"
    assert lines["files"] == "out/devices.yaml, out/tests_accuracy.yaml"
    assert "-m p -d out/devices.yaml -t out/tests_performance.yaml" in text
    assert "this port has none" not in text
    assert "accuracy  " not in text
    assert (given["port"], given["baud"], given["closed"]) == ("/dev/x", 9600, True)
    assert (given["name"], given["boot"], given["ram_limit"]) == ("it", True, 65536)
    assert (given["files"], given["stimuli"]) == (Path("mlperf_kws"), None)


def test_without_counts_and_without_usb(asked: Callable[[Setup], dict[str, Any]]) -> None:
    given = asked(replace(DONE, iterations=None, usb=None))
    text = run("--files", "mine")
    assert "runner     no count of inferences takes more than 10 s" in text
    assert "-m a -d out/devices.yaml -t out/tests_accuracy.yaml" in text
    assert "by USB ids only, and this port has none: docs/mlperf.md" in text
    assert given["files"] == Path("mine")


@pytest.mark.parametrize(
    ("accuracy", "told"),
    [
        (
            Accuracy(4, 1000, 3, 0.75, 0.9125),
            "top-1 75.0% (3 of 4), AUC 0.912; 1,000 inferences of 4 files",
        ),
        (
            Accuracy(4, 4, 4, 1.0, None),
            "top-1 100.0% (4 of 4), AUC none: a class has no file; 4 inferences of 4 files",
        ),
        (Accuracy(2, 9, None, None, 0.5), "AUC 0.500; 9 inferences of 2 files"),
    ],
)
def test_an_accuracy(
    accuracy: Accuracy, told: str, asked: Callable[[Setup], dict[str, Any]]
) -> None:
    given = asked(replace(DONE, accuracy=accuracy))
    text = run("--stimuli", "s")
    assert f"accuracy   {told}\n" in text
    assert given["stimuli"] == Path("s")


def test_json(asked: Callable[[Setup], dict[str, Any]]) -> None:
    asked(replace(DONE, iterations=None))
    said = good_json("board", "mlperf", "m.tflite", "--kind", "kws", "--port", "/dev/x")
    assert (said["protocol"], said["port"]) == ("MLPerf Tiny protocol, unofficial", "/dev/x")
    assert said["timing"] == {"microseconds": 5250, "seconds": 0.006}
    assert said["iterations"] is None
    assert said["files"] == [str(path) for path in FILES]
    assert said["deployment"]["kernels"] == "armv7em"
    asked(DONE)
    said = good_json("board", "mlperf", "m.tflite", "--kind", "kws", "--port", "/dev/x")
    assert said["iterations"] == {"inferences": 3400, "warmups": 10}


def test_a_board_of_the_inventory_is_the_one_that_it_says(
    asked: Callable[[Setup], dict[str, Any]],
) -> None:
    """It is asked before anything is written to it."""
    fleet = "[board.desk]\nport = '/dev/y'\nbaud = 57600\nmachine = '{}'\n"
    Path("fleet.toml").write_text(fleet.format("rp2040"))
    given = asked(DONE)
    good("board", "mlperf", "m.tflite", "--kind", "kws", "--port", "desk")
    assert (given["port"], given["baud"], given["kind"]) == ("/dev/y", 57600, "kws")
    Path("fleet.toml").write_text(fleet.format("RP2350"))
    given = asked(DONE)
    told = refused("board", "mlperf", "m.tflite", "--kind", "kws", "--port", "desk")
    assert "'desk' is not the board of the inventory, which has machine = 'RP2350'" in told
    assert "kind" not in given
    assert given["closed"]


def test_a_benchmark_that_there_is_not(asked: Callable[[Setup], dict[str, Any]]) -> None:
    given = asked(DONE)
    told = refused("board", "mlperf", "m.tflite", "--kind", "sww", "--port", "/dev/x")
    assert "there is no benchmark 'sww'" in told
    assert given == {}


def test_errors_of_the_board_end_it(
    asked: Callable[[Setup], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = asked(DONE)

    def fails(*arguments: object, **more: object) -> Setup:
        raise DeviceError("no room")

    monkeypatch.setattr(cli_mlperf.Board, "mlperf", fails)
    told = refused("board", "mlperf", "m.tflite", "--kind", "kws", "--port", "/dev/x")
    assert told.startswith("no room")
    assert given["closed"]

"""`board mlperf`: a board that is left answering, files for the runner, accuracy of stimuli."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import serial

from microinterp.errors import DeviceError, InputError
from microinterp_boards import Board, virtual_board
from microinterp_boards.mlperf import Client, service
from microinterp_boards.mlperf.kinds import KINDS, stimulus_bytes
from microinterp_boards.mlperf.timing import Timing, iterations
from microinterp_boards.packing import pack_for_board
from microinterp_boards.transport import Transport
from tests.boards.mlperf_models import WIDTH, expected, two_inputs, two_scales
from tests.boards.model_boards import LARGE_HEAP, MODEL
from tests.boards.qemu_port import mapped_model, qemu_board
from tests.processes import command

DIGITS = MODEL.read_bytes()


def digits_folder(folder: Path, count: int, wrong: int = 0) -> list[bytes]:
    """Stimuli for digits as `ic`, labelled by the host but for the first `wrong` of them."""
    folder.mkdir()
    rng = np.random.default_rng(8)
    stimuli, lines = [], []
    for number in range(count):
        stimulus = rng.integers(0, 256, 64, np.uint8).tobytes()
        label = int(np.argmax(expected(DIGITS, "ic", stimulus)))
        lines.append(f"s{number}.bin,10,{(label + (number < wrong)) % 10}\n")
        (folder / f"s{number}.bin").write_bytes(stimulus)
        stimuli.append(stimulus)
    (folder / "y_labels.csv").write_text("".join(lines))
    return stimuli


def ask(line: serial.Serial, command: str) -> list[str]:
    """As the public runner: a command, and lines until one has m-ready in it."""
    line.write(f"{command}%".encode())
    lines: list[str] = []
    while not lines or "m-ready" not in lines[-1]:
        data = line.readline()
        assert data.endswith(b"\n"), f"no answer to {command}"
        lines.append(data.decode().strip())
    return lines


def run_like_the_public_runner(port: str, stimuli: list[bytes], infer: str) -> list[list[float]]:
    """Open, ask who it is, close, open again; then load and infer, stimulus after stimulus."""
    with serial.Serial(port, 115200, timeout=5) as line:
        assert ask(line, "name") == ["m-name-dut-[microinterp]", "m-ready"]
        assert ask(line, "profile")[1:] == ["m-model-[ic01]", "m-ready"]
    found = []
    with serial.Serial(port, 115200, timeout=5) as line:
        for stimulus in stimuli:
            ask(line, f"db load {len(stimulus)}")
            for at in range(0, len(stimulus), 31):
                last = ask(line, f"db {stimulus[at : at + 31].hex()}")
            assert last == ["m-load-done", "m-ready"]
            results = ask(line, infer)[-2]
            found.append([float(each) for each in results[len("m-results-[") : -1].split(",")])
    return found


def test_a_board_is_set_up_runs_and_is_taken_back(port: str, tmp_path: Path) -> None:
    stimuli = digits_folder(tmp_path / "s", 12, wrong=3)
    with Board(port, patience=5) as board:
        done = board.mlperf(DIGITS, "ic", files=tmp_path / "files", stimuli=tmp_path / "s")
    assert (done.kind, done.model, done.boots, done.usb) == ("ic", "ic01", False, None)
    assert done.accuracy is not None
    assert (done.accuracy.files, done.accuracy.inferences, done.accuracy.correct) == (12, 12, 9)
    assert done.accuracy.top1 == 0.75
    assert done.timing.microseconds > 0
    assert done.iterations is not None
    assert 10 < done.iterations.inferences * done.timing.microseconds / 1e6 < 30
    names = ["devices.yaml", "tests_accuracy.yaml", "tests_performance.yaml"]
    assert sorted(path.name for path in done.files) == names
    devices, accuracy, performance = ((tmp_path / "files" / name).read_text() for name in names)
    assert "  type: dut\n  baud: 115200\n  usb:\n    0x1209: 0x0001\n" in devices
    assert "      - infer 1 0\n" in accuracy
    counts = f"infer {done.iterations.inferences} {done.iterations.warmups}"
    assert f"    - loop 5:\n      - download\n      - {counts}\n" in performance
    for infer in ("infer 1 0", "infer 3 2"):  # accuracy, performance
        found = run_like_the_public_runner(port, stimuli[:5], infer)
        assert found == [expected(DIGITS, "ic", each) for each in stimuli[:5]]
    with Board(port, patience=5) as board:
        assert board.validate(DIGITS, samples=1).equal


def test_a_client_tells_what_a_board_refuses_and_a_human_takes_it_back(port: str) -> None:
    with Board(port, patience=5) as board:
        board.mlperf(DIGITS, "kws")
    transport = Transport(port)
    try:
        client = Client(transport)
        client.ask("db load 64")
        with pytest.raises(DeviceError, match="refuses 'infer 1 0': 0 bytes are loaded, wanted 64"):
            client.infer()
        with pytest.raises(DeviceError, match="1 to 64 bytes can be loaded"):
            client.load(bytes(65))
        client.load(bytes(64))
        assert client.infer(2, 1).results == tuple(expected(DIGITS, "kws", bytes(64)))
    finally:
        transport.close()
    with serial.Serial(port, timeout=5) as line:
        assert ask(line, "timestamp")[-1] == "m-ready"
        line.write(b"db lo\x03")
        assert line.read_until(b"KeyboardInterrupt").endswith(b"KeyboardInterrupt")
        assert line.read_until(b"\x04>").endswith(b"\x04>")
        line.write(b"\x02")
        assert line.read_until(b">>> ").endswith(b">>> ")


@pytest.mark.slow
def test_answers_after_each_boot_until_that_is_no_more_wanted(port: str) -> None:
    stimulus = bytes(range(64))
    with Board(port, patience=5) as board:
        assert board.mlperf(DIGITS, "ic", boot=True).boots
    assert run_like_the_public_runner(port, [stimulus], "infer 1 0")
    with Board(port, patience=5) as board:
        board.mlperf(DIGITS, "ic", boot=True)
    with Board(port, patience=5) as board:
        assert board.files.stat("main.py") is not None
        board.mlperf(DIGITS, "ic")
    assert run_like_the_public_runner(port, [stimulus], "infer 1 0")
    with Board(port, patience=5) as board:
        assert board.files.stat("main.py") is None
        board.files.put("main.py", b"print('mine')\n")
        with pytest.raises(DeviceError, match="on the board already"):
            board.mlperf(DIGITS, "ic", boot=True)
        assert board.files.get("main.py") == b"print('mine')\n"


@pytest.mark.slow
def test_a_boot_runs_what_was_deployed_last(interpreter: None, tmp_path: Path) -> None:
    other, stimulus = two_scales(), bytes(range(WIDTH))
    with virtual_board("unix", folder=tmp_path / "b", heap=LARGE_HEAP) as port:
        with Board(port, patience=5) as board:
            board.mlperf(DIGITS, "ic", boot=True, name="it")
        with Board(port, patience=5) as board:
            assert board.deploy(other, "it").path == "models/it.b"
    with virtual_board("unix", folder=tmp_path / "b", heap=LARGE_HEAP) as port:
        transport = Transport(port)
        try:
            client = Client(transport)
            client.answer(10, "the greeting of the service in main.py")
            client.load(stimulus)
            assert client.infer().results == tuple(expected(other, "ic", stimulus))
        finally:
            transport.close()


@pytest.mark.slow
def test_a_board_that_each_opening_of_the_port_resets(interpreter: None, tmp_path: Path) -> None:
    """The runner waits two seconds after its first opening, and not at all after its second."""
    stimulus = bytes(range(64))
    with virtual_board("unix", folder=tmp_path / "b") as port, Board(port, patience=5) as board:
        board.mlperf(DIGITS, "ic", boot=True)
    with virtual_board("unix", folder=tmp_path / "b", faults="reset-on-open") as port:
        with serial.Serial(port, timeout=5) as line:
            time.sleep(2)
            assert ask(line, "name")[-2:] == ["m-name-dut-[microinterp]", "m-ready"]
            assert ask(line, "profile")[-1] == "m-ready"
        with serial.Serial(port, timeout=5) as line:
            ask(line, f"db load {len(stimulus)}")
            for at in range(0, len(stimulus), 31):
                last = ask(line, f"db {stimulus[at : at + 31].hex()}")
            assert last == ["m-load-done", "m-ready"]
            results = ask(line, "infer 1 0")[-2]
    wanted = ",".join(str(each) for each in expected(DIGITS, "ic", stimulus))
    assert results == f"m-results-[{wanted}]"


@pytest.mark.usefixtures("qemu")
@pytest.mark.parametrize("kind", ["kws", "ic", "ad"])
def test_on_a_cortex_m4(kind: str) -> None:
    """Ints and floats of 32 bits."""
    model = two_scales()
    rng = np.random.default_rng(4)
    if kind == "ad":
        stimulus = rng.normal(0, 20, WIDTH).astype("<f4").tobytes()
    else:
        stimulus = rng.integers(0, 256, WIDTH, np.uint8).tobytes()
    with qemu_board("m4", preload=mapped_model(pack_for_board(model, "m"), "m4")) as board:
        client = service.start(board.link, "m.mipk", KINDS[kind])
        client.load(stimulus)
        found = client.infer(5, 1)
        assert list(found.results) == expected(model, kind, stimulus)
        assert (found.count, 0 < found.microseconds < 1_000_000) == (5, True)
        board.link.enter()
        assert board.exec("print(6 * 7)") == "42\n"


@pytest.mark.slow
@pytest.mark.usefixtures("qemu")
def test_laps_farther_apart_than_ticks_can_tell() -> None:
    """More than 2^30 us of a board whose clock counts instructions: some 20 s here."""
    with qemu_board("m4", preload=mapped_model(pack_for_board(DIGITS, "m"), "m4")) as board:
        client = service.start(board.link, "m.mipk", KINDS["ic"])
        client.load(bytes(64))
        few = client.infer(500, 0)
        one = few.microseconds / few.count
        count = int(1.1 * (1 << 30) / one)
        many = client.infer(count, 0, 300.0)
        assert many.microseconds > 1 << 30
        assert many.microseconds == pytest.approx(one * count, rel=0.01)
        assert many.results == few.results


@pytest.mark.parametrize(
    ("kind", "model", "told"),
    [
        ("sww", DIGITS, "there is no benchmark 'sww'"),
        ("kws", two_inputs(), r"this one has 2 and 1 \(int8, int8, int8\)"),
        ("vww", two_scales(output_type="float32"), r"has 1 and 1 \(int8, float32\)"),
        ("ad", DIGITS, "as many outputs as inputs, got 64 and 10"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_board_is_touched(
    kind: str, model: bytes, told: str
) -> None:
    class Untouched:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

    board = Board.__new__(Board)
    board.link = Untouched()  # type: ignore[assignment]
    with pytest.raises(InputError, match=told):
        board.mlperf(model, kind)


def test_bytes_of_a_stimulus() -> None:
    assert stimulus_bytes(KINDS["kws"], DIGITS) == 64
    assert stimulus_bytes(KINDS["ad"], two_scales()) == 4 * WIDTH


@pytest.mark.parametrize(
    ("milliseconds", "host", "wanted"),
    [
        (5, 5, (3400, 10)),
        (0.1, 0.1, (170_000, 10)),
        (1000, 1000, (17, 10)),
        (4000, 4000, (5, 7)),
        (10_000, 10_000, (2, 2)),
        (14_500, 14_500, (1, 1)),
        (27_000, 27_000, (1, 1)),
        (29_000, 29_000, None),
        (400_000, 400_000, None),
        (10, 24, (1050, 10)),  # 17 s of the board's clock would be 41 s of the host's
        (10, 30, None),
        (10, 1, (2100, 10)),
        (534.2, 8.7, (242, 10)),  # a qemu board: its clock counts instructions
        (1e-9, 1e-9, None),
    ],
)
def test_counts_for_the_runner(
    milliseconds: float, host: float, wanted: tuple[int, int] | None
) -> None:
    assert iterations(Timing(milliseconds * 1000, host / 1000)) == wanted


def test_the_command(port: str, tmp_path: Path) -> None:
    digits_folder(tmp_path / "s", 3)
    folder = str(tmp_path / "files")
    arguments = ["mlperf", str(MODEL), "--port", port, "--files", folder]
    done = command("board", *arguments, "--kind", "ic", "--accuracy", str(tmp_path / "s"), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["protocol"] == "MLPerf Tiny protocol, unofficial"
    assert (told["port"], told["kind"], told["model"]) == (port, "ic", "ic01")
    assert told["accuracy"]["top1"] == 1
    assert told["iterations"]["inferences"] * told["timing"]["microseconds"] > 10e6
    assert told["deployment"]["name"] == MODEL.stem
    assert len(told["files"]) == 3
    assert "this port has none" not in done.stderr
    (tmp_path / "files" / "devices.yaml").write_text("mine")
    done = command("board", *arguments, "--kind", "kws")
    assert done.returncode == 2
    assert "is there already, and was not made here" in done.stderr
    assert (tmp_path / "files" / "devices.yaml").read_text() == "mine"


@pytest.mark.slow
def test_the_command_in_words(port: str, tmp_path: Path) -> None:
    done = command(
        "board", "mlperf", str(MODEL), "--port", port, "--files", str(tmp_path), "--kind", "kws"
    )
    assert done.returncode == 0, done.stderr
    assert "MLPerf Tiny protocol, unofficial: kws, which the runner calls kws01\n" in done.stdout
    assert "-t " + str(tmp_path / "tests_performance.yaml") in done.stderr
    assert "this port has none" in done.stderr

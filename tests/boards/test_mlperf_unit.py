"""`board mlperf` without a board: its client, its service's files, the order of setting one up."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp.errors import DeviceError, InputError
from microinterp_boards import source_form
from microinterp_boards.files import FileState
from microinterp_boards.link import Link
from microinterp_boards.mlperf import accuracy, client, service, setup
from microinterp_boards.mlperf.client import Client, Inference
from microinterp_boards.mlperf.kinds import KINDS, stimulus_bytes
from microinterp_boards.mlperf.runner_files import require_own, write_files
from microinterp_boards.mlperf.stimuli import Stimulus, read_labels
from microinterp_boards.mlperf.timing import Iterations, Timing
from microinterp_boards.packing import pack_for_board
from microinterp_boards.ports import Port
from tests.boards.mlperf_models import WIDTH, two_scales
from tests.boards.spoken_line import SpokenTransport


def asking(*lines: str, ready: bool = True) -> Client:
    """A client to whom these lines are said, whatever it asks."""
    text = "".join(f"{line}\r\n" for line in (*lines, *(["m-ready"] if ready else [])))
    return Client(SpokenTransport(on_write=lambda data: text.encode()))  # type: ignore[arg-type]


def test_an_answer_ends_with_ready_and_has_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    line = SpokenTransport(b"one\r\ntwo\nm-ready\r\nmore\n")
    asked = Client(line)  # type: ignore[arg-type]
    assert asked.answer(7, "it") == ["one", "two"]
    assert line.limits == [7, 7, 7]  # seconds for each line, as the public runner counts
    monkeypatch.setattr(client, "_MAX_LINES", 3)
    with pytest.raises(DeviceError, match="something else came instead of an answer to 'help'"):
        asking("1", "2", "3").ask("help")
    assert asking("1", "2").ask("help") == ["1", "2"]


def test_what_a_board_says_it_is() -> None:
    assert asking("noise", "m-name-dut-[micro]").name() == "micro"
    assert asking("m-profile-[x]", "m-model-[kws01]").model() == "kws01"
    for lines in (["m-model-[kws01"], ["m-model-kws01]"], []):
        with pytest.raises(DeviceError, match="instead of an answer to 'profile'"):
            asking(*lines).model()


def test_an_error_is_told_with_the_command() -> None:
    with pytest.raises(DeviceError, match=r"refuses 'infer 1 0': no \\x1b\[2J model"):
        asking("e-[no \x1b[2J model]").infer()


def test_a_stimulus_goes_in_pieces_and_must_be_there_in_the_end() -> None:
    line, told = SpokenTransport(), []

    def answers(data: bytes) -> bytes:
        is_last = data == b"db " + bytes(3).hex().encode() + b"%"
        return b"m-load-done\r\nm-ready\r\n" if is_last else b"m-ready\r\n"

    line.on_write = answers
    Client(line).load(bytes(2 * client.PIECE + 3), told.append)  # type: ignore[arg-type]
    assert [len(each) for each in line.written] == [len(b"db load 65%"), 66, 66, 10]
    assert told == [31, 62, 65]
    line.on_write = lambda data: b"m-ready\r\n"
    with pytest.raises(DeviceError, match="instead of m-load-done"):
        Client(line).load(bytes(3))  # type: ignore[arg-type]


def test_laps_and_results() -> None:
    found = asking("m-lap-us-100", "m-lap-us-350", "m-results-[0.5,-1]").infer(2)
    assert (found.results, found.count, found.microseconds) == ((0.5, -1.0), 2, 250)


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["m-lap-us-100", "m-results-[1]"], "two laps and results"),
        (["m-lap-us-1", "m-lap-us-2", "m-lap-us-3", "m-results-[1]"], "two laps and results"),
        (["m-lap-us-1", "m-lap-us-2"], "two laps and results"),
        (["m-lap-us-1", "m-lap-us-2", "m-results-[1,x]"], "results"),
    ],
)
def test_an_inference_that_is_not_told_whole(lines: list[str], wanted: str) -> None:
    with pytest.raises(DeviceError, match=f"something else came instead of {wanted}\n"):
        asking(*lines).infer()


class Kept:
    """A board's files, in the place of Files."""

    def __init__(self, **files: bytes) -> None:
        self.files = {name.replace("_", "."): data for name, data in files.items()}

    def __call__(self, link: Link) -> Kept:
        return self

    def stat(self, name: str) -> FileState | None:
        return FileState(len(self.files[name]), 0) if name in self.files else None

    def get(self, name: str) -> bytes:
        return self.files[name]

    def put(self, name: str, data: bytes) -> None:
        self.files[name] = data

    def remove(self, name: str) -> bool:
        return self.files.pop(name, None) is not None


class SpokenLink:
    """What of a link the service uses; `done` is what was asked of it."""

    port = "fake"

    def __init__(self, says: bytes = b"") -> None:
        self.transport = SpokenTransport(says)
        self.done: list[str] = []

    def soft_reset(self) -> None:
        self.done.append("soft reset")

    def enter(self) -> None:
        self.done.append("enter")

    def start(self, code: bytes) -> None:
        self.done.append(code.decode())

    def reply(self, tags: bytes, timeout: float, wanted: str) -> bytes:
        tag = self.transport.read(1, timeout, wanted)
        assert tag in tags
        return tag


@pytest.mark.parametrize(
    ("path", "program"),
    [
        (
            "models/it.a",
            b"from microinterp import mlperf, models\n\n"
            b"mlperf.serve(models.find('it'), 'ic', 2500)\n",
        ),
        (
            "/rom/it.mipk",
            b"from microinterp import mlperf\n\nmlperf.serve('/rom/it.mipk', 'ic', 2500)\n",
        ),
    ],
)
def test_a_main_that_answers_at_each_boot(
    path: str, program: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name where it lies in slots: a later deployment is what runs then."""
    files, link = Kept(), SpokenLink(b"m-init-done\r\nm-ready\r\nrest")
    monkeypatch.setattr(service, "Files", files)
    service.start_at_boot(link, "it", path, KINDS["ic"])  # type: ignore[arg-type]
    first, _, rest = files.files["main.py"].partition(b"\n")
    assert first.startswith(b"# made by microinterp board mlperf --boot")
    assert rest == program
    compile(rest, "main.py", "exec")
    assert link.transport.written == [b"\r\x02\x04"]  # a soft reset of the friendly REPL runs it
    assert link.transport.says == b"rest"  # its greeting was awaited
    assert service.require_own(link, files)  # type: ignore[arg-type]
    assert service.remove_boot(link)  # type: ignore[arg-type]
    assert files.files == {}
    assert not service.remove_boot(link)  # type: ignore[arg-type]
    assert not service.require_own(link, files)  # type: ignore[arg-type]


def test_a_main_of_somebody_else_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    files, link = Kept(main_py=b"print('mine')\n"), SpokenLink()
    monkeypatch.setattr(service, "Files", files)
    with pytest.raises(DeviceError, match=r"fake: there is a main\.py on the board already"):
        service.start_at_boot(link, "it", "models/it.a", KINDS["ic"])  # type: ignore[arg-type]
    assert not service.remove_boot(link)  # type: ignore[arg-type]
    assert files.files == {"main.py": b"print('mine')\n"}
    assert link.transport.written == []


def test_the_service_at_once() -> None:
    link = SpokenLink(b"m-timestamp-mode-performance\r\nm-ready\r\n")
    service.start(link, "models/it.b", KINDS["kws"])  # type: ignore[arg-type]
    assert link.done[0] == "soft reset"
    assert "b'models/it.b'" in link.done[1]
    assert "b'kws'" in link.done[1]
    assert link.transport.says == b""
    service.leave(link)  # type: ignore[arg-type]
    assert (link.transport.closed, link.transport.gone) == (1, True)  # nothing stops what runs


class Deployed:
    """What of a deployment the setup reads."""

    name, path = "it", "models/it.a"

    def __init__(self, mpy_set: str) -> None:
        self.mpy_set = mpy_set


class Answering:
    """A board that answers as a benchmark's, and keeps what is loaded."""

    def __init__(self, model: str) -> None:
        self._model = model
        self.loaded: list[bytes] = []

    def name(self) -> str:
        return "microinterp"

    def model(self) -> str:
        return self._model

    def load(self, data: bytes) -> None:
        self.loaded.append(data)


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `set_up` does, in order; only files of the host are really written."""
    done: list[str] = []

    def note(name: str, given: Any = None) -> Callable[..., Any]:
        def call(*arguments: object) -> Any:
            done.append(name)
            return given

        return call

    monkeypatch.setattr(setup, "Files", lambda link: None)
    monkeypatch.setattr(setup, "deploy", note("deploy", Deployed("armv7em")))
    monkeypatch.setattr(setup, "measure", note("measure", Timing(5000, 0.005)))
    monkeypatch.setattr(setup, "ports", lambda: [Port("fake", "serial", "", 0x2E8A, 5)])
    for name in ("require_own", "remove_boot", "start_at_boot", "leave"):
        monkeypatch.setattr(service, name, note(name))
    monkeypatch.setattr(service, "start", note("start", Answering("ad01")))
    return done


def test_a_board_that_answers_at_boot_is_left_with_its_main(
    order: list[str], tmp_path: Path
) -> None:
    link = SpokenLink()
    wanted = setup.Wanted("ad", folder=tmp_path / "files", boot=True)
    done = setup.set_up(link, two_scales(), wanted)  # type: ignore[arg-type]
    assert order == ["require_own", "deploy", "start", "measure", "start_at_boot", "leave"]
    assert link.done == ["enter"]  # the service is stopped before main.py is written
    assert (done.boots, done.usb, done.iterations) == (True, (0x2E8A, 5), (3400, 10))
    assert [path.parent for path in done.files] == [tmp_path / "files"] * 3
    assert "0x2E8A: 0x0005" in (tmp_path / "files" / "devices.yaml").read_text()


def test_a_board_that_answers_now_loses_an_older_main(order: list[str]) -> None:
    done = setup.set_up(SpokenLink(), two_scales(), setup.Wanted("ad"))  # type: ignore[arg-type]
    assert order == ["deploy", "remove_boot", "start", "measure", "leave"]
    assert (done.boots, done.files, done.accuracy) == (False, (), None)


def test_boards_in_source_form_have_no_service(
    order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "deploy", lambda *given: Deployed(source_form.NAME))
    with pytest.raises(DeviceError, match=r"loads no \.mpy files, which the service is") as caught:
        setup.set_up(SpokenLink(), two_scales(), setup.Wanted("ad"))  # type: ignore[arg-type]
    assert "board bench" in caught.value.hint
    assert order == []


def test_another_service_on_the_line(order: list[str]) -> None:
    with pytest.raises(DeviceError, match="the board answers for ad01, not ic01") as caught:
        setup.set_up(SpokenLink(), two_scales(), setup.Wanted("ic"))  # type: ignore[arg-type]
    assert "something else answers" in caught.value.hint
    assert order == ["deploy", "remove_boot", "start"]


def test_what_is_timed_is_as_large_as_a_stimulus(
    order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features of ad are numbers that its scale takes; all others are bytes."""
    for kind in ("ad", "ic"):
        board = Answering(KINDS[kind].model)
        monkeypatch.setattr(service, "start", lambda *given, board=board: board)
        setup.set_up(SpokenLink(), two_scales(), setup.Wanted(kind))  # type: ignore[arg-type]
        (loaded,) = board.loaded
        assert len(loaded) == WIDTH * KINDS[kind].value_bytes
        assert len(set(loaded)) > WIDTH // 4
        if kind == "ad":
            values = np.array(struct.unpack(f"<{WIDTH}f", loaded))
            assert np.isfinite(values).all()
            assert (values >= -80).all()
            assert (values <= 20).all()


def test_a_packed_model_is_measured_by_its_file() -> None:
    assert stimulus_bytes(KINDS["kws"], pack_for_board(two_scales(), "m")) == WIDTH


def test_runner_files_without_counts_and_what_stands_in_their_way(tmp_path: Path) -> None:
    port, kind = Port("/dev/x", "serial", ""), KINDS["vww"]
    folder = tmp_path / "files"
    names = [path.name for path in write_files(folder, kind, port, 9600, Iterations(7, 3))]
    assert names == ["devices.yaml", "tests_accuracy.yaml", "tests_performance.yaml"]
    assert "infer 7 3" in (folder / names[2]).read_text()
    require_own(folder)
    names = [path.name for path in write_files(folder, kind, port, 9600, None)]
    assert names == sorted(path.name for path in folder.iterdir())  # no older counts stay
    (folder / "devices.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"devices\.yaml' is there already, and was not made"):
        require_own(folder)
    (folder / "devices.yaml").unlink()
    (folder / "devices.yaml").mkdir()
    with pytest.raises(InputError, match="is there already, and was not made"):
        require_own(folder)
    with pytest.raises(InputError, match=r"cannot write to '.*accuracy\.yaml': \w"):
        write_files(folder / "tests_accuracy.yaml", kind, port, 9600, None)


def test_results_that_do_not_fit_the_classes(tmp_path: Path) -> None:
    class Two:
        def load(self, data: bytes) -> None:
            """Nothing is kept."""

        def infer(self, count: int, warmups: int) -> Inference:
            return Inference((0.5, 0.5), 1, 5, 0.1)

    (tmp_path / "a.bin").write_bytes(b"x")
    stimulus = Stimulus(tmp_path / "a.bin", 3, 0)
    with pytest.raises(DeviceError, match=r"gives 2 results, a\.bin is of 3 classes"):
        accuracy.check(Two(), [stimulus], lambda done, of: None)  # type: ignore[arg-type]


def test_a_list_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "y_labels.csv").write_bytes(b"a.bin,3,\xff\n")
    with pytest.raises(InputError, match=r"y_labels\.csv") as caught:
        read_labels(tmp_path, 3)
    assert "FILE,CLASSES,CLASS" in caught.value.hint

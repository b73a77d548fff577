"""The service's way onto a board and off it, with a board that is a few Python objects."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.files import FileState, Room
from microinterp_boards.framed import service
from microinterp_boards.framed.window import Line
from microinterp_boards.runtime import Installed

SHIPPED = {"_frames.mpy": bytes(range(256)) * 4, "files.mpy": b"f" * 513, "sign.mpy": b"s" * 60}


class FakeFiles:
    """A folder, and those in it; `log` has what is done in any."""

    def __init__(self, room: Room, log: list[tuple[object, ...]], path: str = "") -> None:
        self._room, self._log, self._path = room, log, path

    def room(self) -> Room:
        return self._room

    def folder(self, name: str, create: bool = False) -> FakeFiles:
        self._log.append(("folder", f"{self._path}/{name}", create))
        return FakeFiles(self._room, self._log, f"{self._path}/{name}")

    def remove(self, name: str) -> None:
        self._log.append(("remove", f"{self._path}/{name}"))


class Bench:
    """A link, what is on its board, and what is done to that."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.there: dict[str, FileState] = {}
        self.looks = 0
        self.keeps = True  # what is written
        self.able = True
        self.room = Room(1 << 20, 1 << 20, 512)
        self.log: list[tuple[object, ...]] = []
        self.error: DeviceError | None = None
        self.unread: list[bytes] = []
        self.finished: list[float] = []
        self.started: list[tuple[object, ...]] = []
        self.client = SimpleNamespace(
            has_ended=True,
            counters=SimpleNamespace(is_clean=True),
            rest=lambda: b"rest",
            close=lambda: self.log.append(("close",)),
        )
        transport = SimpleNamespace(
            baud=9600,
            unread=self.unread.append,
            error=lambda message, hint="": DeviceError(f"fake: {message}", hint=hint),
        )
        self.link: Any = SimpleNamespace(
            port="socket://fake", transport=transport, finish=self.finished.append
        )
        patch.setattr("microinterp_boards.runtime.shipped_link", lambda: SHIPPED)
        patch.setattr("microinterp_boards.runtime.installed", self.installed)
        patch.setattr(service, "Files", lambda link: FakeFiles(self.room, self.log))
        patch.setattr("microinterp_boards.checked.can_check", lambda link: self.able)
        patch.setattr("microinterp_boards.checked.patiently", lambda link, attempt: attempt())
        patch.setattr("microinterp_boards.checked.run", self.run)
        patch.setattr(
            "microinterp_boards.checked.start", lambda link, *words: self.started.append(words)
        )
        patch.setattr(service, "Client", self.begin)

    def put(self, **files: bytes) -> None:
        for name, data in files.items():
            name = name.replace("__", ".")
            self.there[name] = FileState(len(data), zlib.crc32(data))

    def installed(self, link: object, package: str) -> Installed:
        assert package == "microinterp_link"
        self.looks += 1
        return Installed("lib/microinterp_link", dict(self.there))

    def run(self, link: object, what: str, path: bytes, at: int, text: bytes) -> bytes:
        if self.error is not None:
            raise self.error
        self.log.append((what, path, at, bytes.fromhex(text.decode())))
        if self.keeps:
            name = path.decode().rpartition("/")[2]
            self.there[name] = FileState(len(SHIPPED[name]), zlib.crc32(SHIPPED[name]))
        return b""

    def begin(self, transport: object, rate: float, *, limit: float) -> Any:
        self.started.append((transport is self.link.transport, rate, limit))
        return self.client

    def of(self, what: str) -> list[tuple[object, ...]]:
        return [each[1:] for each in self.log if each[0] == what]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_files_go_in_pieces_of_512(bench: Bench) -> None:
    assert service.install(bench.link) == [*SHIPPED]
    folder = b"lib/microinterp_link/"
    first, second, third = SHIPPED.values()
    assert bench.of("piece") == [
        (folder + b"_frames.mpy", 0, first[:512]),
        (folder + b"_frames.mpy", 512, first[512:]),
        (folder + b"files.mpy", 0, second[:512]),
        (folder + b"files.mpy", 512, b"f"),
        (folder + b"sign.mpy", 0, third),
    ]
    assert bench.of("folder") == [("/lib", True), ("/lib/microinterp_link", True)]
    assert bench.looks == 2  # it reads them back


def test_what_is_there_is_not_sent(bench: Bench) -> None:
    bench.put(**{name.replace(".", "__"): data for name, data in SHIPPED.items()})
    assert service.install(bench.link) == []
    assert (bench.log, bench.looks) == ([], 1)


def test_what_differs_is_sent_and_what_is_not_ours_goes(bench: Bench) -> None:
    bench.put(files__mpy=b"f" * 513, sign__mpy=b"t" * 60, old__mpy=b"", _frames__mpy=b"")
    remove = FakeFiles.remove

    def removing(files: FakeFiles, name: str) -> None:
        remove(files, name)
        del bench.there[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeFiles, "remove", removing)
        assert service.install(bench.link) == ["_frames.mpy", "sign.mpy"]
    assert bench.of("remove") == [("/lib/microinterp_link/old.mpy",)]
    assert {path for path, *_ in bench.of("piece")} == {
        b"lib/microinterp_link/_frames.mpy",
        b"lib/microinterp_link/sign.mpy",
    }


def test_a_board_that_does_not_keep_what_it_is_sent(bench: Bench) -> None:
    """Three times are enough; what is too much counts as what is wrong does."""
    bench.keeps = False
    bench.put(old__mpy=b"", sign__mpy=SHIPPED["sign.mpy"])
    with pytest.raises(DeviceError) as caught:
        service.install(bench.link)
    assert caught.value.message == (
        "fake: the board reads other bytes from _frames.mpy, files.mpy, old.mpy than it was sent"
    )
    assert caught.value.hint == "its flash or filesystem may be damaged: format it"
    assert bench.looks == 3
    assert len(bench.of("remove")) == 3


def test_a_file_that_is_sent_twice_is_told_once(bench: Bench) -> None:
    run = bench.run

    def write(link: object, what: str, path: bytes, at: int, text: bytes) -> bytes:
        bench.keeps = bench.looks > 1 or b"sign" in path
        return run(link, what, path, at, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("microinterp_boards.checked.run", write)
        assert service.install(bench.link) == [*SHIPPED]
    assert bench.looks == 3
    assert len(bench.of("piece")) == 5 + 4


@pytest.mark.parametrize(
    ("block", "needed"), [(512, 1024 + 1024 + 60), (100, 1100 + 600 + 100), (1, 1024 + 513 + 60)]
)
def test_they_must_fit(bench: Bench, block: int, needed: int) -> None:
    bench.room = Room(needed - 1, 10_000, block)
    with pytest.raises(DeviceError) as caught:
        service.install(bench.link)
    assert caught.value.message == (
        "socket://fake: no room for the link's own files on the board's filesystem:"
        f" {needed} bytes, {needed - 1} are free"
    )
    assert caught.value.hint == "remove files that are not needed"
    assert bench.log == []
    bench.room = Room(needed, 10_000, block)
    assert service.install(bench.link) == [*SHIPPED]


def test_a_board_that_does_not_tell_its_room(bench: Bench) -> None:
    bench.room = Room(None, None, 512)
    assert service.install(bench.link) == [*SHIPPED]


@pytest.mark.parametrize(
    "text",
    [
        "fake: the board raised OSError: 28",
        "OSError: [Errno 28] ENOSPC",
        "OSError: 27",
        "OSError: ENOSPC",
        "OSError: EFBIG",
    ],
)
def test_a_filesystem_that_gets_full(bench: Bench, text: str) -> None:
    bench.error = DeviceError(text)
    with pytest.raises(DeviceError) as caught:
        service.install(bench.link)
    assert caught.value.message == (
        "socket://fake: no room for the link's own files on the board's filesystem:"
        " writing _frames.mpy"
    )


@pytest.mark.parametrize("text", ["OSError: 5", "OSError: 128", "ValueError: 28", "28"])
def test_other_errors_are_told(bench: Bench, text: str) -> None:
    bench.error = DeviceError(text)
    with pytest.raises(DeviceError) as caught:
        service.install(bench.link)
    assert caught.value is bench.error


@pytest.mark.parametrize("line", [None, Line(3, 500, 777.0)])
def test_the_service_starts_as_the_line_bears(bench: Bench, line: Line | None) -> None:
    """A socket is a line that may drop bytes; a board waits for 5 s if it hears nothing."""
    with service.start_service(bench.link, line=line) as client:
        assert client is bench.client  # type: ignore[comparison-overlap]
        assert bench.of("close") == []
    assert bench.started == (
        [("serve", 5000, 228, 1), (True, 11_520.0, 4.0)]
        if line is None
        else [("serve", 5000, 488, 3), (True, 777.0, 4.0)]
    )
    assert bench.of("close") == [()]
    assert {*bench.there} == {*SHIPPED}  # its files are there first


def test_its_patience_is_in_milliseconds(bench: Bench) -> None:
    with service.start_service(bench.link, idle=0.2999):
        pass
    assert bench.started[0] == ("serve", 300, 228, 1)
    assert service.IDLE == 5.0


def test_the_rest_is_given_back_after_a_clean_end(bench: Bench) -> None:
    with service.start_service(bench.link):
        assert bench.unread == []
    assert (bench.unread, bench.finished) == ([b"rest"], [2.0])


@pytest.mark.parametrize("what", ["has_ended", "is_clean"])
def test_after_another_end_the_repl_is_entered_anew(bench: Bench, what: str) -> None:
    setattr(bench.client if what == "has_ended" else bench.client.counters, what, False)
    with service.start_service(bench.link):
        pass
    assert (bench.unread, bench.finished) == ([], [])
    assert bench.of("close") == [()]


def test_an_error_ends_the_service_too(bench: Bench) -> None:
    with pytest.raises(DeviceError, match="within"), service.start_service(bench.link):
        raise DeviceError("within")
    assert bench.of("close") == [()]
    assert bench.unread == [b"rest"]


def test_an_end_that_does_not_come_is_no_error(bench: Bench) -> None:
    def never(seconds: float) -> None:
        raise DeviceError("no prompt")

    finish: Callable[[float], None] = never
    bench.link.finish = finish
    with service.start_service(bench.link):
        pass
    assert bench.unread == [b"rest"]


def test_firmware_without_crc32(bench: Bench) -> None:
    bench.able = False
    with pytest.raises(DeviceError) as caught, service.start_service(bench.link):
        pass
    assert caught.value.message == (
        "socket://fake: the board's firmware cannot run the framed link: it has no CRC32"
    )
    assert caught.value.hint == "flash MicroPython 1.23 or later"
    assert bench.looks == 0

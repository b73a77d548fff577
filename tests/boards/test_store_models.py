"""What a board keeps: which files are models, where they lie, and who may change them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from microinterp.errors import DeviceError, InputError
from microinterp_boards.files import Entry, FileState
from microinterp_boards.store import models, places
from microinterp_boards.store.requests import Place
from tests.boards.fake_store import FakeStore, failing, refused

LINK: Any = SimpleNamespace(
    port="fake", transport=SimpleNamespace(error=lambda message: DeviceError(f"fake: {message}"))
)


class FakeFiles:
    """Folders of a board; "" is the current one."""

    def __init__(self, folders: dict[str, dict[str, int | None]], path: str = "") -> None:
        self.folders, self.path = folders, path
        self.put_there: list[tuple[str, str, bytes]] = []

    def list(self) -> list[Entry]:
        return [
            Entry(name, size or 0, size is None) for name, size in self.folders[self.path].items()
        ]

    def remove(self, name: str) -> None:
        assert self.folders[self.path].pop(name) is not None

    def remove_folder(self, name: str) -> None:
        assert self.folders.pop(name) == {}
        assert self.folders[self.path].pop(name) is None

    def folder(self, name: str, create: bool = False) -> FakeFiles:
        if create:
            self.folders.setdefault(name, {})
        assert name in self.folders
        found = FakeFiles(self.folders, name)
        found.put_there = self.put_there
        return found

    def put(self, name: str, data: bytes) -> None:
        self.put_there.append((self.path, name, data))


class Bench:
    """A board with a store; whether it has the link's files, and whether it loads .mpy files."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.store = FakeStore()
        self.has_link, self.source_form = True, False
        self.sessions = 0
        self.files = FakeFiles({"": {}})
        patch.setattr(models, "start_service", self.start_service)
        patch.setattr(models, "Requests", lambda client: self.store)
        patch.setattr(models, "probe", lambda link: "probe")
        patch.setattr(models, "Files", lambda link: self.files)
        patch.setattr(
            "microinterp_boards.source_form.is_for",
            lambda board: self.source_form and board == "probe",
        )
        patch.setattr(
            "microinterp_boards.runtime.installed",
            lambda link, package: SimpleNamespace(
                files={"files.mpy": 1} if self.has_link and package == "microinterp_link" else {}
            ),
        )

    @contextmanager
    def start_service(self, link: object) -> Iterator[None]:
        self.sessions += 1
        yield

    def keep(self, *names: str) -> None:
        for name in names:
            self.store.kept[Place.MODELS, name] = b""


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_models_by_name(bench: Bench) -> None:
    """Each once, whatever there is of it; programs, and what is no model's, are left out."""
    bench.keep("z.a", "kws.a", "kws.b", "kws.0", "kws.1", "kws.2", "kws.part", "kws.test")
    bench.keep("one.part", "two.test", "three.test.part", "four.test.a", "x.y.0", "v.0.1")
    bench.keep("main.py.a", "MAIN.PY.0", "boot.Py.part", "py.a")
    bench.keep(".key", "notes", "a.c", "b.3", "c.partly", "d.tests", ".a", "part", "e.test.b.x")
    found = models.all_of(bench.store)  # type: ignore[arg-type]
    names = ["four", "kws", "one", "py", "three", "two", "v.0", "x.y", "z"]
    assert [kept.name for kept in found] == names
    assert bench.store.of("model") == [(name,) for name in names]
    assert bench.store.of("files") == [(Place.MODELS,)]
    assert models.kept(LINK) == found


def test_a_board_that_never_had_a_model_stays_as_it_is(bench: Bench) -> None:
    bench.has_link = False
    bench.keep("kws.a")
    assert models.kept(LINK) == []
    assert models.remove(LINK, "kws") is False
    assert bench.sessions == 0


def test_back_and_remove(bench: Bench) -> None:
    kept = bench.store.put_model("kws", "a", b"model", 1)
    assert models.back(LINK, "kws") is kept
    assert bench.store.of("back") == [("kws",)]
    assert models.remove(LINK, "kws") is True
    assert models.remove(LINK, "kws") is False
    assert bench.store.of("forget") == [("kws",)] * 2


def test_back_to_nothing(bench: Bench) -> None:
    bench.store.fail = failing("back", refused(2, "no record names the other slot"))
    with pytest.raises(DeviceError) as caught:
        models.back(LINK, "kw\x1bs")
    assert caught.value.message == (
        "fake: 'kw\\x1bs' stays what it is: no record names the other slot"
    )
    assert caught.value.hint == "`microinterp board models` lists what there is"


def test_other_errors_are_not_the_boards_words(bench: Bench) -> None:
    error = DeviceError("the line is cut")
    bench.store.fail = failing("back", error)
    with pytest.raises(DeviceError) as caught:
        models.back(LINK, "kws")
    assert caught.value is error


def test_boards_that_have_no_slots(bench: Bench) -> None:
    bench.source_form = True
    for act in (
        lambda: models.kept(LINK),
        lambda: models.back(LINK, "kws"),
        lambda: models.remove(LINK, "kws"),
        lambda: models.set_key(LINK, bytes(16)),
    ):
        with pytest.raises(DeviceError) as caught:
            act()
        assert caught.value.message == (
            "fake: this board's firmware loads no .mpy files: its models are modules, and have no"
            " slots"
        )
        assert caught.value.hint == "`microinterp board uninstall` removes them"
    assert (bench.sessions, bench.files.put_there) == (0, [])


def test_keys(bench: Bench) -> None:
    for size in (15, 257):
        with pytest.raises(InputError, match=f"the key has {size} bytes, wanted 16 to 256"):
            models.set_key(LINK, bytes(size))
    assert bench.files.put_there == []
    models.set_key(LINK, b"k" * 16)
    assert bench.files.put_there == [("models", ".key", b"k" * 16)]


def test_all_models_go_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    current: dict[str, int | None] = {
        "old.mipk": 5,
        "old.mipk.part": 5,
        "main.py": 5,
        "mipk": 5,
        "lib": None,
        "folder.mipk": None,
        "models": None,
        "models.txt": 5,
    }
    folders: dict[str, dict[str, int | None]] = {
        "": current,
        "lib": {"a": 5},
        "models": {"kws.a": 5, "kws.0": 56, ".key": 32},
    }
    monkeypatch.setattr(places, "Files", lambda link: FakeFiles(folders))
    assert places.remove_all(LINK) == [
        *("old.mipk", "old.mipk.part", "models/kws.a", "models/kws.0", "models/.key")
    ]
    assert [*folders] == ["", "lib"]
    assert [*current] == ["main.py", "mipk", "lib", "folder.mipk", "models.txt"]
    assert places.remove_all(LINK) == []


def test_a_file_that_is_named_as_the_folder_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    folders: dict[str, dict[str, int | None]] = {"": {"models": 5, "zoo": None, "nodes": None}}
    monkeypatch.setattr(places, "Files", lambda link: FakeFiles(folders))
    assert places.remove_all(LINK) == []


def stat_of(patch: pytest.MonkeyPatch, path: str) -> tuple[str, str]:
    """Folder and name of the file that is looked at."""
    asked: list[tuple[str, str]] = []

    def files(link: object, folder: str) -> Any:
        def stat(name: str) -> FileState:
            asked.append((folder, name))
            return FileState(5, 6)

        return SimpleNamespace(stat=stat)

    patch.setattr(places, "Files", files)
    assert places.state_of(LINK, path) == FileState(5, 6)
    (found,) = asked
    return found


def test_where_a_models_file_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stat_of(monkeypatch, "models/kws.a") == ("models", "kws.a")
    assert stat_of(monkeypatch, "kws.mipk") == ("", "kws.mipk")
    assert stat_of(monkeypatch, "models") == ("", "models")
    for folder in ("", "models/"):
        assert stat_of(monkeypatch, folder + "x" * 48)[1] == "x" * 48
        with pytest.raises(DeviceError) as caught:
            stat_of(monkeypatch, folder + "x" * 49)
        assert "came instead of a model's path" in caught.value.message
    for path in ("lib/kws.a", "models/", "models/a/b", "/kws", "k ws", "kws\n", "kws\x1b"):
        with pytest.raises(DeviceError, match=r"fake: '.*' came instead of a model's path"):
            stat_of(monkeypatch, path)


def test_which_file_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [b"models/kws.a\n", b"\n"]
    asked: list[tuple[object, ...]] = []

    def run(*words: object) -> bytes:
        asked.append(words)
        return told.pop(0)

    monkeypatch.setattr("microinterp_boards.checked.run", run)
    monkeypatch.setattr(places, "state_of", lambda link, path: FileState(len(path), 7))
    assert places.current(LINK, "kws") == ("models/kws.a", FileState(12, 7))
    assert places.current(LINK, "kws") == ("", None)
    assert asked == [(LINK, "current", b"kws", b".mipk")] * 2
    assert places.FOLDER == "models"

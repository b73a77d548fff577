"""A deployment in trouble: too little room, lines that break, refusals and what they mean."""

from __future__ import annotations

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.session import DoesNotFitError
from microinterp_boards.store.requests import Place
from microinterp_boards.store.upload import Tally
from tests.boards.fake_commit import PACKED, SHIPPED, Bench
from tests.boards.fake_store import failing, refused

HINT = (
    "a model in use stays until the new one has proved itself: remove files that are not needed, or"
    " first that one: `microinterp board models --remove kws`"
)


class CutError(DeviceError):
    """The line broke."""


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def no_room(needed: int, free: int) -> str:
    return (
        f"fake: no room for 'kws' on the board's filesystem: it and the runtime need {needed}"
        f" bytes, {needed - free} more than the {free} that are free"
    )


@pytest.mark.parametrize(
    ("block", "needed"),
    [
        (1, 900 + 60 + 300 + 40 + 600),
        (7, 903 + 63 + 301 + 42 + 602),
        (512, 1024 + 60 + 512 + 40 + 1024),  # a 64th and less lies with its name
        (480, 960 + 60 + 480 + 40 + 960),
        (472, 944 + 472 + 472 + 40 + 944),  # an eighth of a block is 59
    ],
)
def test_all_that_is_written_must_fit(bench: Bench, block: int, needed: int) -> None:
    bench.on_board = {}
    enough = -(-needed // block)
    bench.store.space = block, enough - 1, 10_000
    error = bench.fails()
    assert error.message == no_room(needed, block * (enough - 1))
    assert error.hint == HINT
    assert bench.sessions == 1  # doing it again would not help
    assert bench.store.count("open") == 0  # nothing was begun
    bench.store.space = block, enough, 10_000
    assert bench.commit().path == "models/kws.a"


def test_a_board_that_does_not_know_its_room(bench: Bench) -> None:
    bench.on_board = {}
    bench.store.space = None
    assert bench.commit().path == "models/kws.a"


def test_what_is_replaced_makes_room(bench: Bench) -> None:
    """The slot that is not in use, parts and bundles of this model, and files of the runtime."""
    store = bench.store
    store.put_model("kws", "a", bytes(800), 1)
    freed = {"kws.b": 700, "kws.part": 100, "kws.test": 50, "kws.test.part": 30}
    stays = {"kws.0": 56, "kws.1": 56, "kwt.b": 500, "b": 500, "part": 500, "kws.b.part": 9}
    store.kept |= {(Place.MODELS, name): bytes(size) for name, size in (freed | stays).items()}
    bench.on_board = {"_a.mpy": bytes(299), "_b.mpy": SHIPPED["_b.mpy"], "old.mpy": bytes(77)}
    needed = (900 + 60 + 300 + 600) - (700 + 100 + 50 + 30) - (299 + 77)
    store.space = 1, needed - 1, 10_000
    assert bench.fails().message == no_room(needed, needed - 1)
    store.space = 1, needed, 10_000
    store.kept = {key: data for key, data in store.kept.items() if "part" not in key[1]}
    store.kept |= {(Place.MODELS, "kws.part"): bytes(100), (Place.MODELS, "kws.test.part"): b""}
    store.space = 1, needed + 30, 10_000
    assert bench.commit().path == "models/kws.b"


def test_the_first_slot_is_free_where_the_second_is_in_use(bench: Bench) -> None:
    bench.store.put_model("kws", "b", bytes(800), 1)
    bench.store.kept[Place.MODELS, "kws.a"] = bytes(700)
    bench.store.space = 1, 259, 10_000
    assert bench.fails().message == no_room(260, 259)
    bench.store.space = 1, 260, 10_000
    assert bench.commit().path == "models/kws.a"


def test_files_of_the_runtime_alone(bench: Bench) -> None:
    """The model is there: nothing of it counts."""
    bench.on_board = {"_a.mpy": SHIPPED["_a.mpy"], "_b.mpy": bytes(39)}
    bench.store.space = 1, 600, 10_000
    assert bench.fails(is_there=True).message == no_room(601, 600)
    assert bench.store.of("files") == [(Place.RUNTIME,)]
    bench.store.space = 1, 601, 10_000
    bench.commit(is_there=True)
    assert bench.store.kept[Place.RUNTIME, "_b.mpy"] == SHIPPED["_b.mpy"]


def test_a_model_that_is_smaller_than_what_goes(bench: Bench) -> None:
    bench.store.kept[Place.MODELS, "kws.part"] = bytes(5000)
    bench.store.space = 1, 0, 10_000
    assert bench.commit().path == "models/kws.a"


@pytest.mark.parametrize("after", range(8))
def test_there_is_room_to_go_on_where_it_broke(bench: Bench, after: int) -> None:
    """A filesystem with room for just this: what was written already is not counted again."""
    bench.on_board = {"old.mpy": bytes(100)}
    bench.store.capacity = 100 + (900 + 60 + 300 + 40 + 600) - 100
    left = [after]

    def cut(what: str) -> None:
        if what in ("verify", "test", "switch"):
            left[0] -= 1
            if left[0] == -1:
                raise CutError("the line is cut")

    bench.store.fail = cut
    done = bench.commit()
    assert done.path == "models/kws.a"
    assert done.breaks == (1 if after < 7 else 0)
    assert done.tally == Tally(sent=1900)


def script(bench: Bench, sessions: str) -> None:
    """What becomes of each session; then all goes well.

    `.` breaks at once, `0` before the first byte of the model, `+` after a piece of it.
    """
    bench.store.steps = list(range(50, 900, 50))
    now = ["."]

    def begin(number: int) -> None:
        now[0] = sessions[number - 1 : number]
        if now[0] == ".":
            raise CutError("the line is cut")

    def piece(what: str) -> None:
        if (what, now[0]) in (("send", "0"), ("piece", "+")):
            raise CutError("the line is cut")

    bench.breaks, bench.store.fail = begin, piece


@pytest.mark.parametrize(
    "sessions", ["", ".", "....", "....+...", "++++++++", ".+" * 6, "....+...+"]
)
def test_breaks_that_are_mended(bench: Bench, sessions: str) -> None:
    """Five in a row without a byte of progress end it; one with some is the first of a new row."""
    script(bench, sessions)
    done = bench.commit()
    assert done.path == "models/kws.a"
    assert done.breaks == len(sessions)
    assert done.is_clean == (not sessions)
    assert done.tally == Tally(sent=960)  # each byte once
    assert bench.link.resets == 1


@pytest.mark.parametrize(
    "sessions", [".....", "+....", "++....", "...+....", ".+.+....", "00000", "....0", "+0000"]
)
def test_breaks_that_are_enough(bench: Bench, sessions: str) -> None:
    script(bench, sessions)
    assert isinstance(bench.fails(), CutError)
    assert bench.sessions == len(sessions)


def test_a_port_that_is_gone_is_not_waited_for(bench: Bench) -> None:
    bench.link.transport.gone = True
    script(bench, ".")
    assert isinstance(bench.fails(), CutError)
    assert bench.sessions == 1


@pytest.mark.parametrize("what", ["remove", "open"])
def test_each_file_of_the_runtime_is_progress(bench: Bench, what: str) -> None:
    """Three breaks, one behind a file that went well, and so on: never five without progress."""
    bench.on_board = {f"old{number}": b"" for number in range(3)} if what == "remove" else {}
    sessions, files = "...+...+...", [0]

    def begin(number: int) -> None:
        files[0] = 0
        if sessions[number - 1 : number] == ".":
            raise CutError("the line is cut")

    def second(asked: str) -> None:
        files[0] += asked == what
        if files[0] == 2 and bench.sessions <= len(sessions):
            raise CutError("the line is cut")

    bench.breaks, bench.store.fail = begin, second
    assert bench.commit().breaks == 11
    names = sorted(name for place, name in bench.store.kept if place is Place.RUNTIME)
    assert names == [*SHIPPED]


def test_steps_that_went_well_are_not_done_again(bench: Bench) -> None:
    bench.on_board = {"old": b""}
    bench.store.fail = failing("test", CutError("the line is cut"), times=4)
    assert bench.commit().breaks == 4
    assert [name for _, name in bench.store.of("remove")] == ["old", "kws.test"]
    names = [name for place, name, *_ in bench.store.of("open") if place is Place.RUNTIME]
    assert names == [*SHIPPED]


def test_a_switch_is_progress(bench: Bench) -> None:
    """Four breaks before it and four behind it: no five are in a row."""
    bench.store.fail = failing("switch", CutError("the line is cut"), times=4)

    def behind(what: str) -> None:
        first(what)
        if what == "remove":
            second("remove")

    first, second = bench.store.fail, failing("remove", CutError("the line is cut"), times=4)
    bench.store.fail = behind
    assert bench.commit().breaks == 8


def test_a_model_that_does_not_fit_is_final(bench: Bench) -> None:
    bench.store.fail = failing("test", refused(8, "no memory"))
    bench.tests.error = DoesNotFitError("it does not fit")
    error = bench.fails()
    assert isinstance(error, DoesNotFitError)
    assert bench.sessions == 1


def test_a_self_test_that_is_refused_for_no_known_reason(bench: Bench) -> None:
    """Only a board without memory is one whose host must test."""
    for code in (1, 7, 9):
        bench.store.fail = failing("test", refused(code, "too warm"))
        assert bench.fails().message == "fake: the board refuses: too warm"


TOLD = {
    (3, "28"): (
        "fake: no room for 'kws': the filesystem is full",
        "remove files that are not needed, and deploy again: it goes on where it ended",
    ),
    (3, "27"): (
        "fake: no room for 'kws': the file is too large for the filesystem",
        "remove files that are not needed, and deploy again: it goes on where it ended",
    ),
    (3, "30"): (
        "fake: cannot write 'kws': the filesystem is read-only",
        "deploy again: it goes on where it ended",
    ),
    (3, "26"): (
        "fake: cannot write 'kws': error 26",
        "deploy again: it goes on where it ended",
    ),
    (3, "29"): (
        "fake: cannot write 'kws': error 29",
        "deploy again: it goes on where it ended",
    ),
    (3, "no"): ("fake: the board refuses: no", ""),
    (3, ""): ("fake: the board refuses: code 3", ""),
    (8, "short of 5 bytes"): (
        "fake: 'kws' does not fit into the heap beside the link: MemoryError: short of 5 bytes",
        "use a board with more memory, firmware with a larger heap, or a smaller model; a boot.py"
        " that allocates much can be emptied",
    ),
    (4, "28"): ("fake: the board refuses: 28", ""),
    (5, "no signature"): (
        "fake: the board takes only signed models: no signature",
        "give the board's key with --key",
    ),
    (6, "3 is older than 4"): (
        "fake: the board does not go back to an older 'kws': 3 is older than 4",
        "give a higher --version",
    ),
    (1, "bad"): ("fake: the board refuses: bad", ""),
    (1, "28"): ("fake: the board refuses: 28", ""),
    (2, "bad"): ("fake: the board refuses: bad", ""),
    (7, "bad"): ("fake: the board refuses: bad", ""),
    (9, "bad"): ("fake: the board refuses: bad", ""),
}


@pytest.mark.parametrize(("code", "text"), TOLD)
def test_what_refusals_mean(bench: Bench, code: int, text: str) -> None:
    bench.store.fail = failing("verify", refused(code, text))
    error = bench.fails()
    assert (error.message, error.hint) == TOLD[code, text]
    assert bench.sessions == 1  # a refusal is an answer: it is not asked again


def test_a_signature_by_another_key(bench: Bench) -> None:
    bench.store.fail = failing("verify", refused(5, "it is another"))
    error = bench.fails(key=b"k" * 32)
    assert error.message == "fake: the board takes only signed models: it is another"
    assert error.hint == "is it this key?"


def test_a_board_that_does_not_take_what_was_announced(bench: Bench) -> None:
    bench.store.fail = failing("verify", refused(4, "another SHA-256"))
    assert bench.fails().message == "fake: the board refuses: another SHA-256"
    assert bench.store.kept[Place.MODELS, "kws.part"] == PACKED

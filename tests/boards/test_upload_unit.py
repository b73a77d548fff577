"""Uploads: what of a part is good, what is copied and sent, what is done about refusals."""

from __future__ import annotations

import hashlib
import random

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.framed.exchange import RefusedError
from microinterp_boards.store.requests import Place
from microinterp_boards.store.upload import Tally, upload
from tests.boards.fake_store import FakeStore, failing, refused

DATA = random.Random(3).randbytes(3000)
FILE = Place.RUNTIME, "a.mpy"
STEP = 256


def run(
    board: FakeStore, place: Place = Place.RUNTIME, name: str = "a.mpy", data: bytes = DATA
) -> tuple[Tally, list[int]]:
    """Figures of an upload, and the bytes that were told."""
    tally, told = Tally(), list[int]()
    upload(board, place, name, data, tally=tally, progress=told.append)  # type: ignore[arg-type]
    return tally, told


def test_a_new_file() -> None:
    board = FakeStore()
    board.steps = [1000, 2000]
    assert run(board) == (Tally(sent=3000), [0, 1000, 2000, 3000])
    assert board.kept == {FILE: DATA}
    assert board.calls == [
        ("open", *FILE, 3000, hashlib.sha256(DATA).digest()),
        ("send", 3000, 0),
        ("verify", 0, b""),
    ]


def test_an_empty_file() -> None:
    board = FakeStore()
    assert run(board, data=b"") == (Tally(), [0])
    assert board.kept == {FILE: b""}
    assert board.count("send") == 0


@pytest.mark.parametrize("there", [1, 256, 300, 512, 1024, 2560, 2999, 3000, 3001, 4000])
def test_the_good_part_of_what_is_there(there: int) -> None:
    """It is found to within a step; a part that is right as a whole counts as a whole."""
    for good in (0, 1, 255, 256, 257, 511, 512, 767, 768, 1500, 2559, 2560, 2999):
        board = FakeStore()
        part = DATA[: min(good, there)]
        part += bytes(b ^ 1 for b in DATA[len(part) : there]) + bytes(1001)
        board.kept[Place.RUNTIME, "a.mpy.part"] = part[:there]
        start = there if there <= good else good // STEP * STEP
        assert run(board) == (Tally(resumed=start, sent=3000 - start), [start, 3000])
        assert board.kept == {FILE: DATA}
        assert board.of("send") == [(3000, start)]


@pytest.mark.parametrize("there", [1, 255, 256, 512, 2999, 3000])
def test_a_part_that_is_right_is_asked_for_once(there: int) -> None:
    board = FakeStore()
    board.kept[Place.RUNTIME, "a.mpy.part"] = DATA[:there]
    tally, told = run(board)
    assert tally == Tally(resumed=there, sent=3000 - there)
    assert told == ([there, 3000] if there < 3000 else [3000])
    assert board.of("sum") == [(Place.RUNTIME, "a.mpy.part", there)]
    assert board.of("send") == ([(3000, there)] if there < 3000 else [])


def test_few_sums_find_it() -> None:
    """Of 11 steps: the whole, then at most 4 halvings; never an empty part, which is right."""
    for good in range(0, 3000, STEP):
        board = FakeStore()
        board.kept[Place.RUNTIME, "a.mpy.part"] = DATA[:good] + bytes(3000 - good)
        run(board)
        sizes = [size for _, _, size in board.of("sum")]
        assert sizes[0] == 3000
        assert len(sizes) <= 5
        assert all(isinstance(size, int) and size > 0 for size in sizes)
        assert len(set(sizes)) == len(sizes)


def test_each_place_has_its_part() -> None:
    for place, folder, part, name in (
        (Place.MODELS, Place.MODELS, "kws.part", "kws.a"),
        (Place.RUNTIME, Place.RUNTIME, "kws.part", "kws"),
        (Place.TESTS, Place.MODELS, "kws.test.part", "kws.test"),
    ):
        board = FakeStore()
        board.kept[folder, part] = DATA[:600]
        assert run(board, place, "kws")[0] == Tally(resumed=600, sent=2400)
        assert board.of("sum") == [(folder, part, 600)]
        assert board.kept == {(folder, name): DATA}


def with_old(old: bytes, slot: str = "a") -> FakeStore:
    board = FakeStore()
    board.put_model("kws", slot, old, 1)
    return board


def run_model(board: FakeStore, data: bytes) -> tuple[Tally, list[int]]:
    tally, told = Tally(), list[int]()
    upload(
        board,  # type: ignore[arg-type]
        Place.MODELS,
        "kws",
        data,
        old=board.models.get("kws"),
        version=7,
        sign=lambda: b"signed",
        tally=tally,
        progress=told.append,
    )
    return tally, told


@pytest.mark.parametrize("slot", ["a", "b"])
def test_what_the_model_in_use_has_is_copied(slot: str) -> None:
    """Blocks of 512 bytes: new bytes, two blocks, new bytes, a block from before them."""
    old = DATA[:2100]
    new = b"new" + old[512:1536] + b"newer" + old[:512] + b"end"
    board = with_old(old, slot)
    assert run_model(board, new) == (
        Tally(copied=1536, sent=11),
        [0, 3, 1027, 1032, 1544, 1547],
    )
    assert board.of("sums") == [(Place.MODELS, f"kws.{slot}", 512, 2100)]
    assert board.of("copy") == [(3, 512, 1024), (1032, 0, 512)]
    assert board.of("send") == [(3, 0), (1032, 1027), (1547, 1544)]
    assert board.kept[Place.MODELS, f"kws.{'b' if slot == 'a' else 'a'}"] == new
    assert board.verified == [("kws", 7, b"signed")]


@pytest.mark.parametrize(
    ("start", "copies", "sends"),
    [
        (3, [(3, 512, 1024), (1032, 0, 512)], [(1032, 1027), (1547, 1544)]),
        (103, [(103, 612, 924), (1032, 0, 512)], [(1032, 1027), (1547, 1544)]),
        (1026, [(1026, 1535, 1), (1032, 0, 512)], [(1032, 1027), (1547, 1544)]),
        (1027, [(1032, 0, 512)], [(1032, 1027), (1547, 1544)]),
        (1028, [(1032, 0, 512)], [(1032, 1028), (1547, 1544)]),
        (1545, [], [(1547, 1545)]),
    ],
)
def test_copies_go_on_where_a_part_ends(
    start: int, copies: list[tuple[int, ...]], sends: list[tuple[int, ...]]
) -> None:
    old = DATA[:2100]
    new = b"new" + old[512:1536] + b"newer" + old[:512] + b"end"
    board = with_old(old)
    board.kept[Place.MODELS, "kws.part"] = new[:start]
    tally, told = run_model(board, new)
    copied = sum(size for _, _, size in copies)
    assert tally == Tally(resumed=start, copied=copied, sent=1547 - start - copied)
    assert (told[0], told[-1]) == (start, 1547)
    assert board.of("copy") == copies
    assert board.of("send") == sends
    assert board.kept[Place.MODELS, "kws.b"] == new


def test_a_model_that_is_all_there_needs_no_sums() -> None:
    board = with_old(DATA)
    board.kept[Place.MODELS, "kws.part"] = DATA
    assert run_model(board, DATA) == (Tally(resumed=3000), [3000])
    assert (board.count("sums"), board.count("copy"), board.count("send")) == (0, 0, 0)


def test_a_model_of_which_nothing_is_in_use() -> None:
    board = FakeStore()
    board.models["kws"] = board.model("kws")
    assert run_model(board, DATA) == (Tally(sent=3000), [0, 3000])
    assert board.count("sums") == 0


def test_what_is_not_announced_is_sent_as_a_whole() -> None:
    """A CRC32 was met by chance: the part goes, and nothing is copied the second time."""
    for place, folder, part in (
        (Place.RUNTIME, Place.RUNTIME, "kws.part"),
        (Place.TESTS, Place.MODELS, "kws.test.part"),
    ):
        board = FakeStore()
        board.kept[folder, part] = DATA[:600]
        board.fail = failing("verify", refused(4))
        tally, told = run(board, place, "kws")
        assert told == [600, 3000, 0, 3000]
        assert tally == Tally(resumed=600, sent=2400)  # what was sent in vain
        assert board.of("remove") == [(folder, part)]
        assert board.of("send") == [(3000, 600), (3000, 0)]


def test_the_same_of_copies() -> None:
    board = with_old(DATA[:1024])
    board.fail = failing("verify", refused(4))
    run_model(board, DATA[:1024] + b"more")
    assert board.count("copy") == 1
    assert board.of("send") == [(1028, 1024), (1028, 0)]
    assert board.of("remove") == [(Place.MODELS, "kws.part")]
    assert board.of("verify") == [(7, b"signed")] * 2
    assert board.kept[Place.MODELS, "kws.b"] == DATA[:1024] + b"more"


def test_a_whole_copy_that_is_not_announced_is_an_error() -> None:
    """One run, from the first byte on: there was no part to blame, and sums of all blocks fit."""
    board = with_old(DATA[:1024])
    board.fail = failing("verify", refused(4))
    with pytest.raises(RefusedError):
        run_model(board, DATA[:1024])
    assert board.count("remove") == 0


def test_a_file_that_was_sent_as_a_whole_is_not_sent_twice() -> None:
    board = FakeStore()
    board.fail = failing("verify", refused(4, "no"))
    with pytest.raises(RefusedError, match="refuses: no"):
        run(board)
    assert (board.count("send"), board.count("remove")) == (1, 0)


@pytest.mark.parametrize("code", [1, 2, 3, 5, 6, 7, 8])
def test_other_refusals_of_verify_are_told(code: int) -> None:
    board = FakeStore()
    board.kept[Place.RUNTIME, "a.mpy.part"] = DATA[:600]
    board.fail = failing("verify", refused(code))
    with pytest.raises(RefusedError) as caught:
        run(board)
    assert caught.value.code == code
    assert board.count("remove") == 0


def test_it_is_sent_as_a_whole_once() -> None:
    board = FakeStore()
    board.kept[Place.RUNTIME, "a.mpy.part"] = DATA[:600]
    board.fail = failing("verify", refused(4), times=2)
    with pytest.raises(RefusedError):
        run(board)
    assert board.count("verify") == 2


def test_a_torn_part_is_removed() -> None:
    for place, folder, part in (
        (Place.RUNTIME, Place.RUNTIME, "kws.part"),
        (Place.TESTS, Place.MODELS, "kws.test.part"),
    ):
        board = FakeStore()
        board.kept[folder, part] = DATA[:600]
        board.fail = failing("sum", refused(3, "5"))
        assert run(board, place, "kws") == (Tally(sent=3000), [0, 3000])
        assert board.of("remove") == [(folder, part)]
        assert board.count("open") == 2


@pytest.mark.parametrize(("code", "text"), [(3, "28"), (3, ""), (3, "55"), (1, "5"), (4, "5")])
def test_other_refusals_of_a_sum_are_told(code: int, text: str) -> None:
    board = FakeStore()
    board.kept[Place.RUNTIME, "a.mpy.part"] = DATA[:600]
    board.fail = failing("sum", refused(code, text))
    with pytest.raises(RefusedError) as caught:
        run(board)
    assert (caught.value.code, caught.value.text) == (code, text)
    assert board.count("remove") == 0


def test_a_part_that_does_not_go() -> None:
    board = FakeStore()
    board.kept[Place.RUNTIME, "a.mpy.part"] = DATA[:600]
    board.fail = failing("sum", refused(3, "5"))
    board.remove = lambda place, name: True  # type: ignore[method-assign]
    with pytest.raises(DeviceError) as caught:
        run(board)
    assert caught.value.message == "'a.mpy.part' was removed on the board and is still there"
    assert caught.value.hint == "its filesystem is damaged: format it"


def test_what_arrived_before_a_break_is_counted() -> None:
    board = FakeStore()
    board.steps = [500, 1200, 2000]
    tally = Tally(resumed=9, copied=0, sent=0)
    pieces: list[str] = []

    def second(what: str) -> None:
        pieces.append(what)
        if pieces.count("piece") == 2:
            raise DeviceError("the line is cut")

    board.fail = second
    with pytest.raises(DeviceError):
        upload(board, *FILE, DATA, tally=tally)  # type: ignore[arg-type]
    assert tally == Tally(resumed=9, sent=1200)
    board.fail = lambda what: None
    upload(board, *FILE, DATA, tally=tally)  # type: ignore[arg-type]
    assert tally == Tally(resumed=9, sent=3000)  # what this work has sent itself is not resumed


@pytest.mark.parametrize("tally", [Tally(), Tally(copied=5), Tally(sent=5), Tally(1, 2, 3)])
def test_figures_of_several_files_add_up(tally: Tally) -> None:
    """What is there when a file is first asked for is an earlier attempt's, once."""
    before = Tally(tally.resumed, tally.copied, tally.sent)
    board = FakeStore()
    board.kept[Place.RUNTIME, "a.mpy.part"] = DATA[:600]
    upload(board, *FILE, DATA, tally=tally)  # type: ignore[arg-type]
    assert tally == Tally(before.resumed + 600, before.copied, before.sent + 2400)


def test_breaks_before_the_first_byte_count_nothing_twice() -> None:
    board, tally = FakeStore(), Tally()
    board.kept[Place.RUNTIME, "a.mpy.part"] = DATA[:600]
    board.fail = failing("send", DeviceError("the line is cut"), 3)
    for _ in range(3):
        with pytest.raises(DeviceError):
            upload(board, *FILE, DATA, tally=tally)  # type: ignore[arg-type]
    upload(board, *FILE, DATA, tally=tally)  # type: ignore[arg-type]
    assert tally == Tally(resumed=600, sent=2400)


def test_all_that_may_be_left_out() -> None:
    board = FakeStore()
    upload(board, *FILE, DATA)  # type: ignore[arg-type]
    assert board.of("verify") == [(0, b"")]
    assert Tally() == Tally(0, 0, 0)
    assert not hasattr(Tally(), "__dict__")

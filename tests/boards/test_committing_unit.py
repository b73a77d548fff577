"""A deployment's steps: what is sent, in which order, what is left as it is, what is told."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import FrozenInstanceError, replace

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.framed.exchange import Counters
from microinterp_boards.store.committing import Committed
from microinterp_boards.store.requests import Place, SelfTest, Slot
from microinterp_boards.store.upload import Tally
from tests.boards.fake_commit import BUNDLE, PACKED, SHIPPED, Bench
from tests.boards.fake_store import failing, refused

ORDER = ("open", "send", "copy", "verify", "remove", "test", "switch", "model", "room")
OLD = bytes(900)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def steps(bench: Bench) -> list[str]:
    """Names of the requests that change something, in order."""
    return [str(call[0]) for call in bench.store.calls if call[0] in ORDER]


def test_a_first_deployment(bench: Bench) -> None:
    bench.on_board = {}
    bench.store.steps = [400]
    done = bench.commit()
    store = bench.store
    assert {name: data for (place, name), data in store.kept.items() if place == 1} == SHIPPED
    assert store.kept[Place.MODELS, "kws.a"] == PACKED
    assert store.models["kws"].path == "models/kws.a"
    assert (Place.MODELS, "kws.test") not in store.kept
    assert (done.update.sent, done.update.kept, done.update.removed) == (tuple(SHIPPED), (), ())
    assert done.tally == Tally(sent=300 + 40 + 600 + 900 + 60)
    assert (done.path, done.test) == ("models/kws.a", store.outcome)
    assert (done.breaks, done.is_clean) == (0, True)
    assert bench.told == [0, 400, 900]
    assert (bench.link.resets, bench.sessions) == (1, 1)
    assert steps(bench) == [
        *("model", "room"),
        *("open", "send", "verify") * 3,  # the runtime
        *("open", "send", "verify") * 2,  # the model, and its bundle
        *("test", "switch", "remove", "model"),
    ]
    assert [name for _, name, *_ in store.of("open")] == [*SHIPPED, "kws", "kws"]
    assert [place for place, *_ in store.of("open")] == [1, 1, 1, 0, 2]
    assert store.of("switch") == [("kws", False)]
    assert store.of("remove") == [(Place.MODELS, "kws.test")]


def test_the_runtime_is_brought_up_to_date(bench: Bench) -> None:
    """What differs is sent, what is not of the set is removed first, what is right is kept."""
    bench.on_board = {"old.mpy": b"old", "_a.mpy": b"x" * 300, "_b.mpy": b"b" * 40, "o2": b""}
    done = bench.commit()
    assert done.update.sent == ("_a.mpy", "_c.mpy")
    assert done.update.kept == ("_b.mpy",)
    assert done.update.removed == ("old.mpy", "o2")
    assert bench.store.of("remove")[:2] == [(Place.RUNTIME, "old.mpy"), (Place.RUNTIME, "o2")]
    assert done.tally == Tally(sent=300 + 600 + 900 + 60)
    on_board = {name: data for (place, name), data in bench.store.kept.items() if place == 1}
    assert on_board == SHIPPED


def test_a_model_that_is_there_with_its_runtime(bench: Bench) -> None:
    """Nothing is asked, and nothing is reset."""
    done = bench.commit(is_there=True)
    assert done == Committed(done.update, Tally(), "", None, 0, True)
    assert done.update.kept == tuple(SHIPPED)
    assert (bench.sessions, bench.link.resets, bench.store.calls) == (0, 0, [])


@pytest.mark.parametrize("change", ["sent", "removed"])
def test_a_model_that_is_there_without_its_runtime(bench: Bench, change: str) -> None:
    bench.on_board = SHIPPED | {"old.mpy": b"old"} if change == "removed" else {"_a.mpy": b""}
    done = bench.commit(is_there=True)
    assert (done.path, done.test) == ("", None)
    assert steps(bench) == (
        ["room", "remove"] if change == "removed" else ["room", *("open", "send", "verify") * 3]
    )
    assert done.is_clean
    assert bench.sessions == 1


def test_the_other_slot_is_written(bench: Bench) -> None:
    for slot, other in (("a", "b"), ("b", "a")):
        bench.store.calls.clear()
        bench.store.put_model("kws", slot, OLD, 3)
        assert bench.commit().path == f"models/kws.{other}"
        assert bench.store.kept[Place.MODELS, f"kws.{other}"] == PACKED
        assert bench.store.count("sums") == 1  # what both have in common is copied


@pytest.mark.parametrize(("asked", "written"), [(None, 3), (0, 0), (9, 9)])
def test_a_version_stays_unless_another_is_asked_for(
    bench: Bench, asked: int | None, written: int
) -> None:
    bench.store.put_model("kws", "a", OLD, 3)
    bench.commit(version=asked)
    assert bench.store.verified == [("kws", written, b"")]


def test_the_first_version_is_0(bench: Bench) -> None:
    bench.commit()
    assert bench.store.verified == [("kws", 0, b"")]


def test_signatures(bench: Bench) -> None:
    """Of each file of the runtime and of the model, in the slot that it goes to; of no bundle."""
    bench.store.put_model("kws", "a", OLD, 3)
    bench.on_board = {name: SHIPPED[name] for name in ("_a.mpy", "_b.mpy")}
    key = b"k" * 32
    bench.commit(key=key, version=5)

    def sign(head: bytes, version: int, content: bytes) -> bytes:
        text = head + len(content).to_bytes(4, "little") + version.to_bytes(4, "little") + content
        return hmac.new(key, text, hashlib.sha256).digest()

    assert bench.store.of("verify") == [
        (0, sign(b"\1\0\6_c.mpy", 0, SHIPPED["_c.mpy"])),
        (5, sign(b"\0b\3kws", 5, PACKED)),
        (0, b""),
    ]


def in_use(bench: Bench, version: int = 3) -> None:
    bench.store.put_model("kws", "a", PACKED, version)


def is_sent(bench: Bench, **changes: object) -> bool:
    """Whether the model is sent, or found to be there."""
    done = bench.commit(**changes)
    assert done.path == f"models/kws.{'b' if bench.store.count('switch') else 'a'}"
    assert (done.test is None) == (bench.store.count("switch") == 0)
    return bench.store.count("switch") == 1


def test_a_model_in_use_is_found(bench: Bench) -> None:
    in_use(bench)
    assert not is_sent(bench)
    assert steps(bench) == ["model", "remove", "model"]  # an old bundle goes
    assert bench.store.of("sum") == [(Place.MODELS, "kws.a", 900)]
    assert bench.store.of("size") == [(Place.MODELS, "kws.a")]


@pytest.mark.parametrize("version", [2, 4])
def test_another_version_is_another_model(bench: Bench, version: int) -> None:
    in_use(bench)
    assert is_sent(bench, version=version)


@pytest.mark.parametrize(
    "slot",
    [
        {"is_there": False},
        {"sha256": "00" * 32},
        {"sha256": "ff" * 32},
        {"size": 899},
        {"size": 901},
    ],
)
def test_a_record_that_says_something_else(bench: Bench, slot: dict[str, object]) -> None:
    in_use(bench)
    kept = bench.store.models["kws"]
    found: Slot = replace(kept.slots["a"], **slot)  # type: ignore[arg-type]
    bench.store.models["kws"] = replace(kept, slots=kept.slots | {"a": found})
    bench.store.sums = lambda *asked: []  # type: ignore[method-assign]
    assert is_sent(bench)


@pytest.mark.parametrize(
    "data", [PACKED[:-1], PACKED + b"\0", PACKED[:-1] + b"\0", b"\xff" + PACKED[1:], b""]
)
def test_a_file_that_is_something_else(bench: Bench, data: bytes) -> None:
    in_use(bench)
    bench.store.kept[Place.MODELS, "kws.a"] = data
    bench.store.sums = lambda *asked: []  # type: ignore[method-assign]
    assert is_sent(bench)


def test_a_self_test_that_fails(bench: Bench) -> None:
    bench.store.outcome = SelfTest(False, 4, 40, 3, 2, 1, "sample 2: byte 7 is 9, not 8")
    error = bench.fails()
    assert error.message == (
        "fake: the board does not compute what 'kws' should: sample 2: byte 7 is 9, not 8; it was"
        " not put to use"
    )
    assert error.hint.startswith("`microinterp board validate --per-op` of another model")
    assert (bench.sessions, bench.store.count("switch")) == (1, 0)  # it is final


def without_memory(bench: Bench) -> None:
    bench.store.fail = failing("test", refused(8, "short of 5 bytes"))


def test_where_memory_is_short_the_host_tests(bench: Bench) -> None:
    bench.store.put_model("kws", "a", OLD, 3)
    without_memory(bench)
    done = bench.commit()
    assert bench.tests.opened == ["models/kws.b"]
    assert bench.store.of("switch") == [("kws", True)]
    assert (done.path, done.test) == ("models/kws.b", None)
    assert (done.breaks, done.is_clean) == (0, True)
    assert (bench.link.resets, bench.sessions) == (2, 2)
    assert bench.store.count("test") == 1
    assert [place for place, *_ in bench.store.of("open")] == [0, 2, 0]  # no bundle once more


def test_a_host_that_finds_a_difference(bench: Bench) -> None:
    without_memory(bench)
    bench.tests.differing = 3
    error = bench.fails()
    assert "what 'kws' should: 3 bytes differ; it was not put to use" in error.message
    assert (bench.sessions, bench.store.count("switch")) == (1, 0)


@pytest.mark.parametrize("code", [2, 7])
def test_other_refusals_of_the_self_test_are_told(bench: Bench, code: int) -> None:
    bench.store.fail = failing("test", refused(code, "no"))
    assert bench.fails().message == "fake: the board refuses: no"
    assert bench.tests.opened == []


def test_bundles_are_the_samples(bench: Bench) -> None:
    found = []
    bench.store.fail = lambda what: (
        found.append(bench.store.kept[Place.MODELS, "kws.test"]) if what == "test" else None
    )
    bench.commit()
    assert found == [BUNDLE]


@pytest.mark.parametrize(
    ("counters", "is_clean"),
    [
        (Counters(sent=9, sent_bytes=9), True),
        (Counters(damaged=1), False),
        (Counters(asked=1), False),
        (Counters(repeated=1, timeouts=1), True),  # a slow board is no bad line
    ],
)
def test_whether_the_line_was_clean(bench: Bench, counters: Counters, is_clean: bool) -> None:
    bench.clients = [counters]
    assert bench.commit().is_clean is is_clean


def test_one_bad_session_is_enough(bench: Bench) -> None:
    for sessions in ([Counters(asked=1), Counters()], [Counters(), Counters(damaged=1)]):
        bench.clients = sessions
        bench.store.models.clear()
        without_memory(bench)
        assert not bench.commit().is_clean


def test_a_break_is_not_clean(bench: Bench) -> None:
    bench.store.fail = failing("verify", DeviceError("the line is cut"))
    done = bench.commit()
    assert (done.breaks, done.is_clean) == (1, False)


def test_what_was_done_is_not_changed(bench: Bench) -> None:
    done, wanted = bench.commit(), bench.wanted()
    for value, name in ((done, "breaks"), (wanted, "key")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, 1)
        assert not hasattr(value, "__dict__")

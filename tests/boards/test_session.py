"""What a session makes of answers that are not what a board of ours says."""

from __future__ import annotations

import zlib

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.session import DoesNotFitError, Session
from microinterp_boards.session_facts import OpCount


class FakeTransport:
    def error(self, message: str, hint: str = "") -> DeviceError:
        return DeviceError(message, hint=hint)


class FakeLink:
    """Gives the bytes that a board might send."""

    def __init__(self, says: bytes) -> None:
        self.says = says
        self.written = b""
        self.transport = FakeTransport()

    def reply(self, tags: bytes, timeout: float, wanted: str) -> bytes:
        tag, self.says = self.says[:1], self.says[1:]
        assert tag in tags
        return tag

    def read_line(self, timeout: float, wanted: str) -> str:
        line, _, self.says = self.says.partition(b"\n")
        return line.decode("ascii", "backslashreplace")

    def read(self, count: int, timeout: float, wanted: str) -> bytes:
        data, self.says = self.says[:count], self.says[count:]
        if len(data) < count:
            raise DeviceError(f"no {wanted}")
        return data

    def write(self, data: bytes) -> None:
        self.written += data


def session(says: bytes, binary: bool = True) -> Session:
    made = Session.__new__(Session)
    made._link = FakeLink(says)  # type: ignore[assignment]
    made._binary = binary
    return made


def answer(data: bytes) -> bytes:
    return b"B%d\n" % len(data) + data + zlib.crc32(data).to_bytes(4, "little")


FACTS = bytes(20) + b"\x20" + bytes(32) + b"\x01\4\0\0\0" + b"\x00" + b"viper\n0.1.0\nus\n/lib/x"


def test_facts() -> None:
    loaded = session(b"")._loaded(FACTS)
    assert (loaded.sha256, loaded.inputs, loaded.outputs) == ("00" * 32, (4,), ())
    assert (loaded.tier, loaded.version, loaded.file) == ("viper", "0.1.0", "/lib/x")
    assert loaded.clock == "us"
    assert session(b"")._loaded(FACTS.replace(b"us", b"instructions")).clock == "instructions"


@pytest.mark.parametrize("size", range(len(FACTS) - len(b"0.1.0\nus\n/lib/x")))
def test_facts_that_are_cut(size: int) -> None:
    with pytest.raises(DeviceError, match="instead of facts about the loaded model"):
        session(b"")._loaded(FACTS[:size])


def test_facts_that_would_act_on_a_terminal() -> None:
    loaded = session(b"")._loaded(FACTS.replace(b"/lib/x", b"\x1b[2Jx"))
    assert loaded.file == "\\x1b[2Jx"
    for old, new in ((b"viper", b"\xff\xfe"), (b"us", b"fortnights")):
        with pytest.raises(DeviceError, match="instead of facts"):
            session(b"")._loaded(FACTS.replace(old, new))


@pytest.mark.parametrize(
    "says", [b"B-1\n", b"B\n", b"B 4\n", b"B99999999\n", b"B9999999999\n", b"Bx\n", b"B\xb2\n"]
)
def test_sizes_that_are_none(says: bytes) -> None:
    with pytest.raises(DeviceError, match="something else came instead of the size of"):
        session(says).heap_free()


@pytest.mark.parametrize("binary", [True, False])
def test_answers_that_are_damaged(binary: bool) -> None:
    data = b"\1\2\3\4\0\0\0\0"
    body = data + zlib.crc32(data).to_bytes(4, "little")
    good = b"B8\n" + (body if binary else body.hex().encode())
    assert session(good, binary).heap_free() == 0x04030201
    for at in range(3, len(good)):
        damaged = good[:at] + bytes([good[at] ^ 0x13]) + good[at + 1 :]
        with pytest.raises(DeviceError, match="damaged or lost"):
            session(damaged, binary).heap_free()


def test_answers_of_a_wrong_length() -> None:
    with pytest.raises(DeviceError, match="instead of bytes of heap"):
        session(answer(b"\1\2\3")).heap_free()
    with pytest.raises(DeviceError, match="instead of a list of ops"):
        session(answer(bytes(9))).invoke_ops()
    with pytest.raises(DeviceError, match="instead of a list of ops"):
        session(answer(bytes(12) + b"\xff\xff")).invoke_ops()
    assert session(answer(b"")).invoke_ops() == []
    one = b"\1\0\2\0\3\0\0\0\0\0\0\0\1\0" + b"\4\0\0\0\5\0\0\0"
    (run,) = session(answer(one)).invoke_ops()
    assert (run.subgraph, run.op_index, run.time, run.written) == (1, 2, 3, ((4, 5),))


def test_counted_ops() -> None:
    one = b"\1\0\2\0" + (3).to_bytes(8, "little") + (4).to_bytes(8, "little")
    assert session(answer(one + one)).count_ops() == [OpCount(1, 2, 3, 4)] * 2
    assert session(answer(b"")).count_ops() == []
    with pytest.raises(DeviceError, match="instead of a list of ops"):
        session(answer(one[:-1])).count_ops()


def test_inputs_and_outputs_have_the_models_sizes() -> None:
    made = session(b"")
    made.loaded = made._loaded(FACTS.replace(b"\x00viper", b"\x01\3\0\0\0viper"))
    with pytest.raises(DeviceError, match="input 0 on the board takes 4 bytes, got 5"):
        made.set_input(0, bytes(5))
    link = made._link
    assert isinstance(link, FakeLink)
    assert link.written == b""  # nothing is sent of what does not fit
    link.says = answer(b"abc")
    assert made.output(0) == b"abc"
    for wrong in (b"ab", b"abcd"):
        link.says = answer(wrong)
        with pytest.raises(DeviceError, match="something else came instead of output 0"):
            made.output(0)


@pytest.mark.parametrize(
    ("raised", "kind", "message", "hint"),
    [
        (
            "x: the board raised ModelError: packed for 'armv7em'\n  ModelError: packed",
            DeviceError,
            "x: the board raised ModelError: packed for 'armv7em'",
            "deploy the model again",
        ),
        (
            "x: the board raised MemoryError: 99\n  MemoryError: 99",
            DoesNotFitError,
            "x: model 'it' does not fit into the heap: the board raised MemoryError: 99",
            "a board with more memory",
        ),
        ("x: the board raised OSError: 2\n  line", DeviceError, "OSError: 2\n  line", "as it was"),
    ],
)
def test_a_model_that_cannot_be_loaded(
    raised: str, kind: type[DeviceError], message: str, hint: str
) -> None:
    """The first line tells what it is; a traceback helps only where it is not known."""
    made = session(b"")

    def fails(tags: bytes, timeout: float, wanted: str) -> bytes:
        raise DeviceError(raised, hint="as it was")

    made._link.reply = fails  # type: ignore[method-assign]
    with pytest.raises(DeviceError) as caught:
        made._first_answer("models/it.a")
    assert type(caught.value) is kind
    assert caught.value.message.endswith(message)
    assert hint in caught.value.hint


PLACE = b"\0\0\2\0\5\0\0\0"


def test_places() -> None:
    told = PLACE + b"\3\0\0\0"
    assert session(answer(told)).places() == {(0, 2, 5): 3}
    assert session(answer(b"")).places() == {}
    with pytest.raises(DeviceError, match="instead of a list of tensors"):
        session(answer(told[:-1])).places()


def told_tensors(*answers: bytes) -> dict[tuple[int, int, int], bytes]:
    """What comes of these answers where (0, 2, 5), of 3 bytes, and (1, 0, 4) are asked for."""
    made = session(b"RKD" + b"".join(map(answer, answers)))
    made._block = 240
    return made.invoke_for({(0, 2, 5): 3, (1, 0, 4): 1})


def test_tensors() -> None:
    assert told_tensors(PLACE, b"abc", b"") == {(0, 2, 5): b"abc"}
    assert told_tensors(b"") == {}


@pytest.mark.parametrize(
    "answers",
    [
        (PLACE, b"ab", b""),  # too short
        (PLACE, b"abcd", b""),
        (PLACE[:-1], b"abc", b""),
        (b"\1" + PLACE[1:], b"abc", b""),  # nobody asked for it
        (PLACE, b"abc", PLACE, b"abc", b""),
    ],
)
def test_tensors_that_are_nonsense(answers: tuple[bytes, ...]) -> None:
    with pytest.raises(DeviceError, match="something else came instead of the bytes of a tensor"):
        told_tensors(*answers)


def test_tensors_that_break_off() -> None:
    with pytest.raises(DeviceError):
        told_tensors(PLACE)
    with pytest.raises(DeviceError):
        told_tensors(PLACE, b"abc")

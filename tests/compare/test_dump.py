"""Dumps: written and read back, spread over a console's other lines, damaged in every way."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from microinterp.compare import Account, Comparison, Told, compare
from microinterp.compare.sources import read_dump, write_dump
from microinterp.errors import InputError
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.prepare import Prepared
from microinterp.sides import places_of
from microinterp.sides.host import HostSide
from tests.compare.nets import picture_net, pictures
from tests.compare.planting import Array, chain, names
from tests.flow_models import control_flow_model
from tests.test_wakewords import wakeword

MODEL = chain(picture_net())
FIRST = "# microinterp dump 1"


def prepared_of(model: bytes) -> Prepared:
    return prepare_model(model, "tflm", kernels="plain")


def written(path: Path, model: bytes, x: list[Array], samples: int) -> Path:
    """Our own run as a dump."""
    host = HostSide(model)
    prepared = host.interpreter.prepared
    seen = host.run(x, places_of(prepared))
    tensors = {place: Told(array) for place, array in seen.tensors.items()}
    outputs = [Told(array) for array in seen.outputs]
    account = Account("host", host.version, samples, x, outputs, tensors)
    with path.open("w") as file:
        write_dump(file, prepared, account, x)
    return path


def read(path: Path, model: bytes = MODEL) -> Comparison:
    """A comparison with the dump, on its own inputs."""
    account = read_dump(path, prepared_of(model))
    return compare(model, account, [x for x in account.inputs if x is not None])


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    return written(tmp_path / "a.txt", MODEL, [pictures(3)], 3)


def test_what_is_written_is_read_back(dump: Path) -> None:
    result = read(dump)
    assert result.equal
    assert result.samples == 3
    assert result.compared_elements == 3 * (120 + 72 + 72 + 6 + 6)
    assert result.other.startswith("microinterp ")


@pytest.mark.parametrize("kind", ["control flow", "int16 and bool and float", "nothing in"])
def test_every_type_and_subgraph(tmp_path: Path, kind: str) -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    samples = 2
    if kind == "control flow":
        model = control_flow_model()
        rng = np.random.default_rng(0)
        x = [rng.random((2, 4)) < 0.5, rng.integers(-99, 99, (2, 2)).astype(np.int32)]
    elif kind == "nothing in":
        samples, x = 1, []
        one = g.constant("one", np.array([3, -4], np.int8), "int8", 0.5, 0)
        y = g.tensor("y", (2,), "int8", 0.5, 0)
        g.op("RELU", [one], [y])
        g.output(y)
        model = b.finish()
    else:
        wide = g.input("a", (1, 3), "int16", 0.5, 0)
        real, greater = g.tensor("r", (1, 3), "float32"), g.tensor("g", (1, 3), "bool")
        zero = g.constant("zero", np.zeros((1, 3), np.float32))
        g.op("DEQUANTIZE", [wide], [real])
        g.op("GREATER", [real, zero], [greater])
        g.output(greater)
        model = b.finish()
        x = [np.array([[[-300, 0, 300]], [[1, 2, -32768]]], np.int16)]
    path = written(tmp_path / "d", model, x, samples)
    result = read(path, model)
    assert result.equal
    assert all(row.told == "values" for row in result.rows)
    if kind == "control flow":
        assert "op 2/" in path.read_text()


def test_a_streaming_model(tmp_path: Path) -> None:
    model = wakeword("okay_nabu")
    x = [np.random.default_rng(1).integers(-128, 128, (4, 1, 3, 40)).astype(np.int8)]
    shape = prepared_of(model).graph.main.inputs[0].shape
    x = [np.resize(x[0], (4, *shape))]
    path = written(tmp_path / "d", model, x, 4)
    assert read(path, model).equal


def test_a_flipped_nibble_is_found_where_it_is(dump: Path) -> None:
    lines = dump.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("op 1 DEPTHWISE"))
    lines[at] = lines[at][:-1] + ("0" if lines[at][-1] != "0" else "1")
    dump.write_text("\n".join(lines))
    result = read(dump)
    assert result.first_op is not None
    assert (result.first_op.index, result.differing_elements) == (1, 1)
    assert [row.isolated_differing for row in result.rows][:2] == [0, 1]


def console(text: str, rng: random.Random) -> str:
    """Each line behind the prefix, and between other lines that a console shows."""
    noise = ["I (123) boot: chip rev 3", "", "input 0 int8 9,9 zz", "+ff", "sample 7", "mi>x"]
    out = []
    for line in text.splitlines():
        out += rng.sample(noise, rng.randrange(3))
        out.append(f"[{rng.random():.3f}] mi> {line}")
    return "\n".join(out)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "console": lambda text: console(text, random.Random(1)),
    "console with CRLF": lambda text: console(text, random.Random(2)).replace("\n", "\r\n"),
    "text before it": lambda text: "boot\nsample 3\n\n" + text,
    "comments and empty lines": lambda text: text.replace("\nsample", "\n\n# next\nsample"),
    "upper case": lambda text: re.sub(
        r" ([0-9a-f]{16,})$", lambda m: " " + m[1].upper(), text, flags=re.M
    ),
    "spaced bytes": lambda text: re.sub(
        r" ([0-9a-f]{16,})$", lambda m: " " + re.sub("(..)", r"\1 ", m[1]), text, flags=re.M
    ),
    "one byte a line": lambda text: re.sub(
        r"^\+ ([0-9a-f]+)$",
        lambda m: "\n".join(f"+ {m[1][i : i + 2]}" for i in range(0, len(m[1]), 2)),
        text,
        flags=re.M,
    ),
    "nothing on the first line": lambda text: re.sub(
        r"^((?:op|input|output) .*) ([0-9a-f]{4,})$", r"\1\n+ \2", text, flags=re.M
    ),
    "names left out": lambda text: re.sub(r"^op (\d+) \w+", r"op \1 -", text, flags=re.M),
    "no end of the last line": lambda text: text.rstrip("\n"),
    "no runtime": lambda text: re.sub(r"^runtime .*\n", "", text, flags=re.M),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_spellings(dump: Path, spelling: Callable[[str], str]) -> None:
    text = dump.read_text()
    other = spelling(text)
    assert other != text
    dump.write_bytes(other.encode())
    result = read(dump)
    assert result.equal
    assert result.compared_elements == 3 * 276


def test_a_few_ops_alone(dump: Path) -> None:
    """Firmware that prints two ops of five, no inputs and no outputs."""
    kept: list[str] = []
    keeping = True
    for line in dump.read_text().splitlines():
        if not line.startswith("+"):
            keeping = line.startswith(("#", "sample", "op 0", "op 3"))
        if keeping:
            kept.append(line)
    dump.write_text("\n".join(kept))
    account = read_dump(dump, prepared_of(MODEL))
    assert {place[1] for place in account.tensors} == {0, 3}
    assert account.inputs == [None]
    assert compare(MODEL, account, [pictures(3)]).equal


def test_int8_told_as_uint8(dump: Path) -> None:
    """The type's name is the dump's own; bytes that are 128 apart are named."""
    lines, turning = [], False
    for line in dump.read_text().splitlines():
        if not line.startswith("+"):
            turning = line.startswith(("op ", "output "))
        if turning:
            head, _, data = line.rpartition(" ")
            line = f"{head} {bytes(b ^ 128 for b in bytes.fromhex(data)).hex()}"
            line = line.replace(" int8 ", " uint8 ")
        lines.append(line)
    dump.write_text("\n".join(lines))
    assert names(read(dump)) == ["int8-as-uint8"]


BAD: dict[str, tuple[str, str, str]] = {
    "another type": ("op 0 CONV_2D tensor 3 int8", "op 0 CONV_2D tensor 3 int16", "int16"),
    "no type": ("op 0 CONV_2D tensor 3 int8", "op 0 CONV_2D tensor 3 apple", "apple"),
    "another op": ("op 0 CONV_2D", "op 0 MAX_POOL_2D", "op 0 is CONV_2D, not MAX_POOL_2D"),
    "another tensor": ("op 0 CONV_2D tensor 3", "op 0 CONV_2D tensor 2", "does not write tensor 2"),
    "no such op": ("op 4 LOGISTIC", "op 44 LOGISTIC", "op 44"),
    "no such subgraph": ("op 4 LOGISTIC", "op 9/4 LOGISTIC", "op 4"),
    "a shape of other size": ("1,6,5,4", "1,6,5,5", "shape [1, 6, 5, 5], wanted [1, 6, 5, 4]"),
    "no such input": ("input 0", "input 5", "1 input"),
    "no such output": ("output 0", "output 1", "1 output"),
    "samples out of order": ("sample 1", "sample 2", "sample 2, wanted 1"),
    "letters": ("op 4 LOGISTIC tensor", "op four LOGISTIC tensor", "cannot read"),
    "a huge number": ("sample 1", "sample " + "9" * 6000, "cannot read"),
    "a huge op": ("op 4 LOG", "op " + "9" * 6000 + " LOG", "cannot read"),
    "a huge shape": ("1,6,5,4", "1,6,5," + "9" * 6000, "cannot read"),
    "a negative shape": ("1,6,5,4", "-1,6,5,4", "cannot read"),
    "no hex": ("+ ", "+ xy", "hexadecimal"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_lines_are_refused_with_their_number(dump: Path, bad: tuple[str, str, str]) -> None:
    old, new, message = bad
    text = dump.read_text()
    assert old in text
    dump.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_dump(dump, prepared_of(MODEL))
    number = int(re.search(r", line (\d+): ", str(caught.value))[1])
    line = dump.read_text().splitlines()[number - 1]
    assert new[:20] in line or line.startswith(("op", "input", "output"))
    assert len(str(caught.value)) < 1000


def test_the_same_tensor_twice_in_a_sample(dump: Path) -> None:
    """Which of the two would count? Neither."""
    lines = dump.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("op 4"))
    dump.write_text("\n".join([*lines[: at + 1], lines[at], *lines[at + 1 :]]))
    with pytest.raises(InputError, match=f"line {at + 2}: .*twice"):
        read_dump(dump, prepared_of(MODEL))


def test_no_dump_at_all(tmp_path: Path) -> None:
    for content in (b"", b"\x00\xff\xfe", b"hello\n" * 50, b"# microinterp dump 2\n"):
        path = tmp_path / "x"
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_dump(path, prepared_of(MODEL))
        assert str(caught.value) == (  # once, with its hint
            f"'{path}' is no dump: no line says '{FIRST}'\n"
            "  hint: the format is told in docs/compare.md"
        )
    path.write_text(f"{FIRST}\nruntime x\n")
    with pytest.raises(InputError, match="no samples"):
        read_dump(path, prepared_of(MODEL))
    with pytest.raises(InputError, match="nowhere"):
        read_dump(tmp_path / "nowhere", prepared_of(MODEL))
    with pytest.raises(InputError):
        read_dump(tmp_path, prepared_of(MODEL))


def test_a_sample_that_lacks_a_tensor(dump: Path) -> None:
    """A tensor that is not in every sample is left out, and that is said."""
    text = dump.read_text()
    at = text.rindex("op 4 LOGISTIC")
    end = text.index("output", at)
    dump.write_text(text[:at] + text[end:])
    result = read(dump)
    assert result.equal
    assert [row.told for row in result.rows] == ["values"] * 4 + ["no"]
    assert any("2 samples only" in note and "op 4" in note for note in result.notes)


WORDS = ("", "-1", "x" * 9, "\u0663", "1e9", "\x00", "[b]")


def mutated(text: str, rng: random.Random) -> str:
    """A random edit of a line, a character, a word."""
    lines = text.splitlines() or [""]
    at = rng.randrange(len(lines))
    kind = rng.randrange(8)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, lines[rng.randrange(len(lines))])
    elif kind == 2:
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 3:
        words = lines[at].split(" ")
        words[rng.randrange(len(words))] = rng.choice(WORDS)
        lines[at] = " ".join(words)
    elif kind == 4 and lines[at]:
        place = rng.randrange(len(lines[at]))
        lines[at] = lines[at][:place] + rng.choice("09afzZ,+ \t\u00e9#") + lines[at][place + 1 :]
    elif kind == 5:
        lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
    elif kind == 6:
        words = lines[at].split(" ")
        rng.shuffle(words)
        lines[at] = " ".join(words)
    else:
        lines = lines[: at + 1]
    return "\n".join(lines)


def fuzz(dump: Path, count: int) -> tuple[int, int]:
    """How many edits were refused, and how many gave an account that can be compared."""
    prepared, text = prepared_of(MODEL), dump.read_text()
    refused = good = 0
    for seed in range(count):
        rng = random.Random(seed)
        edited = text
        for _ in range(rng.randrange(1, 4)):
            edited = mutated(edited, rng)
        dump.write_text(edited)
        try:
            account = read_dump(dump, prepared)
        except InputError as error:
            refused += 1
            told = str(error)
            assert ", line " in told or "is no dump" in told or "has no samples" in told, told
            assert "\x00" not in told
            continue
        good += 1
        for tell in (*account.outputs, *account.tensors.values()):
            assert tell is None or len(tell.values) == account.samples
    return refused, good


def test_random_edits(dump: Path) -> None:
    refused, good = fuzz(dump, 300)
    assert min(refused, good) > 25


@pytest.mark.slow
def test_many_random_edits(dump: Path) -> None:
    refused, good = fuzz(dump, 5000)
    assert min(refused, good) > 400

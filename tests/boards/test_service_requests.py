"""What the link's service on the board answers to requests about files, models and signatures."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import struct
import zlib
from pathlib import Path

import pytest

from tests.boards.service_port import run_service
from tests.marks import slow_but

SEED = 20261122


FUNCTIONS = {
    "looking": "service_files.py",
    "removing": "service_files.py",
    "runtime": "service_files.py",
    "uploading": "service_uploads.py",
    "copying": "service_uploads.py",
    "switching": "service_slots.py",
    "naming": "service_strays.py",
    "cutting": "service_strays.py",
    "buffers": "service_memory.py",
    "uploading_in_pieces": "service_memory.py",
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("system", slow_but(("posix", "littlefs", "fat"), "littlefs"))
def test_requests(function: str, system: str, tmp_path: Path) -> None:
    """The assertions are in the function."""
    disk = () if system == "posix" else (system,)
    assert run_service(FUNCTIONS[function], function, *disk, folder=tmp_path) == []


def test_random_requests_stay_in_their_folders(tmp_path: Path) -> None:
    assert run_service("service_strays.py", "random_requests", folder=tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside"]


def record(
    generation: int, slot: bytes = b"a", version: int = 1, size: int = 9, mark: bytes = b"MIS1"
) -> bytes:
    """As schemas/link.md has it."""
    digest = hashlib.sha256(b"%d" % generation).digest()
    data = mark + struct.pack("<I", generation) + slot + bytes(3)
    data += struct.pack("<2I", version, size) + digest
    return data + struct.pack("<I", zlib.crc32(data))


def test_records(tmp_path: Path) -> None:
    """The newest sound one holds, for the service and for a program, whatever else lies there."""
    (tmp_path / "models").mkdir()
    wanted: dict[str, tuple[int, bytes] | None] = {}

    def put(name: str, holds: tuple[int, bytes] | None, *records: bytes) -> None:
        wanted[name] = holds
        for number, data in enumerate(records):
            (tmp_path / "models" / f"{name}.{number}").write_bytes(data)

    good, old = record(1 << 31, b"b", 7, 1 << 30), record(5)
    put("one", (5, b"a"), old)
    put("two", (1 << 31, b"b"), old, good)
    put("three", (1 << 31, b"b"), good, old, record(4, b"b"))
    put("largest", (0xFFFFFFFF, b"a"), good, record(0xFFFFFFFF), old)
    put("empty", None, b"", b"")
    put("mark", None, record(3, mark=b"MIS2"))
    put("slot", None, record(3, b"c"), record(4, b"\0"))
    put("long", (5, b"a"), good + b"\0", old)
    for at in range(len(good)):
        flipped = bytearray(good)
        flipped[at] ^= 1 << at % 8
        put(f"flip{at}", (5, b"a"), bytes(flipped), old)
        put(f"cut{at}", (5, b"a"), old, good[:at])
    lines = run_service("service_slots.py", "recorded", folder=tmp_path)
    assert len(lines) == len(wanted)
    for name, path, *facts in lines:
        holds = wanted[name]
        if holds is None:
            assert (path, facts) == ("none", [])
            continue
        generation, slot = holds
        assert path == f"models/{name}.{slot.decode()}"
        version, size = (7, 1 << 30) if generation == 1 << 31 else (1, 9)
        digest = hashlib.sha256(b"%d" % generation).hexdigest()
        assert facts == [str(generation), str(version), str(size), digest]


RFC_4231 = (
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data."
        b" The key needs to be hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
)


def test_hmac(tmp_path: Path) -> None:
    """RFC 4231's vectors, and Python's hmac on random ones of every length around a block."""
    rng = random.Random(SEED)
    vectors = [(key.hex(), message.hex(), wanted) for key, message, wanted in RFC_4231]
    for length in (0, 1, 31, 32, 33, 55, 56, 63, 64, 65, 127, 128, 129, 300):
        key, message = rng.randbytes(length), rng.randbytes(rng.randrange(300))
        for pair in ((key, message), (message, key)):
            vectors.append((pair[0].hex(), pair[1].hex(), hmac.digest(*pair, "sha256").hex()))
    (tmp_path / "vectors.json").write_text(json.dumps(vectors))
    assert run_service("service_sign.py", "vectors", folder=tmp_path) == [[str(len(vectors))]]


KEY = b"a key of some length"


def signed(place: int, slot: bytes, name: str, version: int, content: bytes) -> bytes:
    """A signature as schemas/link.md has it."""
    what = bytes([place]) + slot + bytes([len(name)]) + name.encode()
    what += struct.pack("<2I", len(content), version) + content
    return hmac.digest(KEY, what, "sha256")


def test_signed_models(tmp_path: Path) -> None:
    """Every field counts; versions do not go down, nor back; bundles are not signed."""
    model, none = b"model" * 99, b"\0"
    good = signed(0, b"b", "kws", 41, model)
    flipped = bytearray(good)
    flipped[31] ^= 1
    wrong = [
        b"",
        bytes(32),
        bytes(flipped),
        good[:31],
        good + b"\0",
        signed(0, b"a", "kws", 41, model),
        signed(1, b"b", "kws", 41, model),
        signed(0, b"b", "kwt", 41, model),
        signed(0, b"b", "kws", 42, model),
        signed(0, b"b", "kws", 41, model[:-1]),
        signed(0, b"b", "kws", 41, model[:-1] + b"L"),
        hmac.digest(b"other", b"", "sha256"),
    ]
    cases: list[tuple[int, str, int, bytes, bytes, bool]] = []
    wanted = []

    def case(
        says: str, place: int, name: str, version: int, sign: bytes, back: bool = False
    ) -> None:
        cases.append((place, name, version, model, sign, back))
        wanted.append(says)

    for each in wrong:
        case("5", 0, "kws", 41, each)
    case("6", 0, "kws", 39, signed(0, b"b", "kws", 39, model))
    case("None", 0, "kws", 41, good)
    case("6", 0, "kws", 40, signed(0, b"a", "kws", 40, model))
    case("None", 0, "other", 1, signed(0, b"a", "other", 1, model))
    case("(None,6)", 0, "other", 2, signed(0, b"b", "other", 2, model), True)
    case("(None,None)", 0, "other", 2, signed(0, b"a", "other", 2, model), True)
    case("5", 1, "_conv.mpy", 1, b"")
    case("5", 1, "_conv.mpy", 1, signed(0, none, "_conv.mpy", 1, model))
    case("None", 1, "_conv.mpy", 1, signed(1, none, "_conv.mpy", 1, model))
    case("None", 2, "kws", 0, b"")
    written = [KEY.hex(), [(p, n, v, c.hex(), s.hex(), b) for p, n, v, c, s, b in cases]]
    (tmp_path / "cases.json").write_text(json.dumps(written))
    lines = run_service("service_sign.py", "board", folder=tmp_path)
    assert ["".join(line) for line in lines] == wanted

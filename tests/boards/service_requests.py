"""MicroPython code: what the service answers to each request; one function of this file is run.

service_requests.py function
"""

import os
import sys
from binascii import crc32

from microinterp_link import slots
from service_side import (
    BACK,
    COPY,
    DATA,
    FORGET,
    LIST,
    MODEL,
    MODELS,
    OPEN,
    READ,
    REMOVE,
    ROOM,
    RUNTIME,
    STAT,
    SUM,
    SUMS,
    SWITCH,
    TEST,
    TESTS,
    VERIFY,
    Host,
    digest,
    field,
    files,
    noise,
    number,
    read,
    u16,
    u32,
    write,
)

BAD, NOT_NOW, NOT_ANNOUNCED, SELF_TEST = 1, 2, 4, 7


def at(place, name):
    return bytes([place]) + field(name)


def listed(host, place, first=0):
    """Names and sizes, over as many answers as it takes."""
    found, answers = {}, 0
    while True:
        answer = host.ask(LIST, bytes([place]) + u16(first + len(found)))
        if not answer:
            return found, answers
        answers += 1
        while answer:
            end = 1 + answer[0]
            found[answer[1:end].decode()] = number(answer, end)
            answer = answer[end + 4 :]


def looking():
    host = Host(64)
    assert listed(host, MODELS) == ({}, 0)  # there is no folder yet
    assert host.ask(STAT, at(MODELS, "x")) == bytes(5)
    os.mkdir("models")
    wanted = {}
    for i in range(9):
        wanted[("file-" + str(i) + "_A.b") * (1 + i % 2)] = i * i
    for name, size in wanted.items():
        write("models/" + name, bytes(size))
    os.mkdir("models/folder")
    for hidden in (".key", "with space", "x" * 43, "dot."):
        if hidden[-1] != "." or sys.argv[-1] != "fat":
            write("models/" + hidden, b"?")
    found, answers = listed(host, MODELS)
    assert found == wanted
    assert answers > 3
    assert len(listed(host, MODELS, 4)[0]) == 5

    data = noise(1000)
    write("models/data", data)
    assert host.ask(STAT, at(MODELS, "data")) == b"\1" + u32(1000)
    assert host.refusal(STAT, at(MODELS, "folder")) == (3, 21)
    for offset, size in ((0, 1000), (0, 0), (1000, 0), (999, 1), (17, 700), (500, 500)):
        said = host.ask(SUM, at(MODELS, "data") + u32(offset) + u32(size))
        assert number(said) == crc32(data[offset : offset + size])
    for offset, size in ((0, 1001), (1001, 0), (999, 2), (0xFFFFFFFF, 0xFFFFFFFF)):
        assert host.refusal(SUM, at(MODELS, "data") + u32(offset) + u32(size)) == BAD
    assert host.refusal(SUM, at(MODELS, "none") + u32(0) + u32(0)) == (3, 2)

    for offset, block, count in (
        (0, 100, 10),
        (30, 64, 16),
        (30, 64, 4),
        (0, 999, 2),
        (990, 50, 9),
    ):
        said = host.ask(SUMS, at(MODELS, "data") + u32(offset) + u32(block) + u16(count))
        starts = list(range(offset, 1000, block))[:count]
        assert said == b"".join([u32(crc32(data[i : min(1000, i + block)])) for i in starts])
    for offset, block, count in ((0, 0, 1), (0, 10, 17), (0, 10, 0xFFFF), (1001, 10, 1)):
        request = at(MODELS, "data") + u32(offset) + u32(block) + u16(count)
        assert host.refusal(SUMS, request) == BAD

    for offset, size in ((0, 64), (970, 64), (1000, 64), (7, 0)):
        said = host.ask(READ, at(MODELS, "data") + u32(offset) + u16(size))
        assert said == data[offset : offset + size]
    for offset, size in ((0, 65), (1001, 1)):
        assert host.refusal(READ, at(MODELS, "data") + u32(offset) + u16(size)) == BAD

    block, free, blocks = [number(host.ask(ROOM, b"\0"), i) for i in (0, 4, 8)]
    assert block >= 512
    assert 0 < free <= blocks


def removing():
    host = Host()
    host.deploy("kws", noise(50), test=False)
    before = files()
    for name in ("kws.a", "kws.b", "kws.0", "kws.1", "kws.2", "KWS.A", "x.B"):
        assert host.refusal(REMOVE, at(MODELS, name)) == BAD
    assert files() == before
    write("models/notes", b"!")
    assert host.ask(REMOVE, at(MODELS, "notes")) == b"\1"
    assert host.ask(REMOVE, at(MODELS, "notes")) == b"\0"
    assert files() == before
    host.open(MODELS, "kws", noise(60))
    host.data(0, b"12345")
    assert host.ask(STAT, at(MODELS, "kws.part")) == b"\1" + u32(5)
    assert host.ask(REMOVE, at(MODELS, "kws.part")) == b"\1"
    assert host.refusal(DATA, u32(0) + b"1") == NOT_NOW
    assert files() == before
    assert host.ask(REMOVE, at(RUNTIME, "none.a")) == b"\0"


class Full:
    def __init__(self, file):
        self.seek = file.seek

    def write(self, data):
        raise OSError(28)

    def close(self):
        raise OSError(28)


def uploading():
    host, data = Host(), noise(1000)
    for kind in (DATA, COPY, VERIFY):
        assert host.refusal(kind, u32(0) + b"1234") == NOT_NOW
    assert host.open(MODELS, "kws", data) == 0
    assert host.data(0, data[:300]) == 300
    assert host.data(300, b"") == 300
    assert host.refusal(DATA, u32(301) + b"1") == BAD
    assert host.refusal(DATA, u32(300) + bytes(701)) == BAD
    assert host.refusal(DATA, b"123") == BAD
    assert host.data(300, noise(200, 9)) == 500
    assert host.refusal(VERIFY, u32(1)) == NOT_NOW
    # the SUM that follows sees what is not flushed yet
    assert host.right(MODELS, "kws", data, 500, 50) == 300
    assert host.data(300, data[300:310]) == 310
    assert host.data(310, data[310:1000]) == 1000
    assert host.data(250, data[250:260]) == 260  # and so 260 are right
    assert host.refusal(VERIFY, u32(1)) == NOT_NOW
    assert host.data(260, data[260:]) == 1000
    assert host.ask(VERIFY, u32(1)) == b""
    assert files() == {"kws.a": data}
    assert host.refusal(VERIFY, u32(1)) == NOT_NOW
    # what is not what was announced gets no name, but can be mended
    other = noise(1000, 2)
    host = Host()
    host.open(MODELS, "ad", other)
    host.data(0, data)
    assert host.refusal(VERIFY, u32(1)) == NOT_ANNOUNCED
    assert files() == {"kws.a": data, "ad.part": data}
    assert host.refusal(SWITCH, field("ad")) == NOT_NOW
    host.put(MODELS, "ad", other)
    assert files() == {"kws.a": data, "ad.a": other}
    # of a longer part nothing is used; a shorter one goes on
    write("models/vww.part", noise(1001))
    assert host.open(MODELS, "vww", data) == 0
    host.state.clear()
    write("models/vww.part", noise(999))
    assert host.open(MODELS, "vww", data) == 999
    # another OPEN closes what is open
    assert host.open(MODELS, "ic", data) == 0
    assert host.data(0, data[:9]) == 9
    assert host.open(MODELS, "vww", data) == 999
    assert host.open(MODELS, "ic", data) == 9
    # after an error of the disk nobody knows how far it came
    host.data(9, data[9:20])
    file = host.state.upload._file
    host.state.upload._file = Full(file)
    assert host.refusal(DATA, u32(20) + data[20:30]) == (3, 28)
    file.close()
    assert host.refusal(DATA, u32(20) + data[20:30]) == NOT_NOW
    assert host.right(MODELS, "ic", data, host.open(MODELS, "ic", data)) == 20
    for size in (0, 1 << 31, 0xFFFFFFFF):
        request = at(MODELS, "ic") + u32(size) + digest(b"")
        assert host.refusal(OPEN, request) == BAD
    assert host.refusal(OPEN, at(3, "ic") + u32(9) + digest(b"")) == BAD


def copying():
    old, host = noise(3000), Host()
    new = old[:1000] + noise(10, 5) + old[1200:] + old[:50]
    host.open(MODELS, "kws", old)
    assert host.refusal(COPY, u32(0) + u32(0) + u32(10)) == NOT_NOW  # none is in use
    host.deploy("kws", old, test=False)
    assert host.open(MODELS, "kws", new) == 0
    assert number(host.ask(COPY, u32(0) + u32(0) + u32(1000))) == 1000
    assert host.data(1000, new[1000:1010]) == 1010
    for offset, source, size in ((1011, 0, 1), (1010, 2999, 2), (1010, 0, 1851), (0, 0, 1 << 31)):
        assert host.refusal(COPY, u32(offset) + u32(source) + u32(size)) == BAD
    assert number(host.ask(COPY, u32(1010) + u32(1200) + u32(1800))) == 2810
    assert number(host.ask(COPY, u32(2810) + u32(0) + u32(50))) == 2860
    assert number(host.ask(COPY, u32(100) + u32(0) + u32(0))) == 2860
    assert host.data(100, b"") == 2860
    assert number(host.ask(COPY, u32(100) + u32(100) + u32(900))) == 1000
    assert host.refusal(VERIFY, u32(0)) == NOT_NOW
    assert host.data(1000, new[1000:]) == 2860
    host.ask(VERIFY, u32(2))
    assert files()["kws.b"] == new
    host.open(TESTS, "kws", new)
    assert host.refusal(COPY, u32(0) + u32(0) + u32(10)) == NOT_NOW


def nothing(data=b"", version=0):
    """What MODEL says of a slot."""
    return bool(data), len(data), version, digest(data) if version else bytes(32)


def facts(*what):
    generation, slot, a, b, part = what
    return [generation, slot, a, b, part]


def switching():
    one, two, three = noise(70), noise(80, 2), noise(90, 3)
    host = Host()
    assert host.model("kws") == facts(0, "", nothing(), nothing(), None)
    assert host.refusal(SWITCH, field("kws")) == NOT_NOW
    assert host.refusal(BACK, field("kws")) == NOT_NOW
    assert host.ask(FORGET, field("kws")) == b"\0"
    host.open(MODELS, "kws", one)
    host.data(0, one[:7])
    host.state.clear()
    assert host.model("kws") == facts(0, "", nothing(), nothing(), 7)
    host.put(MODELS, "kws", one, 5)
    assert host.refusal(SWITCH, field("kws")) == SELF_TEST
    assert host.model("kws") == facts(0, "", (1, 70, 0, bytes(32)), nothing(), None)
    assert host.deploy("kws", one, 5, test=False) == 1
    assert host.refusal(SWITCH, field("kws")) == NOT_NOW  # once for each deployment
    assert host.model("kws") == facts(1, "a", nothing(one, 5), nothing(), None)
    assert host.refusal(BACK, field("kws")) == NOT_NOW
    assert Host().deploy("kws", two, 6, test=False) == 2
    assert host.model("kws") == facts(2, "b", nothing(one, 5), nothing(two, 6), None)
    for generation in range(3, 9):
        assert number(host.ask(BACK, field("kws"))) == generation
        slot = "ab"[generation % 2 == 0]
        assert host.model("kws") == facts(generation, slot, nothing(one, 5), nothing(two, 6), None)
    write("models/kws.a", one[:-1] + b"!")
    assert host.refusal(BACK, field("kws")) == NOT_NOW
    os.remove("models/kws.a")
    assert host.refusal(BACK, field("kws")) == NOT_NOW
    # the slot that is not in use is given up, and nothing is said of it any more
    host.open(MODELS, "kws", three)
    assert host.model("kws") == facts(8, "b", nothing(), nothing(two, 6), 0)
    host.put(MODELS, "kws", three, 1)
    assert host.model("kws") == facts(8, "b", (1, 90, 0, bytes(32)), nothing(two, 6), None)
    # power goes, and it is a part again
    assert Host().open(MODELS, "kws", three) == 90
    assert host.model("kws") == facts(8, "b", nothing(), nothing(two, 6), 90)
    host = Host()
    assert host.deploy("kws", three, 7, test=False) == 9
    assert host.sent == 0
    # what has passed and is given up is not switched to
    host.put(MODELS, "kws", one, 8)
    host.state.tested.add("kws")
    host.open(MODELS, "kws", two)
    assert "kws.b" not in files()
    assert host.refusal(TEST, field("kws")) == NOT_NOW
    assert host.refusal(SWITCH, field("kws")) == NOT_NOW
    # bundles too, and a new one is tested anew
    host.put(TESTS, "kws", one)
    host.put(TESTS, "kws", two)
    assert files()["kws.test"] == two
    sent = host.sent
    host.put(TESTS, "kws", two)
    assert host.sent == sent
    host.put(MODELS, "kws", one)
    host.state.tested.add("kws")
    host.put(TESTS, "kws", one)
    assert host.refusal(SWITCH, field("kws")) == SELF_TEST
    assert host.refusal(SWITCH, field("kws") + b"\0") == SELF_TEST
    assert number(host.ask(SWITCH, field("kws") + b"\1")) == 10  # the host has tested it
    assert host.refusal(SWITCH, field("kws") + b"\1") == NOT_NOW
    # models have nothing to do with each other
    Host().deploy("kws2", one, test=False)
    host.open(TESTS, "kws", two)
    host.data(0, two[:3])
    assert host.ask(FORGET, field("kws")) == b"\1"
    assert sorted(files()) == ["kws2.0", "kws2.a"]
    assert host.refusal(DATA, u32(3) + b"1") == NOT_NOW
    assert host.refusal(SWITCH, field("kws")) == NOT_NOW
    assert host.model("kws") == facts(0, "", nothing(), nothing(), None)
    assert host.ask(FORGET, field("kws")) == b"\0"
    for kind in (MODEL, TEST, SWITCH, BACK, FORGET):
        assert host.refusal(kind, field("kws") + b"!") == BAD
    assert host.refusal(0x29, field("kws2")) == BAD
    assert host.refusal(0x2F, field("kws2")) == BAD
    assert host.refusal(0x17, at(MODELS, "kws2.a")) == BAD


def cutting():
    """Every request, cut off at every byte and with one too many."""
    host, data = Host(), noise(100)
    host.deploy("kws", data, test=False)
    host.put(MODELS, "kws", data)
    name, place = field("kws"), at(MODELS, "kws.a")
    forms = {
        LIST: b"\0" + u16(0),
        STAT: place,
        SUM: place + bytes(8),
        SUMS: place + bytes(4) + u32(10) + u16(1),
        READ: place + bytes(6),
        REMOVE: at(MODELS, "other"),
        ROOM: b"\0",
        OPEN: at(MODELS, "new") + u32(5) + digest(b"12345"),
        COPY: bytes(12),
        MODEL: name,
        SWITCH: name,
        BACK: name,
        FORGET: name,
        TEST: name,
    }
    for kind, payload in forms.items():
        host.open(TESTS, "kws", data)
        before = files()
        for size in range(len(payload)):
            assert host.refusal(kind, payload[:size]) == BAD, (kind, size)
        assert host.refusal(kind, payload + b"?") == BAD, kind
        assert files() == before
    for kind in (DATA, VERIFY):
        for size in range(4):
            assert host.refusal(kind, bytes(size)) == BAD


def recorded():
    """Prints what the service and a program make of records that the test has written."""
    from microinterp import ModelError, models

    for name in sorted({file.split(".")[0] for file in files()}):
        record = slots.current(name)
        try:
            found = models.find(name)
        except ModelError:
            found = "none"
        if record:
            print(name, found, record.generation, record.version, record.size, record.digest.hex())
        else:
            print(name, found)


def runtime():
    host = Host()
    data, path = noise(400), "microinterp"
    for _ in range(2):
        assert listed(host, RUNTIME) == ({}, 0)
        host.put(RUNTIME, "_conv.mpy", data)
        assert files(path) == {"_conv.mpy": data}
        host.put(RUNTIME, "_conv.mpy", data[9:])
        host.put(RUNTIME, "x.test", data[:5])
        assert files(path) == {"_conv.mpy": data[9:], "x.test": data[:5]}
        assert listed(host, RUNTIME)[0] == {"_conv.mpy": 391, "x.test": 5}
        assert host.refusal(OPEN, at(RUNTIME, "x.part") + u32(1) + digest(b"1")) == BAD
        sys.path.append("lib")  # and now it belongs there
        path = "lib/microinterp"
    assert not files()


BAD_NAMES = (
    b"",
    b".",
    b"..",
    b".key",
    b"a.",
    b"/a",
    b"a/b",
    b"../a",
    b"a\\b",
    b"a\0",
    b"\0",
    b"a b",
    b"a:b",
    b"a*",
    b"a~1",
    b"a\n",
    b"\xc3\xa4",
    b"\xff",
    b"@",
    b"[",
    b"`",
    b"{",
    b"a" * 43,
    b"a" * 255,
)
BAD_MODELS = (b"kws.a", b"kws.B", b"kws.0", b"kws.1", b"kws.2", b"kws.part", b"kws.TEST", b"a" * 33)
BAD_MODELS += (b"kws.test.part", b"x.a.b")


def naming():
    host = Host(400)
    host.deploy("kws", noise(50), test=False)
    write("models/.key.txt", b"?")
    before, outside = files(), files(".")
    tail = u32(5) + digest(b"12345")
    for name in BAD_NAMES + BAD_MODELS:
        text = bytes([len(name)]) + name
        for place in (MODELS, TESTS):
            assert host.refusal(OPEN, bytes([place]) + text + tail) == BAD, name
        for kind in (MODEL, TEST, SWITCH, BACK, FORGET):
            assert host.refusal(kind, text) == BAD, name
        if name in BAD_MODELS:
            continue
        for place in (MODELS, RUNTIME):
            for kind in (STAT, REMOVE):
                assert host.refusal(kind, bytes([place]) + text) == BAD, name
            assert host.refusal(SUM, bytes([place]) + text + bytes(8)) == BAD, name
            assert host.refusal(SUMS, bytes([place]) + text + bytes(10)) == BAD, name
            assert host.refusal(READ, bytes([place]) + text + bytes(6)) == BAD, name
            assert host.refusal(OPEN, bytes([place]) + text + tail) == BAD, name
    for place in (2, 3, 255):
        assert host.refusal(STAT, bytes([place]) + field("kws.a")) == BAD
        assert host.refusal(LIST, bytes([place]) + u16(0)) == BAD
        assert host.refusal(ROOM, bytes([place])) == BAD
    assert (files(), files(".")) == (before, outside)
    for name in ("a", "A-z_0.9", "kws.c", "kws.3", "part", "test", "a" * 32, "kws.a.c", "x.parts"):
        assert host.open(MODELS, name, b"12345") == 0
        assert host.ask(FORGET, field(name)) == b"\1"
    assert (files(), files(".")) == (before, outside)


def random_requests():
    """Names, places and numbers that are nearly right, in any order: nothing leaves the folders."""
    os.mkdir("outside")
    os.chdir("outside")
    write("main.py", b"print(1)")
    os.mkdir("folder")
    write("folder/x", b"!")
    host, state, seen = Host(), b"seed", {}
    host.deploy("kws", noise(300), test=False)
    slot = read("models/kws.a")
    names = [field(name) for name in ("kws", "kws", "kws.part", "main.py", "../main.py", "kws.a")]
    numbers = [u32(0), u32(0), u32(1), u32(40), u32(300), u32(0xFFFFFFFF)]
    places = [b"\0", b"\0", b"\1", b"\2"]
    halves = [u16(0), u16(1), u16(60), u16(0xFFFF)]
    open_it = [places, names, [u32(300), u32(300), u32(40)], [digest(slot), digest(b"")]]
    file = (places, names)
    forms = {
        LIST: [places, halves],
        STAT: file,
        SUM: [places, names, numbers, numbers],
        SUMS: [places, names, numbers, numbers, halves],
        READ: [places, names, numbers, halves],
        REMOVE: file,
        ROOM: [places],
        OPEN: open_it,
        DATA: [numbers, [slot[:40], slot, b""]],
        COPY: [numbers, numbers, numbers],
        VERIFY: [numbers, [b"", bytes(32)]],
        MODEL: [names],
        SWITCH: [names],
        BACK: [names],
        FORGET: [names],
        0x29: [names],
        0x17: file,
    }
    kinds = list(forms)
    kinds.extend((OPEN, DATA, DATA, DATA, VERIFY))
    for _ in range(2500):
        state = digest(state)
        kind = kinds[state[0] % len(kinds)]
        parts = [one[state[i + 1] % len(one)] for i, one in enumerate(forms[kind])]
        if state[9] < 30:
            parts[state[10] % len(parts)] = state[11 : 11 + state[9] % 4]
        payload = b"".join(parts)
        if state[9] > 240:
            payload = payload[: state[12] % (len(payload) + 1)]
        host.state.tested.add("kws")
        try:
            found = host.refusal(kind, payload)
        except (MemoryError, ValueError, TypeError, IndexError) as error:
            raise AssertionError((kind, payload, repr(error))) from None
        seen[kind, found is None] = seen.get((kind, found is None), 0) + 1
        record = slots.current("kws")
        if record:
            assert digest(read("models/kws." + record.slot)) == record.digest
        elif kind == FORGET:
            host = Host()
            host.deploy("kws", slot, test=False)
    host.state.clear()
    done = [kind for kind in kinds if (kind, True) in seen]
    assert len(done) > 15, done
    assert files(".") == {"main.py": b"print(1)"}
    assert files("folder") == {"x": b"!"}
    assert sorted(entry[0] for entry in os.ilistdir(".")) in (
        ["folder", "main.py", "microinterp", "models"],
        ["folder", "main.py", "models"],
    )


class Disk:
    """256 blocks in memory."""

    def __init__(self):
        self.data = bytearray(512 * 256)

    def readblocks(self, number, buffer, offset=0):
        at = 512 * number + offset
        buffer[:] = memoryview(self.data)[at : at + len(buffer)]

    def writeblocks(self, number, buffer, offset=0):
        at = 512 * number + offset
        self.data[at : at + len(buffer)] = buffer

    def ioctl(self, what, argument):
        return {4: 256, 5: 512, 6: 0}.get(what)


if len(sys.argv) > 2:
    disk, kind = Disk(), {"littlefs": os.VfsLfs2, "fat": os.VfsFat}[sys.argv[2]]
    kind.mkfs(disk)
    os.mount(kind(disk), "/disk")
    os.chdir("/disk")
globals()[sys.argv[1]]()

"""MicroPython code: requests that are cut off, name what they may not, or are random.

service_strays.py function [filesystem]
"""

import os

from microinterp_link import slots
from service_answers import BAD, at
from service_disks import start
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
    read,
    u16,
    u32,
    write,
)


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


start(globals())

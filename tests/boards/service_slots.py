"""MicroPython code: which slot the service makes the current one, and what records say.

service_slots.py function [filesystem]
"""

import os

from microinterp_link import slots
from service_answers import BAD, NOT_NOW, SELF_TEST, at
from service_disks import start
from service_side import (
    BACK,
    DATA,
    FORGET,
    MODEL,
    MODELS,
    SWITCH,
    TEST,
    TESTS,
    Host,
    digest,
    field,
    files,
    noise,
    number,
    u32,
    write,
)


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


start(globals())

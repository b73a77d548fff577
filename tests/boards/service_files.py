"""MicroPython code: what the service answers about files, and which it removes.

service_files.py function [filesystem]
"""

import os
import sys
from binascii import crc32

from service_answers import BAD, NOT_NOW, at, listed
from service_disks import start
from service_side import (
    DATA,
    MODELS,
    OPEN,
    READ,
    REMOVE,
    ROOM,
    RUNTIME,
    STAT,
    SUM,
    SUMS,
    Host,
    digest,
    files,
    noise,
    number,
    u16,
    u32,
    write,
)


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


start(globals())

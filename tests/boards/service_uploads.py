"""MicroPython code: what the service makes of uploads, and of copies of what the board has.

service_uploads.py function [filesystem]
"""

from service_answers import BAD, NOT_ANNOUNCED, NOT_NOW, at
from service_disks import start
from service_side import (
    COPY,
    DATA,
    MODELS,
    OPEN,
    SWITCH,
    TESTS,
    VERIFY,
    Host,
    digest,
    field,
    files,
    noise,
    number,
    u32,
    write,
)


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


start(globals())

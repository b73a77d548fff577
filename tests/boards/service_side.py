"""MicroPython code: what a host asks of the link's service, in one process with it."""
# ruff: noqa: PT017, RUF005 (neither pytest nor all of Python's syntax is there)

import os
from binascii import crc32
from hashlib import sha256

from microinterp_link import _handler
from microinterp_link.refused import Refused
from microinterp_link.state import State

MODELS, RUNTIME, TESTS = 0, 1, 2
LIST, STAT, SUM, SUMS, READ, REMOVE, ROOM = range(0x10, 0x17)
OPEN, DATA, COPY, VERIFY, MODEL, TEST, SWITCH, BACK, FORGET = range(0x20, 0x29)
LIMIT = 240


def u16(value):
    return value.to_bytes(2, "little")


def u32(value):
    return value.to_bytes(4, "little")


def number(data, at=0):
    return int.from_bytes(data[at : at + 4], "little")


def field(name):
    return bytes([len(name)]) + name.encode()


def digest(data):
    return sha256(data).digest()


class Host:
    """One session. sent: bytes of files that went over the line in DATA."""

    def __init__(self, limit=LIMIT):
        self.state = State()
        self.limit = limit
        self.sent = 0

    def ask(self, kind, payload=b""):
        view = memoryview(bytearray(payload))
        answer = bytes(_handler(kind)(self.state, kind, view, self.limit))
        view[:] = bytes(len(view))  # the payload is only valid during the call
        assert len(answer) <= self.limit, (kind, len(answer))
        return answer

    def refusal(self, kind, payload=b""):
        """The code of a refusal; 3 and the number of an OSError; None if there was none."""
        try:
            self.ask(kind, payload)
        except Refused as error:
            assert error.code != 3
            return error.code
        except OSError as error:
            return 3, error.args[0]
        return None

    def open(self, place, name, data):
        payload = bytes([place]) + field(name) + u32(len(data)) + digest(data)
        return number(self.ask(OPEN, payload))

    def right(self, place, name, data, there, block=64):
        """Up to where the part is what is to be sent."""
        if not there:
            return 0
        part = name + (".test.part" if place == TESTS else ".part")
        payload = bytes([place & 1]) + field(part)
        at = 0
        while at < there:
            take = min(block, there - at)
            try:
                said = number(self.ask(SUM, payload + u32(at) + u32(take)))
            except OSError as error:  # FAT has lost parts of it
                assert error.args[0] == 5
                return None
            if said != crc32(data[at : at + take]):
                break
            at += take
        return at

    def data(self, at, data):
        self.sent += len(data)
        return number(self.ask(DATA, u32(at) + data))

    def put(self, place, name, data, version=1, signature=b"", piece=200):
        at = self.right(place, name, data, self.open(place, name, data))
        if at is None:
            part = name + (".test.part" if place == TESTS else ".part")
            self.ask(REMOVE, bytes([place & 1]) + field(part))
            at = self.open(place, name, data)
            assert at == 0
        while at < len(data):
            at = self.data(at, data[at : at + piece])
        assert self.ask(VERIFY, u32(version) + signature) == b""

    def deploy(self, name, data, version=1, test=True):
        """All of it; the generation. test: whether the board tests it, or is told that it has."""
        self.put(MODELS, name, data, version)
        if test:
            self.ask(TEST, field(name))
        else:
            self.state.tested.add(name)
        return number(self.ask(SWITCH, field(name)))

    def model(self, name):
        """generation, slot, and of both slots there, size, version, digest; size of the part."""
        answer = self.ask(MODEL, field(name))
        assert len(answer) == 91
        found = [number(answer), chr(answer[4]) if answer[4] else ""]
        for at in (5, 46):
            facts = answer[at], number(answer, at + 1), number(answer, at + 5)
            found.append(facts + (answer[at + 9 : at + 41],))
        part = number(answer, 87)
        found.append(None if part == 0xFFFFFFFF else part)
        return found


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def files(folder="models"):
    """Names and contents of a folder; of none at all as of an empty one."""
    try:
        names = [entry[0] for entry in os.ilistdir(folder) if entry[1] != 0x4000]
    except OSError as error:
        assert error.args[0] == 2
        return {}
    return {name: read(folder + "/" + name) for name in names}


def noise(size, seed=1):
    """Bytes that look random, from their number."""
    out, state = bytearray(), b"%d" % seed
    while len(out) < size:
        state = digest(state)
        out.extend(state)
    return bytes(out[:size])

"""MicroPython code: signatures, from files that the test has written; one function is run.

service_sign.py function
"""

import json
import sys
from binascii import unhexlify

from microinterp_link import slots
from microinterp_link.sign import Hmac
from service_side import BACK, OPEN, SWITCH, VERIFY, Host, digest, field, files, u32, write


class Counted:
    """A signature that counts how often it is looked at."""

    def __init__(self, data):
        self.data, self.reads = data, 0

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        self.reads += 1
        return self.data[index]


def vectors():
    """Each of key, message and HMAC; the message comes in pieces of several lengths."""
    with open("vectors.json") as file:
        found = json.load(file)
    for key, message, wanted in found:
        key, message, wanted = unhexlify(key), unhexlify(message), unhexlify(wanted)
        for piece in (1, 13, 64, 1000):
            if piece > 1 or len(message) < 100:
                hmac = Hmac(key)
                for at in range(0, len(message), piece):
                    hmac.update(memoryview(message)[at : at + piece])
                assert hmac.digest() == wanted
        for i in range(-1, 32):  # -1: it is right
            signature = Counted(bytes([c ^ (64 if i == j else 0) for j, c in enumerate(wanted)]))
            hmac = Hmac(key)
            hmac.update(message)
            assert hmac.is_equal(signature) == (i < 0)
            assert signature.reads == 32
        for signature in (b"", wanted[:-1], wanted + b"\\0"):
            hmac = Hmac(key)
            hmac.update(message)
            assert not hmac.is_equal(signature)
    print(len(found))


def board():
    """Uploads one after the other; prints the code of VERIFY's refusal, or of SWITCH's."""
    with open("cases.json") as file:
        key, cases = json.load(file)
    host = Host()
    host.deploy("kws", b"unsigned", 40, test=False)
    write("models/.key", unhexlify(key))
    switched = False
    for place, name, version, content, signature, back in cases:
        content = unhexlify(content)
        host.ask(OPEN, bytes([place]) + field(name) + u32(len(content)) + digest(content))
        host.data(0, content)
        code = host.refusal(VERIFY, u32(version) + unhexlify(signature))
        if code is None and not place:
            host.state.tested.add(name)
            code = host.refusal(SWITCH, field(name))
            assert code is None
        if back:
            code = code, host.refusal(BACK, field(name))
        elif code is not None:  # what is in use does not change
            now = slots.current("kws")
            assert now.slot == ("b" if switched else "a")
            assert digest(files()["kws." + now.slot]) == now.digest
        switched = switched or (code is None and name == "kws")
        print(code)


globals()[sys.argv[1]]()

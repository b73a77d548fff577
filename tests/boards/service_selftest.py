"""MicroPython code: TEST with the model and bundles that lie in the folder; one function is run.

service_selftest.py function
"""

import gc
import os
import sys

from microinterp_link.refused import Refused
from service_side import BACK, MODELS, SWITCH, TEST, TESTS, Host, field, files, number, read, write


def told(host, name="digits"):
    """What TEST says, as words; without the heap."""
    try:
        answer = host.ask(TEST, field(name))
    except Refused as error:
        return "refused", error.code, error.text
    samples, size, before, imported, loaded = [number(answer, at) for at in (1, 5, 9, 13, 17)]
    assert 0 < loaded < imported < before
    return answer[0], samples, size, answer[21:].decode()


def put(host, model, bundle=""):
    host.put(MODELS, "digits", model)
    if bundle:
        host.put(TESTS, "digits", read(bundle))


def switch(host):
    return host.refusal(SWITCH, field("digits"))


def samples():
    model = read("model")
    host = Host()
    print(*told(host))
    put(host, model)
    print(*told(host))
    assert switch(host) is None
    # from here on another model is in use, and its files stay what they are
    before = files()
    for bundle in ("good", "bad", "other", "cut", "bad"):
        host.put(MODELS, "digits", model)
        if bundle == "good":  # a test that has gone well does not outlive another
            host.put(TESTS, "digits", read("good"))
            told(host)
        host.put(TESTS, "digits", read(bundle))
        print(bundle, *told(host))
        print(bundle, switch(host))
        if bundle == "good":
            assert host.ask(BACK, field("digits"))
            before["digits.2"] = files()["digits.2"]
    for damaged in (
        model[:-4],
        b"TFL3TFL3" * 9,
        model[:40] + bytes([model[40] ^ 255]) + model[41:],
    ):
        put(host, damaged, "good")
        print("damaged", *told(host))
        assert switch(host) == 7
    for name in ("digits.a", "digits.0", "digits.2"):
        assert files()[name] == before[name]


def heap():
    """Bytes free before and after tests, and what TEST says of them."""
    host = Host()
    put(host, read("model"), "good")
    gc.collect()
    found = [gc.mem_free()]
    for _ in range(4):
        assert told(host)[0] == 1
        assert not [name for name in sys.modules if name.split(".")[0] == "microinterp"]
        gc.collect()
        found.append(gc.mem_free())
    answer = host.ask(TEST, field("digits"))
    print(*found, number(answer, 9), number(answer, 17))


def fill(left):
    """Takes all of the heap but so many bytes in one piece."""
    hole, ballast, size = bytearray(left), [], 65536
    while size > 32:
        try:
            ballast.append(bytearray(size))
        except MemoryError:
            size //= 2
    del hole
    gc.collect()
    return ballast


def short():
    """Too little memory, by more and more."""
    host = Host()
    put(host, read("model"), "good")
    assert told(host)[0] == 1
    assert host.ask(SWITCH, field("digits"))
    before = files()
    host.put(MODELS, "digits", read("model"))
    gc.collect()
    for left in (100000, 60000, 30000, 20000, 15000, 12000):
        ballast = fill(left)
        answer = told(host)
        del ballast
        gc.collect()
        print(left, *answer)
    assert files()["digits.a"] == before["digits.a"]
    assert switch(host) == 7  # although earlier tests went well
    assert told(host)[0] == 1  # with memory again
    assert switch(host) is None


def program():
    """What a program on the board does."""
    from microinterp import Interpreter, ModelError, models

    try:
        models.load("digits")
        raise AssertionError
    except ModelError as error:
        print(error)
    host, model = Host(), read("model")
    put(host, model, "good")
    told(host)
    host.ask(SWITCH, field("digits"))
    it, same = models.load("digits"), Interpreter.from_file("model")
    assert models.find("digits") == "models/digits.a"
    for each in (it, same):
        each.set_input(bytes(i & 127 for i in range(len(each.input_view(0)))), 0)
        each.invoke()
    assert it.get_output(0) == same.get_output(0)
    arena = bytearray(len(it._arena))
    assert models.load("digits", arena)._arena is arena
    host.put(MODELS, "digits", model)
    told(host)
    assert models.find("digits") == "models/digits.a"
    host.ask(SWITCH, field("digits"))
    assert models.find("digits") == "models/digits.b"
    host.ask(BACK, field("digits"))
    assert models.find("digits") == "models/digits.a"
    os.remove("models/digits.a")
    try:
        models.load("digits")
        raise AssertionError
    except OSError as error:
        print(error.args[0])
    write("models/.key", b"")


globals()[sys.argv[1]]()

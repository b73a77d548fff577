"""MicroPython code: deployments whose power goes at every step, whose disk is full at every step.

    service_faults.py kind filesystem bytes

An AssertionError is a failure. Prints a line for each scene: its name, how much of the last write
came through (halves), its steps, and the most bytes of the model that were sent again although they
had been sent. Kind "filled": name, and how often the disk was too full and how often not. Kind
"chain": how often it was done, and how often power went.
"""
# ruff: noqa: PT017 (pytest is not there)

import gc
import os
import sys

from microinterp_link import slots, upload
from microinterp_link.refused import Refused
from service_disks import SYSTEMS, PowerCut, Steps
from service_side import (
    BACK,
    FORGET,
    MODELS,
    RUNTIME,
    TESTS,
    Host,
    digest,
    field,
    files,
    noise,
    read,
)


def in_use(name="kws"):
    """Content of the model in use, which is what its record says; None if there is none."""
    record = slots.current(name)
    if record is None:
        return None
    data = read(slots.path_of(name, record.slot))
    assert (len(data), digest(data)) == (record.size, record.digest)
    return data


SIZE = int(sys.argv[3])
OLDEST, OLD, NEW, BUNDLE = (noise(SIZE + i, i) for i in range(4))


def deploy(host, data):
    """Returns what was sent of it."""
    host.sent = 0
    host.put(MODELS, "kws", data, 7)
    sent = host.sent
    host.put(TESTS, "kws", BUNDLE)
    host.state.tested.add("kws")
    host.ask(0x26, field("kws"))
    return sent


def deploy_new(host):
    return deploy(host, NEW)


def back(host):
    if in_use() != OLDEST:
        host.ask(BACK, field("kws"))


def forget(host):
    host.ask(FORGET, field("kws"))


def install(host, data):
    host.sent = 0
    host.put(RUNTIME, "x.mpy", data)
    return host.sent


def install_new(host):
    return install(host, NEW)


def installed():
    return files("microinterp").get("x.mpy")


# What is there, what is done, what may be in use when power went, what is in use at last.
SCENES = {
    "first": ((), deploy_new, (None, NEW), NEW),
    "update": ((OLD,), deploy_new, (OLD, NEW), NEW),
    "third": ((OLDEST, OLD), deploy_new, (OLD, NEW), NEW),
    "back": ((OLDEST, OLD), back, (OLD, OLDEST), OLDEST),
    "forget": ((OLDEST, OLD), forget, (OLD, None), None),
    "forget-half": ((OLD,), forget, (OLD, None), None),
    # FAT does not replace a file in one step: of the runtime, unlike of models, one may be missing
    "runtime": ((OLD,), install_new, (OLD, NEW, None), NEW),
}


def prepared(system, models, put=deploy):
    """The disk with these models deployed, one after the other."""
    system.begin()
    system.load(system.save(), Steps())
    for data in models:
        put(Host(), data)
    return system.save()


def attempt(action, host):
    """Do it until power goes, or the disk is full or wrong; whether it was done."""
    try:
        action(host)
    except (PowerCut, OSError):
        return False
    except Refused as error:
        assert error.code == 4
        return False
    return True


def scene(system, name, tear, kind):
    """Returns how many steps it has, and how many bytes of models were sent again at most."""
    models, action, allowed, last = SCENES[name]
    put, look = (install, installed) if name == "runtime" else (deploy, in_use)
    start = prepared(system, models, put)
    system.load(start, Steps())
    action(Host())
    assert look() == last, name
    number, most = 0, 0
    while True:
        steps = Steps(number, tear, kind)
        system.load(start, steps)
        host = Host()
        if attempt(action, host):
            if steps.done <= number:
                return number, most
            assert look() == last  # what could not be written did not matter
        host.state.stop()
        steps.rots = False  # it was no write
        before = host.sent
        if kind == "cut":  # power comes back
            system.load(system.save(), Steps())
            host = Host()
        found = look()
        assert found in allowed, (name, number)
        assert found is not None or None in allowed[:2] or not system.replaces
        again = action(host)
        assert look() == last, (name, number)
        if last is None:
            assert files() == {}, (name, number, list(files()))
        elif kind == "cut" and found != last and before and again:
            # All that was flushed was used. (The last frame may not have come so far.)
            lost = again - max(0, len(NEW) - before)
            most = max(most, lost)
        number += 1
        gc.collect()


def filled(system, name, left):
    """As much of a filler as leaves so many blocks; whether the scene was done nevertheless."""
    models, action, _, last = SCENES[name]
    system.load(prepared(system, models), Steps())
    before = in_use()
    room = os.statvfs("/disk")
    with open("filler", "wb") as file:
        try:
            for _ in range(room[3] - left - 1):
                file.write(bytes(room[0]))
                file.flush()
        except OSError as error:  # what files take beside their blocks
            assert error.args[0] == 28
    host = Host()
    try:
        action(host)
        is_done = True
    except OSError as error:
        assert error.args[0] == 28, error
        is_done = False
    assert in_use() == (last if is_done else before)
    os.remove("filler")
    action(host)
    assert in_use() == last
    return is_done


def chain(system, start, seed):
    """Power goes again and again, at any step; returns how often until all is done."""
    system.load(start, Steps())
    allowed = (OLD, NEW)
    state = seed
    for cut in range(1000):
        state = (state * 1103515245 + 12345) & 0x3FFFFFFF
        system.load(system.save(), Steps(state // 7 % 25, state // 5 & 1))
        host = Host()
        is_done = attempt(deploy_new, host)
        host.state.stop()
        system.load(system.save(), Steps())
        found = in_use()
        assert found in allowed
        if found == NEW:
            allowed = (NEW,)  # there is no way back but BACK
        if is_done:
            assert found == NEW
            return cut
    raise AssertionError("it never ends")


def main(kind, system_name):
    system = SYSTEMS[system_name]
    if SIZE < upload._LOOSE:
        upload._LOOSE = 512
    if kind == "chain":
        start = prepared(system, (OLDEST, OLD))
        found = [chain(system, start, seed) for seed in range(60)]
        print(len(found), sum(found))
    elif kind == "filled":
        for name in ("first", "update"):
            found = [filled(system, name, left) for left in range(3 * SIZE // 512 + 20)]
            print(name, found.count(False), found.count(True))
            assert found[-1]
            assert not found[0]
    else:
        for name in SCENES:
            for tear in (0, 1) if kind == "cut" else (0,):
                print(name, tear, *scene(system, name, tear, kind))


main(*sys.argv[1:3])

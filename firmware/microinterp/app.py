"""Starts the deployed program at boot, and leaves it alone once it crashes again and again.

main.py:      from microinterp import app; app.start()
the program:  from microinterp import app; app.alive() now and then

What became of the last start stands in two small files that are written by turns, so that a power
cut at any byte leaves the one before. docs/apps.md tells the rules.
"""

import gc
import sys
from binascii import crc32
from struct import pack, unpack
from time import sleep_ms, ticks_diff, ticks_ms

from micropython import kbd_intr

from microinterp import models

NAME = "app.py"
LIMIT = 3
# what became of a start; STARTED: nothing yet
STARTED, ALIVE, ENDED, STOPPED, CRASHED, RESTS = range(1, 7)
_PATH = "models/.app.%d"
_LOG = "models/.app.log"
_FORM = "<4sIIBB2x"  # "MIA1", number of the note, generation of the program, what, crashes
_SIZE = 20
_now = None


class _Note:
    # the newest sound note; of another program than this `generation` only its number counts
    def __init__(self, generation):
        self.number = self.what = self.crashes = self.since = 0
        self.generation = generation
        self.settle = 0
        self.is_kept = True
        for each in (0, 1):
            try:
                with open(_PATH % each, "rb") as file:
                    data = file.read(_SIZE + 1)
            except OSError:
                continue
            if len(data) != _SIZE or crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
                continue
            mark, number, of, what, crashes = unpack(_FORM, data)
            if mark == b"MIA1" and number > self.number:
                is_same = of == generation
                self.number = number
                self.what, self.crashes = (what, crashes) if is_same else (0, 0)

    def put(self, what, crashes):
        data = pack(_FORM, b"MIA1", self.number + 1, self.generation, what, min(crashes, 255))
        data += crc32(data).to_bytes(4, "little")
        try:
            with open(_PATH % (self.number + 1 & 1), "wb") as file:
                self.is_kept = file.write(data) == _SIZE
        except OSError:
            self.is_kept = False
        if self.is_kept:
            self.number += 1
        self.what = what
        self.crashes = crashes

    def has_lived(self):
        return ticks_diff(ticks_ms(), self.since) >= self.settle


def start(wait=500, long_wait=2000, settle=10000):
    """Run the program, unless it has crashed LIMIT times in a row. Times are in milliseconds.

    wait: before it, in which Ctrl-C gets the prompt; long_wait where the last start did not end in
    order. settle: a program that has lived so long has not crashed at once.
    """
    path, generation = models.newest(NAME)
    note = _Note(generation)
    why = _why_not(note)
    if why:
        _say("not started: " + why)
        return
    if note.what not in (0, ENDED, STOPPED, RESTS):
        wait = long_wait
        if note.what == STARTED and note.crashes:
            note.put(CRASHED, note.crashes)  # now that it is known
    _say("starts in %d ms; Ctrl-C stops it" % wait)
    sleep_ms(wait)
    note.settle = settle
    _run(path, note)


def alive():
    """Say that the program is well; call it in its loop. After `settle` it is noted, once."""
    if _now and _now.what == STARTED and _now.has_lived():
        _now.put(ALIVE, 0)


def finish():
    """Say that the program has done its work: before it resets the board or sends it to sleep."""
    if _now:
        _now.put(ENDED, 0)


def _why_not(note):
    is_power, is_watchdog, is_sleep = _cause()
    if note.what == STARTED and (is_power or is_sleep) and note.crashes:
        note.crashes -= 1  # a power cut is no crash, nor is a deep sleep
    if note.what == STOPPED and is_watchdog:
        note.put(RESTS, note.crashes)
        return "Ctrl-C has stopped it, then the watchdog has reset the board"
    if note.crashes >= LIMIT:
        if note.what == RESTS and is_power:
            note.crashes = LIMIT - 1
        else:
            if note.what != RESTS:
                note.put(RESTS, note.crashes)
            return "it has crashed %d times in a row; `microinterp board app` tells more" % LIMIT
    return ""


def _cause():
    # whether power came, the watchdog has bitten, a deep sleep is over; three times False: unknown
    names = ("PWRON_RESET", "WDT_RESET", "DEEPSLEEP_RESET")
    try:
        import machine

        cause = machine.reset_cause()
        return [cause == getattr(machine, name, -1) for name in names]
    except (ImportError, AttributeError):
        return [False] * 3


def _run(path, note):
    global _now
    before = note.crashes
    _now = note
    try:
        note.since = ticks_ms()
        note.put(STARTED, before + 1)
        _say("the program runs")
        gc.collect()
        _execute(path)
        note.put(ENDED, 0)
        _say("the program has ended")
        return
    except KeyboardInterrupt:
        _now = None
        _stopped(note, 0 if note.what == ALIVE or note.has_lived() else before)
        raise
    except BaseException as error:
        if note.what == ENDED and isinstance(error, SystemExit):
            raise
        crash = error
    _now = None
    gc.collect()
    _crashed(note, crash, 1 if note.what == ALIVE or note.has_lived() else before + 1)


def _execute(path):
    names = {"__name__": "__main__", "__file__": path}
    try:
        run = execfile
    except NameError:
        with open(path) as file:
            exec(compile(file.read(), path, "exec"), names)
        return
    run(path, names)


def _stopped(note, crashes):
    # hosts send Ctrl-C more than once: the note must be whole all the same
    while True:
        try:
            kbd_intr(-1)
            try:
                note.put(STOPPED, crashes)
            finally:
                kbd_intr(3)
            return
        except KeyboardInterrupt:
            pass


def _crashed(note, error, crashes):
    lived = ticks_diff(ticks_ms(), note.since)
    is_exit = isinstance(error, SystemExit)
    is_last = crashes >= LIMIT and not is_exit
    note.put(RESTS if is_last else CRASHED, crashes)
    head = "crash %d of %d, after %d ms\n" % (min(crashes, LIMIT), LIMIT, lived)
    try:
        with open(_LOG, "w") as file:
            file.write(head)
            sys.print_exception(error, file)
    except OSError:
        note.is_kept = False
    _say(head[:-1])
    sys.print_exception(error)
    if is_last or not note.is_kept:
        _say("not started again; `microinterp board app` tells more")
        return
    raise SystemExit  # out of main.py: a soft reset, and from there the next start


def _say(text):
    print("microinterp app:", text)  # noqa: T201 - at a board's prompt

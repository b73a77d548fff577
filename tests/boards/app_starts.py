"""Starts of a program as the launcher sees them (MicroPython): test_app_launcher.py runs this.

Each check is one function; what a boot prints is not looked at here, only notes, log and outcome.
"""

import os
import struct
import sys
from binascii import crc32

from microinterp import app, models

PWRON, HARD, WDT, SLEEP, SOFT = 1, 2, 3, 4, 5
TRACE = "models/.app.log"


class Machine:
    PWRON_RESET, WDT_RESET, DEEPSLEEP_RESET = PWRON, WDT, SLEEP  # not all ports have all

    def __init__(self):
        self.cause = PWRON

    def reset_cause(self):
        return self.cause


machine = Machine()


def deploy(text, generation=1, slot=b"a"):
    for name in os.listdir("models") if "models" in os.listdir() else ():
        if generation == 1 and name.startswith(".app"):
            os.remove("models/" + name)
    if "models" not in os.listdir():
        os.mkdir("models")
    with open("models/app.py." + slot.decode(), "w") as file:
        file.write(text)
    record = struct.pack("<4sIB3xII32s", b"MIS1", generation, slot[0], 0, len(text), bytes(32))
    with open("models/app.py." + str(generation % 3), "wb") as file:
        file.write(record + struct.pack("<I", crc32(record)))


def boot(cause=SOFT, settle=1000):
    """How main.py ends: "" of itself, else the exception's name."""
    machine.cause = cause
    try:
        app.start(0, 0, settle)
    except BaseException as error:
        return type(error).__name__
    return ""


def noted(generation=1):
    note = app._Note(generation)
    return note.what, note.crashes


def ran():
    return len(runs)


def cut(generation=1):
    """Power goes while the program runs: the note of its start is the newest."""
    note = app._Note(generation)
    note.put(app.STARTED, note.crashes + 1)


runs = []  # a program appends to it
sys.modules["machine"] = machine
HEAD = "import __main__\n__main__.runs.append(1)\n"
CRASHES = HEAD + "raise ValueError('no sensor')\n"


def three_crashes_in_a_row_are_enough():
    deploy(CRASHES)
    assert [boot(), boot()] == ["SystemExit"] * 2
    assert noted() == (app.CRASHED, 2)
    assert boot() == ""  # the prompt at once, no soft reset
    assert noted() == (app.RESTS, 3)
    for cause in (SOFT, HARD, WDT, SOFT):
        assert boot(cause) == ""
    assert ran() == 3
    with open(TRACE) as file:
        text = file.read()
    assert text.startswith("crash 3 of 3, after ")
    assert "line 3" in text
    assert "ValueError: no sensor" in text


def power_gives_one_more_try():
    deploy(CRASHES)
    for _ in range(3):
        boot()
    assert boot(PWRON) == ""
    assert (ran(), noted()) == (4, (app.RESTS, 3))
    assert boot() == ""
    assert ran() == 4


def exits_count_and_end_too():
    deploy(HEAD + "import sys\nsys.exit()\n")
    assert [boot(PWRON) for _ in range(3)] == ["SystemExit"] * 3
    assert boot(PWRON) == ""  # a port may tell the cause of a soft reset as that of the boot before
    assert boot() == ""
    assert (ran(), noted()) == (3, (app.RESTS, 3))


def a_program_that_lived_has_not_crashed_at_once():
    deploy(CRASHES)
    for _ in range(7):
        assert boot(settle=0) == "SystemExit"
        assert noted() == (app.CRASHED, 1)
    assert ran() == 7


def alive_is_noted_once_and_late():
    deploy(HEAD + "from microinterp import app\nfor _ in range(9): app.alive()\nraise OSError(5)\n")
    app.alive()  # no program runs: nothing
    assert boot(settle=10**6) == "SystemExit"
    number = app._Note(1).number
    assert number == 2  # the start and the crash
    assert boot(settle=0) == "SystemExit"
    assert app._Note(1).number == number + 3
    assert noted() == (app.CRASHED, 1)


def the_watchdog_counts_and_power_and_sleep_do_not():
    deploy(HEAD)
    for each in range(20):
        machine.cause = (PWRON, SLEEP)[each & 1]
        note = app._Note(1)
        assert app._why_not(note) == ""
        note.put(app.STARTED, note.crashes + 1)  # and power goes
    assert boot(PWRON) == ""
    assert (ran(), noted()) == (1, (app.ENDED, 0))
    deploy(HEAD)
    for _ in range(3):
        cut()
    assert boot(WDT) == ""
    assert (ran(), noted()) == (1, (app.RESTS, 3))


def what_resets_the_board_when_it_has_finished_is_no_crash():
    text = HEAD + "from microinterp import app\napp.finish()\nraise SystemExit\n"
    deploy(text)
    app.finish()  # no program runs: nothing
    assert noted() == (0, 0)
    for _ in range(5):
        assert boot(WDT) == "SystemExit"
        assert noted() == (app.ENDED, 0)
    deploy(text.replace("SystemExit", "ValueError"))
    assert boot() == "SystemExit"
    assert noted() == (app.CRASHED, 1)


def a_reset_is_known_before_the_next_start():
    deploy(HEAD)
    cut()
    sleep_ms = app.sleep_ms

    def interrupted(_):
        raise KeyboardInterrupt

    app.sleep_ms = interrupted
    assert boot(WDT) == "KeyboardInterrupt"
    assert (ran(), noted()) == (0, (app.CRASHED, 1))
    app.sleep_ms = sleep_ms
    assert boot() == ""
    assert (ran(), noted()) == (1, (app.ENDED, 0))


def ctrl_c_is_no_crash_and_is_handed_on():
    deploy(CRASHES)
    boot()
    with open("models/app.py.a", "w") as file:
        file.write(HEAD + "raise KeyboardInterrupt\n")
    assert boot() == "KeyboardInterrupt"
    assert noted() == (app.STOPPED, 1)
    assert boot(settle=0) == "KeyboardInterrupt"
    assert noted() == (app.STOPPED, 0)


def a_watchdog_after_ctrl_c_does_not_start_it_again():
    deploy(HEAD + "raise KeyboardInterrupt\n")
    boot()
    assert boot(WDT) == ""
    assert (ran(), noted()) == (1, (app.RESTS, 0))
    assert boot(WDT) == "KeyboardInterrupt"
    assert ran() == 2


def another_program_begins_anew():
    deploy(CRASHES)
    for _ in range(3):
        boot()
    deploy(HEAD, 2, b"b")
    assert noted(2) == (0, 0)
    assert boot() == ""
    assert (ran(), noted(2), noted(1)) == (4, (app.ENDED, 0), (0, 0))


def a_torn_note_leaves_the_one_before():
    for size in range(20):
        deploy(CRASHES)
        assert boot() == "SystemExit"  # notes 1 and 2
        newest = "models/.app." + str(app._Note(1).number & 1)
        with open(newest, "rb") as file:
            data = file.read()
        with open(newest, "wb") as file:
            file.write(data[:size])
        assert noted() == (app.STARTED, 1)
        assert boot() == "SystemExit"
        assert noted() == (app.CRASHED, 2)


def without_room_for_notes_it_starts_once():
    deploy(CRASHES)
    os.mkdir("models/.app.0")
    os.mkdir("models/.app.1")
    os.mkdir(TRACE)
    assert boot() == ""  # no soft reset, since nobody would count
    assert ran() == 1
    for name in (".app.0", ".app.1", ".app.log"):
        os.rmdir("models/" + name)


def without_a_program():
    deploy(HEAD)
    for name in os.listdir("models"):
        os.remove("models/" + name)
    assert boot() == "ModelError"


def nobody_knows_the_cause():
    deploy(HEAD)
    del sys.modules["machine"]  # the unix port's own has no reset_cause
    for _ in range(3):
        cut()
    assert boot(PWRON) == ""
    assert ran() == 0


def globals_are_those_of_a_main_program():
    deploy("import __main__\n__main__.runs.append((__name__, __file__))\n")
    assert boot() == ""
    assert runs == [("__main__", "models/app.py.a")]
    assert not hasattr(models, "runs")


globals()[sys.argv[1]]()
print("well")

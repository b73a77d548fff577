"""Facts about the board and its firmware."""
# mypy: ignore-errors


def _facts():
    """Write one `key value` a line: ints in decimal, texts in hex of their UTF-8."""
    import os
    import struct
    import sys

    say = print  # the smallest boards have no sys.stdout

    def tell(key, value):
        if isinstance(value, str):
            value = "x" + "".join([hex(256 + byte)[3:] for byte in bytes(value, "utf-8")])
        say(key, value)

    about = sys.implementation
    mpy = getattr(about, "_mpy", getattr(about, "mpy", 0))  # without _ before 1.19
    tell("name", about.name)
    tell("version", ".".join([str(part) for part in about.version[:3]]))
    named = getattr(about, "_machine", None)
    tell("machine", named or (os.uname().machine if hasattr(os, "uname") else ""))
    tell("platform", sys.platform)
    tell("mpy", mpy)
    tell("bits", struct.calcsize("P") * 8)
    try:
        facts = os.statvfs("")
        tell("files_free", facts[0] * facts[4])
        tell("files_total", facts[0] * facts[2])
    except (AttributeError, OSError):
        pass
    try:
        import machine

        clock = machine.freq()
        tell("frequency", clock[0] if isinstance(clock, tuple) else clock)
    except (ImportError, AttributeError):
        pass
    say("end")

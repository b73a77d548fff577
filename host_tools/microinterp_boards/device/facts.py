"""Facts about the board and its firmware."""
# mypy: ignore-errors


def _facts():
    """Write one `key value` a line: ints in decimal, texts in hex of their UTF-8."""
    import gc
    import os
    import struct
    import sys

    def tell(key, value):
        if isinstance(value, str):
            value = "x" + "".join([hex(256 + byte)[3:] for byte in value.encode()])
        sys.stdout.write(key + " " + str(value) + "\n")

    gc.collect()
    free, used = gc.mem_free(), gc.mem_alloc()
    about = sys.implementation
    mpy = getattr(about, "_mpy", 0)
    tell("name", about.name)
    tell("version", ".".join([str(part) for part in about.version[:3]]))
    tell("machine", getattr(about, "_machine", ""))
    tell("platform", sys.platform)
    tell("mpy", mpy)
    tell("bits", struct.calcsize("P") * 8)
    tell("heap_free", free)
    tell("heap_total", free + used)
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
    if 3 <= mpy >> 10 & 15 <= 8:  # Thumb: anywhere else the read could be a fault
        try:  # noqa: SIM105
            tell("cpuid", machine.mem32[0xE000ED00] & 0xFFFFFFFF)
        except (NameError, AttributeError):
            pass
    sys.stdout.write("end\n")

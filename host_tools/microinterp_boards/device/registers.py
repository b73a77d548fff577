"""The processor's ID registers. For Cortex-M only: anywhere else the read could be a fault."""
# mypy: ignore-errors


def _registers():
    """Write `cpuid` and, where there are any, `isar1` to 3, each with its value; then `end`."""
    say = print  # the smallest boards have no sys.stdout
    try:
        try:
            import machine

            memory = machine.mem32
        except (ImportError, AttributeError):
            import stm

            memory = stm.mem32
        number = memory[0xE000ED00] & 0xFFFFFFFF
        say("cpuid", number)
        if number >> 16 & 15 == 15:  # it has ID_ISAR registers, ARMv6-M has not
            for i in (1, 2, 3):
                say("isar" + str(i), memory[0xE000ED60 + 4 * i] & 0xFFFFFFFF)
    except (ImportError, AttributeError):
        pass
    say("end")

"""The board's bootloader, started from MicroPython."""
# mypy: ignore-errors


def _bootloader():
    """Go there; say "none" if this firmware cannot."""
    say = print  # the smallest boards have no sys.stdout
    try:
        import machine

        machine.bootloader()
    except (ImportError, AttributeError):
        say("none")

"""Whether the firmware has the inline assembler for Thumb; for boards that load Thumb code."""
# mypy: ignore-errors


def _inline_asm():
    """Write `inline_asm 1` or 0, or nothing where the board cannot tell; then `end`."""
    say = print  # the smallest boards have no sys.stdout
    try:
        exec("@micropython.asm_thumb\ndef f():\n mov(r0, r0)\n", {})
        say("inline_asm 1")
    except SyntaxError:
        say("inline_asm 0")
    except (NameError, MemoryError):
        pass
    say("end")

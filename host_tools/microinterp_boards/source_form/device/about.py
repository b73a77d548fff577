"""What a generated module is."""
# mypy: ignore-errors
# ruff: noqa: F821


def _about():
    """Write the hash of the .tflite file, bytes of the arena, sizes of inputs and of outputs."""
    say = print
    say("".join([hex(256 + v)[3:] for v in m.H]))
    say(len(m.A))
    for table in m.I, m.O:
        say(" ".join([str(size) for _, size in table]))

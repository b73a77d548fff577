"""What a file is."""
# mypy: ignore-errors


def _state(path):
    """Write the size and the two halves of the Adler-32 of a file, or `none`."""
    say = print
    try:
        file = open(str(path, "ascii"), "rb")  # noqa: SIM115
    except OSError:
        return say("none")
    size = b = 0
    a = 1
    data = file.read(64)
    while data:
        size += len(data)
        for v in data:
            a = (a + v) % 65521
            b = (b + a) % 65521
        data = file.read(64)
    file.close()
    say(size, a, b)

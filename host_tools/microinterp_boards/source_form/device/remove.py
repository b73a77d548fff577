"""Remove a file."""
# mypy: ignore-errors


def _remove(path):
    """Write 1, or 0 if there was no such file."""
    import os

    say = print
    try:
        os.remove(str(path, "ascii"))
        say(1)
    except OSError:
        say(0)

"""The files there are."""
# mypy: ignore-errors


def _names():
    """Write a name a line, and `end`."""
    import os

    say = print
    for name in os.listdir():
        say(name)
    say("end")

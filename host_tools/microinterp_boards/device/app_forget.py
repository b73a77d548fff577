"""Forget what became of a program's starts."""
# mypy: ignore-errors


def _app_forget():
    """The notes and the log go; none needs to be there."""
    import os

    for name in ("0", "1", "log"):
        try:
            os.remove("models/.app." + name)
        except OSError as error:
            if error.args[0] != 2:
                raise

"""Give a new main.py its name."""
# mypy: ignore-errors


def _app_main():
    """There is none yet; nothing happens the second time."""
    import os

    try:
        os.rename("main.py.part", "main.py")
    except OSError as error:
        if error.args[0] != 2:
            raise
    if hasattr(os, "sync"):
        os.sync()

"""Remove one file or empty folder."""
# mypy: ignore-errors


def _remove(path, folder):
    """Write 1, or 0 if there was nothing."""
    import os
    import sys

    try:
        (os.rmdir if folder else os.remove)(path.decode())
        sys.stdout.write("1\n")
    except OSError as error:
        if error.args[0] != 2:
            raise
        sys.stdout.write("0\n")

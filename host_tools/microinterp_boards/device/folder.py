"""Make one folder."""
# mypy: ignore-errors


def _folder(path):
    """Nothing happens if it is there; its parent must be."""
    import os

    path = path.decode()
    try:
        os.mkdir(path)
    except OSError as error:
        if error.args[0] != 17 or not os.stat(path)[0] & 0x4000:
            raise

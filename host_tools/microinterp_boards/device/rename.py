"""Give one file its name."""
# mypy: ignore-errors


def _rename(old, new):
    """Rename; an older file of that name is replaced, in one step where the filesystem can."""
    import os

    old, new = old.decode(), new.decode()
    try:
        os.rename(old, new)
    except OSError:  # FAT does not replace
        os.remove(new)
        os.rename(old, new)
    if hasattr(os, "sync"):
        os.sync()

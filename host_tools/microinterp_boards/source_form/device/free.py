"""The heap."""
# mypy: ignore-errors


def _free():
    """Write bytes free after a collection."""
    import gc

    gc.collect()
    say = print
    say(gc.mem_free())

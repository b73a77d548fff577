"""Where the model of a name lies that is in use."""
# mypy: ignore-errors


def _current(name, suffix):
    """Write the path of its slot, else of a file of that name with the suffix, else nothing."""
    import os
    import sys

    name, path, module = name.decode(), "", None
    try:
        import microinterp as module
        from microinterp import models

        path = models.find(name)
    except Exception:  # a runtime that is damaged, or is not there; or no slot is in use
        pass
    file = getattr(module, "__file__", "")  # none: a folder without the files that it shall have
    if file and not hasattr(module, "TIER"):
        raise ImportError("another module is named microinterp: " + file)
    if not path:
        try:
            os.stat(name + suffix.decode())
            path = name + suffix.decode()
        except OSError:
            pass
    sys.stdout.write(path + "\n")

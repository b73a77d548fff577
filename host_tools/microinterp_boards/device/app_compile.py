"""Compile a program without running it, where the link's service leaves too little memory."""
# mypy: ignore-errors


def _app_compile(path):
    """Raises SyntaxError, or MemoryError."""
    import gc

    gc.collect()
    with open(path.decode()) as file:
        source = file.read()
    compile(source, "app.py", "exec")

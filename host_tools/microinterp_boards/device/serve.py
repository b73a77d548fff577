"""Start the service of the framed link."""
# mypy: ignore-errors


def _serve(idle, payload, window):
    """Until the host says goodbye, or is silent for `idle` ms; nothing stays in the heap."""
    import gc
    import sys

    def forget():
        for name in list(sys.modules):
            if name.split(".")[0] == "microinterp_link":
                del sys.modules[name]
        gc.collect()

    forget()
    try:
        from microinterp_link import serve

        serve(idle, payload, window)
    finally:
        forget()
